"""The life of a demo order, planned from end to end and cut off at an instant.

A plan also holds what has not happened yet (a delivery tomorrow). ``rows`` writes down what had
happened by ``now``, so one plan gives a believable order at any stage.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, Literal

from agent.ids import CustomerId, OrderId
from agent.shop.catalogue import Product, Variant
from agent.shop.people import Person
from agent.shop.port import OrderState, ReturnState, ShipmentState
from agent.shop.receipts import reference
from agent.shop.rules import ShippingMethod, ShopRules

Rows = Mapping[str, list[dict[str, Any]]]
"""Rows by table name."""


@dataclass(frozen=True)
class Item:
    """One position of an order."""

    product: Product
    variant: Variant
    quantity: int

    @property
    def unit_price(self) -> Decimal:
        """Price of one."""
        return self.product.price_of(self.variant)


@dataclass(frozen=True)
class Parcel:
    """A parcel on its way: ``None`` is never, a later instant not yet."""

    packed_at: datetime
    shipped_at: datetime | None = None
    expected: date | None = None
    delivered_at: datetime | None = None
    problem: Literal["late", "lost"] | None = None
    problem_at: datetime | None = None
    replacement: bool = False


@dataclass(frozen=True)
class Payback:
    """A refund. ``settled_at`` ``None``: it never arrived."""

    amount: Decimal
    reason: str
    issued_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True)
class GoingBack:
    """A return or an exchange of ``lines``: line number and quantity."""

    kind: Literal["return", "exchange"]
    lines: tuple[tuple[int, int], ...]
    reason: str
    requested_at: datetime
    approved_at: datetime | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None
    rejected_at: datetime | None = None
    payback: Payback | None = None
    exchange_for: str | None = None

    def state(self, now: datetime) -> ReturnState:
        """How far it had come by ``now``."""
        if self.payback is not None and _past(self.payback.settled_at, now):
            return "refunded"
        if _past(self.rejected_at, now):
            return "rejected"
        if _past(self.received_at, now):
            return "received"
        if _past(self.sent_at, now):
            return "in_transit"
        return "approved" if _past(self.approved_at, now) else "requested"


@dataclass(frozen=True)
class Plan:
    """An order from the click to the last refund."""

    id: OrderId
    customer: CustomerId
    person: Person
    items: tuple[Item, ...]
    method: ShippingMethod
    payment_method: str
    placed_at: datetime
    paid_at: datetime | None
    parcels: tuple[Parcel, ...] = ()
    going_back: tuple[GoingBack, ...] = ()
    cancelled_at: datetime | None = None
    payback: Payback | None = None
    """Refund of the whole order: cancelled, or its parcel lost."""

    @property
    def goods(self) -> Decimal:
        """Value of the items."""
        return sum((item.quantity * item.unit_price for item in self.items), Decimal("0.00"))

    @property
    def shipping(self) -> Decimal:
        """Price of shipping."""
        return self.method.price_for(self.goods)

    def state(self, now: datetime) -> OrderState:
        """How far the order had come by ``now``."""
        if _past(self.cancelled_at, now):
            return "cancelled"
        back: dict[int, int] = defaultdict(int)
        for going in self.going_back:
            if going.kind == "return" and going.state(now) == "refunded":
                for line, quantity in going.lines:
                    back[line] += quantity
        if all(back[line] == item.quantity for line, item in enumerate(self.items, start=1)):
            return "returned"
        parcels = [parcel for parcel in self.parcels if not parcel.replacement]
        if parcels and all(_past(parcel.delivered_at, now) for parcel in parcels):
            return "delivered"
        if any(_past(parcel.shipped_at, now) for parcel in parcels):
            return "shipped"
        if any(_past(parcel.packed_at, now) for parcel in parcels):
            return "packed"
        return "paid" if _past(self.paid_at, now) else "placed"

    def rows(self, now: datetime, rules: ShopRules) -> Rows:
        """What had happened by ``now``, as rows of the store."""
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        rows["orders"].append(
            {
                "id": self.id,
                "customer": self.customer,
                "state": self.state(now),
                "placed_at": self.placed_at,
                "currency": rules.currency,
                "total": self.goods + self.shipping,
                "shipping": self.shipping,
                "shipping_method": self.method.id,
                "payment_method": self.payment_method,
                "cancelled_at": _seen(self.cancelled_at, now),
                **vars(self.person.address),
            }
        )
        rows["order_lines"] = [
            {
                "order": self.id,
                "line": line,
                "product": item.product.id,
                "sku": item.variant.sku,
                "title_en": item.product.title["en"],
                "title_zh": item.product.title["zh"],
                "variant_en": item.variant.name["en"],
                "variant_zh": item.variant.name["zh"],
                "quantity": item.quantity,
                "unit_price": item.unit_price,
                "final_sale": item.product.final_sale,
                "sealed": item.product.return_only_sealed,
            }
            for line, item in enumerate(self.items, start=1)
        ]
        packed = [parcel for parcel in self.parcels if _past(parcel.packed_at, now)]
        for number, parcel in enumerate(packed, start=1):
            rows["shipments"].append(self._shipment(number, parcel, now))
            rows["tracking_events"].extend(self._scans(number, parcel, now))
        going_back = [going for going in self.going_back if going.requested_at <= now]
        for number, going in enumerate(going_back, start=1):
            label = reference("RT", self.id, number)
            rows["returns"].append(
                {
                    "id": label,
                    "order": self.id,
                    "kind": going.kind,
                    "state": going.state(now),
                    "reason": going.reason,
                    "requested_at": going.requested_at,
                    "exchange_for": going.exchange_for,
                }
            )
            rows["return_lines"].extend(
                {"return": label, "order": self.id, "line": line, "quantity": quantity}
                for line, quantity in going.lines
            )
        paybacks = [self.payback, *(going.payback for going in self.going_back)]
        issued = [payback for payback in paybacks if payback is not None and payback.issued_at <= now]
        rows["refunds"] = [
            {
                "order": self.id,
                "number": number,
                "amount": payback.amount,
                "method": self.payment_method,
                "issued_at": payback.issued_at,
                "settled_at": _seen(payback.settled_at, now),
                "reason": payback.reason,
            }
            for number, payback in enumerate(issued, start=1)
        ]
        return rows

    def _shipment(self, number: int, parcel: Parcel, now: datetime) -> dict[str, Any]:
        digest = int.from_bytes(hashlib.sha256(f"{self.id}/{number}".encode()).digest()[:8], "big")
        carrier = self.method.carrier
        words = carrier.upper().split()
        initials = words[0][:2] if len(words) == 1 else words[0][0] + words[1][0]
        return {
            "order": self.id,
            "parcel": number,
            "carrier": carrier,
            "tracking_number": f"{initials}{digest % 10**12:012d}",
            "state": _parcel_state(parcel, now),
            "shipped_at": _seen(parcel.shipped_at, now),
            "expected": parcel.expected,
            "delivered_at": _seen(parcel.delivered_at, now),
            "replacement": parcel.replacement,
        }

    def _scans(self, number: int, parcel: Parcel, now: datetime) -> Iterator[dict[str, Any]]:
        # Scan times hang on the order's number alone, so that changing one plan moves no other.
        rng = Random(f"{self.id}/{number}")  # noqa: S311  (made-up data, nothing secret)
        scans = sorted(_journey(parcel, self.person.address.city, self.person.country, rng))
        for count, (at, place, step) in enumerate((scan for scan in scans if scan[0] <= now), start=1):
            en, zh = _STEPS[step]
            yield {
                "order": self.id,
                "parcel": number,
                "number": count,
                "at": at,
                "place": place,
                "text_en": en,
                "text_zh": zh,
            }


_STEPS: Final = {
    "label": ("Shipping label created", "已生成运单"),
    "collected": ("Collected from the sender", "已揽收"),
    "sorted": ("Sorted and on its way", "分拣完成，运输中"),
    "export": ("Left the country of origin", "已离开始发国"),
    "customs": ("Cleared customs", "已完成清关"),
    "depot": ("Arrived at the delivery depot", "已到达派送网点"),
    "out": ("Out for delivery", "派送中"),
    "delivered": ("Delivered", "已签收"),
    "late": (
        "Delayed: held back at the sorting centre, a new delivery date will follow",
        "延误：包裹滞留分拣中心，将另行通知派送日期",
    ),
    "lost": ("Not scanned for several days; a search has been started", "多日无扫描记录，已启动查件"),
}

_WAREHOUSE: Final = "Leipzig"
_GATEWAYS: Final = {"GB": "London Heathrow", "CN": "上海浦东", "CH": "Basel"}


def _journey(parcel: Parcel, city: str, country: str, rng: Random) -> Iterator[tuple[datetime, str, str]]:
    """Every scan of the parcel's way: instant, place, step."""
    yield parcel.packed_at, _WAREHOUSE, "label"
    if parcel.shipped_at is None:
        return
    start = parcel.shipped_at
    end = parcel.delivered_at or parcel.problem_at or start + timedelta(days=3)
    yield start, _WAREHOUSE, "collected"
    yield start + timedelta(minutes=rng.randint(240, 420)), _WAREHOUSE, "sorted"
    if parcel.problem_at is not None:
        yield parcel.problem_at, _WAREHOUSE if country not in _GATEWAYS else "Frankfurt", str(parcel.problem)
        start = parcel.problem_at
    if parcel.delivered_at is None and parcel.problem_at is not None:
        return

    def underway(share: float) -> datetime:
        return (start + (end - start) * (share + rng.uniform(0, 0.1))).replace(second=0, microsecond=0)

    if country in _GATEWAYS:
        yield underway(0.25), "Frankfurt", "export"
        yield underway(0.55), _GATEWAYS[country], "customs"
    yield underway(0.7), city, "depot"
    if parcel.delivered_at is not None:
        # Vans are loaded in the small hours.
        yield parcel.delivered_at.replace(hour=0, minute=rng.randint(20, 55)), city, "out"
        yield parcel.delivered_at, city, "delivered"


def _parcel_state(parcel: Parcel, now: datetime) -> ShipmentState:
    if not _past(parcel.shipped_at, now):
        return "label_created"
    if parcel.delivered_at is not None and parcel.delivered_at <= now:
        return "delivered"
    if parcel.delivered_at is not None and parcel.delivered_at.date() == now.date():
        return "out_for_delivery"
    return "exception" if _past(parcel.problem_at, now) else "in_transit"


def _past(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now


def _seen(at: datetime | None, now: datetime) -> datetime | None:
    return at if _past(at, now) else None
