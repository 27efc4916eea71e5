"""What comes back to a shopper: whether a message asks how much, and what the shop says to it.

Amounts are the shop's own: refunds on record, what it says of a return, the total of an order that is
cancelled, the price paid for items. The only thing reckoned here is their sum.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from agent.events import OrderFact
from agent.ids import Language
from agent.order_facts import day, fact_of, listed, money, payment
from agent.shop.port import Order, OrderAction, OrderLine, Refund, Return
from agent.texts import text

_NOT_A_PRICE = r"(?:(?!\b(?:send|ship|bring|charg|cost|fee|deduct|customers|people)|[.?!;]).)"
"""Any letter of one sentence that does not turn to what a return costs or to people in general."""
_ASKS = re.compile(
    rf"\b(?:how much|what)\b{_NOT_A_PRICE}{{0,40}}?\b(?:get(?:s|ting)?|got|receiv(?:e|ed|ing)|com(?:es?|ing)|given?"
    rf"|giving|pa(?:y|id|ying)|expect|credited)\b{_NOT_A_PRICE}{{0,24}}?\bback\b"
    rf"|\bhow (?:much|big|large|high)\b{_NOT_A_PRICE}{{0,30}}?\brefund\w*"
    rf"|\b(?:total|overall|combined|exact|entire)\b{_NOT_A_PRICE}{{0,24}}?\brefund\w*"
    r"|\brefund(?:ed|s)? (?:amounts?|total|sum)\b"
    rf"|\b(?:amount|sum|total)\b{_NOT_A_PRICE}{{0,30}}?\b(?:refund\w*|(?:get|getting|got|receive) back)\b"
    # A fee is no refund, nor is a number of days.
    r"|(?:退|返还)(?:(?!货?(?:运?费|邮))[^，。？！,.?!收扣运邮寄付交期]){0,8}?(?:多少|几(?:块|元|欧))(?!天|时间|小时|个|次|件|位)"
    r"|多少钱?[^，。？！,.?!收扣运邮寄付交]{0,6}退(?:给我|回)"
    r"|退款的?(?:总额|总?金额|合计|总数|总计)|(?:拿|收|要|领)回(?:来|到)?[^，。？！,.?!]{0,4}(?:多少|几(?:块|元|欧))",
    re.IGNORECASE,
)
"""Asks how much comes back."""
_GENERAL = re.compile(
    r"\b(?:generally|usually|normally|typically|in general|polic(?:y|ies))\b|一般|通常|政策|规定",
    re.IGNORECASE,
)
"""Asks about the rules instead."""
_SUPPOSES = re.compile(
    r"\bif\b(?!.{0,12}\bconfirm)|\b(?:suppose|supposing)\b|如果|要是|假如|假设|的话", re.IGNORECASE
)
PAYING = frozenset({"cancel", "return"})
"""Changes that pay something back."""
_COMING = frozenset({"requested", "approved", "in_transit", "received"})
"""States of a return for which money may still come."""


@dataclass(frozen=True)
class Back:
    """One amount that comes back, and what the shop says of it.

    Attributes:
        facts: As they are told; the first names the amount.
        returned: The return it is for; empty for a cancellation or a refund on record.
        exact: It is what is paid, not the price of items from which the shop's rules may deduct.
        open: It comes only when the shopper confirms.
        settled: It has arrived.
    """

    facts: tuple[OrderFact, ...]
    amount: Decimal
    currency: str
    returned: str = ""
    exact: bool = True
    open: bool = False
    settled: bool = False


def asks(said: str) -> bool:
    """Whether a message asks how much money comes back to the one who writes."""
    return _ASKS.search(said) is not None and _GENERAL.search(said) is None


def without(said: str) -> str:
    """A message without the words that ask this."""
    return _ASKS.sub(" ", said)


def supposes(said: str) -> bool:
    """Whether a message asks what would be, rather than what is."""
    return _SUPPOSES.search(said) is not None


def on_record(order: Order, language: Language) -> list[Back]:
    """Refunds of an order, and what is still to come for its returns."""
    refunds = [_refund(order, refund, number, language) for number, refund in enumerate(order.refunds, 1)]
    return [*refunds, *(_return(order, one, language) for one in order.returns if _to_come(order, one))]


def cancelled(order: Order, refund: Decimal | None, language: Language) -> Back:
    """What comes back for a cancellation, as the shop said when it was done."""
    return _cancel(order, refund or Decimal(0), "done", language)


def proposed(order: Order, action: OrderAction, terms: OrderFact | None, language: Language) -> Back:
    """What would come back for a cancellation or a return that waits for the shopper's word.

    Args:
        order: To be changed.
        action: The change.
        terms: The shop's ruling on it, told beside the price of what is returned.
        language: Of the facts.
    """
    if action.kind == "cancel":
        paid = Decimal(0) if order.state == "placed" else order.total
        return _cancel(order, paid, "open", language)
    numbers = action.arguments["lines"]
    lines = [line for line in order.lines if isinstance(numbers, list | tuple) and line.line in numbers]
    price = sum((line.unit_price * (line.quantity - line.returned) for line in lines), Decimal(0))
    words = text(
        "back.return.open",
        language,
        order=order.id,
        items=listed(lines, language),
        amount=money(price, order.currency),
    )
    fact = fact_of(order, "back.return", words)
    return Back((fact, *([terms] if terms else [])), price, order.currency, exact=False, open=True)


def told(backs: Sequence[Back], language: Language) -> tuple[OrderFact, ...]:
    """The facts of each amount, and their sum in each currency in which there are several."""
    facts = [fact for back in backs for fact in back.facts]
    for currency in dict.fromkeys(back.currency for back in backs):
        own = [back for back in backs if back.currency == currency]
        if len(own) < 2:
            continue
        name = "back.total" if all(back.exact for back in own) else "back.total.price"
        orders = list(dict.fromkeys(back.facts[0].order for back in own))
        words = text(
            name,
            language,
            orders=("、" if language == "zh" else ", ").join(orders),
            amount=money(sum((back.amount for back in own), Decimal(0)), currency),
        )
        total = f"back.total.{currency}"
        facts.append(OrderFact(id=f"{orders[0]}#{total}", order=orders[0], name=total, text=words))
    return tuple(facts)


def _to_come(order: Order, item: Return) -> bool:
    """Whether money is still to come for a return; one that has arrived may have been paid for."""
    if item.kind != "return" or item.state not in _COMING:
        return False
    return item.state != "received" or all(one.issued_at < item.requested_at for one in order.refunds)


def _refund(order: Order, refund: Refund, number: int, language: Language) -> Back:
    words = text(
        "back.refund.settled" if refund.settled_at else "back.refund.pending",
        language,
        order=order.id,
        amount=money(refund.amount, order.currency),
        method=payment(refund.method, language),
        issued=day(refund.issued_at, language),
        settled=day(refund.settled_at, language) if refund.settled_at else "",
    )
    fact = fact_of(order, f"back.refund.{number}", words)
    return Back((fact,), refund.amount, order.currency, settled=refund.settled_at is not None)


def _return(order: Order, item: Return, language: Language) -> Back:
    lines = [line for line in order.lines if line.line in item.lines]
    price = sum((line.unit_price * _sent(line) for line in lines), Decimal(0))
    amount = price if item.refund is None else item.refund
    words = text(
        "back.return.price" if item.refund is None else "back.return",
        language,
        reference=item.id,
        order=order.id,
        items=listed(lines, language),
        amount=money(amount, order.currency),
    )
    fact = fact_of(order, f"back.{item.id}", words)
    return Back((fact,), amount, order.currency, returned=item.id, exact=item.refund is not None)


def _sent(line: OrderLine) -> int:
    return line.returned or line.quantity


def _cancel(order: Order, amount: Decimal, stage: str, language: Language) -> Back:
    words = text(
        f"back.cancel.{stage}" if amount else f"back.cancel.{stage}.nothing",
        language,
        order=order.id,
        amount=money(amount, order.currency),
        method=payment(order.payment_method, language),
    )
    fact = fact_of(order, "back.cancel", words)
    return Back((fact,), amount, order.currency, open=stage == "open")
