"""Read the orders a message is about, live and within the shopper's scope."""

from __future__ import annotations

import re
from collections.abc import Mapping

from langgraph.runtime import Runtime

from agent import events as ev
from agent.conversation import Conversation
from agent.errors import ShopUnavailable
from agent.events import Intent
from agent.order_facts import facts, overview
from agent.shop.port import ActionKind, Order
from agent.turn_state import Focus, TurnContext, TurnState
from agent.understanding import Understanding

ABOUT_ORDERS = frozenset(
    {
        "find_orders",
        "order_status",
        "return_eligibility",
        "cancel_order",
        "return_item",
        "exchange_item",
        "change_address",
        "complaint",
    }
)
OWN = ABOUT_ORDERS - {"complaint", "return_eligibility"}
"""Intents that are about an order of one's own and nothing else."""
ACTIONS: dict[Intent, ActionKind] = {
    "cancel_order": "cancel",
    "return_item": "return",
    "exchange_item": "exchange",
    "change_address": "change_address",
}
"""Intents that ask for a change, and the change."""
INTENTS: Mapping[ActionKind, Intent] = {kind: intent for intent, kind in ACTIONS.items()}
"""The other way round."""
LIKELY: dict[str, frozenset[str]] = {
    "order_status": frozenset({"placed", "paid", "packed", "shipped"}),
    "cancel_order": frozenset({"placed", "paid"}),
    "change_address": frozenset({"placed", "paid"}),
    "return_item": frozenset({"delivered"}),
    "exchange_item": frozenset({"delivered"}),
    "return_eligibility": frozenset({"delivered"}),
    "complaint": frozenset({"shipped", "delivered"}),
}
"""States an order is usually in when a shopper says this without naming one."""
_REFUND = re.compile(
    r"\brefund|\bmoney\b.{0,16}\bback\b|\bback\b.{0,16}\bmoney\b|退款|钱.{0,6}退|退.{0,4}钱", re.IGNORECASE
)
"""Words that ask about money on its way back: of an order that something came back from."""


async def orders(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Find the order in focus and read its facts."""
    run = runtime.context.run
    understanding = state["understanding"]
    asking = run.state.asking is not None or run.state.confirmed() is not None
    wanted = bool(ABOUT_ORDERS & set(understanding.intents)) or understanding.order is not None
    if not (wanted or asking) or run.state.scope.level == "visitor":
        return {"focus": Focus(named=understanding.order), "facts": ()}
    try:
        known = await runtime.context.ports.shop.orders(run.state.scope)
        focus = _focus(run.state, understanding, known)
    except ShopUnavailable:
        return {"focus": Focus(down=True), "facts": ()}
    language = understanding.language
    if focus.order is not None:
        today = runtime.context.ports.clock().date()
        read = tuple(
            fact for order in (focus.order, *focus.beside) for fact in facts(order, language, today=today)
        )
    else:
        read = tuple(overview(focus.choices, language))
    if read:
        await run.record(ev.OrderFactsRead(turn=run.turn, facts=read))
    return {"focus": focus, "facts": read}


def _focus(state: Conversation, understanding: Understanding, known: list[Order]) -> Focus:
    by_id = {order.id: order for order in known}
    if understanding.order is not None:
        if understanding.order in by_id:
            beside = tuple(by_id[other] for other in understanding.also if other in by_id)
            return Focus(order=by_id[understanding.order], beside=beside)
        return Focus(named=understanding.order, choices=tuple(known[:5]))
    intent = understanding.intents[0]
    if state.asking is not None and state.asking.order in by_id:
        return Focus(order=by_id[state.asking.order])
    if intent == "find_orders":
        return Focus(choices=tuple(known[:5]))
    likely = [order for order in known if order.state in LIKELY.get(intent, frozenset({order.state}))]
    if intent == "order_status" and _REFUND.search(understanding.query):
        likely = [order for order in known if order.refunds or order.returns] or likely
    product = understanding.slots.get("product", "").lower()
    if product:
        named = [order for order in likely or known if _mentions(order, product)]
        if len(named) == 1:
            return Focus(order=named[0])
    if state.last_order in by_id and (not likely or by_id[state.last_order] in likely):
        return Focus(order=by_id[state.last_order])
    if intent == "return_eligibility":
        return Focus()  # a question about the rules until an order is meant
    if len(likely) == 1:
        return Focus(order=likely[0])
    if len(known) == 1:
        return Focus(order=known[0])
    return Focus(choices=tuple((likely or known)[:5]))


def _mentions(order: Order, product: str) -> bool:
    return any(product in title.lower() for line in order.lines for title in line.title.values())
