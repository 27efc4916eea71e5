import shutil
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agent.shop.catalogue import Catalogue, read_catalogue
from agent.shop.demo import write_store
from agent.shop.history import Rows
from agent.shop.personas import read_persona_scripts
from agent.shop.rules import ShopRules, read_rules
from agent.shop.seed import seed_rows
from agent.shop.sqlite import SqliteShop

FOLDER = Path(__file__).parents[3] / "demo"
TODAY = date(2026, 11, 18)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 18, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="session")
def rules() -> ShopRules:
    return read_rules(FOLDER)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return read_catalogue(FOLDER)


@pytest.fixture(scope="session")
def rows(catalogue: Catalogue, rules: ShopRules) -> Rows:
    return seed_rows(catalogue, rules, read_persona_scripts(FOLDER), today=TODAY)


@pytest.fixture(scope="session")
def made(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo store, made once; tests work on copies."""
    path = tmp_path_factory.mktemp("shop") / "made.db"
    write_store(path, rows)
    return path


@pytest.fixture
def database(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "shop.db"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def shop(database: Path, rules: ShopRules, clock: Clock) -> AsyncIterator[SqliteShop]:
    opened = SqliteShop(database, rules, clock=clock)
    yield opened
    await opened.close()
