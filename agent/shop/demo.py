"""Opens the demo shop, making its store from the seed the first time."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import create_engine, insert
from sqlalchemy.exc import SQLAlchemyError

from agent.errors import ShopUnavailable
from agent.shop.catalogue import read_catalogue
from agent.shop.history import Rows
from agent.shop.personas import read_persona_scripts
from agent.shop.rules import read_rules
from agent.shop.schema import VERSION, metadata
from agent.shop.seed import NIGHT, seed_rows
from agent.shop.sqlite import SqliteShop


async def open_demo_shop(
    folder: Path, database: Path, *, clock: Callable[[], datetime], today: date | None = None
) -> SqliteShop:
    """Open the store ``database``; when it is missing, make it from the shop's ``folder``.

    It is written under another name and renamed when complete; of several processes that start
    at once one makes it and the others wait.

    Args:
        folder: The shop's files (``shop.yaml``, ``products/``, ``personas.yaml``).
        database: The store's file.
        clock: Now, UTC.
        today: The day that made-up orders lead up to; the clock's when not given.

    Raises:
        ValueError: A file of the shop is missing or broken; the message names it.
        ShopUnavailable: The store cannot be written, or is of another version.
    """
    rules = await asyncio.to_thread(read_rules, folder)
    day = today or (clock() - NIGHT).date()
    await asyncio.to_thread(_make_if_missing, folder, database, day)
    return SqliteShop(database, rules, clock=clock)


def write_store(database: Path, rows: Rows) -> None:
    """Write a new store with these rows to ``database``, which must not exist."""
    engine = create_engine(f"sqlite:///{database}", hide_parameters=True)
    try:
        with engine.begin() as connection:
            metadata.create_all(connection)
            for table in metadata.sorted_tables:
                if rows.get(table.name):
                    connection.execute(insert(table), rows[table.name])
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # Kept in the file. Several connections that switch to it at once would lock each other out.
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    finally:
        engine.dispose()


def _make_if_missing(folder: Path, database: Path, today: date) -> None:
    part = database.with_name(f"{database.name}.part")
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with database.with_name(f"{database.name}.lock").open("w") as lock:
            # The system drops the lock with the process, so a killed one blocks nobody.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not database.exists():
                rows = seed_rows(
                    read_catalogue(folder), read_rules(folder), read_persona_scripts(folder), today=today
                )
                part.unlink(missing_ok=True)
                try:
                    write_store(part, rows)
                    part.replace(database)
                finally:
                    part.unlink(missing_ok=True)
        _check_version(database)
    except (OSError, SQLAlchemyError, sqlite3.Error) as error:
        raise ShopUnavailable(f"{database}: {type(error).__name__}") from error


def _check_version(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise ShopUnavailable(f"{database} is of another version; remove it and it is made anew")
