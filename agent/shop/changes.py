"""What a change does to the rows of the demo store, inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.errors import ActionNotAllowed
from agent.ids import Language
from agent.shop import receipts
from agent.shop.arguments import (
    AddressArguments,
    Arguments,
    CancelArguments,
    ExchangeArguments,
    ReturnArguments,
)
from agent.shop.countries import country_code
from agent.shop.port import ActionKind, ActionResult, Address, Order, OrderLine
from agent.shop.rules import LineFacts, OrderFacts, ShopRules, line_rule, return_refund
from agent.shop.schema import (
    actions,
    order_lines,
    orders,
    refunds,
    return_lines,
    returns,
    shipments,
    variants,
)


async def read_facts(connection: AsyncConnection, order: Order, rules: ShopRules) -> OrderFacts:
    """What the rules look at in ``order``."""
    shelf: dict[str, list[Row[Any]]] = defaultdict(list)
    products = [line.product for line in order.lines]
    for variant in await connection.execute(select(variants).where(variants.c.product.in_(products))):
        shelf[variant.product].append(variant)
    terms = {
        row.line: row
        for row in await connection.execute(
            select(order_lines.c.line, order_lines.c.final_sale, order_lines.c.sealed).where(
                order_lines.c.order == order.id
            )
        )
    }
    # A replacement's delivery does not start the window again.
    delivered = await connection.scalar(
        select(func.max(shipments.c.delivered_at, type_=shipments.c.delivered_at.type)).where(
            shipments.c.order == order.id, ~shipments.c.replacement
        )
    )
    method = await connection.scalar(select(orders.c.shipping_method).where(orders.c.id == order.id))
    return OrderFacts(
        countries=frozenset(rules.method(method or "").regions),
        state=order.state,
        lines=tuple(
            LineFacts(
                line=line.line,
                quantity=line.quantity,
                open=line.quantity - line.returned,
                unit_price=line.unit_price,
                final_sale=terms[line.line].final_sale,
                sealed=terms[line.line].sealed,
                title=line.title,
                swaps=_swaps(shelf[line.product], line),
            )
            for line in order.lines
        ),
        total=order.total,
        shipping=order.shipping,
        payment_method=order.payment_method,
        delivered=None if delivered is None else rules.day(delivered),
    )


async def change(
    connection: AsyncConnection, order: Order, arguments: Arguments, *, rules: ShopRules, now: datetime
) -> ActionResult:
    """Change ``order``, which the rules allow in general, as ``arguments`` ask.

    Raises:
        ActionNotAllowed: One of its lines, the wanted variant, or the country is not possible.
    """
    match arguments:
        case CancelArguments():
            return await _cancel(connection, order, rules, now)
        case ExchangeArguments():
            return await _exchange(connection, order, arguments, rules, now)
        case ReturnArguments():
            return await _return(connection, order, arguments, rules, now)
        case AddressArguments():
            return await _change_address(connection, order, arguments, rules)
        case _:
            raise ActionNotAllowed("unknown_action")


async def _cancel(connection: AsyncConnection, order: Order, rules: ShopRules, now: datetime) -> ActionResult:
    refund = None if order.state == "placed" else order.total
    await connection.execute(
        update(orders).where(orders.c.id == order.id).values(state="cancelled", cancelled_at=now)
    )
    if refund is not None:
        await connection.execute(
            insert(refunds).values(
                order=order.id,
                number=len(order.refunds) + 1,
                amount=refund,
                method=order.payment_method,
                issued_at=now,
                reason="cancelled",
            )
        )
    for line in order.lines:
        await connection.execute(
            update(variants)
            .where(variants.c.sku == line.sku)
            .values(available=variants.c.available + line.quantity)
        )
    explanation = receipts.cancelled(order.id, refund, order.payment_method, rules)
    return ActionResult(receipts.reference("CA", order.id), explanation, refund)


async def _return(
    connection: AsyncConnection, order: Order, arguments: ReturnArguments, rules: ShopRules, now: datetime
) -> ActionResult:
    facts = await read_facts(connection, order, rules)
    _check_lines("return", facts, arguments.lines)
    label = receipts.reference("RT", order.id, len(order.returns) + 1)
    await _register(connection, order, label, "return", arguments, now)
    today = rules.day(now)
    refund = return_refund(facts, arguments.lines, arguments.reason, today=today, rules=rules)
    free = arguments.reason in rules.return_free_reasons
    return ActionResult(label, receipts.return_registered(label, refund, free=free, rules=rules))


async def _exchange(
    connection: AsyncConnection, order: Order, arguments: ExchangeArguments, rules: ShopRules, now: datetime
) -> ActionResult:
    facts = await read_facts(connection, order, rules)
    _check_lines("exchange", facts, arguments.lines)
    wanted = (await connection.execute(select(variants).where(variants.c.sku == arguments.sku))).one_or_none()
    chosen = [line for line in order.lines if line.line in arguments.lines]
    if wanted is None or any(line.product != wanted.product or line.sku == wanted.sku for line in chosen):
        raise ActionNotAllowed("not_another_variant")
    own = select(variants.c.price).where(variants.c.sku.in_([line.sku for line in chosen]))
    if any(wanted.price > price for price in await connection.scalars(own)):
        raise ActionNotAllowed("costs_more")
    pieces = sum(line.quantity - line.returned for line in chosen)
    if wanted.available < pieces:
        raise ActionNotAllowed("out_of_stock")
    await connection.execute(
        update(variants)
        .where(variants.c.sku == wanted.sku)
        .values(available=variants.c.available - pieces, reserved=variants.c.reserved + pieces)
    )
    label = receipts.reference("RT", order.id, len(order.returns) + 1)
    await _register(connection, order, label, "exchange", arguments, now)
    title = chosen[0].title
    names: dict[Language, str] = {
        "en": f"{title['en']}, {wanted.name_en}",
        "zh": f"{title['zh']}（{wanted.name_zh}）",
    }
    return ActionResult(label, receipts.exchange_registered(label, names, rules))


async def _register(
    connection: AsyncConnection,
    order: Order,
    label: str,
    kind: ActionKind,
    arguments: ReturnArguments,
    now: datetime,
) -> None:
    await connection.execute(
        insert(returns).values(
            id=label,
            order=order.id,
            kind=kind,
            state="requested",
            reason=arguments.reason,
            requested_at=now,
            exchange_for=arguments.sku if isinstance(arguments, ExchangeArguments) else None,
        )
    )
    rows = [
        {"return": label, "order": order.id, "line": line.line, "quantity": line.quantity - line.returned}
        for line in order.lines
        if line.line in arguments.lines
    ]
    await connection.execute(insert(return_lines), rows)


async def _change_address(
    connection: AsyncConnection, order: Order, arguments: AddressArguments, rules: ShopRules
) -> ActionResult:
    country = country_code(arguments.country)
    method = await connection.scalar(select(orders.c.shipping_method).where(orders.c.id == order.id))
    if country is None or country not in rules.method(method or "").regions:
        # Another zone has another price; that is a new order, not a new address.
        raise ActionNotAllowed("country_not_served")
    address = Address(**{**arguments.model_dump(), "country": country})
    await connection.execute(update(orders).where(orders.c.id == order.id).values(**vars(address)))
    earlier = await connection.scalar(
        select(func.count())
        .select_from(actions)
        .where(actions.c.order == order.id, actions.c.kind == "change_address")
    )
    reference = receipts.reference("AC", order.id, (earlier or 0) + 1)
    return ActionResult(reference, receipts.address_changed(order.id, address))


def _swaps(shelf: Sequence[Row[Any]], line: OrderLine) -> dict[str, Mapping[Language, str]]:
    """What of the product's shelf all that is open of ``line`` may be exchanged for."""
    price = next(variant.price for variant in shelf if variant.sku == line.sku)
    wanted = line.quantity - line.returned
    return {
        variant.sku: {"en": variant.name_en, "zh": variant.name_zh}
        for variant in shelf
        if variant.sku != line.sku and variant.price <= price and variant.available >= wanted
    }


def _check_lines(action: ActionKind, facts: OrderFacts, lines: Sequence[int]) -> None:
    by_number = {line.line: line for line in facts.lines}
    for number in lines:
        rule = line_rule(action, by_number[number]) if number in by_number else "no_such_line"
        if rule is not None:
            raise ActionNotAllowed(rule)
