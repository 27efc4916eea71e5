"""Judge the shopper's mood."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agent import events as ev
from agent.turn_state import TurnContext, TurnState


async def judge(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Score this turn's mood; the desk sees it at once."""
    run, scorer = runtime.context.run, runtime.context.ports.mood
    burst = run.state.said_since(run.state.answered_upto)
    earlier = [line.text for line in run.state.lines if line.who == "shopper" and line not in burst]
    before = next((line.text for line in reversed(run.state.lines) if line.who != "shopper"), "")
    mood = await asyncio.to_thread(
        scorer.score,
        state["text"],
        language=state["understanding"].language,
        earlier=earlier,
        before=before,
    )
    await run.record(
        ev.MoodScored(
            turn=run.turn,
            seq=burst[-1].seq if burst else state["message"],
            scores=mood.scores,
            reasons=mood.reasons,
            scorer=scorer.name,
        )
    )
    return {"mood": mood}
