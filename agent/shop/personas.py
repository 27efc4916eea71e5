"""The demo's signed-in customers, scripted in ``personas.yaml``.

Days are counted back from the day the demo starts; a negative number lies ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import ConfigDict, Field

from agent.ids import CustomerId, Language, OrderId
from agent.shop.catalogue import Catalogue, Product, Record, Variant, read_yaml
from agent.shop.history import GoingBack, Item, Parcel, Payback, Plan
from agent.shop.people import Person
from agent.shop.port import Address, OrderState
from agent.shop.rules import ShopRules


class Script(Record):
    """Base: a mistyped key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LineScript(Script):
    """One position."""

    sku: str
    quantity: int = Field(1, ge=1)


class RefundScript(Script):
    """A refund; ``settled`` missing: it has not arrived."""

    amount: Decimal
    issued: int
    settled: int | None = None


class ReturnScript(Script):
    """A return or an exchange of whole lines."""

    kind: Literal["return", "exchange"] = "return"
    lines: tuple[int, ...] = Field(min_length=1)
    reason: str
    requested: int
    approved: int | None = None
    sent: int | None = None
    received: int | None = None
    refund: RefundScript | None = None
    exchange_for: str | None = None


class OrderScript(Script):
    """An order: where it stands today and the days of its steps."""

    id: str
    state: OrderState
    lines: tuple[LineScript, ...] = Field(min_length=1)
    method: str = "standard"
    payment_method: str = ""
    """Where it is not the persona's usual one."""
    placed: int = Field(ge=0)
    paid: int | None = None
    """Only for what is not paid at once."""
    packed: int | None = None
    shipped: int | None = None
    expected: int | None = None
    delivered: int | None = None
    late: int | None = None
    """Day the carrier reported the delay."""
    returns: tuple[ReturnScript, ...] = ()


class PersonaScript(Script):
    """A demo customer."""

    id: str
    name: str
    email: str
    language: Language
    about: Mapping[Language, str]
    """Who this is, in a few words; the demo page shows it beside the name."""
    joined: int
    payment_method: str
    address: Mapping[str, str]
    orders: tuple[OrderScript, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Persona:
    """A demo customer with planned orders."""

    id: CustomerId
    person: Person
    about: Mapping[Language, str]
    joined: date
    plans: tuple[Plan, ...]


def read_persona_scripts(folder: Path) -> tuple[PersonaScript, ...]:
    """Read ``folder/personas.yaml``; raises ``ValueError`` when it is broken."""
    return read_yaml(folder / "personas.yaml", tuple[PersonaScript, ...])


def plan_personas(
    scripts: tuple[PersonaScript, ...], catalogue: Catalogue, rules: ShopRules, *, now: datetime
) -> tuple[Persona, ...]:
    """Turn the scripts into plans around ``now``.

    Raises:
        ValueError: A SKU or method is unknown, or an order's days lead to another state than
            the one it names.
    """
    shelf = {variant.sku: (product, variant) for product, variant in catalogue.items()}
    personas = []
    for script in scripts:
        person = Person(script.name, script.email, script.language, Address(**script.address))
        plans = tuple(_plan(script, order, person, shelf, rules, now) for order in script.orders)
        joined = now.date() - timedelta(days=script.joined)
        personas.append(Persona(CustomerId(script.id), person, script.about, joined, plans))
    return tuple(personas)


def _plan(
    persona: PersonaScript,
    script: OrderScript,
    person: Person,
    shelf: Mapping[str, tuple[Product, Variant]],
    rules: ShopRules,
    now: datetime,
) -> Plan:
    rng = Random(script.id)  # noqa: S311  (made-up data, nothing secret)

    def at(days: int, first: int, last: int) -> datetime:
        """An instant between two hours of the day ``days`` ago."""
        day = now.replace(hour=0, minute=0) - timedelta(days=days)
        return day + timedelta(minutes=rng.randrange(first * 60, last * 60))

    def maybe(days: int | None, first: int, last: int) -> datetime | None:
        return None if days is None else at(days, first, last)

    # What happened today lies within its first hour, before ``now``.
    placed_at = at(script.placed, 6, 10) if script.placed else now - timedelta(minutes=rng.randint(20, 50))
    parcels = []
    packed = script.packed if script.packed is not None else script.shipped
    if packed is not None:
        parcels.append(
            Parcel(
                packed_at=at(packed, 12, 14),
                shipped_at=maybe(script.shipped, 15, 17),
                expected=None if script.expected is None else now.date() - timedelta(days=script.expected),
                delivered_at=maybe(script.delivered, 9, 16),
                problem="late" if script.late is not None else None,
                problem_at=maybe(script.late, 10, 20),
            )
        )
    going_back = []
    for back in script.returns:
        payback = None
        if back.refund is not None:
            settled_at = maybe(back.refund.settled, 4, 6)
            payback = Payback(back.refund.amount, "return", at(back.refund.issued, 9, 11), settled_at)
        going_back.append(
            GoingBack(
                kind=back.kind,
                lines=tuple((line, script.lines[line - 1].quantity) for line in back.lines),
                reason=back.reason,
                requested_at=at(back.requested, 17, 19),
                approved_at=maybe(back.approved, 19, 21),
                sent_at=maybe(back.sent, 10, 12),
                received_at=maybe(back.received, 8, 9),
                payback=payback,
                exchange_for=back.exchange_for,
            )
        )
    unknown = [line.sku for line in script.lines if line.sku not in shelf]
    if unknown:
        raise ValueError(f"personas.yaml: {script.id}: no SKU {unknown[0]} in the catalogue")
    plan = Plan(
        id=OrderId(script.id),
        customer=CustomerId(persona.id),
        person=person,
        items=tuple(Item(*shelf[line.sku], line.quantity) for line in script.lines),
        method=rules.method(script.method),
        payment_method=script.payment_method or persona.payment_method,
        placed_at=placed_at,
        paid_at=placed_at + timedelta(minutes=2) if script.paid is None else at(script.paid, 6, 8),
        parcels=tuple(parcels),
        going_back=tuple(going_back),
    )
    if plan.state(now) != script.state:
        raise ValueError(
            f"personas.yaml: {script.id}: its days make it {plan.state(now)}, not {script.state}"
        )
    return plan
