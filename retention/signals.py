"""Signals of dissatisfaction, folded out of a conversation's events.

A conversation falls into episodes: each ends when it is closed, and the shopper's next message
begins another. A closed episode has at most one signal of a kind, so folding again, after the
signals were added to the log, finds nothing more. All strengths and thresholds are hand-set
first values; they are to be measured against who really left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent import events as ev
from agent.events import Event, HandoffReason, Intent, SignalRaised
from agent.ids import OrderId, TurnId
from agent.shop.port import Order

SOUR = 0.5
"""P(negative) from which a message counts as negative: likelier than not."""
LOW_RATING = {1: 1.0, 2: 0.7}
"""Ratings that are complaints; 3 of 5 is neither here nor there."""
REFUND_DAYS = 10
"""A refund issued this long ago should have arrived: banks take up to 7 working days."""
RETURN_DAYS = 21
"""A return requested this long ago and received should have been refunded: two weeks to send
it, five working days to check it."""
SAME_WORDS = 0.5
"""Share of common word pieces (Jaccard) from which two questions are the same."""

HANDOFF_STRENGTH: dict[HandoffReason, float] = {
    "requested": 0.4,  # some people just prefer people
    "out_of_policy": 0.4,
    "unsupported_answer": 0.5,
    "model_down": 0.5,
    "mood": 0.6,
    "legal_or_safety": 0.6,
    "repeated_failure": 0.7,
    "action_failed": 0.7,
}
"""How badly a conversation must have gone to be handed over for this reason."""

ABOUT_ORDERS: frozenset[Intent] = frozenset(
    {"find_orders", "order_status", "return_eligibility", "complaint"}
)
"""Asking one of these again about the same order is the same question."""
ABOUT_ANYTHING: frozenset[Intent] = frozenset({"product_question", "policy_question"})
"""These are the same question only when the words are."""


@dataclass(frozen=True)
class Episode:
    """Part of a conversation up to a close, with what came after the close but no message."""

    events: tuple[Event, ...]
    closed: Event

    def holds(self, evidence: Sequence[int]) -> bool:
        """Whether the evidence of a signal lies in this episode; the signal itself may be later."""
        return any(self.events[0].seq <= seq <= self.events[-1].seq for seq in evidence)


Detector = Callable[[Episode], SignalRaised | None]


def missing_signals(
    events: Sequence[Event], now: datetime, orders: Iterable[Order] = ()
) -> list[SignalRaised]:
    """Return the signals that the closed episodes show and the log does not have yet.

    Args:
        events: All events of one conversation, in order.
        now: When parcels and refunds are judged late, UTC.
        orders: The customer's orders as the shop has them now. Those that were spoken about
            are looked at for late parcels and refunds.
    """
    known = {order.id: order for order in orders}
    signals = [event.body for event in events if isinstance(event.body, SignalRaised)]
    missing: list[SignalRaised] = []
    for episode in episodes(events):
        raised = {signal.kind for signal in signals if episode.holds(signal.evidence)}
        found = [detector(episode) for detector in _DETECTORS]
        found += [_delivery_problem(episode, known, now), _refund_problem(episode, known, now)]
        missing.extend(signal for signal in found if signal is not None and signal.kind not in raised)
    return missing


def episodes(events: Iterable[Event]) -> Iterator[Episode]:
    """Split a conversation into its closed episodes, oldest first; an open one is left out."""
    part: list[Event] = []
    closed: Event | None = None
    for event in events:
        if closed is not None and isinstance(event.body, ev.MessageReceived):
            yield Episode(tuple(part), closed)
            part, closed = [], None
        if isinstance(event.body, ev.ConversationClosed):
            closed = event
        part.append(event)
    if closed is not None:
        yield Episode(tuple(part), closed)


def _negative_mood(episode: Episode) -> SignalRaised | None:
    # A turn that was run again scored its message again; the last score stands.
    scores = {
        event.body.seq: event.body.scores.negative
        for event in episode.events
        if isinstance(event.body, ev.MoodScored) and episode.holds([event.body.seq])
    }
    sour = {seq: negative for seq, negative in scores.items() if negative >= SOUR}
    return _signal("negative_mood", max(sour.values(), default=0.0), sour)


def _leaving_threat(episode: Episode) -> SignalRaised | None:
    said = [
        event.seq
        for event in episode.events
        if isinstance(event.body, ev.MessageUnderstood) and "leaving" in event.body.topics
    ]
    return _signal("leaving_threat", 0.9, said)


def _handoff(episode: Episode) -> SignalRaised | None:
    handed = {
        event.seq: max((HANDOFF_STRENGTH[reason] for reason in event.body.reasons), default=0.4)
        for event in episode.events
        if isinstance(event.body, ev.HandoffRequested)
    }
    return _signal("handoff", max(handed.values(), default=0.0), handed)


def _low_rating(episode: Episode) -> SignalRaised | None:
    rated = {
        event.seq: LOW_RATING[event.body.score]
        for event in episode.events
        if isinstance(event.body, ev.ConversationRated) and event.body.score in LOW_RATING
    }
    return _signal("low_rating", max(rated.values(), default=0.0), rated)


def _repeated_question(episode: Episode) -> SignalRaised | None:
    """The shopper asks again what was answered: the answer did not help."""
    asked: list[tuple[int, ev.MessageUnderstood, int]] = []  # where, what, and where it was answered
    evidence: list[int] = []
    repeats = 0
    current: tuple[int, ev.MessageUnderstood] | None = None
    seen: set[TurnId] = set()
    for event in episode.events:
        match event.body:
            # A turn that was run again understood its message again.
            case ev.MessageUnderstood() as body if body.turn not in seen:
                seen.add(body.turn)
                current = (event.seq, body)
                earlier = [one for one in asked if _same_question(one[1], body)]
                if earlier:
                    repeats += 1
                    evidence += [earlier[-1][0], earlier[-1][2], event.seq]
            # An answer that asks for a detail invites the shopper to say it again.
            case ev.AnswerSent(asks=None) if current is not None:
                asked.append((*current, event.seq))
                current = None
            case _:
                pass
    return _signal("repeated_question", 1 - 0.5**repeats, evidence)


def _same_question(first: ev.MessageUnderstood, second: ev.MessageUnderstood) -> bool:
    if not first.intents or not second.intents or first.intents[0] != second.intents[0]:
        return False
    if second.intents[0] in ABOUT_ORDERS:
        return second.order is None or second.order == first.order
    if second.intents[0] in ABOUT_ANYTHING:
        return _overlap(first.query, second.query) >= SAME_WORDS
    return False


def _overlap(first: str, second: str) -> float:
    """Jaccard similarity of words; Chinese has no spaces, so there it is single characters."""
    one, other = (
        set(re.findall(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+", text.lower())) for text in (first, second)
    )
    return len(one & other) / len(one | other) if one | other else 0.0


def _unresolved(episode: Episode) -> SignalRaised | None:
    """It was closed while something that had gone wrong was not made right."""
    unhelped: dict[int, float] = {}
    """Settled by an answer that stands on something, too; a polite word has no citations."""
    undone: dict[int, float] = {}
    """Settled by a person's words or a deed alone."""
    for event in episode.events:
        match event.body:
            case ev.HandoffRequested():
                undone[event.seq] = 0.9
            case ev.ActionFailed():
                undone[event.seq] = 0.8
            case ev.TurnCompleted(outcome="failed"):
                unhelped[event.seq] = 0.7
            case ev.AnswerSent(supported=False):
                unhelped[event.seq] = 0.5
            case ev.AnswerSent(citations=(_, *_)):
                unhelped.clear()
            case ev.ActionDone() | ev.ReplySent():
                unhelped.clear()
                undone.clear()
            case _:
                pass
    left = undone | unhelped
    return _signal("unresolved", max(left.values(), default=0.0), [*left, episode.closed.seq] if left else [])


def _abandoned(episode: Episode) -> SignalRaised | None:
    """The shopper gave up: went away with a message unanswered, or in the middle of a change."""
    closed = episode.closed.body
    if not isinstance(closed, ev.ConversationClosed) or closed.by == "staff":
        return None
    unanswered: int | None = None
    midway: int | None = None
    with_staff = False  # a last "thanks" to a person needs no answer
    for event in episode.events:
        match event.body:
            case ev.MessageReceived():
                unanswered, midway = None if with_staff else event.seq, None
            case ev.ActionProposed() | ev.AnswerSent(asks=ev.ProposedAction()):
                unanswered, midway = None, event.seq
            case ev.ActionConfirmed() | ev.ActionDeclined() | ev.ActionDone() | ev.ActionFailed():
                midway = None
            case ev.HandoffAccepted() | ev.HandoffReturned() as moved:
                unanswered, with_staff = None, isinstance(moved, ev.HandoffAccepted)
            case ev.AnswerSent() | ev.ReplySent() | ev.HandoffRequested():
                unanswered = None
            case _:
                pass
    if unanswered is not None:
        return _signal("abandoned", 0.6, [unanswered, episode.closed.seq])
    if midway is not None:
        return _signal("abandoned", 0.4, [midway, episode.closed.seq])
    return None


_DETECTORS: tuple[Detector, ...] = (
    _negative_mood,
    _leaving_threat,
    _handoff,
    _low_rating,
    _repeated_question,
    _unresolved,
    _abandoned,
)


def _delivery_problem(episode: Episode, orders: dict[OrderId, Order], now: datetime) -> SignalRaised | None:
    return _about_orders("delivery_problem", episode, orders, lambda order: delivery_trouble(order, now))


def _refund_problem(episode: Episode, orders: dict[OrderId, Order], now: datetime) -> SignalRaised | None:
    return _about_orders("refund_problem", episode, orders, lambda order: refund_trouble(order, now))


def delivery_trouble(order: Order, now: datetime) -> float:
    """How badly an order's parcels are late, 0 to 1."""
    worst = 0.0
    for shipment in order.shipments:
        if shipment.state == "delivered":
            continue
        if shipment.state == "exception":
            worst = max(worst, 0.8)
        if shipment.expected is not None and (late := (now.date() - shipment.expected).days) > 0:
            worst = max(worst, min(0.9, 0.4 + 0.1 * late))
    return worst


def refund_trouble(order: Order, now: datetime) -> float:
    """How badly an order's refunds are late, 0 to 1."""
    unsettled = any(
        refund.settled_at is None and now - refund.issued_at > timedelta(days=REFUND_DAYS)
        for refund in order.refunds
    )
    forgotten = any(
        item.kind == "return"
        and item.state == "received"
        and now - item.requested_at > timedelta(days=RETURN_DAYS)
        for item in order.returns
    )
    return 0.7 if forgotten else 0.6 if unsettled else 0.0


def _about_orders(
    kind: ev.SignalKind, episode: Episode, orders: dict[OrderId, Order], trouble: Callable[[Order], float]
) -> SignalRaised | None:
    """Judge the orders that were spoken about; a mere list of orders speaks about none."""
    shown: dict[int, float] = {}
    for event in episode.events:
        for order in _spoken_about(event):
            if order in orders and (strength := trouble(orders[order])) > 0:
                shown[event.seq] = max(strength, shown.get(event.seq, 0.0))
    return _signal(kind, max(shown.values(), default=0.0), shown)


def _spoken_about(event: Event) -> Iterator[OrderId]:
    match event.body:
        case ev.OrderFactsRead(facts=facts):
            yield from {fact.order for fact in facts if fact.name != "summary"}
        case ev.MessageUnderstood(order=str() as order):
            yield order
        case _:
            return


def _signal(kind: ev.SignalKind, strength: float, evidence: Iterable[int]) -> SignalRaised | None:
    where = tuple(sorted(set(evidence)))
    return SignalRaised(kind=kind, strength=round(strength, 4), evidence=where) if where else None
