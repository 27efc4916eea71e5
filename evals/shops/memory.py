"""A shop held in memory: both shop ports over values that are replaced, never changed in place.

A benchmark's shop says what its orders look like and what its rules are; reading in scope,
doing a change once, and standing as the stage of a run are the same for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent.clock import ShiftedClock
from agent.errors import ActionNotAllowed, IdempotencyMismatch, OrderNotFound
from agent.ids import CustomerId, Language, OrderId
from agent.scope import Scope
from agent.shop.arguments import Arguments, fingerprint, parse
from agent.shop.port import ActionKind, ActionResult, Customer, Eligibility, Order, OrderAction
from agent.understanding import Reader
from evals.faults import FaultyRetriever, FaultyShop
from evals.importers.task import ImportedTask, differences
from evals.scenario import Scenario
from evals.shops.store import secrets_of
from evals.world import Outbox, ReferenceInvalid, Secret, Snapshot, World
from retrieval.passages import Retriever


class MemoryShop(ABC):
    """Implements ``Shop`` and ``ShopRecords``.

    Nothing is awaited between looking and changing, so a change is whole or not made, and two
    that come at once follow one another. Out of scope and missing are answered by the same lines.
    """

    def __init__(self) -> None:
        self._done: dict[str, tuple[str, ActionResult]] = {}

    # What a benchmark's shop says about itself.

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The state of the whole shop as plain values, not to be changed."""

    @abstractmethod
    def _people(self) -> Iterator[Customer]:
        """Every customer."""

    @abstractmethod
    def _numbers(self, customer: CustomerId) -> list[OrderId]:
        """A customer's order numbers; none for a stranger."""

    @abstractmethod
    def _order(self, order: OrderId) -> Order | None:
        """An order, whoever asks."""

    @abstractmethod
    def _ruling(self, order: Order, action: ActionKind) -> Eligibility:
        """The shop's rules about ``action``."""

    @abstractmethod
    def _change(self, order: Order, arguments: Arguments) -> ActionResult:
        """Make a change that the rules allow in general, or raise ``ActionNotAllowed`` before any."""

    # What a conversation may reach.

    async def customer(self, scope: Scope) -> Customer | None:
        """The signed-in customer of the scope, or ``None``."""
        return next((one for one in self._people() if one.id == scope.customer), None)

    async def orders(self, scope: Scope, *, limit: int = 20) -> list[Order]:
        """Orders in scope, newest first."""
        numbers = set(scope.orders)
        if scope.customer is not None:
            numbers |= set(self._numbers(scope.customer))
        return self._newest_first(numbers)[: max(limit, 0)]

    async def order(self, scope: Scope, order: OrderId) -> Order | None:
        """One order, or ``None`` when missing or out of scope."""
        return self._in_scope(scope, order)

    async def eligibility(self, scope: Scope, order: OrderId, action: ActionKind) -> Eligibility | None:
        """Whether ``action`` is possible now, or ``None`` when missing or out of scope."""
        found = self._in_scope(scope, order)
        return None if found is None else self._ruling(found, action)

    async def perform(self, scope: Scope, action: OrderAction, *, idempotency_key: str) -> ActionResult:
        """Do ``action`` once; see the port for the errors."""
        return self.apply(scope, action, idempotency_key=idempotency_key)

    def apply(self, scope: Scope, action: OrderAction, *, idempotency_key: str) -> ActionResult:
        """:meth:`perform` without an event loop."""
        arguments = parse(action)
        wanted = fingerprint(action)
        order = self._in_scope(scope, action.order)
        if order is None:
            raise OrderNotFound("missing or out of scope")
        if (earlier := self._done.get(idempotency_key)) is not None:
            if earlier[0] != wanted:
                raise IdempotencyMismatch("the key belongs to another action")
            return replace(earlier[1], repeated=True)
        ruling = self._ruling(order, action.kind)
        if not ruling.allowed:
            raise ActionNotAllowed(ruling.rule)
        result = self._change(order, arguments)
        self._done[idempotency_key] = (wanted, result)
        return result

    async def owner_for_proof(self, order: OrderId, email: str) -> CustomerId | None:
        """The owner's id if ``email`` is the order's (case and spaces ignored), else ``None``."""
        found = self._order(order)
        owner = None if found is None else next(one for one in self._people() if one.id == found.customer)
        if owner is None or not owner.email or _plain(owner.email) != _plain(email):
            return None
        return owner.id

    # The operator's view.

    async def customers(self) -> list[Customer]:
        """All customers, by id."""
        return sorted(self._people(), key=lambda one: one.id)

    async def customer_by_email(self, email: str) -> Customer | None:
        """The customer with this e-mail (case and spaces ignored), or ``None``."""
        wanted = _plain(email)
        return next((one for one in self._people() if wanted and _plain(one.email) == wanted), None)

    async def orders_of(self, customer: CustomerId) -> list[Order]:
        """All orders of one customer, newest first."""
        return self._newest_first(set(self._numbers(customer)))

    async def all_orders(self) -> AsyncIterator[Order]:
        """Every order, by customer then newest first."""
        for order in self.every_order():
            yield order

    def every_order(self) -> Iterator[Order]:
        """:meth:`all_orders` without an event loop."""
        for customer in sorted(one.id for one in self._people()):
            yield from self._newest_first(set(self._numbers(customer)))

    def _newest_first(self, numbers: set[OrderId]) -> list[Order]:
        found = [order for order in map(self._order, numbers) if order is not None]
        return sorted(found, key=lambda order: (-order.placed_at.timestamp(), order.id))

    def _in_scope(self, scope: Scope, order: OrderId) -> Order | None:
        found = self._order(order)
        return found if found is not None and scope.covers(order=order, owner=found.customer) else None


class MemoryStage:
    """A benchmark's shop as the stage of a run; every world opens a shop of its own.

    Args:
        name: What scenarios call the shop.
        tasks: The imported tasks; they bring the expected end states.
        open: Opens a fresh shop by a clock.
        retriever: Over the shop's documents; shared by all worlds.
        reader: Reads messages to this shop.
        now: When conversations begin that do not say.
    """

    def __init__(
        self,
        name: str,
        *,
        tasks: Mapping[str, ImportedTask],
        open: Callable[[Callable[[], datetime]], MemoryShop],
        retriever: Retriever,
        reader: Reader,
        now: datetime,
    ) -> None:
        self.name = name
        self._tasks = tasks
        self._open = open
        self._retriever = retriever
        self._reader = reader
        self._now = now
        seed = open(lambda: now)
        self._initial = seed.snapshot()
        people = [Secret(one.email, one.id, None) for one in seed._people() if one.email]
        words = [secret for order in seed.every_order() for secret in secrets_of(order)]
        self._secrets = telling([*people, *words])

    def world(self, scenario: Scenario) -> AbstractAsyncContextManager[World]:
        """See the port."""
        return self._world(scenario)

    @asynccontextmanager
    async def _world(self, scenario: Scenario) -> AsyncIterator[World]:
        clock = ShiftedClock(scenario.now or self._now)
        shop = self._open(clock)
        customer = scenario.shopper.customer
        if customer != "visitor" and not await shop.orders_of(CustomerId(customer)):
            raise ReferenceInvalid(f"{scenario.id}: the shop has no customer {customer} with orders")

        async def snapshot() -> Snapshot:
            now = shop.snapshot()
            return {key: now[key] for key in differences(self._initial, now)}

        async def initial(key: str) -> Mapping[str, Any]:
            return self._initial.get(key, {})

        world = World(
            shop=shop,
            retriever=self._retriever,
            reader=self._reader,
            clock=clock,
            outbox=Outbox(),
            snapshot=snapshot,
            initial=initial,
            secrets=self._secrets,
            customer=None if customer == "visitor" else CustomerId(customer),
        )
        world.shop = FaultyShop(shop, world, scenario.faults)
        world.retriever = FaultyRetriever(self._retriever, world, scenario.faults)
        yield world

    async def expected(self, scenario: Scenario) -> dict[str, dict[str, list[Any]]]:
        """What the task's own reference solution changes."""
        task = self._tasks.get(scenario.id)
        if task is None:
            raise ReferenceInvalid(f"{scenario.id}: not a task of {self.name}")
        return differences(self._initial, task.expected_state)


def telling(secrets: Sequence[Secret]) -> tuple[Secret, ...]:
    """The words that give one customer away: those that are in no word of another customer.

    A set's made-up tracking numbers and streets are not unique, and one may be the beginning of
    another, so that seeing it tells nothing.
    """
    everything = "\n".join(secret.word for secret in secrets)
    by_owner: dict[CustomerId, list[str]] = {}
    for secret in secrets:
        by_owner.setdefault(secret.customer, []).append(secret.word)
    own = {customer: "\n".join(words) for customer, words in by_owner.items()}
    return tuple(
        secret
        for secret in secrets
        if everything.count(secret.word) == own[secret.customer].count(secret.word)
    )


def both(en: str, zh: str) -> dict[Language, str]:
    """A sentence in both languages."""
    return {"en": en, "zh": zh}


def _plain(email: str) -> str:
    return "".join(email.split()).lower()
