"""Read the message."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agent import events as ev
from agent.turn_state import TurnContext, TurnState
from agent.understanding import Said

RECALL = 8
"""Earlier lines given to the reader: enough to know what "it" is."""


async def understand(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Read the shopper's words in the light of what was said before."""
    run = runtime.context.run
    burst = {line.seq for line in run.state.said_since(run.state.answered_upto)}
    earlier = [line for line in run.state.lines if line.seq not in burst]
    understanding = await runtime.context.ports.reader.understand(
        state["text"], earlier=[Said(line.who, line.text) for line in earlier[-RECALL:]]
    )
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
