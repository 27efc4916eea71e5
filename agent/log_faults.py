"""Database errors as ``LogUnavailable``: each with what to do about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from agent.errors import LogUnavailable

NO_TABLES = "the log's tables are missing or old: run the migrations (they run when the server starts)"

# By primary result code (https://www.sqlite.org/rescode.html).
_SQLITE = {
    sqlite3.SQLITE_FULL: "the disk or the database is full: free some space",
    sqlite3.SQLITE_IOERR: "the disk failed or is full: check its space and health",
    sqlite3.SQLITE_READONLY: "the database cannot be written: check the file's and its folder's permissions",
    sqlite3.SQLITE_PERM: "the database may not be accessed: check the file's permissions",
    sqlite3.SQLITE_BUSY: "another process keeps the database locked: let one server own the file, "
    "or use PostgreSQL",
    sqlite3.SQLITE_LOCKED: "the database is locked: let one server own the file, or use PostgreSQL",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened: check that its folder exists and can be written",
    sqlite3.SQLITE_CORRUPT: "the database is damaged: stop the server and restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database: check the address, or restore a backup",
    sqlite3.SQLITE_NOMEM: "out of memory",
}

# By SQLSTATE, then by its class (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRES = {
    "25006": "PostgreSQL is read-only: use the primary, not a standby",
    "3D000": "PostgreSQL has no such database: create it",
    "3F000": NO_TABLES,
    "42501": "PostgreSQL refuses: grant the user its rights on the log's tables",
    "42P01": NO_TABLES,
    "42703": NO_TABLES,
    "53100": "PostgreSQL's disk is full: free some space",
    "53200": "PostgreSQL is out of memory",
    "53300": "PostgreSQL has no connection left: raise max_connections or run fewer servers",
    "55P03": "another writer holds the log for too long: look for a stuck transaction",
    "08": "PostgreSQL does not answer: check its address and that it runs",
    "28": "PostgreSQL refuses the sign-in: check user and password",
    "53": "PostgreSQL is short of resources",
    "57": "PostgreSQL was stopped or interrupted the call",
    "58": "PostgreSQL's disk failed",
    "XX": "PostgreSQL found damaged data: restore a backup",
}
_SILENT = "PostgreSQL does not answer: check its address and that it runs"


def unavailable(error: Exception) -> LogUnavailable:
    """Return the error to raise instead of ``error``; the call stored nothing."""
    if isinstance(error, PoolTimeout):
        return LogUnavailable("every connection to the log's database is busy")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        if "no such table" in str(cause) or "no such column" in str(cause):
            return LogUnavailable(NO_TABLES)
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        return LogUnavailable(_SQLITE.get(code, f"SQLite failed ({type(cause).__name__})"))
    if isinstance(error, DBAPIError):
        state = getattr(cause, "sqlstate", None)
        if state is None:
            return LogUnavailable(_SILENT)
        known = _POSTGRES.get(state) or _POSTGRES.get(state[:2])
        return LogUnavailable(known or f"PostgreSQL failed (SQLSTATE {state})")
    return LogUnavailable(f"the log's database failed ({type(error).__name__})")


@contextmanager
def translated() -> Iterator[None]:
    """Raise ``LogUnavailable`` for what the database or its driver raises inside."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(error) from error
