"""What happens after a conversation: idle ones are closed, closed ones are scored."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from agent.conversation import fold
from agent.conversations import Conversations
from agent.errors import AmendsError
from agent.events import Event
from agent.ids import ConversationId
from agent.live import LocalBus
from agent.log import ConversationLog
from agent.shop.port import ShopRecords
from retention.history import History
from retention.offers import OfferPolicy
from retention.scoring import score_conversation

logger = logging.getLogger(__name__)
LOOK_SECONDS = 60.0
"""Between two looks for idle conversations."""
LOOK_BACK = 500
"""Conversations looked at after a start, newest first: more than a day of a small shop."""


class Followup:
    """Closes idle conversations, and scores closed ones as they close."""

    def __init__(
        self,
        *,
        log: ConversationLog,
        bus: LocalBus,
        conversations: Conversations,
        records: ShopRecords,
        policy: OfferPolicy,
        clock: Callable[[], datetime],
        idle_minutes: float,
    ) -> None:
        self._log = log
        self._conversations = conversations
        self._records = records
        self._policy = policy
        self._clock = clock
        self._idle = timedelta(minutes=idle_minutes)
        self._history = History()
        self._queue: asyncio.Queue[ConversationId] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        bus.on_event(self._notice)

    def _notice(self, event: Event) -> None:
        if event.body.type in {"conversation.closed", "conversation.rated"}:
            self._queue.put_nowait(event.conversation)

    async def start(self) -> None:
        """Begin; conversations closed while the server was down are scored first."""
        for conversation in await self._log.latest(limit=LOOK_BACK):
            events = await self._log.read(conversation)
            if fold(conversation, events).mode == "closed":
                self._queue.put_nowait(conversation)
        self._tasks = [
            asyncio.create_task(self._score_closed(), name="followup:score"),
            asyncio.create_task(self._close_idle(), name="followup:idle"),
        ]

    async def stop(self) -> None:
        """Stop; what is unfinished is taken up by the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until every closed conversation has been scored."""
        await self._queue.join()

    async def _score_closed(self) -> None:
        while True:
            conversation = await self._queue.get()
            try:
                await score_conversation(
                    self._log,
                    self._records,
                    self._policy,
                    self._clock,
                    conversation,
                    history=self._history,
                )
            except AmendsError as error:
                logger.warning("scoring %s failed: %s", conversation, error.code)
            except Exception:
                logger.exception("scoring %s failed", conversation)
            finally:
                self._queue.task_done()

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(AmendsError):
                await self.close_idle()

    async def close_idle(self) -> None:
        """Close conversations nobody has written in for the idle time; never one that waits
        for a person or is with one."""
        for conversation in await self._log.latest(limit=LOOK_BACK):
            events = await self._log.read(conversation)
            state = fold(conversation, events)
            if (
                state.mode == "assistant"
                and not state.pending
                and state.lines
                and events[-1].at < self._clock() - self._idle
            ):
                await self._conversations.close(conversation, by="idle")
