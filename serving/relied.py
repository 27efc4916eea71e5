"""Finds what was told on the strength of texts that changed, and keeps what is needed to list it again.

An embedded index has one owner, so while the server runs no other process can compare the log
with it. What became of the passages is therefore kept in the data folder: texts of documents
and ids, nothing of any conversation. The list itself is made from the log each time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent.changed import Change, TextsNow
from agent.log import ConversationLog
from agent.log_sql import SqlLog
from agent.migrations import migrate
from agent.relied import Relied, changes_since, find_relied
from retrieval.passages import PassageIndex, Visibility
from serving.clock import shop_now
from serving.settings import Settings

DAYS = 30
"""How far back answers are looked at, unless said otherwise. Open promises are always."""
FILE = "changed.json"
SHOPPERS: frozenset[Visibility] = frozenset({"public", "customers"})
"""A newer version that only staff may read supersedes nothing that shoppers are told."""


class NothingKept(Exception):
    """No comparison was made yet."""


@dataclass(frozen=True)
class LookedBack:
    """What was found, and how many days back answers were looked at."""

    days: int
    relied: list[Relied]

    def counted(self) -> str:
        """How much was found, in words; empty when nothing was."""
        promises = sum(one.kind == "promise" for one in self.relied)
        answers = len(self.relied) - promises
        parts = [
            f"{count} {name}{'' if count == 1 else 's'}"
            for count, name in ((promises, "open promise"), (answers, "answer"))
            if count
        ]
        return " and ".join(parts)


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: int
    changes: dict[str, Change]


async def look_back(settings: Settings, index: PassageIndex, *, days: int = DAYS) -> LookedBack:
    """Compare what was told in the last ``days`` with the texts in force now.

    Raises:
        LogUnavailable, IndexUnavailable: One of the two cannot be read.
    """
    now = shop_now(settings)
    since, today = now - timedelta(days=days), now.date()
    library = await index.library()
    texts = TextsNow(library.chunks.values(), library.outdated(SHOPPERS, today))
    async with _open_log(settings, now) as log:
        changes = await changes_since(log, texts, since=since, today=today)
        await asyncio.to_thread(_keep, settings.data, _Kept(days=days, changes=changes))
        return LookedBack(days, await find_relied(log, changes, since=since, today=today))


async def look_again(settings: Settings, *, days: int | None = None) -> LookedBack:
    """List what the last comparison found, as the log is now; ``days`` can only narrow it.

    Raises:
        NothingKept: There was none.
        LogUnavailable: The log cannot be read.
    """
    try:
        text = await asyncio.to_thread((settings.data / FILE).read_text, encoding="utf-8")
    except FileNotFoundError:
        raise NothingKept("documents and log were not compared yet; run: amends index PATH") from None
    kept = _Kept.model_validate_json(text)
    days, now = min(days or kept.days, kept.days), shop_now(settings)
    since = now - timedelta(days=days)
    async with _open_log(settings, now) as log:
        return LookedBack(days, await find_relied(log, kept.changes, since=since, today=now.date()))


@asynccontextmanager
async def _open_log(settings: Settings, now: datetime) -> AsyncIterator[ConversationLog]:
    settings.data.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(migrate, settings.log_url)
    log = SqlLog(settings.log_url, clock=lambda: now)
    try:
        yield log
    finally:
        await log.close()


def _keep(folder: Path, kept: _Kept) -> None:
    written = folder / f"{FILE}.{os.getpid()}"
    written.write_text(kept.model_dump_json(), encoding="utf-8")
    written.replace(folder / FILE)
