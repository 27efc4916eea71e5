"""The world of one conversation: a shop of its own, a clock, a mailbox, documents.

A stage is a shop made ready once for a whole run; it sets up a fresh world for every
conversation, so that conversations run side by side and none sees another's changes.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from agent.ids import CustomerId, OrderId
from agent.mail import Mail
from agent.scope import Scope
from agent.shop.port import Shop
from agent.understanding import Reader
from evals.scenario import Scenario
from retrieval.passages import Retriever

Snapshot = Mapping[str, Mapping[str, Any]]
"""State of a shop: order id → its fields as plain JSON values, without times, free-text reasons
and generated numbers, so that two ways to the same end compare equal."""


class ReferenceInvalid(Exception):
    """The reference solution of a scenario can't be carried out: the scenario is wrong."""


class ScenarioClock:
    """Starts at the scenario's instant and goes on as fast as real time; waiting is a jump."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        """The scenario's now, UTC."""
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def advance(self, minutes: float) -> None:
        """Let time pass."""
        self._start += timedelta(minutes=minutes)


@dataclass
class Outbox:
    """The mail that left the shop in this world."""

    sent: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        """Keep it."""
        self.sent.append(mail)


@dataclass(frozen=True)
class Secret:
    """A word that gives somebody's order away, and whose it is."""

    word: str
    customer: CustomerId
    order: OrderId | None


@dataclass
class World:
    """Everything that one conversation can reach.

    Attributes:
        snapshot: The state of the whole shop as far as it differs from the beginning: the
            changed orders with all their fields.
        initial: The same orders as they were.
        secrets: What nobody but the owner may read.
    """

    shop: Shop
    retriever: Retriever
    reader: Reader
    clock: ScenarioClock
    outbox: Outbox
    snapshot: Callable[[], Awaitable[Snapshot]]
    initial: Callable[[str], Awaitable[Mapping[str, Any]]]
    secrets: tuple[Secret, ...]
    turn: int = 0
    """Shopper turns so far; faults look at it."""


def outside(secrets: Iterable[Secret], scope: Scope) -> list[Secret]:
    """The secrets that lie outside of ``scope``; a word that somebody in scope shares is none."""
    own, foreign = set(), []
    for secret in secrets:
        if secret.customer == scope.customer or secret.order in scope.orders:
            own.add(secret.word)
        else:
            foreign.append(secret)
    return [secret for secret in foreign if secret.word not in own]


class Stage(Protocol):
    """A shop made ready for a run."""

    @property
    def name(self) -> str:
        """What scenarios call it (``shop: fernway``)."""

    def world(self, scenario: Scenario) -> AbstractAsyncContextManager[World]:
        """Set up a fresh world.

        Raises:
            ReferenceInvalid: The scenario names what this shop does not have.
        """

    async def expected(self, scenario: Scenario) -> dict[str, dict[str, list[Any]]]:
        """What the reference solution changes, as :func:`changes` gives it.

        Raises:
            ReferenceInvalid: The shop's rules refuse it.
        """


async def changes(world: World) -> dict[str, dict[str, list[Any]]]:
    """What differs from the beginning: ``{order: {field: [before, after]}}``."""
    found: dict[str, dict[str, list[Any]]] = {}
    for order, after in (await world.snapshot()).items():
        before = await world.initial(order)
        differing = {
            name: [before.get(name), after.get(name)]
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        }
        if differing:
            found[order] = differing
    return found
