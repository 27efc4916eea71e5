import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from serving.commands.shop import app


@pytest.fixture
def data(shop_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a store, named by the environment."""
    shutil.copy(shop_store, tmp_path / "shop.db")
    monkeypatch.setenv("AMENDS_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("data")
def test_customers_come_one_json_object_a_line() -> None:
    result = run("customers", "--json")
    assert result.exit_code == 0
    customers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(customers) == 300
    assert customers[0]["email"] == "hannah.weber@example.com"
    assert customers[3]["name"] == "林雨桐"


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("customer", ["hannah.weber@example.com", "Hannah.Weber@Example.com", "C-10001"])
def test_orders_come_newest_first_by_email_or_id(customer: str) -> None:
    result = run("orders", "--customer", customer, "--json")
    assert result.exit_code == 0
    orders = [json.loads(line) for line in result.stdout.splitlines()]
    assert [order["placed_at"] for order in orders] == sorted(
        (order["placed_at"] for order in orders), reverse=True
    )
    assert orders[0]["id"] == "FW-100001"
    assert orders[0]["total"] == "283.00"
    assert {order["customer"] for order in orders} == {"C-10001"}


@pytest.mark.usefixtures("data")
def test_people_get_tables() -> None:
    assert "hannah.weber@example.com" in run("customers").stdout
    orders = run("orders", "--customer", "yutong.lin@example.com").stdout
    assert "FW-100031" in orders
    assert "橄榄绿" in orders


@pytest.mark.usefixtures("data")
def test_an_unknown_customer_is_an_error() -> None:
    result = run("orders", "--customer", "nobody@example.com", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no customer" in result.stderr


def test_a_store_that_is_none_is_an_error(data: Path) -> None:
    (data / "shop.db").write_bytes(b"not a database" * 1000)
    result = run("customers", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "shop.db" in result.stderr


def test_broken_shop_files_are_an_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENDS_SHOP__FOLDER", str(data))
    result = run("customers")
    assert result.exit_code == 2
    assert "shop.yaml" in result.stderr
