"""Synthetic conversations, customers and orders with a known answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from agent import events as ev
from agent.events import Event, EventBody
from agent.ids import ConversationId, CustomerId, Language, OrderId, StaffId, TurnId
from agent.shop.port import Address, Customer, Order, OrderLine, OrderState, Refund, Return, Shipment

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
C = ConversationId("c_1")
MIA = CustomerId("cus_mia")
ORDER = OrderId("FW-104233")


def numbered(
    bodies: Iterable[EventBody], *, conversation: ConversationId = C, at: datetime = NOW
) -> list[Event]:
    """The bodies as events of one conversation."""
    return [Event(conversation=conversation, seq=seq, at=at, body=body) for seq, body in enumerate(bodies, 1)]


def opened(language: Language = "en") -> EventBody:
    return ev.ConversationStarted(shop="fernway", language=language)


def signed_in(customer: CustomerId = MIA) -> EventBody:
    return ev.ConversationIdentified(level="customer", method="token", customer=customer)


def says(text: str = "hello") -> EventBody:
    return ev.MessageReceived(message=text, text=text)


def mood(seq: int, negative: float) -> EventBody:
    scores = ev.MoodScores(negative=negative, neutral=1 - negative, positive=0.0)
    return ev.MoodScored(turn=TurnId("t"), seq=seq, scores=scores, scorer="test")


def understood(
    intent: ev.Intent,
    *,
    turn: str,
    order: str | None = None,
    topics: tuple[str, ...] = (),
    query: str = "",
    language: Language = "en",
) -> EventBody:
    return ev.MessageUnderstood(
        turn=TurnId(turn),
        intents=(intent,),
        confidence=0.9,
        language=language,
        order=None if order is None else OrderId(order),
        topics=topics,
        query=query,
    )


def answer(
    *, turn: str = "t", supported: bool = True, cited: bool = True, asks: ev.ProposedAction | None = None
) -> EventBody:
    citation = ev.Citation(ref="1", kind="passage", id="p", title="Returns")
    return ev.AnswerSent(
        turn=TurnId(turn),
        text="So it is.",
        language="en",
        how="generated",
        citations=(citation,) if cited else (),
        supported=supported,
        asks=asks,
    )


def handed_over(*reasons: ev.HandoffReason) -> EventBody:
    packet = ev.HandoffPacket(customer="", identity="visitor", wants="help", suggested="listen")
    return ev.HandoffRequested(reasons=reasons, packet=packet)


def person_takes_over() -> EventBody:
    return ev.HandoffAccepted(staff=StaffId("dana"), name="Dana")


def person_replies() -> EventBody:
    return ev.ReplySent(message="r", staff=StaffId("dana"), name="Dana", text="Let me see.")


def closed(by: str = "shopper") -> EventBody:
    return ev.ConversationClosed.model_validate({"by": by})


def facts_read(order: str = ORDER, name: str = "state") -> EventBody:
    fact = ev.OrderFact(id=f"{order}#{name}", order=OrderId(order), name=name, text="…")
    return ev.OrderFactsRead(turn=TurnId("t"), facts=(fact,))


def order(
    *,
    id: str = ORDER,
    customer: CustomerId = MIA,
    days_ago: float = 40,
    total: str = "100.00",
    state: OrderState = "delivered",
    returned: int = 0,
    shipments: tuple[Shipment, ...] = (),
    refunds: tuple[Refund, ...] = (),
    returns: tuple[Return, ...] = (),
) -> Order:
    return Order(
        id=OrderId(id),
        customer=customer,
        state=state,
        placed_at=NOW - timedelta(days=days_ago),
        currency="EUR",
        total=Decimal(total),
        shipping=Decimal("4.90"),
        address=Address("Mia", "Street 1", "", "Leipzig", "", "04317", "DE"),
        payment_method="card",
        lines=(OrderLine(1, "p", "sku", {"en": "Tent", "zh": "帐篷"}, "", 2, Decimal("50.00"), returned),),
        shipments=shipments,
        refunds=refunds,
        returns=returns,
    )


def parcel(*, expected_days_ago: int, state: str = "in_transit") -> Shipment:
    return Shipment(
        carrier="Nordwegpost",
        tracking_number="N1",
        state=state,  # type: ignore[arg-type]
        shipped_at=NOW - timedelta(days=20),
        expected=(NOW - timedelta(days=expected_days_ago)).date(),
        delivered_at=None,
    )


@dataclass
class Records:
    """A shop outside this project: customers and orders in memory."""

    orders: list[Order] = field(default_factory=list)
    ids: list[CustomerId] = field(default_factory=lambda: [MIA])

    async def customers(self) -> list[Customer]:
        return [
            Customer(one, f"{one}@example.com", one, "en", date(2024, 1, 1), "DE") for one in sorted(self.ids)
        ]

    async def customer_by_email(self, email: str) -> Customer | None:
        return next((one for one in await self.customers() if one.email == email.casefold()), None)

    async def orders_of(self, customer: CustomerId) -> list[Order]:
        return [one for one in self.orders if one.customer == customer]

    async def all_orders(self) -> AsyncIterator[Order]:
        for one in self.orders:
            yield one
