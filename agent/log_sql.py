"""The conversation log in SQLite or PostgreSQL: one implementation of ``agent.log``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.errors import SeqConflict
from agent.events import BODY, Event, EventBody
from agent.ids import ConversationId
from agent.log import Lease
from agent.log_faults import translated
from agent.log_tables import BUSY_SECONDS, conversations, events, leases, open_engines

T = TypeVar("T")

PAGE = 500
"""Events that ``scan`` reads at a time, and conversations that ``answers`` does."""

APPENDS = 0x616D656E6473
"""Key of the PostgreSQL advisory lock that appends take ("amends" in ASCII)."""

_PROBE = ConversationId("")
"""The lease that ``ready`` writes; no conversation has this id."""


class SqlLog:
    """Keeps the log in the database at ``url`` (``sqlite:///FILE`` or ``postgresql://…``).

    ``agent.migrations.migrate`` makes the tables beforehand. One instance serves many tasks of
    one event loop; several processes may share a database. ``close`` when done.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime]) -> None:
        self._reader, self._writer = open_engines(url)
        self._clock = clock
        self._dialect = self._writer.dialect.name
        self._writes: set[asyncio.Task[Any]] = set()

    async def append(
        self, conversation: ConversationId, bodies: Sequence[EventBody], *, expected: int
    ) -> list[Event]:
        """Append; see ``ConversationLog``.

        Raises ``ValueError`` for a body that JSON cannot carry (NaN, for example): it could
        never be read again.
        """
        if not bodies:
            return []
        stored = [_stored(body) for body in bodies]
        return await self._carried_through(self._append(conversation, stored, expected))

    async def _append(
        self, conversation: ConversationId, stored: list[tuple[dict[str, Any], EventBody]], expected: int
    ) -> list[Event]:
        head = expected + len(stored)
        with translated():
            async with self._writer.begin() as connection:
                await self._take_turn(connection)
                now = self._clock()
                if not await self._advance(connection, conversation, expected, head, now):
                    found = await _head(connection, conversation)
                    raise SeqConflict(conversation, expected, found)
                appended = [
                    Event(conversation=conversation, seq=seq, at=now.astimezone(UTC), body=body)
                    for seq, (_, body) in enumerate(stored, expected + 1)
                ]
                await connection.execute(
                    events.insert(),
                    [
                        {
                            "conversation": event.conversation,
                            "seq": event.seq,
                            "at": event.at,
                            "type": event.body.type,
                            "body": document,
                        }
                        for event, (document, _) in zip(appended, stored, strict=True)
                    ],
                )
        return appended

    async def _take_turn(self, connection: AsyncConnection) -> None:
        """Let appends commit one after the other, in the order of their positions.

        PostgreSQL gives positions out when a row is inserted, but shows the row when it is
        committed: of two concurrent appends the higher position could appear first, and a
        reader of ``scan`` would step over the lower one for good. So appends of all
        conversations take this lock, which PostgreSQL frees right after the commit. The price
        is one commit at a time (one flush of the disk each), far above what shoppers type.
        SQLite has a single writer anyway, and its transaction has begun by taking that lock.
        """
        if self._dialect == "postgresql":
            await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(APPENDS)))

    async def _advance(
        self,
        connection: AsyncConnection,
        conversation: ConversationId,
        expected: int,
        head: int,
        now: datetime,
    ) -> bool:
        """Move the head from ``expected`` to ``head``; false when it was elsewhere."""
        change: sqlite.Insert | postgresql.Insert | sa.Update
        if expected == 0:
            first = self._insert(conversations).values(id=conversation, head=head, updated=now)
            change = first.on_conflict_do_nothing()
        else:
            at_expected = (conversations.c.id == conversation) & (conversations.c.head == expected)
            change = conversations.update().where(at_expected).values(head=head, updated=now)
        moved = await connection.scalar(change.returning(conversations.c.head))
        return moved is not None

    async def read(self, conversation: ConversationId, *, after: int = 0) -> list[Event]:
        """Read; see ``ConversationLog``."""
        found = await self._rows(
            sa.select(events)
            .where(events.c.conversation == conversation, events.c.seq > after)
            .order_by(events.c.seq)
        )
        return [_event(row) for row in found]

    async def head(self, conversation: ConversationId) -> int:
        """Return the highest ``seq``; see ``ConversationLog``."""
        with translated():
            async with self._reader.connect() as connection:
                return await _head(connection, conversation)

    async def latest(self, *, limit: int = 200) -> list[ConversationId]:
        """List conversations; see ``ConversationLog``."""
        last = (events.c.conversation == conversations.c.id) & (events.c.seq == conversations.c.head)
        found = await self._rows(
            sa.select(conversations.c.id).join(events, last).order_by(events.c.position.desc()).limit(limit)
        )
        return [ConversationId(row.id) for row in found]

    async def scan(self, *, after: int = 0) -> AsyncIterator[tuple[int, Event]]:
        """Read all conversations; see ``ConversationLog``. No transaction stays open meanwhile."""
        while True:
            page = await self._rows(
                sa.select(events).where(events.c.position > after).order_by(events.c.position).limit(PAGE)
            )
            for row in page:
                yield row.position, _event(row)
            if len(page) < PAGE:
                return
            after = page[-1].position

    async def answers(self, *, since: datetime, due: date) -> AsyncIterator[Event]:
        """Read answers; see ``ConversationLog``. No transaction stays open meanwhile."""
        recent = sa.select(conversations.c.id).where(conversations.c.updated >= since)
        promised = sa.select(events.c.conversation).where(
            events.c.type == "promise.made", events.c.body["due"].as_string() >= due.isoformat()
        )
        found = await self._rows(recent.union(promised).order_by("id"))
        for start in range(0, len(found), PAGE):
            ids = [row.id for row in found[start : start + PAGE]]
            page = await self._rows(
                sa.select(events)
                .where(events.c.conversation.in_(ids), events.c.type == "answer.sent")
                .order_by(events.c.conversation, events.c.seq)
            )
            for row in page:
                yield _event(row)

    async def lease(self, conversation: ConversationId, *, holder: str, seconds: float) -> Lease | None:
        """Take or renew the lease; see ``ConversationLog``.

        A renewal in time keeps the fence; taking it after it expired raises it, also for the
        same holder. Expiry is judged by the caller's clock: machines that share a log must
        agree on the time far better than ``seconds``.
        """
        return await self._carried_through(self._lease(conversation, holder, seconds))

    async def _lease(self, conversation: ConversationId, holder: str, seconds: float) -> Lease | None:
        now = self._clock()
        expires = now + timedelta(seconds=seconds)
        live = leases.c.expires > now
        own = leases.c.holder == holder
        take = (
            self._insert(leases)
            .values(conversation=conversation, holder=holder, fence=1, expires=expires)
            .on_conflict_do_update(
                index_elements=[leases.c.conversation],
                set_={
                    "holder": holder,
                    "fence": sa.case((live & own, leases.c.fence), else_=leases.c.fence + 1),
                    "expires": expires,
                },
                where=own | sa.not_(live),
            )
            .returning(leases.c.fence)
        )
        with translated():
            async with self._writer.begin() as connection:
                fence = await connection.scalar(take)
        return None if fence is None else Lease(conversation, holder, int(fence))

    async def release(self, lease: Lease) -> None:
        """Give a lease back; see ``ConversationLog``. The row stays, so that fences keep growing."""
        await self._carried_through(self._release(lease))

    async def _release(self, lease: Lease) -> None:
        still_held = (
            (leases.c.conversation == lease.conversation)
            & (leases.c.holder == lease.holder)
            & (leases.c.fence == lease.fence)
        )
        with translated():
            async with self._writer.begin() as connection:
                await connection.execute(
                    leases.update().where(still_held).values(expires=datetime.fromtimestamp(0, UTC))
                )

    async def unsettled(self) -> list[ConversationId]:
        """List what a restarted server must look at again; see ``ConversationLog``.

        A superset: every open conversation whose last shopper message or confirmed action no
        completed turn covers (``upto`` of its start). Some need nothing, because a person
        answers there, for example; the fold of each conversation decides that.
        """
        started, completed = events.alias("started"), events.alias("completed")
        answered = (
            sa.select(started.c.conversation, sa.func.max(started.c.body["upto"].as_integer()).label("upto"))
            .join(
                completed,
                (completed.c.conversation == started.c.conversation)
                & (completed.c.body["turn"].as_string() == started.c.body["turn"].as_string()),
            )
            .where(started.c.type == "turn.started", completed.c.type == "turn.completed")
            .group_by(started.c.conversation)
            .subquery()
        )
        asked = _last_of("message.received", "action.confirmed")
        closed = _last_of("conversation.closed")
        found = await self._rows(
            sa.select(asked.c.conversation)
            .outerjoin(answered, answered.c.conversation == asked.c.conversation)
            .outerjoin(closed, closed.c.conversation == asked.c.conversation)
            .where(
                asked.c.seq > sa.func.coalesce(answered.c.upto, 0),
                asked.c.seq > sa.func.coalesce(closed.c.seq, 0),
            )
            .order_by(asked.c.conversation)
        )
        return [ConversationId(row.conversation) for row in found]

    async def ready(self) -> None:
        """Raise ``LogUnavailable`` unless reading and the smallest possible write both work."""
        await self._rows(sa.select(events).limit(1))
        await self.lease(_PROBE, holder="ready", seconds=0)

    async def close(self) -> None:
        """Finish the writes under way and close all connections."""
        if self._writes:
            await asyncio.wait(self._writes)
        await self._writer.dispose()
        await self._reader.dispose()

    def _insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        return sqlite.insert(table) if self._dialect == "sqlite" else postgresql.insert(table)

    async def _rows(
        self, query: sa.Select[*tuple[Any, ...]] | sa.CompoundSelect[*tuple[Any, ...]]
    ) -> Sequence[sa.Row[*tuple[Any, ...]]]:
        with translated():
            async with self._reader.connect() as connection:
                result = await connection.execute(query)
                return result.all()

    async def _carried_through(self, write: Coroutine[Any, Any, T]) -> T:
        """Run a write to its end even when the caller is cancelled, and only then be cancelled.

        Broken off half way, a commit may or may not have happened and the connection is good
        for nothing; carried through, the caller's next read sees what became of it.
        """
        task = asyncio.create_task(write)
        self._writes.add(task)
        task.add_done_callback(self._written)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also when the caller has gone


def _stored(body: EventBody) -> tuple[dict[str, Any], EventBody]:
    """Return the body as JSON and as it will be read back, which is what ``append`` returns."""
    text = body.model_dump_json()
    try:
        return json.loads(text), BODY.validate_json(text)
    except ValidationError:
        # Its message quotes the values, which may be a shopper's words.
        raise ValueError(f"a {body.type} with a value that JSON cannot carry") from None


def _event(row: sa.Row[*tuple[Any, ...]]) -> Event:
    return Event(
        conversation=ConversationId(row.conversation),
        seq=row.seq,
        at=row.at,
        body=BODY.validate_python(row.body),
    )


async def _head(connection: AsyncConnection, conversation: ConversationId) -> int:
    found = await connection.scalar(sa.select(conversations.c.head).where(conversations.c.id == conversation))
    return int(found or 0)


def _last_of(*types: str) -> sa.Subquery:
    """Return the last ``seq`` of these types by conversation."""
    return (
        sa.select(events.c.conversation, sa.func.max(events.c.seq).label("seq"))
        .where(events.c.type.in_(types))
        .group_by(events.c.conversation)
        .subquery()
    )
