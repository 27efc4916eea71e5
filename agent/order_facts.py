"""What the shop says about an order, as sentences an answer can cite."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from agent.events import Citation, OrderFact
from agent.ids import Language
from agent.shop.port import Eligibility, Order, OrderLine, Refund, Shipment
from agent.texts import names, text

SYMBOLS = {"EUR": "€", "CNY": "¥", "USD": "$", "GBP": "£"}


def money(amount: Decimal, currency: str) -> str:
    """``€249.00``; an unknown currency keeps its code."""
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{amount:.2f}" if symbol else f"{amount:.2f} {currency}"


def day(value: date | datetime, language: Language) -> str:
    """``3 November 2026`` or ``2026年11月3日``."""
    if language == "zh":
        return f"{value.year}年{value.month}月{value.day}日"
    return f"{value.day} {value:%B} {value.year}"


def payment(method: str, language: Language) -> str:
    """A payment method in words; one without a name of its own stays as the shop calls it."""
    name = f"payment.{method}"
    return text(name, language) if name in names() else method


def listed(lines: Sequence[OrderLine], language: Language) -> str:
    """Order lines in words: ``2 × Merino hiking socks (39–41), 1 × …``."""
    separator = "、" if language == "zh" else ", "
    return separator.join(f"{line.quantity} × {line.title[language]} ({line.variant})" for line in lines)


def facts(order: Order, language: Language, *, today: date) -> list[OrderFact]:
    """Every fact a shopper may be told about ``order``, most asked first."""
    found = [fact_of(order, "state", text(f"order.state.{order.state}", language, order=order.id))]
    for number, shipment in enumerate(order.shipments, 1):
        found.extend(_shipment(order, shipment, number, language, today))
    found.append(
        fact_of(
            order,
            "placed",
            text("order.placed", language, order=order.id, day=day(order.placed_at, language)),
        )
    )
    found.append(
        fact_of(
            order,
            "items",
            text(
                "order.items",
                language,
                order=order.id,
                items=listed(order.lines, language),
                total=money(order.total, order.currency),
            ),
        )
    )
    found.extend(_refund(order, refund, number, language) for number, refund in enumerate(order.refunds, 1))
    found.extend(
        fact_of(
            order,
            f"return.{number}",
            text(
                f"order.return.{item.state}",
                language,
                reference=item.id,
                day=day(item.requested_at, language),
            ),
        )
        for number, item in enumerate(order.returns, 1)
    )
    return found


def overview(orders: Sequence[Order], language: Language) -> list[OrderFact]:
    """One line for each order, as given."""
    return [
        fact_of(
            order,
            "summary",
            text(
                "order.summary",
                language,
                order=order.id,
                day=day(order.placed_at, language),
                items=order.lines[0].title[language] if order.lines else "",
                more=text("order.more", language, count=len(order.lines) - 1) if len(order.lines) > 1 else "",
                total=money(order.total, order.currency),
                state=text(f"state.{order.state}", language),
            ),
        )
        for order in orders
    ]


def eligibility_fact(order: Order, eligibility: Eligibility, language: Language) -> OrderFact:
    """The shop's ruling on one action, as a fact."""
    return fact_of(order, f"eligibility.{eligibility.action}", eligibility.explanation[language])


def refusal_fact(order: Order, ruling: Eligibility, product: str, language: Language) -> OrderFact | None:
    """Why the very item that is named cannot be sent back, where others of the order can."""
    named = [line for line in order.lines if product and called(line, product)]
    return next(iter(refusals(order, ruling, named, language)), None) if len(named) == 1 else None


def refusals(
    order: Order, ruling: Eligibility, lines: Sequence[OrderLine], language: Language
) -> list[OrderFact]:
    """Why those of ``lines`` that cannot be sent back cannot."""
    return [
        fact_of(order, f"refused.{line.line}", ruling.refused[line.line][language])
        for line in lines
        if line.line in ruling.refused
    ]


def called(line: OrderLine, product: str) -> bool:
    """Whether a shopper's word for a product is in a line's title, in either language."""
    return any(product.lower() in title.lower() for title in line.title.values())


def cite(fact: OrderFact, ref: int = 1) -> Citation:
    """The citation number ``ref`` of an answer, pointing to ``fact``."""
    return Citation(ref=str(ref), kind="order_fact", id=fact.id, title=fact.order, quote=fact.text)


def _shipment(
    order: Order, shipment: Shipment, number: int, language: Language, today: date
) -> list[OrderFact]:
    values = {
        "carrier": shipment.carrier,
        "tracking": shipment.tracking_number,
        "expected": day(shipment.expected, language) if shipment.expected else "",
        "delivered": day(shipment.delivered_at, language) if shipment.delivered_at else "",
        "shipped": day(shipment.shipped_at, language) if shipment.shipped_at else "",
    }
    found = [
        fact_of(order, f"shipment.{number}", text(f"shipment.{shipment.state}", language, **values)),
        fact_of(order, f"tracking.{number}", text("shipment.tracking", language, **values)),
    ]
    if shipment.expected and shipment.state != "delivered":
        due = "shipment.expected" if shipment.expected >= today else "shipment.late"
        found.append(fact_of(order, f"expected.{number}", text(due, language, **values)))
    if shipment.events and shipment.state != "delivered":
        scan = shipment.events[-1]
        found.append(
            fact_of(
                order,
                f"scan.{number}",
                text(
                    "shipment.scan",
                    language,
                    day=day(scan.at, language),
                    place=scan.place,
                    scan=scan.text[language],
                ),
            )
        )
    return found


def _refund(order: Order, refund: Refund, number: int, language: Language) -> OrderFact:
    name = "refund.settled" if refund.settled_at else "refund.pending"
    return fact_of(
        order,
        f"refund.{number}",
        text(
            name,
            language,
            amount=money(refund.amount, order.currency),
            method=payment(refund.method, language),
            issued=day(refund.issued_at, language),
            settled=day(refund.settled_at, language) if refund.settled_at else "",
        ),
    )


def fact_of(order: Order, name: str, sentence: str) -> OrderFact:
    """A sentence of the shop about ``order``, under a name of its own."""
    return OrderFact(id=f"{order.id}#{name}", order=order.id, name=name, text=sentence)
