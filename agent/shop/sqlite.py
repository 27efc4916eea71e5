"""The demo shop's store: both shop ports over one SQLite file."""

from __future__ import annotations

import asyncio
import hmac
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

from sqlalchemy import URL, ColumnElement, Connection, Row, event, false, insert, or_, select, true
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from agent.errors import ActionNotAllowed, IdempotencyMismatch, OrderNotFound, ShopUnavailable
from agent.ids import CustomerId, Language, OrderId
from agent.products.port import Shelf
from agent.scope import Scope
from agent.shop.arguments import fingerprint, parse
from agent.shop.changes import change, read_facts
from agent.shop.port import ActionKind, ActionResult, Customer, Eligibility, Order, OrderAction
from agent.shop.rows import read_customers, read_orders
from agent.shop.rules import ShopRules, eligibility
from agent.shop.schema import actions, customers, orders, variants

T = TypeVar("T")

BUSY_SECONDS: Final = 5.0
"""Default patience with another process's write; changes here take milliseconds."""

BATCH: Final = 50
"""Customers whose orders are read in one transaction by ``all_orders``."""


class SqliteShop:
    """The demo store: implements ``Shop`` and ``ShopRecords``.

    Reads see one snapshot each. Changes take SQLite's write lock first (``BEGIN IMMEDIATE``),
    so that what was checked still holds when it is changed, also across processes.

    Args:
        database: An existing store, made by ``agent.shop.demo.open_demo_shop``.
        rules: The shop's figures.
        clock: Now, UTC.
        busy_seconds: How long to wait for another process's write before the store counts as down.
    """

    def __init__(
        self,
        database: Path,
        rules: ShopRules,
        *,
        clock: Callable[[], datetime],
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        # mode=rw: a missing file is an error, not a new empty shop.
        url = URL.create(
            "sqlite+aiosqlite",
            database=f"file:{quote(str(database.absolute()))}",
            query={"mode": "rw", "uri": "true"},
        )
        # isolation_level=None: sqlite3 itself begins nothing, the hook below does.
        self._engine = create_async_engine(
            url, connect_args={"isolation_level": None, "timeout": busy_seconds}, hide_parameters=True
        )
        event.listen(self._engine.sync_engine, "connect", _set_up)
        event.listen(self._engine.sync_engine, "begin", _begin)
        self._writer = self._engine.execution_options(immediate=True)
        self._rules = rules
        self._clock = clock
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def rules(self) -> ShopRules:
        """The shop's figures."""
        return self._rules

    async def close(self) -> None:
        """Close the file when what still runs has ended."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._engine.dispose()

    # What a conversation may reach.

    async def customer(self, scope: Scope) -> Customer | None:
        """The signed-in customer of the scope, or ``None``."""
        if scope.customer is None:
            return None
        mine = customers.c.id == scope.customer
        found = await self._transact(lambda connection: read_customers(connection, mine))
        return found[0] if found else None

    async def orders(self, scope: Scope, *, limit: int = 20) -> list[Order]:
        """Orders in scope, newest first."""
        return await self._transact(
            lambda connection: read_orders(
                connection, _in_scope(scope), rules=self._rules, limit=max(limit, 0)
            )
        )

    async def order(self, scope: Scope, order: OrderId) -> Order | None:
        """One order, or ``None`` when missing or out of scope."""
        return await self._transact(lambda connection: self._one(connection, scope, order))

    async def eligibility(self, scope: Scope, order: OrderId, action: ActionKind) -> Eligibility | None:
        """Whether ``action`` is possible now, or ``None`` when missing or out of scope."""

        async def work(connection: AsyncConnection) -> Eligibility | None:
            found = await self._one(connection, scope, order)
            return None if found is None else await self._verdict(connection, found, action)

        return await self._transact(work)

    async def perform(self, scope: Scope, action: OrderAction, *, idempotency_key: str) -> ActionResult:
        """Do ``action`` once; see the port for the errors.

        ``ActionResult.refund`` is what is refunded by the action itself; a return's refund
        comes with the parcel and stands in the explanation.
        """
        arguments = parse(action)
        wanted = fingerprint(action)

        async def work(connection: AsyncConnection) -> ActionResult:
            order = await self._one(connection, scope, action.order)
            if order is None:
                raise OrderNotFound("missing or out of scope")
            same_key = select(actions).where(actions.c.key == idempotency_key)
            earlier = (await connection.execute(same_key)).one_or_none()
            if earlier is not None:
                if earlier.fingerprint != wanted:
                    raise IdempotencyMismatch("the key belongs to another action")
                return replace(_result_from(earlier.result), repeated=True)
            verdict = await self._verdict(connection, order, action.kind)
            if not verdict.allowed:
                raise ActionNotAllowed(verdict.rule)
            result = await change(connection, order, arguments, rules=self._rules, now=self._clock())
            await connection.execute(
                insert(actions).values(
                    key=idempotency_key,
                    order=order.id,
                    kind=action.kind,
                    fingerprint=wanted,
                    result=_result_to(result),
                    done_at=self._clock(),
                )
            )
            return result

        return await self._transact(work, write=True)

    async def owner_for_proof(self, order: OrderId, email: str) -> CustomerId | None:
        """The owner's id if ``email`` is the order's (case and spaces ignored), else ``None``."""
        query = (
            select(customers.c.id, customers.c.email)
            .join(orders, orders.c.customer == customers.c.id)
            .where(orders.c.id == order)
        )

        async def work(connection: AsyncConnection) -> Row[Any, Any] | None:
            return (await connection.execute(query)).one_or_none()

        owner = await self._transact(work)
        # A missing order is compared too, so that both outcomes take the same steps.
        email_of_order = "" if owner is None else owner.email
        same = hmac.compare_digest(_plain(email).encode(), _plain(email_of_order).encode())
        return CustomerId(owner.id) if owner is not None and same else None

    async def shelf(self, product: str) -> Mapping[str, Shelf]:
        """Price and pieces that can be bought, by SKU; empty for an unknown product."""
        query = select(variants).where(variants.c.product == product)

        async def work(connection: AsyncConnection) -> Mapping[str, Shelf]:
            rows = (await connection.execute(query)).all()
            return {row.sku: Shelf(row.price, row.available) for row in rows}

        return await self._transact(work)

    # The operator's view.

    async def customers(self) -> list[Customer]:
        """All customers, by id."""
        return await self._transact(lambda connection: read_customers(connection, true()))

    async def customer_by_email(self, email: str) -> Customer | None:
        """The customer with this e-mail (case and spaces ignored), or ``None``."""
        theirs = customers.c.email == _plain(email)
        found = await self._transact(lambda connection: read_customers(connection, theirs))
        return found[0] if found else None

    async def orders_of(self, customer: CustomerId) -> list[Order]:
        """All orders of one customer, newest first."""
        theirs = orders.c.customer == customer
        return await self._transact(lambda connection: read_orders(connection, theirs, rules=self._rules))

    async def all_orders(self) -> AsyncIterator[Order]:
        """Every order, by customer then newest first, a few customers at a time."""
        ids = [customer.id for customer in await self.customers()]
        for start in range(0, len(ids), BATCH):
            theirs = orders.c.customer.in_(ids[start : start + BATCH])
            for order in await self._transact(partial(read_orders, which=theirs, rules=self._rules)):
                yield order

    async def _one(self, connection: AsyncConnection, scope: Scope, order: OrderId) -> Order | None:
        mine = _in_scope(scope) & (orders.c.id == order)
        found = await read_orders(connection, mine, rules=self._rules)
        return found[0] if found else None

    async def _verdict(self, connection: AsyncConnection, order: Order, action: ActionKind) -> Eligibility:
        facts = await read_facts(connection, order, self._rules)
        return eligibility(action, facts, today=self._rules.day(self._clock()), rules=self._rules)

    async def _transact(
        self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]], *, write: bool = False
    ) -> T:
        """Do ``work`` in one transaction: committed at its end, rolled back by any exception.

        It runs to its end even when the caller is cancelled. A statement of SQLite can't be
        taken back half way, and a connection dropped in the middle of one would keep its lock.
        """

        async def whole() -> T:
            try:
                async with (self._writer if write else self._engine).begin() as connection:
                    return await work(connection)
            except (SQLAlchemyError, sqlite3.Error, OSError) as error:
                raise ShopUnavailable(f"the demo store failed: {type(error).__name__}") from error

        task = asyncio.create_task(whole())
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that nothing is logged when the caller is gone


def _set_up(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    try:
        cursor = connection.cursor()
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except Exception:
        # The pool forgets a connection that fails here without closing it.
        connection.close()
        raise


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _plain(email: str) -> str:
    return "".join(email.split()).lower()


def _in_scope(scope: Scope) -> ColumnElement[bool]:
    """The rows of ``orders`` that ``scope`` covers, as ``Scope.covers`` decides."""
    mine = orders.c.customer == scope.customer if scope.customer is not None else false()
    return or_(mine, orders.c.id.in_(sorted(scope.orders)))


def _result_to(result: ActionResult) -> str:
    refund = None if result.refund is None else str(result.refund)
    return json.dumps(
        {"reference": result.reference, "explanation": dict(result.explanation), "refund": refund},
        ensure_ascii=False,
    )


def _result_from(stored: str) -> ActionResult:
    values = json.loads(stored)
    refund = values["refund"]
    return ActionResult(
        reference=values["reference"],
        explanation=cast(Mapping[Language, str], values["explanation"]),
        refund=None if refund is None else Decimal(refund),
    )
