"""Let a visitor prove that an order is theirs."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agent import events as ev
from agent.errors import MailError, ShopUnavailable
from agent.events import EventBody
from agent.order_facts import cite, facts
from agent.proof import TooManyTries
from agent.texts import text
from agent.turn_state import TurnContext, TurnState


async def prove(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Ask for number and e-mail, send a code, or check one."""
    run, ports = runtime.context.run, runtime.context.ports
    understanding = state["understanding"]
    language = understanding.language
    out: list[EventBody] = []
    order = understanding.order or run.state.last_order
    citations: tuple[ev.Citation, ...] = ()
    outcome = "asked"
    try:
        if understanding.code is not None and run.state.codes:
            proven = ports.proof.check(run.state, understanding.code)
            out.append(ev.CodeChecked(order=proven or run.state.codes[-1][0], accepted=proven is not None))
            if proven is None:
                words = text("prove.wrong", language)
            else:
                identified = ev.ConversationIdentified(level="order", method="order_code", order=proven)
                await run.record(*out, identified)
                out = []
                words, outcome = text("prove.done", language, order=proven), "answered"
                if (read := await ports.shop.order(run.state.scope, proven)) is not None:
                    known = tuple(facts(read, language, today=ports.clock().date()))
                    await run.record(ev.OrderFactsRead(turn=run.turn, facts=known))
                    words = f"{words}\n\n{known[0].text} [1]"
                    citations = (cite(known[0]),)
        elif order is not None and understanding.email is not None:
            out.append(
                await ports.proof.send(run.state, order=order, email=understanding.email, language=language)
            )
            words = text("prove.sent", language, order=order, minutes=10)
        elif order is not None:
            words = text("prove.ask.email", language, order=order)
        elif understanding.email is not None:
            words = text("prove.ask.order", language)
        else:
            words = text("prove.ask", language)
    except TooManyTries:
        said = ev.AnswerSent(
            turn=run.turn, text=text("prove.too_many", language), language=language, how="composed"
        )
        return {"out": [said], "reasons": ("repeated_failure",), "outcome": "handed_over"}
    except (ShopUnavailable, MailError):
        words, outcome = text("shop.down", language), "failed"
    out.append(
        ev.AnswerSent(turn=run.turn, text=words, language=language, how="composed", citations=citations)
    )
    return {"out": out, "outcome": outcome}
