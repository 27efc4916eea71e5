"""Find passages for the question.

One that reads like orders to the assistant is no source: it would be quoted to shoppers as the shop's
own word. ``amends index`` points such documents out to staff.
"""

from __future__ import annotations

from dataclasses import replace

from langgraph.runtime import Runtime

from agent import events as ev
from agent.events import PassageRef
from agent.injection import gives_orders
from agent.turn_state import TurnContext, TurnState
from retrieval.errors import RetrievalError
from retrieval.passages import Visibility

QUESTIONS = frozenset({"product_question", "policy_question"})
"""Intents that ask about what the shop sells and how it deals."""
VAGUE = frozenset({"unclear", "off_topic"})
"""Intents of messages that may be a question after all."""
ASKS_DOCUMENTS = QUESTIONS | VAGUE | {"return_eligibility", "complaint", "return_item", "exchange_item"}
"""Intents whose answer may be in a document."""


UNSURE = 0.6
"""Confidence below which a message that sounds like one about an own order may be about the rules."""


async def search(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Look for passages the shopper may see; an index that is away counts as nothing found."""
    run, ports = runtime.context.run, runtime.context.ports
    understanding = state["understanding"]
    asks = bool(ASKS_DOCUMENTS & set(understanding.intents)) or understanding.confidence < UNSURE
    if not asks or not understanding.query:
        return {"found": None}
    visible: set[Visibility] = {"public"}
    if run.state.customer is not None:
        visible.add("customers")
    try:
        found = await ports.retriever.find(
            understanding.query,
            language=understanding.language,
            visible_to=frozenset(visible),
            k=ports.passages,
        )
    except RetrievalError:
        return {"found": None}
    sources = tuple(one for one in found.passages if not gives_orders(one.chunk.text))
    found = replace(found, passages=sources)
    await run.record(
        ev.PassagesFound(
            turn=run.turn,
            query=understanding.query,
            passages=tuple(
                PassageRef(
                    id=passage.chunk.id,
                    document=passage.chunk.document,
                    source=passage.chunk.source,
                    title=passage.chunk.title,
                    heading=passage.chunk.heading,
                    text=passage.chunk.text,
                    language=passage.chunk.language,
                    version=passage.chunk.version,
                    kind=passage.chunk.kind,
                    similarity=round(passage.similarity, 4),
                )
                for passage in found.passages
            ),
            answerable=round(found.answerable, 4),
        )
    )
    return {"found": found}
