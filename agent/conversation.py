"""The fold: a conversation's state, computed from its events and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from agent import events as ev
from agent.events import Event
from agent.ids import ConversationId, CustomerId, Language, OfferId, OrderId, ProposalId, StaffId, TurnId
from agent.scope import VISITOR, Scope

Mode = Literal["assistant", "waiting", "staff", "closed"]
"""Who answers: the assistant; nobody yet (in the desk's queue, the assistant may still
help with small things but promises a person); a person; nobody, it ended."""

MOVES: dict[str, dict[Mode, Mode]] = {
    "handoff.requested": {"assistant": "waiting", "waiting": "waiting"},
    "handoff.accepted": {"assistant": "staff", "waiting": "staff", "staff": "staff"},
    "handoff.returned": {"staff": "assistant", "waiting": "assistant"},
    "conversation.closed": {"assistant": "closed", "waiting": "closed", "staff": "closed"},
    "message.received": {
        "closed": "assistant",
        "assistant": "assistant",
        "waiting": "waiting",
        "staff": "staff",
    },
}
"""Legal moves between modes by event type; any other event leaves the mode alone."""


@dataclass(frozen=True)
class Line:
    """One thing said, as a reader of the conversation sees it."""

    seq: int
    at: datetime
    who: Literal["shopper", "assistant", "staff"]
    text: str


@dataclass(frozen=True)
class Proposal:
    """A change waiting for the shopper's word."""

    body: ev.ActionProposed
    state: Literal["open", "confirmed", "declined", "done", "failed"]


@dataclass(frozen=True)
class Conversation:
    """State of a conversation at ``head``. Built by :func:`fold`; never changed in place."""

    id: ConversationId
    head: int = 0
    shop: str = ""
    language: Language = "en"
    channel: str = "widget"
    mode: Mode = "assistant"
    scope: Scope = VISITOR
    staff: StaffId | None = None
    staff_name: str = ""
    lines: tuple[Line, ...] = ()
    messages: frozenset[str] = frozenset()
    """Ids of shopper messages and staff replies already in the log."""
    proposals: dict[ProposalId, Proposal] = field(default_factory=dict)
    offers: dict[OfferId, bool | None] = field(default_factory=dict)
    """Offers made, with the shopper's answer once there is one."""
    moods: tuple[ev.MoodPoint, ...] = ()
    running: TurnId | None = None
    attempts: int = 0
    """Attempts of the turn that is running or died."""
    started_upto: int = 0
    answered_upto: int = 0
    """Shopper input up to here has been answered (or was for a person)."""
    wanted_upto: int = 0
    """Highest ``seq`` of shopper input that wants an answer from the assistant."""
    since_handback: int = 0
    """``seq`` of the last hand-back: what led to a hand-over before it counts no more."""
    unsupported: int = 0
    """Answers in a row that had nothing to stand on."""
    failures: int = 0
    """Turns in a row, since the last hand-back, that did not help."""
    last_order: OrderId | None = None
    last_intents: tuple[ev.Intent, ...] = ()
    asking: ev.ProposedAction | None = None
    """The change whose missing details the assistant asked for last."""
    waiting_since: datetime | None = None
    handoff: ev.HandoffRequested | None = None
    rated: bool = False
    closed_seq: int = 0
    codes: tuple[tuple[OrderId, str, datetime], ...] = ()
    """One-time codes sent and not yet used: order, keyed hash, expiry."""
    code_failures: int = 0

    @property
    def pending(self) -> bool:
        """Whether the assistant owes the shopper something."""
        return self.mode in {"assistant", "waiting"} and self.wanted_upto > self.answered_upto

    @property
    def customer(self) -> CustomerId | None:
        """The signed-in customer, if any."""
        return self.scope.customer

    def open_proposal(self, now: datetime) -> ev.ActionProposed | None:
        """The proposal that waits for the shopper and has not expired."""
        for proposal in reversed(self.proposals.values()):
            if proposal.state == "open" and proposal.body.expires_at > now:
                return proposal.body
        return None

    def confirmed(self) -> ev.ActionProposed | None:
        """A proposal the shopper confirmed and that was not carried out yet."""
        for proposal in self.proposals.values():
            if proposal.state == "confirmed":
                return proposal.body
        return None

    def said_since(self, seq: int) -> list[Line]:
        """What the shopper wrote after ``seq``."""
        return [line for line in self.lines if line.who == "shopper" and line.seq > seq]


def fold(
    conversation: ConversationId, events: Iterable[Event], *, onto: Conversation | None = None
) -> Conversation:
    """Fold ``events`` into a state, from the beginning or onto an earlier one.

    ``fold(c, a + b) == fold(c, b, onto=fold(c, a))`` for every split.
    """
    state = onto or Conversation(conversation)
    for event in events:
        state = _apply(state, event)
    return state


def _apply(c: Conversation, event: Event) -> Conversation:
    body, seq = event.body, event.seq
    c = replace(c, head=seq)
    if body.type in MOVES:
        c = replace(c, mode=MOVES[body.type].get(c.mode, c.mode))
    match body:
        case ev.ConversationStarted():
            return replace(c, shop=body.shop, language=body.language, channel=body.channel)
        case ev.ConversationIdentified():
            orders = c.scope.orders | {body.order} if body.order else c.scope.orders
            return replace(
                c,
                scope=Scope(customer=body.customer or c.scope.customer, orders=orders),
                codes=tuple(code for code in c.codes if code[0] != body.order),
                code_failures=0,
            )
        case ev.MessageReceived():
            return replace(
                c,
                lines=(*c.lines, Line(seq, event.at, "shopper", body.text)),
                messages=c.messages | {body.message},
                wanted_upto=seq if c.mode != "staff" else c.wanted_upto,
                rated=c.rated if c.closed_seq == 0 else False,
                closed_seq=0,
            )
        case ev.TurnStarted():
            attempts = c.attempts + 1 if c.running == body.turn else 1
            return replace(c, running=body.turn, attempts=attempts, started_upto=body.upto)
        case ev.TurnInterrupted():
            return replace(c, running=None, attempts=0)
        case ev.TurnCompleted():
            failures = c.failures + 1 if body.outcome == "failed" else c.failures
            return replace(
                c,
                running=None,
                attempts=0,
                answered_upto=max(c.answered_upto, c.started_upto),
                failures=0 if body.outcome in {"answered", "acted"} else failures,
            )
        case ev.MessageUnderstood():
            return replace(
                c,
                language=body.language,
                last_order=body.order or c.last_order,
                last_intents=body.intents,
            )
        case ev.MoodScored():
            value = body.scores.positive - body.scores.negative
            # A turn that is run again scores the same message again.
            earlier = tuple(mood for mood in c.moods if mood.seq != body.seq)
            return replace(c, moods=(*earlier, ev.MoodPoint(seq=body.seq, value=round(value, 4))))
        case ev.AnswerSent():
            return replace(
                c,
                lines=(*c.lines, Line(seq, event.at, "assistant", body.text)),
                unsupported=0 if body.supported else c.unsupported + 1,
                asking=body.asks,
            )
        case ev.ReplySent():
            return replace(
                c,
                lines=(*c.lines, Line(seq, event.at, "staff", body.text)),
                messages=c.messages | {body.message},
            )
        case ev.ActionProposed():
            return replace(
                c,
                proposals={**c.proposals, body.proposal: Proposal(body, "open")},
                last_order=body.action.order,
            )
        case ev.ActionConfirmed():
            # A word of consent is part of the message that its turn already works on.
            wanted = max(c.wanted_upto, seq) if body.how == "button" else c.wanted_upto
            return _settle(replace(c, wanted_upto=wanted), body.proposal, "confirmed")
        case ev.ActionDeclined():
            wanted = max(c.wanted_upto, seq) if body.why == "shopper" else c.wanted_upto  # a click
            return _settle(replace(c, wanted_upto=wanted), body.proposal, "declined")
        case ev.ActionDone():
            return _settle(c, body.proposal, "done")
        case ev.ActionFailed():
            return _settle(c, body.proposal, "failed")
        case ev.CodeSent():
            return replace(c, codes=(*c.codes, (body.order, body.code_hash, body.expires_at)))
        case ev.CodeChecked():
            return replace(c, code_failures=0 if body.accepted else c.code_failures + 1)
        case ev.HandoffRequested():
            return replace(c, handoff=body, waiting_since=c.waiting_since or event.at)
        case ev.HandoffAccepted():
            return replace(
                c,
                staff=body.staff,
                staff_name=body.name,
                waiting_since=None,
                answered_upto=max(c.answered_upto, c.wanted_upto),
            )
        case ev.HandoffReturned():
            return _dealt_with(c, seq)
        case ev.ConversationClosed():
            return replace(_dealt_with(c, seq), closed_seq=seq)
        case ev.ConversationRated():
            return replace(c, rated=True)
        case ev.OfferMade():
            return replace(c, offers={**c.offers, body.offer: None})
        case ev.OfferAnswered():
            return replace(c, offers={**c.offers, body.offer: body.taken})
        case _:
            return c


def _dealt_with(c: Conversation, seq: int) -> Conversation:
    """Nobody has it, and what led to a hand-over counts no more."""
    return replace(
        c,
        staff=None,
        staff_name="",
        waiting_since=None,
        handoff=None,
        since_handback=seq,
        unsupported=0,
        failures=0,
        answered_upto=max(c.answered_upto, c.wanted_upto),
    )


def _settle(
    c: Conversation, proposal: ProposalId, state: Literal["confirmed", "declined", "done", "failed"]
) -> Conversation:
    known = c.proposals.get(proposal)
    if known is None:
        return c
    return replace(c, proposals={**c.proposals, proposal: Proposal(known.body, state)})
