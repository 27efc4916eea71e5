"""The demo shop's rules: what may still be done to an order, and why not.

Pure functions of facts, a day and the figures of ``shop.yaml``; nothing here reads a clock or
a database. The policy pages say the same in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import Field

from agent.ids import Language
from agent.shop.catalogue import Record, Text, read_yaml
from agent.shop.port import ActionKind, Eligibility, ExchangeChoice, OrderState


class ShippingMethod(Record):
    """A way to ship, with its price and where it goes."""

    id: str
    price: Decimal = Field(ge=0)
    free_from: Decimal | None = None
    """Goods value from which shipping is free."""
    business_days: tuple[int, int]
    carrier: str
    regions: tuple[str, ...]
    """Countries it serves, ISO codes."""

    def price_for(self, goods: Decimal) -> Decimal:
        """The shipping price of an order with this goods value."""
        return Decimal("0.00") if self.free_from is not None and goods >= self.free_from else self.price


class Shipping(Record):
    """All ways to ship, cheapest first."""

    methods: tuple[ShippingMethod, ...] = Field(min_length=1)


class PaymentMethod(Record):
    """A way to pay."""

    id: str
    title: Text


class ShopRules(Record):
    """The figures of ``shop.yaml`` that decide about orders."""

    order_prefix: str
    currency: str
    time_zone: str
    policy_version: str
    cancel_states: frozenset[OrderState]
    address_change_states: frozenset[OrderState]
    return_days: int = Field(ge=0)
    return_fee: Decimal = Field(ge=0)
    return_free_reasons: frozenset[str]
    refund_business_days: int = Field(ge=0)
    withdrawal_days: int = Field(ge=0)
    """Whole order back within this many days of delivery: standard shipping is refunded too."""
    sealed_only: Mapping[str, Text] = Field(default_factory=dict)
    shipping: Shipping
    payment_methods: tuple[PaymentMethod, ...] = Field(min_length=1)
    returns_address: Text
    bank_transfer_days: int = Field(ge=1)

    def day(self, at: datetime) -> date:
        """The shop's calendar day at an instant."""
        return at.astimezone(ZoneInfo(self.time_zone)).date()

    def method(self, id: str) -> ShippingMethod:
        """The shipping method with this id; raises ``ValueError`` when there is none."""
        for method in self.shipping.methods:
            if method.id == id:
                return method
        raise ValueError(f"no shipping method {id}")

    def methods_to(self, country: str) -> tuple[ShippingMethod, ...]:
        """Methods that serve a country (ISO code)."""
        return tuple(method for method in self.shipping.methods if country in method.regions)

    def payment(self, id: str, language: Language) -> str:
        """A payment method's name; an unknown id is its own name."""
        return next((method.title[language] for method in self.payment_methods if method.id == id), id)


def read_rules(folder: Path) -> ShopRules:
    """Read ``folder/shop.yaml``; raises ``ValueError`` when it is broken."""
    return read_yaml(folder / "shop.yaml", ShopRules)


@dataclass(frozen=True)
class LineFacts:
    """What the rules look at in one order line."""

    line: int
    quantity: int
    open: int
    """How many are not yet in a return or an exchange."""
    unit_price: Decimal
    final_sale: bool = False
    sealed: str | None = None
    """Key of ``ShopRules.sealed_only`` when it may only come back unopened."""
    title: Mapping[Language, str] = field(default_factory=dict)
    swaps: Mapping[str, Mapping[Language, str]] = field(default_factory=dict)
    """Names by SKU of the product's other variants, not dearer, of which ``open`` are in stock."""


@dataclass(frozen=True)
class OrderFacts:
    """What the rules look at in one order."""

    state: OrderState
    lines: tuple[LineFacts, ...]
    total: Decimal
    shipping: Decimal
    payment_method: str
    delivered: date | None = None
    """Day of delivery in the shop's time zone; the last parcel's when there are several."""
    countries: frozenset[str] = frozenset()
    """Where the order's shipping method goes, ISO codes."""


Sentences = Mapping[Language, str]

_TOO_LATE: Final[Mapping[OrderState, tuple[str, str, str]]] = {
    "placed": ("not_possible", "This order can't be changed here", "该订单无法在此修改"),
    "paid": ("not_possible", "This order can't be changed here", "该订单无法在此修改"),
    "packed": ("already_packed", "This order has already been packed", "该订单已打包"),
    "shipped": ("already_shipped", "This order has already been shipped", "该订单已发货"),
    "delivered": ("already_delivered", "This order has already been delivered", "该订单已送达"),
    "cancelled": ("already_cancelled", "This order has already been cancelled", "该订单已取消"),
    "returned": ("already_returned", "This order has already been returned", "该订单已退货"),
}
"""State → rule, and the first half of the explanation, for what is possible until packed."""

_SO: Final[Mapping[ActionKind, tuple[str, str]]] = {
    "cancel": ("so it can't be cancelled any more.", "不能再取消。"),
    "change_address": ("so its address can't be changed any more.", "不能再修改收货地址。"),
    "return": ("so nothing can be returned.", "无法退货。"),
    "exchange": ("so nothing can be exchanged.", "无法换货。"),
}


def eligibility(action: ActionKind, facts: OrderFacts, *, today: date, rules: ShopRules) -> Eligibility:
    """Whether ``action`` may be done on ``today`` (the shop's calendar)."""
    if action in ("cancel", "change_address"):
        return _until_packed(action, facts, rules)
    return _after_delivery(action, facts, today, rules)


def line_rule(action: ActionKind, facts: LineFacts) -> str | None:
    """Why a line cannot be returned or exchanged, as a rule code, or ``None`` if it can."""
    if facts.open < 1:
        return "already_returned"
    if facts.final_sale:
        return "final_sale"
    if action == "exchange" and not facts.swaps:
        return "no_variant_in_stock"
    return None


def return_refund(
    facts: OrderFacts, lines: tuple[int, ...], reason: str, *, today: date, rules: ShopRules
) -> Decimal:
    """What is paid back when all that is open of ``lines`` arrives, by ``reason``'s code.

    A code of ``return_free_reasons`` costs nothing and gives shipping back with a whole order;
    anything else costs the return fee, and a whole order gives standard shipping back within
    ``withdrawal_days``.
    """
    sent = [line for line in facts.lines if line.line in lines]
    amount = sum((line.open * line.unit_price for line in sent), Decimal("0.00"))
    whole = len(sent) == len(facts.lines) and all(line.open == line.quantity for line in sent)
    if reason in rules.return_free_reasons:
        return amount + facts.shipping if whole else amount
    if whole and facts.delivered and today <= facts.delivered + timedelta(days=rules.withdrawal_days):
        amount += min(facts.shipping, rules.shipping.methods[0].price)
    amount -= rules.return_fee
    return max(amount, Decimal("0.00"))


def money(amount: Decimal, rules: ShopRules) -> str:
    """An amount with its currency, ``12.90 EUR``."""
    return f"{amount:.2f} {rules.currency}"


def _until_packed(action: ActionKind, facts: OrderFacts, rules: ShopRules) -> Eligibility:
    states = rules.cancel_states if action == "cancel" else rules.address_change_states
    if facts.state not in states:
        rule, en, zh = _TOO_LATE[facts.state]
        so_en, so_zh = _SO[action]
        return _verdict(action, rule, {"en": f"{en}, {so_en}", "zh": f"{zh}，{so_zh}"}, rules)
    if action == "change_address":
        explanation: Sentences = {
            "en": "The address can be changed until the order is packed.",
            "zh": "订单打包前可以修改收货地址。",
        }
    elif facts.state == "placed":
        explanation = {
            "en": "The order is not paid or packed yet, so it can be cancelled. There is nothing to refund.",
            "zh": "订单尚未付款、尚未打包，可以取消，无需退款。",
        }
    else:
        amount = money(facts.total, rules)
        days = rules.refund_business_days
        explanation = {
            "en": f"The order is not packed yet, so it can be cancelled. {amount} will be refunded "
            f"({rules.payment(facts.payment_method, 'en')}) within {days} business days.",
            "zh": f"订单尚未打包，可以取消。{amount} 将在 {days} 个工作日内"
            f"原路退回（{rules.payment(facts.payment_method, 'zh')}）。",
        }
    verdict = _verdict(action, "not_packed_yet", explanation, rules, allowed=True)
    return replace(verdict, countries=facts.countries) if action == "change_address" else verdict


def _after_delivery(action: ActionKind, facts: OrderFacts, today: date, rules: ShopRules) -> Eligibility:
    if facts.state in ("cancelled", "returned"):
        rule, en, zh = _TOO_LATE[facts.state]
        so_en, so_zh = _SO[action]
        return _verdict(action, rule, {"en": f"{en}, {so_en}", "zh": f"{zh}，{so_zh}"}, rules)
    if facts.state != "delivered" or facts.delivered is None:
        return _verdict(action, "not_delivered_yet", _NOT_DELIVERED[action], rules)

    # What can never change comes first, then the window, then what may change tomorrow.
    lasting = {line_rule("return", line) for line in facts.lines}
    if None not in lasting:
        rule = "final_sale" if "final_sale" in lasting else "already_returned"
        return _verdict(action, rule, _NO_LINE[rule], rules)
    until = facts.delivered + timedelta(days=rules.return_days)
    if today > until:
        explanation: Sentences = {
            "en": f"Returns and exchanges are possible for {rules.return_days} days from delivery. "
            f"For this order that ended on {_day(until, 'en')}.",
            "zh": f"签收后 {rules.return_days} 天内可以退换货，该订单的期限已于{_day(until, 'zh')}截止。",
        }
        return _verdict(action, "window_passed", explanation, rules, until=until)
    lines = tuple(line.line for line in facts.lines if line_rule(action, line) is None)
    if not lines:
        return _verdict(action, "no_variant_in_stock", _NO_LINE["no_variant_in_stock"], rules, until=until)
    explanation = _allowed(action, facts, lines, until, today, rules)
    choices = tuple(
        ExchangeChoice(line.line, sku, name)
        for line in facts.lines
        if action == "exchange" and line.line in lines
        for sku, name in sorted(line.swaps.items())
    )
    verdict = _verdict(
        action,
        "within_window",
        explanation,
        rules,
        allowed=True,
        lines=lines,
        until=until,
        choices=choices,
    )
    return replace(verdict, refused=_refused(action, facts))


def _refused(action: ActionKind, facts: OrderFacts) -> dict[int, Sentences]:
    """Why each line that is left out is."""
    return {
        line.line: {
            language: words.format(title=line.title.get(language, line.line))
            for language, words in said.items()
        }
        for line in facts.lines
        if (rule := line_rule(action, line)) is not None and (said := _ONE_LINE[rule])
    }


_NOT_DELIVERED: Final[Mapping[ActionKind, Sentences]] = {
    "return": {
        "en": "This order has not been delivered yet; it can be returned once it is.",
        "zh": "该订单尚未送达，签收后才能退货。",
    },
    "exchange": {
        "en": "This order has not been delivered yet; items can be exchanged once it is.",
        "zh": "该订单尚未送达，签收后才能换货。",
    },
}

_NO_LINE: Final[Mapping[str, Sentences]] = {
    "already_returned": {
        "en": "Everything in this order is already in a return or an exchange.",
        "zh": "该订单的商品均已申请退货或换货。",
    },
    "final_sale": {
        "en": "What is left of this order is final sale and can't be returned or exchanged. "
        "If an item is faulty, its warranty applies.",
        "zh": "该订单剩余商品为清仓不退换商品，不支持退货和换货；如有质量问题，可按保修政策处理。",
    },
    "no_variant_in_stock": {
        "en": "No other size or colour of these items is in stock for an exchange at the moment. "
        "They may be returned instead.",
        "zh": "这些商品目前没有其他尺码或颜色的现货可供换货，可以选择退货。",
    },
}


_ONE_LINE: Final[Mapping[str, Sentences]] = {
    "already_returned": {
        "en": "{title}: this item is already in a return or an exchange.",
        "zh": "{title}：该商品已申请退货或换货。",
    },
    "final_sale": {
        "en": "{title}: this item is final sale and can't be returned or exchanged. If it is faulty, its "
        "warranty applies.",
        "zh": "{title}：该商品为清仓不退换商品，不支持退货和换货；如有质量问题，可按保修政策处理。",
    },
    "no_variant_in_stock": {
        "en": "{title}: no other size or colour is in stock for an exchange at the moment. It may be "
        "returned instead.",
        "zh": "{title}：目前没有其他尺码或颜色的现货可供换货，可以选择退货。",
    },
}


def _allowed(
    action: ActionKind,
    facts: OrderFacts,
    lines: tuple[int, ...],
    until: date,
    today: date,
    rules: ShopRules,
) -> Sentences:
    sealed = sorted({line.sealed for line in facts.lines if line.sealed and line.line in lines})
    notes: dict[Language, str] = {
        "en": "".join(f" {rules.sealed_only[key]['en']}" for key in sealed if key in rules.sealed_only),
        "zh": "".join(rules.sealed_only[key]["zh"] for key in sealed if key in rules.sealed_only),
    }
    if action == "exchange":
        return {
            "en": f"You can exchange these items for another size or colour until {_day(until, 'en')}, "
            f"free of charge. In stock are {_swaps(facts, lines, 'en')}.{notes['en']}",
            "zh": f"{_day(until, 'zh')}前（含当日）可免费换其他尺码或颜色。"
            f"有货：{_swaps(facts, lines, 'zh')}。{notes['zh']}",
        }
    amount = money(return_refund(facts, lines, "", today=today, rules=rules), rules)
    fee, days = money(rules.return_fee, rules), rules.refund_business_days
    return {
        "en": f"You can return these items until {_day(until, 'en')}. For all of them we refund {amount} "
        f"within {days} business days of their arrival; the {fee} return fee is already deducted "
        f"and not charged for faulty or wrong items.{notes['en']}",
        "zh": f"{_day(until, 'zh')}前（含当日）可以退货。全部退回可退款 {amount}"
        f"（已扣 {fee} 退货费，质量问题或发错货免收），商品到仓后 {days} 个工作日内退款。{notes['zh']}",
    }


def _swaps(facts: OrderFacts, lines: tuple[int, ...], language: Language) -> str:
    """What each line may be exchanged for, with the SKU that ``exchange`` takes."""
    colon, comma, semicolon = (": ", ", ", "; ") if language == "en" else ("：", "、", "；")
    return semicolon.join(
        line.title[language]
        + colon
        + comma.join(f"{name[language]} ({sku})" for sku, name in sorted(line.swaps.items()))
        for line in facts.lines
        if line.line in lines
    )


def _verdict(
    action: ActionKind,
    rule: str,
    explanation: Sentences,
    rules: ShopRules,
    *,
    allowed: bool = False,
    lines: tuple[int, ...] = (),
    until: date | None = None,
    choices: tuple[ExchangeChoice, ...] = (),
) -> Eligibility:
    return Eligibility(action, allowed, rule, explanation, rules.policy_version, lines, until, choices)


_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _day(day: date, language: Language) -> str:
    """A day as people write it, whatever the process's locale."""
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
