"""Conversations told as event bodies, for the judges' tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agent import events as ev
from agent.events import Event, EventBody
from agent.ids import ConversationId, OrderId, ProposalId, TurnId
from evals.records import Attempt, Ended, Leak, Score
from evals.scenario import Expect, Scenario, Shopper
from evals.score import score

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
TURN = TurnId("turn_1")


def log(*bodies: EventBody) -> list[Event]:
    """A conversation of these bodies."""
    return [
        Event(conversation=ConversationId("conv_1"), seq=seq, at=NOON + timedelta(seconds=seq), body=body)
        for seq, body in enumerate(bodies, 1)
    ]


def scenario(*, language: Any = "en", shopper: Shopper | None = None, **expect: Any) -> Scenario:
    """A scenario that expects this."""
    return Scenario(
        id="story.en",
        about="A story.",
        area="orders",
        language=language,
        shopper=shopper or Shopper.model_validate({"goal": "x", "script": [{"say": "x"}]}),
        expect=Expect.model_validate(expect),
    )


def judged(
    told: Scenario,
    bodies: Sequence[EventBody],
    *,
    changes: Any = None,
    confirmed: Any = None,
    expected: Any = None,
    pressed: Sequence[str] = ("prop_1",),
    ended: Ended = "script_over",
    leaks: Sequence[Leak] = (),
) -> dict[str, Score]:
    """The scores of a held conversation, by metric."""
    events = log(*bodies)
    turns = tuple(event.seq for event in events if isinstance(event.body, ev.MessageReceived))
    attempt = Attempt(
        scenario=told.id,
        repeat=1,
        seed=1,
        outcome="held",
        conversation="conv_1",
        ended=ended,
        turns=turns,
        changes=changes or {},
        confirmed=(changes if confirmed is None else confirmed) or {},
        pressed=tuple(pressed),
        expected=expected or {},
        leaks=tuple(leaks),
    )
    return {found.metric: found for found in score(told, attempt, events)}


def says(text: str, message: str = "m1") -> ev.MessageReceived:
    """The shopper writes."""
    return ev.MessageReceived(message=message, text=text)


def answer(text: str, **more: Any) -> ev.AnswerSent:
    """The assistant answers."""
    values: dict[str, Any] = {"turn": TURN, "text": text, "language": "en", "how": "composed"} | more
    return ev.AnswerSent.model_validate(values)


def done(text: str = "") -> ev.TurnCompleted:
    """The turn ends."""
    return ev.TurnCompleted(turn=TURN, outcome="answered")


def passages(*texts: str) -> ev.PassagesFound:
    """Passages ``p1``, ``p2`` … were found."""
    return ev.PassagesFound(
        turn=TURN,
        query="q",
        answerable=0.9,
        passages=tuple(
            ev.PassageRef(
                id=f"p{number}",
                document="returns",
                source="returns.md",
                title="Returns",
                heading="",
                text=text,
                language="en",
                version="1",
                kind="policy",
                similarity=0.9,
            )
            for number, text in enumerate(texts, 1)
        ),
    )


def cancellation(order: str = "FW-100001", *, word: str = "", proposed: str = "") -> list[EventBody]:
    """A cancellation that was proposed, confirmed (by the button, or by ``word``) and done."""
    proposal = ProposalId("prop_1")
    bodies: list[EventBody] = [
        ev.ActionProposed(
            proposal=proposal,
            turn=TURN,
            action=ev.ProposedAction(kind="cancel", order=OrderId(proposed or order)),
            arguments_hash="h",
            policy_version="1",
            customer=None,
            summary=f"Cancel {order}",
            expires_at=NOON + timedelta(minutes=10),
        )
    ]
    if word:
        bodies += [done(), says(word, "m2")]
    bodies += [
        ev.ActionConfirmed(proposal=proposal, how="word" if word else "button"),
        ev.ActionDone(
            proposal=proposal,
            turn=TURN,
            order=OrderId(order),
            kind="cancel",
            reference="R1",
            text=f"{order} is cancelled.",
        ),
    ]
    return bodies


def handoff(*reasons: ev.HandoffReason, facts: Sequence[str] = ()) -> ev.HandoffRequested:
    """A person is asked for."""
    return ev.HandoffRequested(
        turn=TURN,
        reasons=reasons,
        packet=ev.HandoffPacket(
            customer="C-1",
            identity="customer",
            wants="x",
            facts=tuple(ev.PacketFact(text=fact, seq=1) for fact in facts),
            suggested="y",
        ),
    )


def mood(seq: int, negative: float) -> ev.MoodScored:
    """A mood was read."""
    scores = ev.MoodScores(negative=negative, neutral=1 - negative, positive=0.0)
    return ev.MoodScored(turn=TURN, seq=seq, scores=scores, scorer="s")
