"""The demo shop as a stage: every world gets a copy of the store as it is on one fixed day."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from agent.clock import ShiftedClock
from agent.errors import ShopUnavailable
from agent.ids import CustomerId, OrderId
from agent.products.listed import ListedProducts, read_products
from agent.products.questions import ProductQuestions
from agent.products.reading import QuestionReader
from agent.scope import Scope
from agent.shop.demo import open_demo_shop
from agent.shop.port import Order, OrderAction, ShopRecords
from agent.shop.sqlite import SqliteShop
from agent.understanding import Reader
from evals.faults import FaultyRetriever, FaultyShop, faulty_shelf
from evals.planted import PlantedIndex
from evals.scenario import Scenario
from evals.world import Outbox, ReferenceInvalid, Secret, Snapshot, World, carried_out
from retrieval.passages import Embedder, PassageIndex
from retrieval.retriever import PassageRetriever

TODAY = date(2026, 6, 15)
"""A Monday. Orders, and with them the facts of the scenarios, lead up to it."""
TABLES = ("orders", "order_lines", "shipments", "refunds", "returns", "return_lines")


class StoreStage:
    """A shop folder (``demo``) whose store is seeded once and copied for every conversation.

    Args:
        folder: The shop's files.
        index: Its documents; shared by all worlds, never written.
        embedder: For documents planted by scenarios.
        reader: Reads messages to this shop.
        store: A store to copy instead of seeding one, to run a real conversation on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        index: PassageIndex,
        embedder: Embedder,
        reader: Reader,
        store: Path | None = None,
    ) -> None:
        self.name = "fernway"
        self._folder = folder
        self._products = read_products(folder)
        self._questions = QuestionReader(self._products)
        self._index = index
        self._embedder = embedder
        self._reader = reader
        self._work = Path(tempfile.mkdtemp(prefix="amends-eval-"))
        self._seed = self._work / "seed.db"
        self._store = store
        self._secrets: tuple[Secret, ...] = ()
        self._count = 0

    async def open(self) -> None:
        """Seed the store and learn whose words are whose.

        Raises:
            ShopUnavailable: The store to copy is missing or of another version.
        """
        if self._store is not None:
            await asyncio.to_thread(copy_store, self._store, self._seed)
        shop = await open_demo_shop(self._folder, self._seed, clock=lambda: datetime.now(UTC), today=TODAY)
        try:
            self._secrets = await all_secrets(shop)
        finally:
            await shop.close()

    def close(self) -> None:
        """Remove the copies."""
        shutil.rmtree(self._work, ignore_errors=True)

    @asynccontextmanager
    async def _world(self, scenario: Scenario) -> AsyncIterator[World]:
        self._count += 1
        path = self._work / f"{self._count}.db"
        await asyncio.to_thread(shutil.copy, self._seed, path)
        clock = ShiftedClock(scenario.now or datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC))
        shop = await open_demo_shop(self._folder, path, clock=clock, today=TODAY)
        try:
            yield await self._furnish(scenario, shop, clock, path)
        finally:
            await shop.close()
            for left in self._work.glob(f"{path.name}*"):
                left.unlink(missing_ok=True)

    def world(self, scenario: Scenario) -> AbstractAsyncContextManager[World]:
        """See the port."""
        return self._world(scenario)

    async def _furnish(self, scenario: Scenario, shop: SqliteShop, clock: ShiftedClock, path: Path) -> World:
        name = scenario.shopper.customer
        customer = None if name == "visitor" else CustomerId(name)
        if customer is not None and not await shop.orders_of(customer):
            raise ReferenceInvalid(f"{scenario.id}: the shop has no customer {name} with orders")

        async def snapshot() -> Snapshot:
            changed = await asyncio.to_thread(changed_orders, self._seed, path)
            return {order: await self._read(shop, order) for order in sorted(changed)}

        async def initial(order: str) -> Mapping[str, Any]:
            seed = SqliteShop(self._seed, shop.rules, clock=clock)
            try:
                return await self._read(seed, order)
            finally:
                await seed.close()

        world = World(
            vectors=self._index.vectors,
            shop=shop,
            retriever=PassageRetriever(self._index, today=lambda: clock().date()),
            reader=self._reader,
            clock=clock,
            outbox=Outbox(),
            snapshot=snapshot,
            initial=initial,
            secrets=self._secrets,
            customer=customer,
        )
        if scenario.faults.documents:
            planted = PlantedIndex(self._index, self._embedder, scenario, world)
            world.retriever = PassageRetriever(planted, today=lambda: clock().date())
        world.retriever = FaultyRetriever(world.retriever, world, scenario.faults)
        world.shop = FaultyShop(shop, world, scenario.faults)
        shelf = faulty_shelf(shop.shelf, world, scenario.faults)
        world.products = ProductQuestions(ListedProducts(self._products, shelf), reader=self._questions)
        return world

    @staticmethod
    async def _read(shop: SqliteShop, order: str) -> Mapping[str, Any]:
        found = await shop.order(Scope(orders=frozenset({OrderId(order)})), OrderId(order))
        return {} if found is None else plain(found, shop.rules.return_free_reasons)

    async def expected(self, scenario: Scenario) -> dict[str, dict[str, list[Any]]]:
        """See the port."""
        if not scenario.expect.changes:
            return {}
        actions = [
            OrderAction(kind=change.kind, order=OrderId(change.order), arguments=change.arguments)
            for change in scenario.expect.changes
        ]
        return await carried_out(self, scenario, actions)


def copy_store(store: Path, to: Path) -> None:
    """Copy a store that may be in use, as of one instant.

    Raises:
        ShopUnavailable: It can't be read.
    """
    try:
        with (
            closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(to)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise ShopUnavailable(f"{store} can't be read: {error}") from error


def plain(order: Order, free: Collection[str] = ()) -> dict[str, Any]:
    """An order's state as plain values that two ways to the same end share.

    Args:
        order: The order.
        free: Reasons for which a return costs nothing; others are the shopper's own words.
    """
    return {
        "state": order.state,
        "address": {name: value for name, value in vars(order.address).items() if value},
        "lines": [[line.line, line.sku, line.quantity, line.returned] for line in order.lines],
        "returns": sorted(
            [back.kind, list(back.lines), back.exchange_for or "", "free" if back.reason in free else "fee"]
            for back in order.returns
        ),
        "refunds": sorted([str(refund.amount), refund.method] for refund in order.refunds),
    }


def secrets_of(order: Order) -> list[Secret]:
    """The words that give an order away: number, tracking numbers, street, recipient."""
    words = [str(order.id), order.address.line1, order.address.recipient]
    words += [shipment.tracking_number for shipment in order.shipments]
    return [Secret(word, order.customer, order.id) for word in words if word]


async def all_secrets(records: ShopRecords) -> tuple[Secret, ...]:
    """The words of every customer and order of a shop."""
    found = [Secret(customer.email, customer.id, None) for customer in await records.customers()]
    async for order in records.all_orders():
        found += secrets_of(order)
    return tuple(found)


def changed_orders(before: Path, after: Path) -> set[str]:
    """Ids of orders with a row that differs between two stores."""
    found: set[str] = set()
    with closing(sqlite3.connect(f"file:{after}?mode=ro", uri=True)) as connection:
        connection.execute("ATTACH ? AS seed", (f"file:{before}?mode=ro",))
        for table in TABLES:
            key = "id" if table == "orders" else '"order"'
            for one, other in (("main", "seed"), ("seed", "main")):
                rows = connection.execute(
                    f"SELECT {key} FROM (SELECT * FROM {one}.{table} EXCEPT SELECT * FROM {other}.{table})"  # noqa: S608 - names of ours
                )
                found.update(row[0] for row in rows)
    return found
