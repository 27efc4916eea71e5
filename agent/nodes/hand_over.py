"""Bring in a person."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agent import events as ev
from agent.events import EventBody
from agent.handoff import packet
from agent.texts import text
from agent.turn_state import TurnContext, TurnState


async def hand_over(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Say so, and put the conversation into the desk's queue with its packet.

    The announcement and the queue entry are appended together: neither is ever alone.
    """
    run = runtime.context.run
    why = state["reasons"]
    language = run.state.language
    said = [body.text for body in state.get("out", []) if isinstance(body, ev.AnswerSent)]
    before = [body for body in state.get("out", []) if not isinstance(body, ev.AnswerSent)]
    words = "\n\n".join([*said, text(f"handoff.{why[0]}", language)])
    out: list[EventBody] = [
        *before,
        ev.AnswerSent(turn=run.turn, text=words, language=language, how="composed"),
        ev.PromiseMade(by="assistant", text=text("promise.person", language), source=0),
    ]
    if run.state.mode == "assistant":
        out.append(ev.HandoffRequested(turn=run.turn, reasons=why, packet=packet(run.state, run.events, why)))
    return {"out": out, "outcome": "handed_over"}
