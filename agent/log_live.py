"""A log whose appends are also told to the bus, in order."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime

from agent.events import Event, EventBody
from agent.ids import ConversationId
from agent.live import Bus
from agent.log import ConversationLog, Lease


class LiveLog:
    """Wraps a :class:`~agent.log.ConversationLog` and publishes what was appended.

    Events of one conversation are published in ``seq`` order, and always once the append
    is durable, also when the caller was cancelled meanwhile.
    """

    def __init__(self, log: ConversationLog, bus: Bus) -> None:
        self._log = log
        self._bus = bus
        self._locks: weakref.WeakValueDictionary[ConversationId, asyncio.Lock] = weakref.WeakValueDictionary()

    async def append(
        self, conversation: ConversationId, bodies: Sequence[EventBody], *, expected: int
    ) -> list[Event]:
        """Append and publish; see the port."""
        task = asyncio.create_task(self._append(conversation, bodies, expected))
        task.add_done_callback(_looked_at)
        return await asyncio.shield(task)

    async def _append(
        self, conversation: ConversationId, bodies: Sequence[EventBody], expected: int
    ) -> list[Event]:
        lock = self._locks.setdefault(conversation, asyncio.Lock())
        async with lock:
            events = await self._log.append(conversation, bodies, expected=expected)
            for event in events:
                self._bus.publish(event)
            return events

    async def read(self, conversation: ConversationId, *, after: int = 0) -> list[Event]:
        """See the port."""
        return await self._log.read(conversation, after=after)

    async def head(self, conversation: ConversationId) -> int:
        """See the port."""
        return await self._log.head(conversation)

    async def latest(self, *, limit: int = 200) -> list[ConversationId]:
        """See the port."""
        return await self._log.latest(limit=limit)

    def scan(self, *, after: int = 0) -> AsyncIterator[tuple[int, Event]]:
        """See the port."""
        return self._log.scan(after=after)

    def answers(self, *, since: datetime, due: date) -> AsyncIterator[Event]:
        """See the port."""
        return self._log.answers(since=since, due=due)

    async def lease(self, conversation: ConversationId, *, holder: str, seconds: float) -> Lease | None:
        """See the port."""
        return await self._log.lease(conversation, holder=holder, seconds=seconds)

    async def release(self, lease: Lease) -> None:
        """See the port."""
        await self._log.release(lease)

    async def unsettled(self) -> list[ConversationId]:
        """See the port."""
        return await self._log.unsettled()

    async def ready(self) -> None:
        """See the port."""
        await self._log.ready()


def _looked_at(task: asyncio.Task[list[Event]]) -> None:
    """A conflict after the caller was cancelled concerns nobody: the next turn reads afresh."""
    if not task.cancelled():
        task.exception()
