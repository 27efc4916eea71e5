"""Read what the shop's product data says to the question."""

from __future__ import annotations

from dataclasses import replace

from langgraph.runtime import Runtime

from agent import events as ev
from agent.errors import ShopUnavailable
from agent.nodes.search import QUESTIONS, VAGUE
from agent.turn_state import TurnContext, TurnState

ASKS_PRODUCTS = QUESTIONS | {"return_eligibility"}
"""Intents of messages that ask about products."""
MAY_ASK = ASKS_PRODUCTS | VAGUE | {"complaint", "find_orders", "order_status"}
"""Intents that a short question about a product is sometimes taken for."""


async def products(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Look for attributes, prices and stock; a shop that is away counts as nothing known."""
    run, ports = runtime.context.run, runtime.context.ports
    understanding = state["understanding"]
    if ports.products is None or not MAY_ASK & set(understanding.intents) or understanding.order is not None:
        return {"known": None}
    try:
        known = await ports.products.answer(
            state["text"], understanding.language, rewritten=understanding.query, earlier=run.earlier()
        )
    except ShopUnavailable:
        return {"known": None}
    if known is None:
        return {"known": None}
    if known.facts:
        await run.record(ev.ProductFactsRead(turn=run.turn, facts=known.facts))
    asks = set(understanding.intents)
    if known.outright or asks <= VAGUE:
        # It asks for an attribute of a product and nothing else, whatever it sounded like.
        intents = tuple(one for one in understanding.intents if one not in MAY_ASK - ASKS_PRODUCTS)
        if not asks & ASKS_PRODUCTS:
            intents = ("product_question",)
        return {"known": known, "understanding": replace(understanding, intents=intents)}
    return {"known": known}
