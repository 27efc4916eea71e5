"""The conversation log: the port. ``agent.log_sql`` keeps it in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from agent.events import Event, EventBody
from agent.ids import ConversationId


@dataclass(frozen=True)
class Lease:
    """The right to run turns of one conversation until it expires.

    ``fence`` grows with every lease of the conversation, so that an old holder is known.
    """

    conversation: ConversationId
    holder: str
    fence: int


class ConversationLog(Protocol):
    """Append-only, gapless sequences of events, one per conversation.

    Raises (every method): ``LogUnavailable`` when the database does not answer or cannot
    write; then nothing of the call was stored.
    """

    async def append(
        self, conversation: ConversationId, bodies: Sequence[EventBody], *, expected: int
    ) -> list[Event]:
        """Append ``bodies`` after ``seq`` ``expected`` (0 for a new conversation), all or none.

        Raises ``SeqConflict`` when the head is not ``expected``: read what came in between
        and decide again, nothing is merged. A cancelled call stores all or nothing.
        An empty sequence stores nothing and returns an empty list.
        """

    async def read(self, conversation: ConversationId, *, after: int = 0) -> list[Event]:
        """Events with ``seq > after``, in order; an unknown conversation gives none."""

    async def head(self, conversation: ConversationId) -> int:
        """The highest ``seq``, 0 when there is none."""

    async def latest(self, *, limit: int = 200) -> list[ConversationId]:
        """Conversations by their last event, newest first."""

    def scan(self, *, after: int = 0) -> AsyncIterator[tuple[int, Event]]:
        """All events of all conversations with their global position, from ``after`` on.

        Positions grow, may have gaps, and never change; a reader that stores the last one
        it saw misses nothing that is appended later.
        """

    def answers(self, *, since: datetime, due: date) -> AsyncIterator[Event]:
        """All ``answer.sent`` of each conversation that anything was appended to at or after
        ``since``, or that holds a promise due on ``due`` or later."""

    async def lease(self, conversation: ConversationId, *, holder: str, seconds: float) -> Lease | None:
        """Take or renew the lease; ``None`` while somebody else holds it unexpired."""

    async def release(self, lease: Lease) -> None:
        """Give a lease back. One that expired or was taken over is ignored."""

    async def unsettled(self) -> list[ConversationId]:
        """Conversations with shopper input or a confirmed action newer than the last
        finished turn: what a restarted server must look at again."""

    async def ready(self) -> None:
        """Raise ``LogUnavailable`` unless the log can be read and written now."""
