"""Read the message."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agent import events as ev
from agent.turn_state import TurnContext, TurnState


async def understand(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Read the shopper's words in the light of what was said before."""
    run = runtime.context.run
    understanding = await runtime.context.ports.reader.understand(state["text"], earlier=run.earlier())
    await run.record(
        ev.MessageUnderstood(
            turn=run.turn,
            intents=understanding.intents,
            confidence=round(understanding.confidence, 4),
            language=understanding.language,
            order=understanding.order,
            slots=dict(understanding.slots),
            topics=understanding.topics,
            query=understanding.query,
        )
    )
    return {"understanding": understanding}
