"""What the product needs from a shop: customers, orders, and changes to orders.

Two protocols, because they carry different rights. ``Shop`` is what a conversation may
reach: every method takes the shopper's ``Scope`` and what lies outside it answers exactly
like something that does not exist. ``ShopRecords`` is the operator's view (scoring,
listing) and is never handed to a turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

from agent.ids import CustomerId, Language, OrderId
from agent.scope import Scope

OrderState = Literal["placed", "paid", "packed", "shipped", "delivered", "cancelled", "returned"]
ShipmentState = Literal["label_created", "in_transit", "out_for_delivery", "delivered", "exception"]
ReturnState = Literal["requested", "approved", "in_transit", "received", "refunded", "rejected"]
ActionKind = Literal["cancel", "return", "exchange", "change_address"]
"""The writes a shopper can ask for. Each passes the write gate, no other way in."""


@dataclass(frozen=True)
class Customer:
    """A registered customer of the shop."""

    id: CustomerId
    email: str
    name: str
    language: Language
    joined: date
    country: str


@dataclass(frozen=True)
class Address:
    """Where an order goes."""

    recipient: str
    line1: str
    line2: str
    city: str
    region: str
    postal_code: str
    country: str


@dataclass(frozen=True)
class OrderLine:
    """One position of an order; ``line`` counts from 1 inside the order."""

    line: int
    product: str
    sku: str
    title: Mapping[Language, str]
    variant: str
    quantity: int
    unit_price: Decimal
    returned: int = 0
    """How many of ``quantity`` are already in a return or an exchange."""


@dataclass(frozen=True)
class TrackingEvent:
    """One scan by the carrier."""

    at: datetime
    place: str
    text: Mapping[Language, str]


@dataclass(frozen=True)
class Shipment:
    """A parcel of an order."""

    carrier: str
    tracking_number: str
    state: ShipmentState
    shipped_at: datetime | None
    expected: date | None
    delivered_at: datetime | None
    events: tuple[TrackingEvent, ...] = ()


@dataclass(frozen=True)
class Refund:
    """Money on its way back or already back."""

    amount: Decimal
    method: str
    issued_at: datetime
    settled_at: datetime | None
    reason: str


@dataclass(frozen=True)
class Return:
    """A return or an exchange of order lines."""

    id: str
    kind: Literal["return", "exchange"]
    lines: tuple[int, ...]
    state: ReturnState
    reason: str
    requested_at: datetime
    exchange_for: str | None = None
    """SKU wanted instead, for an exchange."""
    refund: Decimal | None = None
    """What is paid back for it by the shop's rules; ``None`` where the shop does not say, and for
    an exchange."""


@dataclass(frozen=True)
class Order:
    """An order with everything a shopper may ask about it."""

    id: OrderId
    customer: CustomerId
    state: OrderState
    placed_at: datetime
    currency: str
    total: Decimal
    shipping: Decimal
    address: Address
    payment_method: str
    lines: tuple[OrderLine, ...]
    shipments: tuple[Shipment, ...] = ()
    refunds: tuple[Refund, ...] = ()
    returns: tuple[Return, ...] = ()
    cancelled_at: datetime | None = None


@dataclass(frozen=True)
class ExchangeChoice:
    """A variant in stock that a line of an order can be exchanged for."""

    line: int
    sku: str
    name: Mapping[Language, str]


@dataclass(frozen=True)
class Eligibility:
    """Whether an action may be done to an order now, by the shop's rules.

    ``rule`` is a stable code (``window_passed``, ``already_shipped``, ``final_sale``, …),
    ``explanation`` a sentence for the shopper, ``until`` the last day it is possible.
    """

    action: ActionKind
    allowed: bool
    rule: str
    explanation: Mapping[Language, str]
    policy_version: str
    lines: tuple[int, ...] = ()
    """Order lines the action can apply to (returns and exchanges)."""
    until: date | None = None
    choices: tuple[ExchangeChoice, ...] = ()
    """What the lines can be exchanged for (``exchange`` alone)."""
    refused: Mapping[int, Mapping[Language, str]] = field(default_factory=dict)
    """Why it cannot apply to each other line, a sentence for the shopper."""
    countries: frozenset[str] | None = None
    """ISO codes of the countries the order can be sent to (``change_address`` alone); ``None``: any."""


@dataclass(frozen=True)
class OrderAction:
    """A fully specified change to one order: what the shopper is asked to confirm.

    ``arguments`` by action: ``cancel`` {reason}; ``return`` {lines, reason};
    ``exchange`` {lines, sku, reason}; ``change_address`` {recipient, line1, line2, city,
    region, postal_code, country}. Values are JSON types only, so that they hash the same
    everywhere.
    """

    kind: ActionKind
    order: OrderId
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionResult:
    """What a change did. ``repeated`` is true when the key had been used before."""

    reference: str
    """The shop's own number for it (cancellation, return label, …)."""
    explanation: Mapping[Language, str]
    refund: Decimal | None = None
    repeated: bool = False


class Shop(Protocol):
    """The part of a shop that a conversation may reach. All reads are live, none cached.

    Raises (every method): ``agent.errors.ShopUnavailable`` when the platform does not
    answer; the turn then says so and offers a person.
    """

    async def customer(self, scope: Scope) -> Customer | None:
        """The signed-in customer of the scope, or ``None`` for a visitor."""

    async def orders(self, scope: Scope, *, limit: int = 20) -> list[Order]:
        """Orders in scope, newest first. An empty scope gives an empty list."""

    async def order(self, scope: Scope, order: OrderId) -> Order | None:
        """One order; ``None`` when missing and equally when out of scope."""

    async def eligibility(self, scope: Scope, order: OrderId, action: ActionKind) -> Eligibility | None:
        """Whether ``action`` is possible now; ``None`` as in :meth:`order`."""

    async def perform(self, scope: Scope, action: OrderAction, *, idempotency_key: str) -> ActionResult:
        """Do ``action`` once.

        The key is stored with a hash of the action in the same transaction as the change.
        The same key and action give the first result with ``repeated=True``; the same key
        with another action raises ``IdempotencyMismatch``. Eligibility is checked again
        inside the transaction: ``ActionNotAllowed`` when it no longer holds, ``OrderNotFound``
        when missing or out of scope. Cancelling the caller never leaves half a change.
        """

    async def owner_for_proof(self, order: OrderId, email: str) -> CustomerId | None:
        """The owner's id if ``email`` is the order's (case and spaces ignored), else ``None``.

        Takes no scope because it is the step before one; callers must answer both outcomes
        alike and limit attempts (see ``agent.proof``).
        """


class ShopRecords(Protocol):
    """The operator's view: every customer and order. Never given to a turn."""

    async def customers(self) -> list[Customer]:
        """All customers, by id."""

    async def customer_by_email(self, email: str) -> Customer | None:
        """The customer with this e-mail (case ignored), or ``None``."""

    async def orders_of(self, customer: CustomerId) -> list[Order]:
        """All orders of one customer, newest first."""

    def all_orders(self) -> AsyncIterator[Order]:
        """Every order, by customer then newest first, streamed."""
