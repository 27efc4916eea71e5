import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.errors import ShopUnavailable
from agent.ids import CustomerId, OrderId
from agent.scope import Scope
from agent.shop.demo import open_demo_shop
from agent.shop.port import OrderAction
from tests.agent.shop.conftest import FOLDER
from tests.conftest import TODAY, Clock

HANNAH = Scope(customer=CustomerId("C-10001"))


async def test_the_store_is_made_once_and_keeps_its_changes(tmp_path: Path, clock: Clock) -> None:
    database = tmp_path / "data" / "shop.db"
    first = await open_demo_shop(FOLDER, database, clock=clock, today=TODAY)
    await first.perform(HANNAH, OrderAction("cancel", OrderId("FW-100001")), idempotency_key="k")
    await first.close()
    second = await open_demo_shop(FOLDER, database, clock=clock)
    order = await second.order(HANNAH, OrderId("FW-100001"))
    await second.close()
    assert order is not None
    assert order.state == "cancelled"
    assert sorted(path.name for path in database.parent.iterdir()) == ["shop.db", "shop.db.lock"]


async def test_orders_lead_up_to_the_day_of_the_clock(tmp_path: Path) -> None:
    now = datetime(2027, 1, 5, 0, 30, tzinfo=UTC)
    shop = await open_demo_shop(FOLDER, tmp_path / "shop.db", clock=lambda: now)
    newest = (await shop.orders(HANNAH))[0]
    await shop.close()
    # Half an hour into the day nothing of that day has happened yet.
    assert newest.placed_at.date().isoformat() == "2027-01-04"


async def test_two_that_start_at_once_share_one_store(tmp_path: Path, clock: Clock) -> None:
    database = tmp_path / "shop.db"
    shops = await asyncio.gather(
        *(open_demo_shop(FOLDER, database, clock=clock, today=TODAY) for _ in range(3))
    )
    seen = [await shop.orders(HANNAH) for shop in shops]
    for shop in shops:
        await shop.close()
    assert seen[0] == seen[1] == seen[2]


KILLED = """
import asyncio, os, sys
from datetime import UTC, date, datetime
from pathlib import Path
from sqlalchemy import Engine, event
from agent.shop.demo import open_demo_shop

@event.listens_for(Engine, "commit")
def commit(connection):
    os._exit(9)

folder, database = map(Path, sys.argv[1:])
asyncio.run(open_demo_shop(folder, database, clock=lambda: datetime.now(UTC), today=date(2026, 6, 15)))
"""


async def test_a_killed_start_leaves_no_store_and_does_not_block_the_next(
    tmp_path: Path, clock: Clock
) -> None:
    database = tmp_path / "shop.db"
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(FOLDER), str(database)], check=False
    )
    assert killed.returncode == 9
    names = await asyncio.to_thread(lambda: {path.name for path in tmp_path.iterdir()})
    assert "shop.db" not in names
    shop = await open_demo_shop(FOLDER, database, clock=clock, today=TODAY)
    assert await shop.customers()
    await shop.close()
    names = await asyncio.to_thread(lambda: {path.name for path in tmp_path.iterdir()})
    assert names == {"shop.db", "shop.db.lock"}


async def test_broken_shop_files_are_named_and_leave_no_store(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "demo"
    await asyncio.to_thread(break_a_product, folder)
    with pytest.raises(ValueError, match=r"tents\.yaml: 0\.price"):
        await open_demo_shop(folder, tmp_path / "shop.db", clock=clock)
    with pytest.raises(ValueError, match=r"shop\.yaml: No such file"):
        await open_demo_shop(tmp_path / "nowhere", tmp_path / "shop.db", clock=clock)
    names = await asyncio.to_thread(lambda: {path.name for path in tmp_path.iterdir()})
    assert names == {"demo", "shop.db.lock"}


def break_a_product(folder: Path) -> None:
    (folder / "products").mkdir(parents=True)
    for name in ("shop.yaml", "personas.yaml"):
        shutil.copy(FOLDER / name, folder)
    (folder / "products" / "tents.yaml").write_text(
        "- {id: tent, title: {en: Tent, zh: 帐篷}, price: '-1', variants: [{sku: T, name: {en: T, zh: T}, stock: 1}]}"
    )


async def test_a_store_that_cannot_be_written_is_unavailable(tmp_path: Path, clock: Clock) -> None:
    occupied = tmp_path / "file"
    await asyncio.to_thread(occupied.write_text, "not a folder")
    with pytest.raises(ShopUnavailable):
        await open_demo_shop(FOLDER, occupied / "shop.db", clock=clock)


async def test_a_store_of_another_version_is_not_opened(database: Path, clock: Clock) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ShopUnavailable, match="another version"):
        await open_demo_shop(FOLDER, database, clock=clock)
