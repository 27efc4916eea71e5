"""What is happening right now: events as they are appended, and passing things.

The bus carries stored events and things that are never stored (a streamed piece of an
answer, somebody typing). A reader that falls behind or reconnects goes back to the log;
nothing here is needed for the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from agent.events import Event
from agent.ids import ConversationId, TurnId


@dataclass(frozen=True)
class Delta:
    """A provisional piece of an answer: ``text`` begins ``offset`` characters into it."""

    conversation: ConversationId
    turn: TurnId
    offset: int
    text: str


@dataclass(frozen=True)
class Withdrawn:
    """Provisional text of a turn is taken back from ``offset`` on."""

    conversation: ConversationId
    turn: TurnId
    offset: int
    reason: str


@dataclass(frozen=True)
class Typing:
    """Somebody is typing; it fades by itself after some seconds."""

    conversation: ConversationId
    who: Literal["shopper", "assistant", "staff"]


Live = Event | Delta | Withdrawn | Typing
"""Everything the bus carries."""


class TooSlow(Exception):
    """A subscriber did not read in time and was dropped; it resumes from the log."""


class Bus(Protocol):
    """Carries what happens to whoever listens."""

    def publish(self, item: Live) -> None:
        """Hand ``item`` to every subscriber of its conversation. Never blocks."""

    @contextmanager
    def subscribe(self, conversation: ConversationId | None = None) -> Iterator[AsyncIterator[Live]]:
        """Listen to one conversation, or to all when ``None``.

        Listening begins on entry, before the first read. The iterator raises ``TooSlow``
        when the subscriber falls behind; nothing is silently dropped.
        """

    def partial(self, conversation: ConversationId) -> Delta | None:
        """All provisional text of the running turn as one delta, for one who just joined."""


class LocalBus:
    """The bus inside one process."""

    def __init__(self, *, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._queues: dict[ConversationId | None, set[asyncio.Queue[Live]]] = {}
        self._late: set[asyncio.Queue[Live]] = set()
        self._partial: dict[ConversationId, Delta] = {}
        self._listeners: list[Callable[[Event], None]] = []

    def on_event(self, listener: Callable[[Event], None]) -> None:
        """Call ``listener`` with every published event, in order, before subscribers read it."""
        self._listeners.append(listener)

    def publish(self, item: Live) -> None:
        """Hand ``item`` to every subscriber of its conversation."""
        self._remember(item)
        if isinstance(item, Event):
            for listener in self._listeners:
                listener(item)
        for key in (item.conversation, None):
            for queue in self._queues.get(key, ()):
                try:
                    queue.put_nowait(item)
                except asyncio.QueueFull:
                    self._late.add(queue)

    def _remember(self, item: Live) -> None:
        if isinstance(item, Delta):
            before = self._partial.get(item.conversation)
            text = before.text if before and before.turn == item.turn else ""
            self._partial[item.conversation] = Delta(
                item.conversation, item.turn, 0, text[: item.offset] + item.text
            )
        elif isinstance(item, Withdrawn):
            if before := self._partial.get(item.conversation):
                self._partial[item.conversation] = Delta(
                    item.conversation, item.turn, 0, before.text[: item.offset]
                )
        elif isinstance(item, Event) and item.body.type in {
            "turn.completed",
            "turn.interrupted",
            "turn.started",
            "answer.sent",
        }:
            self._partial.pop(item.conversation, None)

    @contextmanager
    def subscribe(self, conversation: ConversationId | None = None) -> Iterator[AsyncIterator[Live]]:
        """Listen to one conversation, or to all when ``None``."""
        queue: asyncio.Queue[Live] = asyncio.Queue(self._capacity)
        self._queues.setdefault(conversation, set()).add(queue)
        try:
            yield self._items(queue)
        finally:
            self._queues[conversation].discard(queue)
            if not self._queues[conversation]:
                del self._queues[conversation]
            self._late.discard(queue)

    async def _items(self, queue: asyncio.Queue[Live]) -> AsyncIterator[Live]:
        while True:
            if queue in self._late:
                raise TooSlow
            yield await queue.get()

    def partial(self, conversation: ConversationId) -> Delta | None:
        """All provisional text of the running turn as one delta."""
        return self._partial.get(conversation)
