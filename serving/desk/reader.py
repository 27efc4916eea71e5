"""One reader of the log for the whole desk: it follows the log and feeds the folds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from agent.errors import LogUnavailable
from agent.events import Event
from agent.live import Bus, TooSlow
from agent.log import ConversationLog

LOOK_SECONDS = 5.0
"""Between two looks when the bus is silent: what other processes appended is not on this bus."""
BREATH = 200
"""Events folded before others get a turn; a long log must not stall the server."""

_log = logging.getLogger(__name__)


class Fold(Protocol):
    """Takes events in log order."""

    def add(self, event: Event) -> None:
        """Take one more event."""


class LogReader:
    """Reads what is new, gives it to every fold, then tells who listens.

    The log alone is the truth: the bus only says when to look.
    """

    def __init__(self, log: ConversationLog, bus: Bus, folds: Sequence[Fold]) -> None:
        self._log = log
        self._bus = bus
        self._folds = folds
        self._listeners: dict[object, Callable[[], None]] = {}
        self._lock = asyncio.Lock()
        self._position = 0
        self.caught_up = False
        """Whether everything there was at the start has been read."""

    @property
    def position(self) -> int:
        """How far the log has been read."""
        return self._position

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after each change; call what is returned to stop that."""
        key = object()
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    async def catch_up(self) -> None:
        """Read what was appended since the last time.

        Raises:
            LogUnavailable: The log cannot be read; what was read stays.
        """
        async with self._lock:
            before = self._position
            count = 0
            async for position, event in self._log.scan(after=before):
                for fold in self._folds:
                    fold.add(event)
                self._position = position
                count += 1
                if count % BREATH == 0:
                    await asyncio.sleep(0)
            first, self.caught_up = not self.caught_up, True
            if first or self._position != before:
                for listener in list(self._listeners.values()):
                    listener()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the log meanwhile."""
        news = asyncio.Event()
        tasks = [
            asyncio.create_task(self._hear(news), name="desk:hear"),
            asyncio.create_task(self._read(news), name="desk:read"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, news: asyncio.Event) -> None:
        while True:
            with self._bus.subscribe() as items, contextlib.suppress(TooSlow):
                news.set()
                async for item in items:
                    if isinstance(item, Event):
                        news.set()

    async def _read(self, news: asyncio.Event) -> None:
        while True:
            news.clear()
            try:
                await self.catch_up()
            except LogUnavailable as error:
                _log.warning("the desk cannot read the log: %s", error.code)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await news.wait()
