import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.ids import CustomerId
from agent.shop.catalogue import Catalogue
from agent.shop.demo import write_store
from agent.shop.history import Rows
from agent.shop.personas import plan_personas, read_persona_scripts
from agent.shop.port import Order
from agent.shop.rules import ShopRules, eligibility
from agent.shop.seed import NIGHT, seed_rows
from agent.shop.sqlite import SqliteShop
from tests.agent.shop.conftest import FOLDER
from tests.conftest import TODAY, Clock

NOW = datetime.combine(TODAY, time(), UTC) + NIGHT


@pytest.fixture(scope="session")
def rows(catalogue: Catalogue, rules: ShopRules) -> Rows:
    return seed_rows(catalogue, rules, read_persona_scripts(FOLDER), today=TODAY)


@pytest.fixture
async def orders(shop: SqliteShop) -> list[Order]:
    return [order async for order in shop.all_orders()]


def by_order(rows: Rows, table: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows[table]:
        found[row["order"]].append(row)
    return found


def test_there_are_300_customers_two_in_five_chinese(rows: Rows) -> None:
    assert Counter(row["language"] for row in rows["customers"]) == {"en": 180, "zh": 120}
    assert len({row["name"] for row in rows["customers"]}) == 300
    assert {row["country"] for row in rows["customers"]} >= {"DE", "FR", "NL", "AT", "GB", "CN"}
    for row in rows["customers"]:
        assert row["email"].partition("@")[2] in ("example.com", "example.org", "example.net")
        assert row["email"].isascii()


def test_there_are_about_1500_orders_over_18_months(rows: Rows) -> None:
    assert 1400 <= len(rows["orders"]) <= 1600
    placed = [row["placed_at"] for row in rows["orders"]]
    assert NOW - timedelta(days=550) < min(placed) < NOW - timedelta(days=500)
    assert NOW - timedelta(hours=1) < max(placed) < NOW


@pytest.mark.parametrize("today", [TODAY, date(2026, 2, 28), date(2026, 8, 15), date(2026, 11, 22)])
def test_every_state_is_there_on_any_day(today: date, catalogue: Catalogue, rules: ShopRules) -> None:
    rows = seed_rows(catalogue, rules, read_persona_scripts(FOLDER), today=today)
    assert {row["state"] for row in rows["orders"]} == {
        *("placed", "paid", "packed", "shipped", "delivered", "cancelled", "returned")
    }
    assert {row["state"] for row in rows["shipments"]} == {
        *("label_created", "in_transit", "out_for_delivery", "delivered", "exception")
    }
    assert {row["state"] for row in rows["returns"]} >= {
        *("requested", "in_transit", "received", "refunded", "rejected")
    }
    assert {row["kind"] for row in rows["returns"]} == {"return", "exchange"}
    assert {row["reason"] for row in rows["refunds"]} == {"return", "cancelled", "parcel_lost"}
    assert 1400 <= len(rows["orders"]) <= 1600


def test_nothing_happens_after_the_day_began(rows: Rows) -> None:
    for table in rows.values():
        for row in table:
            for name, value in row.items():
                assert not isinstance(value, datetime) or value <= NOW, name


def test_the_same_seed_and_day_give_the_same_bytes(
    rows: Rows, catalogue: Catalogue, rules: ShopRules, tmp_path: Path
) -> None:
    again = seed_rows(catalogue, rules, read_persona_scripts(FOLDER), today=TODAY)
    write_store(tmp_path / "a.db", rows)
    write_store(tmp_path / "b.db", again)
    assert (tmp_path / "a.db").read_bytes() == (tmp_path / "b.db").read_bytes()
    other = seed_rows(catalogue, rules, read_persona_scripts(FOLDER), today=TODAY, seed=7)
    assert other["orders"] != rows["orders"]


def test_every_reference_between_rows_holds(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_order_adds_up(rows: Rows) -> None:
    lines, refunds = by_order(rows, "order_lines"), by_order(rows, "refunds")
    for order in rows["orders"]:
        goods = sum(line["quantity"] * line["unit_price"] for line in lines[order["id"]])
        assert order["total"] == goods + order["shipping"]
        assert sum(refund["amount"] for refund in refunds[order["id"]]) <= order["total"]


def test_nobody_sends_back_more_than_they_bought(rows: Rows) -> None:
    bought = {(row["order"], row["line"]): row for row in rows["order_lines"]}
    back: Counter[tuple[str, int]] = Counter()
    for row in rows["return_lines"]:
        back[row["order"], row["line"]] += row["quantity"]
    for line, quantity in back.items():
        assert quantity <= bought[line]["quantity"]
        assert not bought[line]["final_sale"]


def test_an_orders_days_follow_one_another(orders: list[Order]) -> None:
    for order in orders:
        for parcel in order.shipments:
            days = [order.placed_at, *(scan.at for scan in parcel.events)]
            assert days == sorted(days), order.id
            assert (parcel.delivered_at is not None) == (parcel.state == "delivered")
        for back in order.returns:
            assert order.shipments[0].delivered_at is not None
            assert back.requested_at > order.shipments[0].delivered_at
        for refund in order.refunds:
            assert refund.settled_at is None or refund.settled_at > refund.issued_at


def test_parcels_travel_by_a_method_that_serves_their_country(rows: Rows, rules: ShopRules) -> None:
    fuel = {row["order"] for row in rows["order_lines"] if row["sealed"] == "fuel"}
    assert fuel
    for order in rows["orders"]:
        assert order["country"] in rules.method(order["shipping_method"]).regions
        assert order["id"] not in fuel or order["shipping_method"] == "standard"


def test_customers_differ_in_how_often_and_how_recently_they_buy(orders: list[Order]) -> None:
    history: dict[CustomerId, list[Order]] = defaultdict(list)
    for order in orders:
        history[order.customer].append(order)
    newest = {customer: theirs[0].placed_at for customer, theirs in history.items()}
    loyal = [one for one in history if len(history[one]) >= 10 and NOW - newest[one] < timedelta(days=30)]
    lapsed = [one for one in history if len(history[one]) >= 3 and NOW - newest[one] > timedelta(days=150)]
    spent = sorted(sum(order.total for order in theirs) for theirs in history.values())
    assert len(loyal) >= 8
    assert len(lapsed) >= 15
    assert spent[-20] > 8 * spent[20]


# The personas


async def persona_orders(shop: SqliteShop) -> dict[CustomerId, list[Order]]:
    return {
        CustomerId(script.id): await shop.orders_of(CustomerId(script.id))
        for script in read_persona_scripts(FOLDER)
    }


async def test_there_are_five_personas_three_english_two_chinese(shop: SqliteShop) -> None:
    scripts = read_persona_scripts(FOLDER)
    assert Counter(script.language for script in scripts) == {"en": 3, "zh": 2}
    for script in scripts:
        customer = await shop.customer_by_email(script.email)
        assert customer is not None
        assert (customer.id, customer.name) == (script.id, script.name)
        stored = [order.id for order in await shop.orders_of(customer.id)]
        assert sorted(stored) == sorted(order.id for order in script.orders)
        assert set(script.about) == {"en", "zh"}


async def test_each_persona_can_cancel_wait_return_and_be_too_late(
    shop: SqliteShop, rules: ShopRules, clock: Clock
) -> None:
    from agent.scope import Scope

    for customer, orders in (await persona_orders(shop)).items():
        verdicts = []
        for order in orders:
            scope = Scope(customer=customer)
            cancel = await shop.eligibility(scope, order.id, "cancel")
            back = await shop.eligibility(scope, order.id, "return")
            assert cancel is not None
            assert back is not None
            verdicts.append((order.state, cancel.allowed, back.rule))
        assert ("paid", True, "not_delivered_yet") in verdicts
        assert ("shipped", False, "not_delivered_yet") in verdicts
        assert ("delivered", False, "within_window") in verdicts
        assert ("delivered", False, "window_passed") in verdicts


async def test_the_personas_have_their_troubles(shop: SqliteShop) -> None:
    orders = await persona_orders(shop)
    (late,) = (
        parcel
        for theirs in orders.values()
        for order in theirs
        for parcel in order.shipments
        if parcel.state == "exception"
    )
    assert late.expected is not None
    assert late.expected < TODAY
    (overdue,) = (
        refund
        for theirs in orders.values()
        for order in theirs
        for refund in order.refunds
        if refund.settled_at is None
    )
    assert NOW - overdue.issued_at > timedelta(days=10)
    assert len(orders[CustomerId("C-10001")]) >= 8
    lapsing = orders[CustomerId("C-10005")]
    recent = [order.total for order in lapsing if order.placed_at > NOW - timedelta(days=300)]
    earlier = [order.total for order in lapsing if order.placed_at <= NOW - timedelta(days=300)]
    assert len(earlier) > len(recent)
    assert sum(earlier) / len(earlier) > 2 * sum(recent) / len(recent)


def test_a_persona_refund_is_what_the_rules_give(catalogue: Catalogue, rules: ShopRules) -> None:
    from agent.shop.rules import LineFacts, OrderFacts, return_refund

    checked = 0
    for persona in plan_personas(read_persona_scripts(FOLDER), catalogue, rules, now=NOW):
        for plan in persona.plans:
            for going in plan.going_back:
                if going.payback is None:
                    continue
                delivered = plan.parcels[0].delivered_at
                assert delivered is not None
                facts = OrderFacts(
                    state="delivered",
                    lines=tuple(
                        LineFacts(line, item.quantity, item.quantity, item.unit_price)
                        for line, item in enumerate(plan.items, start=1)
                    ),
                    total=plan.goods + plan.shipping,
                    shipping=plan.shipping,
                    payment_method=plan.payment_method,
                    delivered=rules.day(delivered),
                )
                lines = tuple(line for line, _ in going.lines)
                day = rules.day(going.requested_at)
                expected = return_refund(facts, lines, going.reason, today=day, rules=rules)
                assert going.payback.amount == expected, plan.id
                assert eligibility("return", facts, today=day, rules=rules).allowed
                checked += 1
    assert checked >= 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"state": "delivered"}, "its days make it paid, not delivered"),
        ({"lines": ({"sku": "NO-SUCH"},)}, "no SKU NO-SUCH"),
        ({"method": "balloon"}, "no shipping method balloon"),
    ],
)
def test_a_script_that_contradicts_itself_is_refused(
    change: dict[str, object], complaint: str, catalogue: Catalogue, rules: ShopRules
) -> None:
    script = read_persona_scripts(FOLDER)[0]
    order = type(script.orders[0]).model_validate({**script.orders[0].model_dump(), **change})
    broken = script.model_copy(update={"orders": (order,)})
    with pytest.raises(ValueError, match=complaint):
        plan_personas((broken,), catalogue, rules, now=NOW)


def test_amounts_are_exact(rows: Rows) -> None:
    for order in rows["orders"]:
        assert isinstance(order["total"], Decimal)
        assert order["total"] == order["total"].quantize(Decimal("0.01"))
