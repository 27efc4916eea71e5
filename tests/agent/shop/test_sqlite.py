import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, exc

from agent.errors import ActionNotAllowed, IdempotencyMismatch, OrderNotFound, ShopUnavailable
from agent.ids import CustomerId, OrderId
from agent.scope import VISITOR, Scope
from agent.shop.port import ActionKind, OrderAction, Shop, ShopRecords
from agent.shop.rules import ShopRules
from agent.shop.sqlite import SqliteShop
from tests.agent.shop.conftest import FOLDER
from tests.conftest import Clock

HANNAH = Scope(customer=CustomerId("C-10001"))
NIAMH = Scope(customer=CustomerId("C-10003"))
LIN = Scope(customer=CustomerId("C-10004"))
PAID, UNPAID = OrderId("FW-100001"), OrderId("FW-100010")
DELIVERED = OrderId("FW-100003")
"""Boots EU 40, two packs of socks, and a wind shirt on final sale; delivered 8 days ago."""
CANCEL = OrderAction("cancel", PAID, {"reason": "changed_mind"})
ADDRESS = {
    "recipient": "Hannah Weber",
    "line1": "Gartenweg 3",
    "line2": "",
    "city": "Wien",
    "region": "",
    "postal_code": "1010",
    "country": "Austria",
}


def stored(database: Path, query: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query, values).fetchall()


def stock(database: Path, sku: str) -> tuple[int, int]:
    (row,) = stored(database, "SELECT available, reserved FROM variants WHERE sku = ?", sku)
    return row[0], row[1]


def test_the_store_implements_both_ports(shop: SqliteShop) -> None:
    def takes(reach: Shop, records: ShopRecords) -> bool:
        return all(isinstance(part, SqliteShop) for part in (reach, records))

    assert takes(shop, shop)


# Reading


async def test_a_customer_sees_themself_and_a_visitor_nobody(shop: SqliteShop) -> None:
    hannah = await shop.customer(HANNAH)
    assert hannah is not None
    assert (hannah.email, hannah.language, hannah.country) == ("hannah.weber@example.com", "en", "DE")
    assert await shop.customer(VISITOR) is None
    assert await shop.customer(Scope(orders=frozenset({PAID}))) is None
    assert await shop.customer(Scope(customer=CustomerId("C-99999"))) is None


async def test_orders_come_newest_first_and_no_more_than_asked(shop: SqliteShop) -> None:
    orders = await shop.orders(HANNAH)
    assert [order.placed_at for order in orders] == sorted((o.placed_at for o in orders), reverse=True)
    assert orders[0].id == PAID
    assert await shop.orders(HANNAH, limit=2) == orders[:2]
    assert await shop.orders(HANNAH, limit=0) == []
    assert await shop.orders(HANNAH, limit=-1) == []
    assert await shop.orders(VISITOR) == []


async def test_an_order_comes_with_all_its_parts(shop: SqliteShop) -> None:
    order = await shop.order(NIAMH, OrderId("FW-100024"))
    assert order is not None
    assert order.placed_at.tzinfo is UTC
    assert (order.currency, order.total, order.shipping) == ("EUR", Decimal("119.00"), Decimal("0.00"))
    assert order.address.line2 == "Apartment 2"
    (line,) = order.lines
    assert (line.sku, line.variant, line.quantity, line.returned) == ("JKT-DRZ-S", "Yellow, S", 1, 1)
    assert set(line.title) == {"en", "zh"}
    (parcel,) = order.shipments
    assert parcel.state == "delivered"
    assert parcel.events[-1].text == {"en": "Delivered", "zh": "已签收"}
    assert [scan.at for scan in parcel.events] == sorted(scan.at for scan in parcel.events)
    (back,) = order.returns
    assert (back.id, back.lines, back.state) == ("RT-100024-1", (1,), "received")
    (refund,) = order.refunds
    assert (refund.amount, refund.settled_at) == (Decimal("114.10"), None)


async def test_a_variant_is_named_in_the_customers_language(shop: SqliteShop) -> None:
    order = await shop.order(LIN, OrderId("FW-100031"))
    assert order is not None
    assert order.lines[0].variant == "橄榄绿"


async def test_records_list_everything(shop: SqliteShop, database: Path) -> None:
    customers = await shop.customers()
    assert [one.id for one in customers] == sorted(one.id for one in customers)
    assert await shop.customer_by_email(" Hannah.Weber@EXAMPLE.com ") == customers[0]
    assert await shop.customer_by_email("nobody@example.com") is None
    streamed = [order async for order in shop.all_orders()]
    assert [order.customer for order in streamed] == sorted(order.customer for order in streamed)
    assert [(len(streamed),)] == stored(database, "SELECT count(*) FROM orders")
    for one in customers[:10]:
        theirs = [order for order in streamed if order.customer == one.id]
        assert await shop.orders_of(one.id) == theirs


# Scope


async def test_every_customer_sees_their_own_orders_and_nobody_elses(shop: SqliteShop) -> None:
    by_customer: dict[CustomerId, list[OrderId]] = {one.id: [] for one in await shop.customers()}
    async for order in shop.all_orders():
        by_customer[order.customer].append(order.id)
    owners = [customer for customer, orders in by_customer.items() if orders]
    for customer, neighbour in zip(owners, [*owners[1:], owners[0]], strict=True):
        scope, canary = Scope(customer=customer), by_customer[neighbour][0]
        seen = await shop.orders(scope, limit=1000)
        assert [order.id for order in seen] == by_customer[customer]
        assert await shop.order(scope, canary) is None
        assert await shop.eligibility(scope, canary, "return") is None


@pytest.mark.parametrize("scope", [NIAMH, VISITOR, Scope(orders=frozenset({DELIVERED}))])
@pytest.mark.parametrize("order", [PAID, OrderId("FW-999999")])
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("cancel", {}),
        ("return", {"lines": [1]}),
        ("exchange", {"lines": [1], "sku": "BOOT-CRN-41"}),
        ("change_address", ADDRESS),
    ],
)
async def test_an_order_of_another_customer_looks_missing(
    scope: Scope,
    order: OrderId,
    kind: ActionKind,
    arguments: dict[str, object],
    shop: SqliteShop,
    database: Path,
) -> None:
    assert await shop.order(scope, order) is None
    assert await shop.eligibility(scope, order, kind) is None
    with pytest.raises(OrderNotFound) as caught:
        await shop.perform(scope, OrderAction(kind, order, arguments), idempotency_key="k")
    assert str(caught.value) == "missing or out of scope"
    assert stored(database, "SELECT count(*) FROM actions") == [(0,)]


async def test_a_known_key_does_not_open_another_customers_order(shop: SqliteShop) -> None:
    await shop.perform(HANNAH, CANCEL, idempotency_key="k")
    with pytest.raises(OrderNotFound):
        await shop.perform(NIAMH, CANCEL, idempotency_key="k")


async def test_a_proven_order_is_all_a_visitor_sees(shop: SqliteShop) -> None:
    proven = Scope(orders=frozenset({DELIVERED}))
    assert [order.id for order in await shop.orders(proven)] == [DELIVERED]
    assert await shop.order(proven, PAID) is None
    assert await shop.eligibility(proven, DELIVERED, "return") == await shop.eligibility(
        HANNAH, DELIVERED, "return"
    )


async def test_the_owner_is_named_only_for_the_right_email(shop: SqliteShop) -> None:
    assert await shop.owner_for_proof(PAID, " HANNAH.weber@ example.com") == "C-10001"
    assert await shop.owner_for_proof(PAID, "niamh.brennan@example.net") is None
    assert await shop.owner_for_proof(PAID, "") is None
    assert await shop.owner_for_proof(OrderId("FW-999999"), "hannah.weber@example.com") is None
    assert await shop.owner_for_proof(OrderId("FW-999999"), "") is None


async def test_an_order_number_is_a_value_not_sql(shop: SqliteShop) -> None:
    assert await shop.order(HANNAH, OrderId("x' OR '1'='1")) is None
    assert await shop.orders(Scope(customer=CustomerId("x' OR '1'='1"))) == []
    assert await shop.owner_for_proof(PAID, "' OR '1'='1") is None


# Changes


async def test_cancelling_refunds_what_was_paid_and_puts_the_items_back(
    shop: SqliteShop, database: Path, clock: Clock
) -> None:
    before = stock(database, "TENT-ARB2-GRN")
    result = await shop.perform(HANNAH, CANCEL, idempotency_key="k")
    order = await shop.order(HANNAH, PAID)
    assert order is not None
    assert (order.state, order.cancelled_at) == ("cancelled", clock.now)
    (refund,) = order.refunds
    assert (refund.amount, refund.method, refund.issued_at) == (order.total, "paypal", clock.now)
    assert (result.reference, result.refund, result.repeated) == ("CA-100001-1", Decimal("283.00"), False)
    assert "283.00 EUR" in result.explanation["en"]
    assert "283.00 EUR" in result.explanation["zh"]
    assert stock(database, "TENT-ARB2-GRN") == (before[0] + 1, before[1])


async def test_cancelling_an_unpaid_order_refunds_nothing(shop: SqliteShop) -> None:
    result = await shop.perform(HANNAH, OrderAction("cancel", UNPAID), idempotency_key="k")
    order = await shop.order(HANNAH, UNPAID)
    assert order is not None
    assert (order.state, order.refunds, result.refund) == ("cancelled", (), None)


async def test_a_return_takes_what_is_open_of_its_lines(shop: SqliteShop) -> None:
    action = OrderAction("return", DELIVERED, {"lines": [2], "reason": "too_large"})
    result = await shop.perform(HANNAH, action, idempotency_key="k")
    order = await shop.order(HANNAH, DELIVERED)
    assert order is not None
    (back,) = order.returns
    assert (back.id, back.kind, back.lines, back.state) == (result.reference, "return", (2,), "requested")
    assert [line.returned for line in order.lines] == [0, 2, 0]
    # Two packs at 29.90, less the return fee; nothing is refunded before they arrive.
    assert "54.90 EUR" in result.explanation["en"]
    assert (result.refund, order.refunds) == (None, ())
    verdict = await shop.eligibility(HANNAH, DELIVERED, "return")
    assert verdict is not None
    assert verdict.lines == (1,)


async def test_an_exchange_reserves_the_wanted_variant(shop: SqliteShop, database: Path) -> None:
    before = stock(database, "BOOT-CRN-41")
    action = OrderAction("exchange", DELIVERED, {"lines": [1], "sku": "BOOT-CRN-41", "reason": "too_small"})
    result = await shop.perform(HANNAH, action, idempotency_key="k")
    order = await shop.order(HANNAH, DELIVERED)
    assert order is not None
    assert [(back.kind, back.exchange_for) for back in order.returns] == [("exchange", "BOOT-CRN-41")]
    assert stock(database, "BOOT-CRN-41") == (before[0] - 1, before[1] + 1)
    assert "EU 41" in result.explanation["zh"]
    with pytest.raises(ActionNotAllowed, match="already_returned"):
        await shop.perform(HANNAH, action, idempotency_key="another")


async def test_a_second_return_of_an_order_gets_its_own_number(shop: SqliteShop) -> None:
    for line, number in ((1, "RT-100003-1"), (2, "RT-100003-2")):
        action = OrderAction("return", DELIVERED, {"lines": [line]})
        result = await shop.perform(HANNAH, action, idempotency_key=f"k{line}")
        assert result.reference == number


async def test_an_address_is_changed_as_a_whole(shop: SqliteShop) -> None:
    action = OrderAction("change_address", PAID, ADDRESS)
    result = await shop.perform(HANNAH, action, idempotency_key="k")
    order = await shop.order(HANNAH, PAID)
    assert order is not None
    assert (order.address.city, order.address.country) == ("Wien", "AT")
    assert result.reference == "AC-100001-1"
    again = await shop.perform(
        HANNAH, OrderAction("change_address", PAID, {**ADDRESS, "country": "德国"}), idempotency_key="k2"
    )
    assert again.reference == "AC-100001-2"


@pytest.mark.parametrize(
    ("kind", "order", "arguments", "rule"),
    [
        ("cancel", DELIVERED, {}, "already_delivered"),
        ("cancel", PAID, {"refund": "1000000"}, "unknown_argument"),
        ("cancel", PAID, {"reason": 7}, "arguments_invalid"),
        ("cancel", PAID, {"reason": "x" * 501}, "arguments_invalid"),
        ("return", PAID, {"lines": [1]}, "not_delivered_yet"),
        ("return", DELIVERED, {"lines": []}, "arguments_invalid"),
        ("return", DELIVERED, {"lines": [1, 1]}, "arguments_invalid"),
        ("return", DELIVERED, {"lines": ["1"]}, "arguments_invalid"),
        ("return", DELIVERED, {}, "arguments_invalid"),
        ("return", DELIVERED, {"lines": [9]}, "no_such_line"),
        ("return", DELIVERED, {"lines": [1, 3]}, "final_sale"),
        ("return", OrderId("FW-100004"), {"lines": [1]}, "window_passed"),
        ("exchange", DELIVERED, {"lines": [1], "sku": "BOOT-CRN-44"}, "out_of_stock"),
        ("exchange", DELIVERED, {"lines": [1], "sku": "BOOT-CRN-40"}, "not_another_variant"),
        ("exchange", DELIVERED, {"lines": [1], "sku": "SOCK-MER-4245"}, "not_another_variant"),
        ("exchange", DELIVERED, {"lines": [1], "sku": "NO-SUCH"}, "not_another_variant"),
        ("exchange", DELIVERED, {"lines": [1, 2], "sku": "BOOT-CRN-41"}, "not_another_variant"),
        ("exchange", DELIVERED, {"lines": [3], "sku": "WND-THS-M"}, "final_sale"),
        ("change_address", OrderId("FW-100002"), ADDRESS, "already_shipped"),
        ("change_address", PAID, {**ADDRESS, "line1": "  "}, "address_incomplete"),
        ("change_address", PAID, {**ADDRESS, "city": None}, "address_incomplete"),
        ("change_address", PAID, {"recipient": "Hannah Weber"}, "address_incomplete"),
        ("change_address", PAID, {**ADDRESS, "country": "China"}, "country_not_served"),
        ("change_address", PAID, {**ADDRESS, "country": "Atlantis"}, "country_not_served"),
        ("change_address", PAID, {**ADDRESS, "total": "0"}, "unknown_argument"),
        ("refund_everything", PAID, {}, "unknown_action"),
    ],
)
async def test_what_the_rules_forbid_changes_nothing(
    kind: ActionKind,
    order: OrderId,
    arguments: dict[str, object],
    rule: str,
    shop: SqliteShop,
    database: Path,
) -> None:
    before = await shop.order(HANNAH, order), stock(database, "BOOT-CRN-41")
    with pytest.raises(ActionNotAllowed) as caught:
        await shop.perform(HANNAH, OrderAction(kind, order, arguments), idempotency_key="k")
    assert caught.value.rule == rule
    assert (await shop.order(HANNAH, order), stock(database, "BOOT-CRN-41")) == before
    assert stored(database, "SELECT count(*) FROM actions") == [(0,)]


async def test_a_dearer_variant_is_no_exchange(
    shop: SqliteShop, database: Path, clock: Clock, rules: ShopRules
) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE variants SET price = price + 100 WHERE sku = 'BOOT-CRN-41'")
    action = OrderAction("exchange", DELIVERED, {"lines": [1], "sku": "BOOT-CRN-41"})
    with pytest.raises(ActionNotAllowed, match="costs_more"):
        await shop.perform(HANNAH, action, idempotency_key="k")


async def test_eligibility_is_checked_again_when_it_is_done(shop: SqliteShop, clock: Clock) -> None:
    verdict = await shop.eligibility(HANNAH, DELIVERED, "return")
    assert verdict is not None
    assert verdict.allowed
    assert verdict.until is not None
    clock.now = datetime(verdict.until.year, verdict.until.month, verdict.until.day, 23, 30, tzinfo=UTC)
    # Half past eleven in the evening UTC is the next day where the shop is.
    with pytest.raises(ActionNotAllowed, match="window_passed"):
        await shop.perform(HANNAH, OrderAction("return", DELIVERED, {"lines": [1]}), idempotency_key="k")


# Exactly once


async def test_the_same_key_twice_is_one_change(shop: SqliteShop, database: Path) -> None:
    first = await shop.perform(HANNAH, CANCEL, idempotency_key="k")
    second = await shop.perform(
        HANNAH, OrderAction("cancel", PAID, dict(CANCEL.arguments)), idempotency_key="k"
    )
    assert (first.repeated, second.repeated) == (False, True)
    assert (second.reference, second.refund, second.explanation) == (
        first.reference,
        first.refund,
        first.explanation,
    )
    assert stored(database, 'SELECT count(*) FROM refunds WHERE "order" = ?', PAID) == [(1,)]


async def test_the_order_of_arguments_does_not_make_another_action(shop: SqliteShop) -> None:
    arguments = {"lines": [1], "reason": "too_small"}
    turned = {"reason": "too_small", "lines": (1,)}
    await shop.perform(HANNAH, OrderAction("return", DELIVERED, arguments), idempotency_key="k")
    result = await shop.perform(HANNAH, OrderAction("return", DELIVERED, turned), idempotency_key="k")
    assert result.repeated


@pytest.mark.parametrize(
    "other",
    [
        OrderAction("cancel", PAID, {"reason": "other"}),
        OrderAction("cancel", UNPAID, dict(CANCEL.arguments)),
        OrderAction("change_address", PAID, ADDRESS),
    ],
)
async def test_the_same_key_with_another_action_is_refused(other: OrderAction, shop: SqliteShop) -> None:
    await shop.perform(HANNAH, CANCEL, idempotency_key="k")
    before = await shop.orders(HANNAH)
    with pytest.raises(IdempotencyMismatch):
        await shop.perform(HANNAH, other, idempotency_key="k")
    assert await shop.orders(HANNAH) == before


async def test_the_same_change_under_another_key_is_not_done_again(shop: SqliteShop) -> None:
    await shop.perform(HANNAH, CANCEL, idempotency_key="k")
    with pytest.raises(ActionNotAllowed, match="already_cancelled"):
        await shop.perform(HANNAH, CANCEL, idempotency_key="another")


async def test_many_at_once_with_one_key_are_one_change(
    shop: SqliteShop, database: Path, rules: ShopRules, clock: Clock
) -> None:
    other = SqliteShop(database, rules, clock=clock)
    try:
        results = await asyncio.gather(
            *(one.perform(HANNAH, CANCEL, idempotency_key="k") for one in (shop, other, shop, other, shop))
        )
    finally:
        await other.close()
    assert sorted(result.repeated for result in results) == [False, True, True, True, True]
    assert len({result.reference for result in results}) == 1
    assert stored(database, 'SELECT count(*) FROM refunds WHERE "order" = ?', PAID) == [(1,)]


async def test_the_last_piece_is_reserved_once(shop: SqliteShop, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE variants SET available = 2 WHERE sku = 'SOCK-MER-4245'")
    exchange = {"lines": [2], "sku": "SOCK-MER-4245"}
    results = await asyncio.gather(
        shop.perform(HANNAH, OrderAction("exchange", DELIVERED, exchange), idempotency_key="a"),
        shop.perform(HANNAH, OrderAction("exchange", DELIVERED, exchange), idempotency_key="b"),
        return_exceptions=True,
    )
    assert sum(isinstance(result, ActionNotAllowed) for result in results) == 1
    assert stock(database, "SOCK-MER-4245") == (0, 2)


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 10, 20, 40])
async def test_cancelling_the_caller_never_leaves_half_a_change(
    steps: int, database: Path, rules: ShopRules, clock: Clock
) -> None:
    shop = SqliteShop(database, rules, clock=clock)
    task = asyncio.create_task(shop.perform(HANNAH, CANCEL, idempotency_key="k"))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await shop.close()
    counts = (
        "SELECT (SELECT count(*) FROM orders WHERE id = 'FW-100001' AND state = 'cancelled'), "
        "(SELECT count(*) FROM refunds WHERE \"order\" = 'FW-100001'), (SELECT count(*) FROM actions)"
    )
    assert stored(database, counts) in ([(0, 0, 0)], [(1, 1, 1)])
    # No lock is left behind: the next one need not wait at all.
    after = SqliteShop(database, rules, clock=clock, busy_seconds=0)
    try:
        await after.perform(HANNAH, CANCEL, idempotency_key="k")
    finally:
        await after.close()
    assert stored(database, counts) == [(1, 1, 1)]


async def test_a_change_whose_caller_is_gone_is_still_done(
    database: Path, rules: ShopRules, clock: Clock
) -> None:
    shop = SqliteShop(database, rules, clock=clock)
    task = asyncio.create_task(shop.perform(HANNAH, CANCEL, idempotency_key="k"))
    await asyncio.sleep(0)  # it has begun
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await shop.close()
    assert stored(database, "SELECT count(*) FROM actions") == [(1,)]


KILLED = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from sqlalchemy import Engine, event
from agent.scope import Scope
from agent.shop.port import OrderAction
from agent.shop.rules import read_rules
from agent.shop.sqlite import SqliteShop

database, folder, moment = sys.argv[1:]

@event.listens_for(Engine, "before_cursor_execute")
def statement(connection, cursor, statement, *rest):
    if moment == "statement" and statement.startswith("INSERT INTO actions"):
        os._exit(9)

@event.listens_for(Engine, "commit")
def commit(connection):
    if moment == "commit":
        os._exit(9)

now = datetime(2026, 6, 15, 12, tzinfo=UTC)
shop = SqliteShop(Path(database), read_rules(Path(folder)), clock=lambda: now)
action = OrderAction("cancel", "FW-100001", {"reason": "changed_mind"})
asyncio.run(shop.perform(Scope(customer="C-10001"), action, idempotency_key="k"))
"""


@pytest.mark.parametrize("moment", ["statement", "commit"])
async def test_a_process_killed_in_the_middle_leaves_nothing(
    moment: str, shop: SqliteShop, database: Path
) -> None:
    before = await shop.orders(HANNAH)
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(database), str(FOLDER), moment], check=False
    )
    assert killed.returncode == 9
    assert await shop.orders(HANNAH) == before
    result = await shop.perform(HANNAH, CANCEL, idempotency_key="k")
    assert not result.repeated


# Failing


def spoil(database: Path, fault: str) -> None:
    if fault == "missing":
        database.unlink()
    elif fault == "garbage":
        database.write_bytes(b"not a database" * 1000)
    elif fault == "table gone":
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("DROP TABLE actions")


def join_workers() -> None:
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            thread.join(timeout=10)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("fault", ["missing", "garbage", "table gone", "locked"])
async def test_a_store_that_fails_is_unavailable(
    fault: str, database: Path, rules: ShopRules, clock: Clock
) -> None:
    spoil(database, fault)
    shop = SqliteShop(database, rules, clock=clock, busy_seconds=0.01)
    holder = sqlite3.connect(database) if fault == "locked" else None
    if holder is not None:
        holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(ShopUnavailable) as caught:
            await shop.perform(HANNAH, CANCEL, idempotency_key="secret key")
        assert caught.value.retryable
        assert "secret" not in str(caught.value)
    finally:
        if holder is not None:
            holder.close()
        await shop.close()
        # aiosqlite ends the thread of a connection that failed without waiting for it.
        await asyncio.to_thread(join_workers)
    # A missing store is not made by looking at it.
    assert (database in files(database.parent)) is (fault != "missing")


def every_kind(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for kind in base.__subclasses__():
        yield from every_kind(kind)


@pytest.mark.parametrize("kind", sorted(set(every_kind(exc.SQLAlchemyError)), key=repr))
async def test_every_library_error_becomes_the_shops_own(kind: type[Exception], shop: SqliteShop) -> None:
    error = kind.__new__(kind)

    def fail(*_: object, **__: object) -> None:
        raise error

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        for call in (
            shop.customer(HANNAH),
            shop.orders(HANNAH),
            shop.order(HANNAH, PAID),
            shop.eligibility(HANNAH, PAID, "cancel"),
            shop.perform(HANNAH, CANCEL, idempotency_key="k"),
            shop.owner_for_proof(PAID, "x"),
            shop.customers(),
        ):
            with pytest.raises(ShopUnavailable):
                await call
    finally:
        event.remove(Engine, "before_cursor_execute", fail)
    order = await shop.order(HANNAH, PAID)
    assert order is not None
    assert order.state == "paid"


async def test_the_stored_result_is_readable_json(shop: SqliteShop, database: Path) -> None:
    await shop.perform(HANNAH, CANCEL, idempotency_key="k")
    ((key, kind, result),) = stored(database, "SELECT key, kind, result FROM actions")
    assert (key, kind) == ("k", "cancel")
    assert json.loads(result)["refund"] == "283.00"
