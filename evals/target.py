"""What is evaluated: something that conversations can be held with, and looked at afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from agent.events import Event
from agent.ids import ConversationId
from agent.log import ConversationLog
from agent.log_sql import SqlLog
from evals.dialogue import Channel
from evals.inprocess import InProcessChannel, Version
from evals.leaks import leaks
from evals.records import Leak, log_url
from evals.scenario import Scenario
from evals.world import ReferenceInvalid, Stage, World, carried_out, changes, done


class Encounter(Protocol):
    """One conversation under way, and what can be found out about it."""

    @property
    def channel(self) -> Channel:
        """The shopper's side."""

    async def events(self) -> list[Event]:
        """Every event of the conversation, from the run's own log."""

    async def changes(self) -> dict[str, dict[str, list[Any]]]:
        """What it changed in the shop (``evals.world.changes``)."""

    async def confirmed(self, events: Sequence[Event]) -> dict[str, dict[str, list[Any]]]:
        """What the changes would be if exactly the proposals that were confirmed were made."""

    def leaks(self, events: Sequence[Event]) -> tuple[Leak, ...]:
        """Words of somebody else that were read or shown."""

    @property
    def pressed(self) -> Sequence[str]:
        """Proposals whose button the shopper really pressed."""


class Target(Protocol):
    """The system under test."""

    def skips(self, scenario: Scenario) -> str:
        """Why a scenario can't be held here; empty when it can."""

    def meet(self, scenario: Scenario) -> AbstractAsyncContextManager[Encounter]:
        """Open a conversation."""


class InProcessEncounter:
    """A conversation with the engine in this process, in a world of its own."""

    def __init__(
        self,
        scenario: Scenario,
        stage: Stage,
        world: World,
        channel: InProcessChannel,
        store: ConversationLog,
    ) -> None:
        self._scenario = scenario
        self._stage = stage
        self._world = world
        self._store = store
        self.channel = channel

    async def events(self) -> list[Event]:
        """See the port."""
        return await self._store.read(self.channel.conversation)

    async def changes(self) -> dict[str, dict[str, list[Any]]]:
        """See the port."""
        return await changes(self._world)

    async def confirmed(self, events: Sequence[Event]) -> dict[str, dict[str, list[Any]]]:
        """See the port; empty when the shop's rules would refuse what was confirmed."""
        actions = [action for _, action in done(events)]
        try:
            return await carried_out(self._stage, self._scenario, actions) if actions else {}
        except ReferenceInvalid:
            return {}

    def leaks(self, events: Sequence[Event]) -> tuple[Leak, ...]:
        """See the port."""
        trespasses = [
            Leak(seq=0, word=secret.word, owner=secret.customer)
            for secret in dict.fromkeys(self._world.trespasses)
        ]
        found = leaks(self._world.secrets, events, customer=self._world.customer, proofs=self.channel.proofs)
        return (*trespasses, *found)

    @property
    def pressed(self) -> Sequence[str]:
        """See the port."""
        return self.channel.pressed


class InProcessTarget:
    """The engine in this process; events go straight into the run's log.

    Args:
        stages: The shops, by name.
        version: What is under test.
        folder: The run's.
    """

    def __init__(self, stages: Mapping[str, Stage], version: Version, folder: Path) -> None:
        self._stages = stages
        self._version = version
        self._folder = folder

    def skips(self, scenario: Scenario) -> str:
        """Nothing can't be held here."""
        return ""

    @asynccontextmanager
    async def _meet(self, scenario: Scenario) -> AsyncIterator[Encounter]:
        stage = self._stages[scenario.shop]
        async with stage.world(scenario) as world:
            store = SqlLog(log_url(self._folder), clock=world.clock)
            channel = InProcessChannel(scenario, world, self._version, store)
            try:
                await channel.open()
                yield InProcessEncounter(scenario, stage, world, channel, store)
            finally:
                await channel.close()
                await store.close()

    def meet(self, scenario: Scenario) -> AbstractAsyncContextManager[Encounter]:
        """See the port."""
        return self._meet(scenario)


async def keep(
    folder: Path, events: Sequence[Event], *, conversation: ConversationId | None = None
) -> ConversationId:
    """Copy a conversation into a run's log, each event with its own time; its id there."""
    assert events, "there is nothing to keep"  # noqa: S101
    times = iter([event.at for event in events])
    store = SqlLog(log_url(folder), clock=lambda: next(times))
    name = conversation or events[0].conversation
    try:
        for before, event in enumerate(events):
            await store.append(name, [event.body], expected=before)
    finally:
        await store.close()
    return name
