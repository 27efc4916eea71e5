"""What the insights page shows: counts folded from the log, rebuilt or continued at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from agent import events as ev
from agent.events import ChurnReason, Event, SignalKind
from agent.ids import ConversationId, CustomerId, OfferId
from agent.log import ConversationLog
from retention.history import MadeOffer


@dataclass(frozen=True)
class Share:
    """How often something was the case."""

    name: str
    count: int


@dataclass(frozen=True)
class Conversations:
    """How many there are. ``handed_over`` and ``identified`` count conversations, once each."""

    total: int
    open: int
    handed_over: int
    identified: int
    by_day: tuple[tuple[date, int], ...]
    """Started per day (UTC), oldest first; days without any are left out."""


@dataclass(frozen=True)
class MoodDay:
    """Mean probabilities over a day's shopper messages (UTC)."""

    day: date
    messages: int
    negative: float
    neutral: float
    positive: float


@dataclass(frozen=True)
class Ratings:
    """How shoppers rated: ``counts`` from score 1 to 5; ``mean`` is ``None`` without any."""

    counts: tuple[int, int, int, int, int]
    mean: float | None


@dataclass(frozen=True)
class CustomerChurn:
    """A customer's last score; ``conversation`` is where it was made."""

    customer: CustomerId
    before: float | None
    probability: float
    reasons: tuple[ChurnReason, ...]
    at: datetime
    conversation: ConversationId


@dataclass(frozen=True)
class Offers:
    """Offers made and what became of them. Costs in the shop's currency."""

    made: int
    taken: int
    declined: int
    unanswered: int
    cost_made: Decimal
    cost_taken: Decimal
    withheld: tuple[Share, ...]
    """By reason, commonest first."""


@dataclass(frozen=True)
class Insight:
    """Everything on the page."""

    conversations: Conversations
    handoffs: tuple[Share, ...]
    """Reasons, commonest first; a hand-over can have several."""
    signals: tuple[Share, ...]
    """Kinds, commonest first."""
    mood: tuple[MoodDay, ...]
    ratings: Ratings
    customers: tuple[CustomerChurn, ...]
    """Likeliest to leave first."""
    offers: Offers


@dataclass
class InsightFold:
    """Folds events into an :class:`Insight`. Keep one and :meth:`catch_up` before each look."""

    position: int = 0
    _started: dict[ConversationId, date] = field(default_factory=dict)
    _closed: set[ConversationId] = field(default_factory=set)
    _handed: set[ConversationId] = field(default_factory=set)
    _identified: set[ConversationId] = field(default_factory=set)
    _reasons: Counter[str] = field(default_factory=Counter)
    _signals: Counter[SignalKind] = field(default_factory=Counter)
    _moods: dict[tuple[ConversationId, int], tuple[date, ev.MoodScores]] = field(default_factory=dict)
    _ratings: dict[ConversationId, int] = field(default_factory=dict)
    _customers: dict[CustomerId, CustomerChurn] = field(default_factory=dict)
    _offers: dict[OfferId, MadeOffer] = field(default_factory=dict)
    _withheld: Counter[str] = field(default_factory=Counter)

    async def catch_up(self, log: ConversationLog) -> None:
        """Read what was appended since the last time."""
        async for position, event in log.scan(after=self.position):
            self.add(event)
            self.position = position

    def add(self, event: Event) -> None:
        """Take one more event, in log order."""
        where, body = event.conversation, event.body
        match body:
            case ev.ConversationStarted():
                self._started.setdefault(where, event.at.date())
            case ev.ConversationIdentified():
                self._identified.add(where)
            case ev.MessageReceived():
                self._closed.discard(where)
            case ev.ConversationClosed():
                self._closed.add(where)
            case ev.HandoffRequested():
                self._handed.add(where)
                self._reasons.update(body.reasons)
            case ev.SignalRaised():
                self._signals[body.kind] += 1
            case ev.MoodScored():
                # By message: a turn that was run again scored the same message again.
                self._moods[where, body.seq] = (event.at.date(), body.scores)
            case ev.ConversationRated():
                self._ratings[where] = body.score
            case ev.ChurnScored():
                self._customers[body.customer] = CustomerChurn(
                    body.customer, body.before, body.probability, body.reasons, event.at, where
                )
            case ev.OfferMade():
                self._offers[body.offer] = MadeOffer(body.offer, body.customer, Decimal(body.value), event.at)
            case ev.OfferAnswered() if body.offer in self._offers:
                made = self._offers[body.offer]
                self._offers[body.offer] = MadeOffer(
                    made.offer, made.customer, made.value, made.at, body.taken
                )
            case ev.OfferWithheld():
                self._withheld[body.reason] += 1
            case _:
                pass

    def result(self) -> Insight:
        """The page as of the last event."""
        days = Counter(self._started.values())
        return Insight(
            conversations=Conversations(
                total=len(self._started),
                open=len(self._started.keys() - self._closed),
                handed_over=len(self._handed),
                identified=len(self._identified),
                by_day=tuple(sorted(days.items())),
            ),
            handoffs=_shares(self._reasons),
            signals=_shares(self._signals),
            mood=self._mood(),
            ratings=self._rated(),
            customers=tuple(
                sorted(self._customers.values(), key=lambda one: (-one.probability, one.customer))
            ),
            offers=self._offered(),
        )

    def _mood(self) -> tuple[MoodDay, ...]:
        by_day: dict[date, list[ev.MoodScores]] = {}
        for day, scores in self._moods.values():
            by_day.setdefault(day, []).append(scores)
        return tuple(
            MoodDay(
                day,
                len(scores),
                sum(one.negative for one in scores) / len(scores),
                sum(one.neutral for one in scores) / len(scores),
                sum(one.positive for one in scores) / len(scores),
            )
            for day, scores in sorted(by_day.items())
        )

    def _rated(self) -> Ratings:
        found = Counter(self._ratings.values())
        count = found.total()
        mean = sum(score * times for score, times in found.items()) / count if count else None
        return Ratings((found[1], found[2], found[3], found[4], found[5]), mean)

    def _offered(self) -> Offers:
        offers = self._offers.values()
        taken = [offer for offer in offers if offer.taken]
        declined = [offer for offer in offers if offer.taken is False]
        return Offers(
            made=len(offers),
            taken=len(taken),
            declined=len(declined),
            unanswered=len(offers) - len(taken) - len(declined),
            cost_made=sum((offer.value for offer in offers), start=Decimal(0)),
            cost_taken=sum((offer.value for offer in taken), start=Decimal(0)),
            withheld=_shares(self._withheld),
        )


def insight(events: Iterable[Event]) -> Insight:
    """Fold events, in log order, into the page."""
    fold = InsightFold()
    for event in events:
        fold.add(event)
    return fold.result()


def _shares(counts: Counter[str] | Counter[SignalKind]) -> tuple[Share, ...]:
    ordered = sorted(
        ((str(name), count) for name, count in counts.items()), key=lambda item: (-item[1], item[0])
    )
    return tuple(Share(name, count) for name, count in ordered)
