"""What the log says about each customer, over all their conversations: a fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from agent import events as ev
from agent.events import Event, SignalKind
from agent.ids import ConversationId, CustomerId, OfferId
from agent.log import ConversationLog


@dataclass(frozen=True)
class Signal:
    """A raised signal and when."""

    kind: SignalKind
    strength: float
    at: datetime


@dataclass(frozen=True)
class MadeOffer:
    """An offer that was made. ``taken`` is ``None`` until the shopper answers."""

    offer: OfferId
    customer: CustomerId
    value: Decimal
    at: datetime
    taken: bool | None = None


@dataclass
class History:
    """Signals and offers by customer, as of ``position`` in the log.

    Keep one and call :meth:`catch_up` before each use: only what is new is read.
    """

    position: int = 0
    offers: dict[OfferId, MadeOffer] = field(default_factory=dict)
    _signals: dict[ConversationId, list[Signal]] = field(default_factory=dict)
    _customers: dict[ConversationId, CustomerId] = field(default_factory=dict)
    _conversations: dict[CustomerId, list[ConversationId]] = field(default_factory=dict)

    async def catch_up(self, log: ConversationLog) -> None:
        """Read what was appended since the last time."""
        async for position, event in log.scan(after=self.position):
            self.add(event)
            self.position = position

    def add(self, event: Event) -> None:
        """Take one more event, in log order."""
        match event.body:
            case ev.ConversationIdentified(customer=str() as customer):
                self._identify(event.conversation, customer)
            case ev.SignalRaised(kind=kind, strength=strength):
                raised = self._signals.setdefault(event.conversation, [])
                raised.append(Signal(kind, strength, event.at))
            case ev.OfferMade() as made:
                self.offers[made.offer] = MadeOffer(made.offer, made.customer, Decimal(made.value), event.at)
            case ev.OfferAnswered(offer=offer, taken=taken) if offer in self.offers:
                was = self.offers[offer]
                self.offers[offer] = MadeOffer(was.offer, was.customer, was.value, was.at, taken)
            case _:
                pass

    def _identify(self, conversation: ConversationId, customer: CustomerId) -> None:
        before = self._customers.get(conversation)
        if before == customer:
            return
        if before is not None:
            self._conversations[before].remove(conversation)
        self._customers[conversation] = customer
        self._conversations.setdefault(customer, []).append(conversation)

    def signals(self, customer: CustomerId) -> list[Signal]:
        """All signals of the customer's conversations, also those from before they signed in."""
        return [
            signal
            for conversation in self._conversations.get(customer, [])
            for signal in self._signals.get(conversation, [])
        ]

    def offers_to(self, customer: CustomerId) -> list[MadeOffer]:
        """All offers made to the customer, oldest first."""
        return [offer for offer in self.offers.values() if offer.customer == customer]
