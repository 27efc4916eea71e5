from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from agent.shop.port import ActionKind, OrderState
from agent.shop.rules import LineFacts, OrderFacts, ShopRules, eligibility, return_refund

DELIVERED = date(2026, 10, 1)
LAST_DAY = date(2026, 10, 31)
BOOTS = LineFacts(
    1,
    1,
    1,
    Decimal("189.00"),
    title={"en": "Boots", "zh": "靴子"},
    swaps={"BOOT-41": {"en": "EU 41", "zh": "41 码"}},
)
SOCKS = LineFacts(
    2,
    2,
    2,
    Decimal("29.90"),
    title={"en": "Socks", "zh": "袜子"},
    swaps={"SOCK-L": {"en": "Large", "zh": "大号"}},
)
SALE = LineFacts(3, 1, 1, Decimal("49.00"), final_sale=True, swaps={"WIND-M": {"en": "M", "zh": "M"}})


def order(state: OrderState, *lines: LineFacts, delivered: date | None = None) -> OrderFacts:
    total = sum((line.quantity * line.unit_price for line in lines), Decimal("4.90"))
    return OrderFacts(state, lines or (BOOTS,), total, Decimal("4.90"), "paypal", delivered)


@pytest.mark.parametrize("action", ["cancel", "change_address"])
@pytest.mark.parametrize(
    ("state", "allowed", "rule"),
    [
        ("placed", True, "not_packed_yet"),
        ("paid", True, "not_packed_yet"),
        ("packed", False, "already_packed"),
        ("shipped", False, "already_shipped"),
        ("delivered", False, "already_delivered"),
        ("cancelled", False, "already_cancelled"),
        ("returned", False, "already_returned"),
    ],
)
def test_an_order_can_be_cancelled_and_redirected_until_it_is_packed(
    action: ActionKind, state: OrderState, allowed: bool, rule: str, rules: ShopRules
) -> None:
    verdict = eligibility(action, order(state, delivered=DELIVERED), today=DELIVERED, rules=rules)
    assert (verdict.allowed, verdict.rule) == (allowed, rule)
    assert verdict.policy_version == "2026-03-01"


@pytest.mark.parametrize("action", ["return", "exchange"])
@pytest.mark.parametrize(
    ("state", "rule"),
    [
        ("placed", "not_delivered_yet"),
        ("paid", "not_delivered_yet"),
        ("packed", "not_delivered_yet"),
        ("shipped", "not_delivered_yet"),
        ("cancelled", "already_cancelled"),
        ("returned", "already_returned"),
    ],
)
def test_nothing_goes_back_before_it_arrived_or_after_it_is_gone(
    action: ActionKind, state: OrderState, rule: str, rules: ShopRules
) -> None:
    verdict = eligibility(action, order(state), today=DELIVERED, rules=rules)
    assert (verdict.allowed, verdict.rule, verdict.lines, verdict.until) == (False, rule, (), None)


@pytest.mark.parametrize("action", ["return", "exchange"])
@pytest.mark.parametrize(
    ("today", "allowed", "rule"),
    [
        (DELIVERED, True, "within_window"),
        (LAST_DAY, True, "within_window"),
        (LAST_DAY + timedelta(days=1), False, "window_passed"),
    ],
)
def test_the_window_is_thirty_days_and_the_last_day_counts(
    action: ActionKind, today: date, allowed: bool, rule: str, rules: ShopRules
) -> None:
    verdict = eligibility(action, order("delivered", BOOTS, delivered=DELIVERED), today=today, rules=rules)
    assert (verdict.allowed, verdict.rule, verdict.until) == (allowed, rule, LAST_DAY)


def test_final_sale_and_lines_already_sent_back_are_left_out(rules: ShopRules) -> None:
    gone = replace(BOOTS, open=0)
    facts = order("delivered", gone, SOCKS, SALE, delivered=DELIVERED)
    assert eligibility("return", facts, today=DELIVERED, rules=rules).lines == (2,)
    assert eligibility("exchange", facts, today=DELIVERED, rules=rules).lines == (2,)


def test_a_partly_returned_line_can_still_be_returned(rules: ShopRules) -> None:
    facts = order("delivered", replace(SOCKS, open=1), delivered=DELIVERED)
    verdict = eligibility("return", facts, today=DELIVERED, rules=rules)
    assert (verdict.allowed, verdict.lines) == (True, (2,))


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ((replace(BOOTS, open=0),), "already_returned"),
        ((SALE,), "final_sale"),
        ((replace(BOOTS, open=0), SALE), "final_sale"),
    ],
)
def test_what_can_never_go_back_is_said_also_after_the_window(
    lines: tuple[LineFacts, ...], rule: str, rules: ShopRules
) -> None:
    facts = order("delivered", *lines, delivered=DELIVERED)
    for today in (DELIVERED, LAST_DAY + timedelta(days=5)):
        assert eligibility("return", facts, today=today, rules=rules).rule == rule


def test_without_another_variant_in_stock_only_a_return_is_possible(rules: ShopRules) -> None:
    facts = order("delivered", replace(BOOTS, swaps={}), delivered=DELIVERED)
    assert eligibility("exchange", facts, today=DELIVERED, rules=rules).rule == "no_variant_in_stock"
    assert eligibility("return", facts, today=DELIVERED, rules=rules).allowed
    late = LAST_DAY + timedelta(days=1)
    assert eligibility("exchange", facts, today=late, rules=rules).rule == "window_passed"


@pytest.mark.parametrize("action", ["cancel", "change_address", "return", "exchange"])
@pytest.mark.parametrize(
    "state", ["placed", "paid", "packed", "shipped", "delivered", "cancelled", "returned"]
)
def test_every_verdict_is_explained_in_both_languages(
    action: ActionKind, state: OrderState, rules: ShopRules
) -> None:
    facts = order(state, delivered=DELIVERED if state == "delivered" else None)
    explanation = eligibility(action, facts, today=DELIVERED, rules=rules).explanation
    assert explanation["en"].isascii()
    assert any("一" <= sign <= "鿿" for sign in explanation["zh"])


def test_the_explanation_names_money_date_and_seal(rules: ShopRules) -> None:
    facts = order("delivered", BOOTS, replace(SOCKS, sealed="hygiene"), delivered=DELIVERED)
    explanation = eligibility("return", facts, today=LAST_DAY, rules=rules).explanation
    # 189.00 + 2 × 29.90 - 4.90; shipping is not refunded on day 30.
    for words in ("31 October 2026", "243.90 EUR", rules.sealed_only["hygiene"]["en"]):
        assert words in explanation["en"]
    for words in ("2026年10月31日", "243.90 EUR", rules.sealed_only["hygiene"]["zh"]):
        assert words in explanation["zh"]


def test_an_exchange_names_what_is_in_stock(rules: ShopRules) -> None:
    facts = order("delivered", BOOTS, SOCKS, SALE, delivered=DELIVERED)
    explanation = eligibility("exchange", facts, today=DELIVERED, rules=rules).explanation
    assert "Boots: EU 41 (BOOT-41); Socks: Large (SOCK-L)." in explanation["en"]
    assert "靴子：41 码 (BOOT-41)；袜子：大号 (SOCK-L)。" in explanation["zh"]
    assert "WIND-M" not in explanation["en"]


@pytest.mark.parametrize(
    ("lines", "reason", "days", "refund"),
    [
        ((1,), "too_small", 5, "184.10"),
        ((1,), "faulty", 5, "189.00"),
        ((1, 2), "too_small", 14, "248.80"),  # whole order in time: standard shipping comes back
        ((1, 2), "too_small", 15, "243.90"),
        ((1, 2), "wrong_item", 30, "253.70"),
    ],
)
def test_a_return_refunds_what_the_policy_says(
    lines: tuple[int, ...], reason: str, days: int, refund: str, rules: ShopRules
) -> None:
    facts = order("delivered", BOOTS, SOCKS, delivered=DELIVERED)
    today = DELIVERED + timedelta(days=days)
    assert return_refund(facts, lines, reason, today=today, rules=rules) == Decimal(refund)


def test_the_fee_never_makes_a_refund_negative(rules: ShopRules) -> None:
    cheap = LineFacts(4, 1, 1, Decimal("3.00"))
    facts = replace(order("delivered", cheap, BOOTS, delivered=DELIVERED), shipping=Decimal("0.00"))
    assert return_refund(facts, (4,), "changed_mind", today=DELIVERED, rules=rules) == Decimal("0.00")
