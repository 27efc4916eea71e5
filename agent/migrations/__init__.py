"""The log's schema and how it changes: Alembic revisions, and ``migrate`` to run them."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from agent.errors import LogUnavailable
from agent.log_faults import translated
from agent.log_tables import BUSY_SECONDS, begin_immediate, driver_url, prepare_sqlite

_MIGRATIONS = 0x6D696772617465
"""Key of the PostgreSQL advisory lock held while migrating ("migrate" in ASCII)."""


def migrate(url: str) -> None:
    """Bring the database at ``url`` to the newest schema, creating an SQLite file if needed.

    Blocking. Harmless to repeat, and safe when several processes start at once: the whole
    upgrade is one transaction under a lock, so the others wait and then find nothing to do.

    Raises ``LogUnavailable`` when the database does not answer, cannot be written, or has a
    schema newer than this program.
    """
    target = driver_url(url, asynchronous=False)
    with translated():
        engine = _sqlite(target) if target.get_backend_name() == "sqlite" else _postgres(target)
        try:
            with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATIONS)))
                command.upgrade(configuration(connection), "head")
        except CommandError as error:
            raise LogUnavailable(
                "the log was made by a newer version: upgrade this program, or restore a backup"
            ) from error


def configuration(connection: sa.Connection) -> Config:
    """Return the Alembic configuration for an open connection (``env.py`` takes it from here)."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "agent:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _postgres(target: sa.URL) -> sa.Engine:
    connect = {"connect_timeout": BUSY_SECONDS}
    return sa.create_engine(target, poolclass=sa.NullPool, hide_parameters=True, connect_args=connect)


def _sqlite(target: sa.URL) -> sa.Engine:
    connect = {"timeout": BUSY_SECONDS, "isolation_level": None}
    engine = sa.create_engine(target, poolclass=sa.NullPool, hide_parameters=True, connect_args=connect)
    sa.event.listen(engine, "connect", prepare_sqlite)
    with engine.connect() as connection:
        _write_ahead(connection)
    sa.event.listen(engine, "begin", begin_immediate)
    return engine


def _write_ahead(connection: sa.Connection) -> None:
    """Let readers never wait for the writer. A property of the file, and not of a transaction.

    SQLite does not wait for others here, whatever its timeout: of servers that start together on
    a new file some are told at once that it is locked, so the waiting is done here.
    """
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except sa.exc.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return
