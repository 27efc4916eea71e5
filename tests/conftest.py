"""Fixtures for all tests: real parts on loopback, a fixed clock, nothing beyond."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from agent.live import LocalBus
from agent.log_live import LiveLog
from agent.log_sql import SqlLog
from agent.migrations import migrate
from agent.shop.demo import open_demo_shop
from agent.shop.sqlite import SqliteShop

pytest_plugins = ["tests.browser", "tests.postgres", "tests.servers"]

ROOT = Path(__file__).resolve().parent.parent
TODAY = date(2026, 6, 15)
"""A Monday: the day the test shop's orders lead up to."""

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")


class Clock:
    """A clock that tests set; it stands still between."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        """Move on, as ``timedelta`` takes it."""
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    """Noon of the test day."""
    return Clock(datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC))


@pytest.fixture(scope="session")
def shop_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo shop's store as it is on the test day; copy it before changing it."""
    import asyncio

    path = tmp_path_factory.mktemp("shop") / "shop.db"

    async def make() -> None:
        shop = await open_demo_shop(ROOT / "demo", path, clock=lambda: datetime.now(UTC), today=TODAY)
        await shop.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def shop(shop_store: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteShop]:
    """A demo shop of the test's own."""
    path = tmp_path / "shop.db"
    shutil.copy(shop_store, path)
    opened = await open_demo_shop(ROOT / "demo", path, clock=clock, today=TODAY)
    yield opened
    await opened.close()


@pytest.fixture
def bus() -> LocalBus:
    """A bus of the test's own."""
    return LocalBus()


@pytest.fixture
async def log(tmp_path: Path, clock: Callable[[], datetime], bus: LocalBus) -> AsyncIterator[LiveLog]:
    """A live log in a new SQLite file."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'log.db'}"
    migrate(url)
    store = SqlLog(url, clock=clock)
    yield LiveLog(store, bus)
    await store.close()


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the operator's settings."""
    for name in [
        name
        for name in os.environ
        if name.startswith("AMENDS_") and name not in {"AMENDS_DATA", "AMENDS_SCREENSHOTS"}
    ]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def demo_index() -> Path:
    """A folder with the demo shop's documents indexed, kept between runs; copy it, never open it.

    Embedding some 900 passages takes about a minute; a later run finds them unchanged.
    """
    import asyncio

    from retrieval.chroma import ChromaPassageIndex
    from retrieval.e5 import E5Embedder
    from retrieval.indexing import index
    from serving.starting import NOT_DOCUMENTS

    folder = ROOT / ".amends" / "test-index"

    async def build() -> None:
        store = ChromaPassageIndex(E5Embedder(), folder=folder, rebuild=True)
        try:
            report = await index([ROOT / "demo"], store, exclude=NOT_DOCUMENTS)
            assert report.skipped == []
        finally:
            store.close()

    asyncio.run(build())
    return folder
