"""The demo's mail system: messages are kept in a file and shown on a page."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.errors import MailError
from agent.mail import Mail


@dataclass(frozen=True)
class KeptMail:
    """A message in the mailbox. ``id`` counts up; ``at`` is UTC."""

    id: int
    at: datetime
    to: str
    subject: str
    text: str


class DemoMailbox:
    """A :class:`~agent.mail.Mailer` that keeps every message in an SQLite file.

    Raises (every method): ``MailError`` when the file cannot be read or written.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        """Keep one message; it is durable on return."""
        await asyncio.to_thread(self._send, mail, self._clock())

    async def newest(self, *, limit: int = 100) -> list[KeptMail]:
        """Return the last messages, newest first."""
        return await asyncio.to_thread(self._newest, limit)

    def _send(self, mail: Mail, at: datetime) -> None:
        with self._open() as connection:
            connection.execute(
                'INSERT INTO mails (at, "to", subject, text) VALUES (?, ?, ?, ?)',
                (at.isoformat(), mail.to, mail.subject, mail.text),
            )

    def _newest(self, limit: int) -> list[KeptMail]:
        with self._open() as connection:
            rows = connection.execute(
                'SELECT id, at, "to", subject, text FROM mails ORDER BY id DESC LIMIT ?', (limit,)
            ).fetchall()
        return [KeptMail(number, datetime.fromisoformat(at), *rest) for number, at, *rest in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path)
            try:
                with connection:
                    connection.execute(
                        "CREATE TABLE IF NOT EXISTS mails (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                        'at TEXT NOT NULL, "to" TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL)'
                    )
                    yield connection
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            raise MailError(f"the mailbox file failed ({type(error).__name__})") from None
