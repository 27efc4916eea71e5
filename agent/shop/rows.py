"""Rows of the demo store, read into the shop port's types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.ids import Language
from agent.shop.port import Address, Customer, Order, OrderLine, Refund, Return, Shipment, TrackingEvent
from agent.shop.rules import LineFacts, OrderFacts, ShopRules, return_refund
from agent.shop.schema import (
    customers,
    order_lines,
    orders,
    refunds,
    return_lines,
    returns,
    shipments,
    tracking_events,
)


async def read_customers(connection: AsyncConnection, which: ColumnElement[bool]) -> list[Customer]:
    """The customers for whom ``which`` holds, by id."""
    rows = await connection.execute(select(customers).where(which).order_by(customers.c.id))
    return [Customer(**row._mapping) for row in rows]


async def read_orders(
    connection: AsyncConnection, which: ColumnElement[bool], *, rules: ShopRules, limit: int | None = None
) -> list[Order]:
    """Orders with all their parts, by customer then newest first (newest first under a limit).

    ``rules`` say what is paid back for a return.
    """
    newest = (orders.c.placed_at.desc(), orders.c.id.desc())
    query = select(orders, customers.c.language).join(customers).where(which)
    if limit is None:
        query = query.order_by(orders.c.customer, *newest)
    else:
        query = query.order_by(*newest).limit(limit)
    rows = (await connection.execute(query)).all()
    if not rows:
        return []
    ids = [row.id for row in rows]

    async def parts(table: Table, *by: ColumnElement[Any]) -> dict[str, list[Row[Any]]]:
        found: dict[str, list[Row[Any]]] = defaultdict(list)
        for part in await connection.execute(select(table).where(table.c.order.in_(ids)).order_by(*by)):
            found[part._mapping["order"]].append(part)
        return found

    lines = await parts(order_lines, order_lines.c.line)
    parcels = await parts(shipments, shipments.c.parcel)
    scans = await parts(tracking_events, tracking_events.c.number)
    money = await parts(refunds, refunds.c.number)
    back = await parts(returns, returns.c.requested_at, returns.c.id)
    back_lines = await parts(return_lines, return_lines.c.line)
    return [
        Order(
            id=row.id,
            customer=row.customer,
            state=row.state,
            placed_at=row.placed_at,
            currency=row.currency,
            total=row.total,
            shipping=row.shipping,
            address=Address(
                row.recipient, row.line1, row.line2, row.city, row.region, row.postal_code, row.country
            ),
            payment_method=row.payment_method,
            lines=tuple(_line(line, back_lines[row.id], row.language) for line in lines[row.id]),
            shipments=tuple(_shipment(parcel, scans[row.id]) for parcel in parcels[row.id]),
            refunds=tuple(
                Refund(refund.amount, refund.method, refund.issued_at, refund.settled_at, refund.reason)
                for refund in money[row.id]
            ),
            returns=tuple(
                _return(
                    item,
                    [line for line in back_lines[row.id] if line._mapping["return"] == item.id],
                    _facts(row, lines[row.id], parcels[row.id], rules),
                    rules,
                )
                for item in back[row.id]
            ),
            cancelled_at=row.cancelled_at,
        )
        for row in rows
    ]


def _line(row: Row[Any], back: Sequence[Row[Any]], language: Language) -> OrderLine:
    return OrderLine(
        line=row.line,
        product=row.product,
        sku=row.sku,
        title={"en": row.title_en, "zh": row.title_zh},
        # The port has one text here: the customer's own language.
        variant=row.variant_zh if language == "zh" else row.variant_en,
        quantity=row.quantity,
        unit_price=row.unit_price,
        returned=sum(item.quantity for item in back if item.line == row.line),
    )


def _shipment(row: Row[Any], scans: Sequence[Row[Any]]) -> Shipment:
    return Shipment(
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        state=row.state,
        shipped_at=row.shipped_at,
        expected=row.expected,
        delivered_at=row.delivered_at,
        events=tuple(
            TrackingEvent(scan.at, scan.place, {"en": scan.text_en, "zh": scan.text_zh})
            for scan in scans
            if scan.parcel == row.parcel
        ),
    )


def _return(row: Row[Any], sent: Sequence[Row[Any]], facts: OrderFacts, rules: ShopRules) -> Return:
    numbers = tuple(line.line for line in sent)
    refund = None
    if row.kind == "return":
        # As reckoned when it was registered: all that was open of its lines then, on that day.
        pieces = {line.line: line.quantity for line in sent}
        then = replace(
            facts, lines=tuple(replace(line, open=pieces.get(line.line, 0)) for line in facts.lines)
        )
        day = rules.day(row.requested_at)
        refund = return_refund(then, numbers, row.reason, today=day, rules=rules)
    return Return(
        id=row.id,
        kind=row.kind,
        lines=numbers,
        state=row.state,
        reason=row.reason,
        requested_at=row.requested_at,
        exchange_for=row.exchange_for,
        refund=refund,
    )


def _facts(
    row: Row[Any], lines: Sequence[Row[Any]], parcels: Sequence[Row[Any]], rules: ShopRules
) -> OrderFacts:
    """What the rules look at to say what a return of the order pays back."""
    # A replacement's delivery does not start the window again.
    arrived = [parcel.delivered_at for parcel in parcels if parcel.delivered_at and not parcel.replacement]
    return OrderFacts(
        state=row.state,
        lines=tuple(LineFacts(line.line, line.quantity, line.quantity, line.unit_price) for line in lines),
        total=row.total,
        shipping=row.shipping,
        payment_method=row.payment_method,
        delivered=rules.day(max(arrived)) if arrived else None,
    )
