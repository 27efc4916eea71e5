"""Say the small things: greetings, thanks, what was not understood."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agent import events as ev
from agent.events import EventBody
from agent.ids import Language
from agent.texts import text
from agent.turn_state import TurnContext, TurnState
from agent.understanding import Understanding


async def converse(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Answer what needs neither documents nor orders."""
    run, ports = runtime.context.run, runtime.context.ports
    understanding = state.get("understanding")
    language = understanding.language if understanding else run.state.language
    out: list[EventBody] = []
    outcome = "answered"
    replies: tuple[str, ...] = ()
    intent = understanding.intents[0] if understanding else "decline"
    match intent:
        case "greeting":
            customer = await ports.shop.customer(run.state.scope)
            words = (
                text("greeting.name", language, name=customer.name)
                if customer
                else text("greeting", language)
            )
            replies = (text("reply.orders", language), text("reply.shipping", language))
        case "thanks" | "goodbye":
            words = text(intent, language)
        case "decline":
            if understanding and (proposal := run.state.open_proposal(ports.clock())) is not None:
                out.append(ev.ActionDeclined(proposal=proposal.proposal, why="word"))
            words = text("declined", language)
        case "confirm":
            words, outcome = text("nothing_to_confirm", language), "asked"
        case "off_topic":
            words, replies = text("off_topic", language), _help(language)
        case _ if (leaning := _leaning(understanding)) and run.state.open_proposal(ports.clock()) is not None:
            # A yes or no in other words changes nothing: only the button or the exact word does.
            words = text("confirm.hint" if leaning == "yes" else "declined", language)
            outcome = "asked"
        case _:
            words, outcome, replies = text("unclear", language), "failed", _help(language)
    if run.state.mode == "waiting" and outcome == "failed":
        words, outcome, replies = text("handoff.waiting", language), "answered", ()
    out.append(
        ev.AnswerSent(turn=run.turn, text=words, language=language, how="composed", quick_replies=replies)
    )
    return {"out": out, "outcome": outcome}


def _leaning(understanding: Understanding | None) -> str:
    return "" if understanding is None else understanding.slots.get("leaning", "")


def _help(language: Language) -> tuple[str, ...]:
    return (
        text("reply.orders", language),
        text("reply.returns", language),
        text("reply.person", language),
    )
