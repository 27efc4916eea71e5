"""Figures for insights that retention does not keep: waiting times, languages, the budget."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median

from agent import events as ev
from agent.events import Event
from agent.ids import ConversationId, Language
from retention.budget import spent_in_month
from retention.history import MadeOffer


@dataclass
class Figures:
    """Folds events, in log order."""

    waits: list[tuple[date, timedelta]] = field(default_factory=list)
    """Time from the first wish for a person to one taking over, by the day (UTC) of taking over."""
    _since: dict[ConversationId, datetime] = field(default_factory=dict)
    _languages: dict[ConversationId, Language] = field(default_factory=dict)
    _offers: list[MadeOffer] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Take one more event."""
        where, body = event.conversation, event.body
        match body:
            case ev.ConversationStarted() | ev.MessageUnderstood():
                self._languages[where] = body.language
            case ev.HandoffRequested():
                self._since.setdefault(where, event.at)
            case ev.HandoffAccepted():
                if since := self._since.pop(where, None):
                    self.waits.append((event.at.date(), event.at - since))
            case ev.HandoffReturned() | ev.ConversationClosed():
                self._since.pop(where, None)
            case ev.OfferMade():
                self._offers.append(MadeOffer(body.offer, body.customer, Decimal(body.value), event.at))
            case _:
                pass

    def languages(self) -> Counter[Language]:
        """Conversations by the language last spoken in them."""
        return Counter(self._languages.values())

    def median_wait(self) -> timedelta | None:
        """Half of the shoppers waited no longer."""
        return _median([wait for _, wait in self.waits]) if self.waits else None

    def waits_by_day(self) -> list[tuple[date, timedelta]]:
        """The median wait of each day that had any, oldest first."""
        days: dict[date, list[timedelta]] = {}
        for day, wait in self.waits:
            days.setdefault(day, []).append(wait)
        return [(day, _median(waits)) for day, waits in sorted(days.items())]

    def spent(self, now: datetime) -> Decimal:
        """What this month's offers cost at most, in the shop's currency."""
        return spent_in_month(self._offers, now)


def _median(waits: list[timedelta]) -> timedelta:
    return timedelta(seconds=median(wait.total_seconds() for wait in waits))
