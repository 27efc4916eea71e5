"""Tables of the conversation log, and how its two databases are opened.

The schema is created by ``agent.migrations``; a test holds the two together.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_SECONDS = 10
"""How long a writer waits for its turn before the call fails as ``LogUnavailable``."""


class Utc(sa.TypeDecorator[datetime]):
    """An instant. SQLite keeps no time zone, so UTC is taken off going in and put on coming out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: it would be some other instant on another machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time in the log needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite makes a row id only of a column whose type is exactly INTEGER.
_BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("head", sa.BigInteger, nullable=False),
    sa.Column("updated", Utc, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("position", _BigId, sa.Identity(), primary_key=True),
    sa.Column("conversation", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("type", sa.Text, nullable=False, index=True),
    # JSON and not JSONB: JSONB refuses the character U+0000, which a shopper can send.
    sa.Column("body", sa.JSON, nullable=False),
    sa.UniqueConstraint("conversation", "seq"),
    # Positions of erased rows are never given out again, or a reader of ``scan`` would miss some.
    sqlite_autoincrement=True,
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("conversation", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("expires", Utc, nullable=False),
)


def driver_url(url: str, *, asynchronous: bool) -> sa.URL:
    """Return ``url`` with the driver used here: aiosqlite or sqlite3, psycopg for PostgreSQL.

    Raises ``ValueError`` for another database and for an SQLite database without a file.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise ValueError("not a database URL; write sqlite:///FILE or postgresql://USER@HOST/NAME") from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+aiosqlite" if asynchronous else "sqlite+pysqlite")
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case name:
            raise ValueError(f"the log needs an SQLite file or PostgreSQL, not {name}")


def open_engines(url: str) -> tuple[AsyncEngine, AsyncEngine]:
    """Return the engines to read and to write with. Nothing connects before the first call.

    SQLite: many readers, and one writer whose transactions begin by taking the write lock, so
    that appenders queue here, in order, instead of polling for the lock. PostgreSQL: the same
    engine twice.
    """
    target = driver_url(url, asynchronous=True)
    common: dict[str, Any] = {
        "hide_parameters": True,  # error messages never hold what a shopper wrote
        "json_serializer": partial(json.dumps, ensure_ascii=False),
        "pool_timeout": BUSY_SECONDS,
    }
    if target.get_backend_name() == "postgresql":
        both = create_async_engine(
            target, pool_size=10, pool_pre_ping=True, connect_args={"connect_timeout": BUSY_SECONDS}, **common
        )
        return both, both
    # No isolation level: the driver would begin transactions by its own rules, and late.
    connect = {"timeout": BUSY_SECONDS, "isolation_level": None}
    reader = create_async_engine(target, connect_args=connect, **common)
    writer = create_async_engine(target, connect_args=connect, pool_size=1, max_overflow=0, **common)
    for engine in (reader, writer):
        sa.event.listen(engine.sync_engine, "connect", prepare_sqlite)
    sa.event.listen(writer.sync_engine, "begin", begin_immediate)
    return reader, writer


def prepare_sqlite(connection: Any, _record: object) -> None:
    """Set what SQLite forgets between connections: durable commits and foreign keys.

    Write-ahead logging belongs to the file and is set by ``agent.migrations.migrate``.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def begin_immediate(connection: sa.Connection) -> None:
    """Take SQLite's write lock first: a read that turns into a write could not wait for it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
