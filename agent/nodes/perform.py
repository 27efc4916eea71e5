"""Carry out a change the shopper confirmed."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from langgraph.runtime import Runtime

from agent import events as ev
from agent.errors import ActionNotAllowed, ConfirmationRefused, OrderNotFound
from agent.events import EventBody
from agent.ids import Language, TurnId
from agent.order_facts import day, money
from agent.texts import text
from agent.turn_state import TurnContext, TurnState

REFUND_DAYS = 5
"""Business days a refund takes, as the demo shop's returns policy says."""


async def perform(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Do it once and say what happened; what could not be settled goes to a person."""
    run, ports = runtime.context.run, runtime.context.ports
    if run.state.confirmed() is None:
        proposal = run.state.open_proposal(ports.clock())
        if proposal is None:  # it expired between the decision and now
            return _said(run.state.language, run.turn, "action.failed.refused", [])
        # Durable before anything is done: after a crash the log knows that the word was given.
        await run.record(ev.ActionConfirmed(proposal=proposal.proposal, how="word"))
    confirmed = run.state.confirmed()
    assert confirmed is not None  # noqa: S101 - recorded just above
    language = run.state.language
    done = await ports.gate.perform(run.state, confirmed, ports.shop, turn=run.turn)
    if isinstance(done, ev.ActionFailed):
        if done.unknown:
            told = _said(language, run.turn, "action.failed.unknown", [done])
            told["reasons"] = ("action_failed",)
            return told
        name = {
            ActionNotAllowed.code: "not_allowed",
            OrderNotFound.code: "not_allowed",
            ConfirmationRefused.code: "refused",
            "gate.policy_changed": "policy",
        }.get(done.code, "not_allowed")
        return _said(language, run.turn, f"action.failed.{name}", [done])
    out: list[EventBody] = [
        done,
        ev.AnswerSent(turn=run.turn, text=done.text, language=language, how="composed"),
    ]
    if done.refund is not None and Decimal(done.refund) > 0:
        due = business_days_after(ports.clock().date(), REFUND_DAYS)
        order = await ports.shop.order(run.state.scope, done.order)
        words = text(
            "promise.refund",
            language,
            amount=money(Decimal(done.refund), order.currency if order else ""),
            order=done.order,
            due=day(due, language),
        )
        out.append(ev.PromiseMade(by="assistant", text=words, due=due, order=done.order, source=0))
    return {"out": out, "outcome": "acted"}


def _said(language: Language, turn: TurnId, name: str, before: list[EventBody]) -> TurnState:
    answer = ev.AnswerSent(turn=turn, text=text(name, language), language=language, how="composed")
    return {"out": [*before, answer], "outcome": "failed"}


def business_days_after(start: date, count: int) -> date:
    """The date ``count`` business days (Monday to Friday) after ``start``."""
    current = start
    while count:
        current += timedelta(days=1)
        if current.weekday() < 5:
            count -= 1
    return current
