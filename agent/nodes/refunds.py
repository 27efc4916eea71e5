"""How much comes back in all: of what was done or proposed in this conversation, or is on record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from langgraph.runtime import Runtime

from agent import events as ev
from agent import refunds
from agent.errors import ShopUnavailable
from agent.ids import Language, OrderId
from agent.intents import clauses, votes
from agent.nodes.orders import ACTIONS
from agent.nodes.search import QUESTIONS
from agent.order_facts import eligibility_fact
from agent.refunds import Back
from agent.shop.port import Order, OrderAction
from agent.turn_run import Ports, TurnRun
from agent.turn_state import TurnContext, TurnState
from agent.understanding import Understanding

_COURTESIES = frozenset({"greeting", "thanks", "goodbye"})
_QUESTION = re.compile(
    r"\b(?:how|what|when|where|which|who|why|can|could|do|does|is|are|will|would)\b"
    r"|[吗呢]|什么|多久|怎么|哪|几|能不能|多少|何时",
    re.IGNORECASE,
)


async def back(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Look up what comes back, where the message asks how much; a shop that is away says nothing.

    Of the orders the message names; else what was done or waits for a word in this conversation;
    else what is on record of the order spoken of, or still to come of any. Beside a change that is
    asked for only what was agreed to before counts: the change adds its own when it is proposed.
    """
    run, ports = runtime.context.run, runtime.context.ports
    if run.state.scope.level == "visitor" or not refunds.asks(state["text"]):
        return {"back": ()}
    try:
        found = await _found(state["text"], state["understanding"], run, ports)
    except ShopUnavailable:
        return {"back": ()}
    return {"back": tuple({one.facts[0].id: one for one in found}.values())}


async def _found(said: str, understanding: Understanding, run: TurnRun, ports: Ports) -> list[Back]:
    """The amounts; one may be there twice."""
    waiting = run.state.open_proposal(ports.clock())
    if waiting is not None and waiting.action.kind not in refunds.PAYING:
        waiting = None
    if refunds.supposes(said) and waiting is None:
        return []
    changes, language = acts(said, understanding), understanding.language
    orders = {order.id: order for order in await ports.shop.orders(run.state.scope)}
    named = frozenset[OrderId]()
    if understanding.order is not None and not changes:
        named = frozenset({understanding.order, *understanding.also})
    found: list[Back] = []
    for done in (event.body for event in run.events if isinstance(event.body, ev.ActionDone)):
        order = orders.get(done.order)
        if order is not None and done.kind in refunds.PAYING and (not named or done.order in named):
            found += _done(done, order, language)
    if waiting is not None and (not named or waiting.action.order in named):
        order = orders.get(waiting.action.order)
        found += [await _waiting(waiting.action, order, run, ports, language)] if order is not None else []
    if changes:
        return found
    spoken_of = named or ({run.state.last_order} if not found else set())
    meant = [order for order in orders.values() if order.id in spoken_of]
    found += [one for order in meant for one in refunds.on_record(order, language)]
    if not found and not named:
        every = [one for order in orders.values() for one in refunds.on_record(order, language)]
        found = [one for one in every if not one.settled]
    return found


def acts(said: str, understanding: Understanding) -> bool:
    """Whether a message that asks how much comes back asks for a change besides."""
    wanted = ACTIONS.keys() & set(understanding.intents)
    return bool(wanted) and bool(_besides(said) or ACTIONS.keys() & votes(refunds.without(said)))


def reading(said: str, understanding: Understanding, found: Sequence[Back]) -> Understanding:
    """What a message that asks how much comes back wants, now that it is known what does."""
    more = any(_QUESTION.search(clause) and not votes(clause) & ACTIONS.keys() for clause in _besides(said))
    kept = tuple(one for one in understanding.intents if more or one not in QUESTIONS)
    if acts(said, understanding):
        return replace(understanding, intents=kept)
    if not found:
        return understanding
    questions = tuple(one for one in kept if one in QUESTIONS)
    return replace(understanding, intents=("order_status", *questions), confidence=1.0)


def _besides(said: str) -> list[str]:
    """The parts of a message that say something else than this and more than a courtesy."""
    return [
        clause for clause in clauses(said) if not refunds.asks(clause) and not votes(clause) & _COURTESIES
    ]


def _done(done: ev.ActionDone, order: Order, language: Language) -> list[Back]:
    """What comes back for a change that was made, as the shop has it on record now."""
    record = refunds.on_record(order, language)
    own = [one for one in record if one.returned == done.reference]
    own = own or [one for one in record if not one.returned]
    if own or done.kind == "return":
        return own
    return [refunds.cancelled(order, None if done.refund is None else Decimal(done.refund), language)]


async def _waiting(
    action: ev.ProposedAction, order: Order, run: TurnRun, ports: Ports, language: Language
) -> Back:
    ruling = None
    if action.kind == "return":
        ruling = await ports.shop.eligibility(run.state.scope, order.id, action.kind)
    terms = None if ruling is None else eligibility_fact(order, ruling, language)
    return refunds.proposed(order, OrderAction(action.kind, order.id, action.arguments), terms, language)
