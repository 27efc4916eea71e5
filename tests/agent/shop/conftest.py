import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.shop.catalogue import Catalogue, read_catalogue
from agent.shop.rules import ShopRules, read_rules
from agent.shop.sqlite import SqliteShop
from tests.conftest import ROOT, Clock

FOLDER = ROOT / "demo"


@pytest.fixture(scope="session")
def rules() -> ShopRules:
    return read_rules(FOLDER)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return read_catalogue(FOLDER)


@pytest.fixture
def database(shop_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(shop_store, tmp_path / "shop.db"))


@pytest.fixture
async def shop(database: Path, rules: ShopRules, clock: Clock) -> AsyncIterator[SqliteShop]:
    opened = SqliteShop(database, rules, clock=clock)
    yield opened
    await opened.close()
