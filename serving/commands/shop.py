"""``amends shop``: what the demo shop holds, for people and for programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Column, Table

from agent.errors import ShopUnavailable
from agent.shop.demo import open_demo_shop
from agent.shop.port import Customer, Order, ShopRecords
from serving.settings import SettingsInvalid, load

T = TypeVar("T")

FAILED, BAD_ARGUMENTS = 1, 2

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


@app.callback()
def shop() -> None:
    """List the demo shop's customers and orders; its store is made the first time."""


@app.command()
def customers(as_json: Json = False) -> None:
    """List all customers.

    Exit status: 0 done; 1 the store is unavailable; 2 bad settings or shop files.
    """
    found = _run(_customers())
    if as_json:
        return _lines(Customer, found)
    table = Table("Id", Column("E-mail", no_wrap=True), "Name", "Language", "Country", "Joined")
    for one in found:
        table.add_row(one.id, one.email, one.name, one.language, one.country, one.joined.isoformat())
    return _show(table)


@app.command()
def orders(
    customer: Annotated[str, typer.Option(help="The customer's e-mail or id.")], as_json: Json = False
) -> None:
    """List a customer's orders, newest first.

    Exit status: 0 done; 1 the store is unavailable; 2 no such customer, bad settings or shop files.
    """
    owner, found = _run(_orders(customer))
    if owner is None:
        typer.echo(f"no customer {customer}", err=True)
        raise typer.Exit(BAD_ARGUMENTS)
    if as_json:
        return _lines(Order, found)
    table = Table("Order", "State", "Placed", "Total", "Items", Column("Parcels", overflow="fold"))
    for one in found:
        items = "\n".join(
            f"{line.quantity} × {line.title[owner.language]} ({line.variant})" for line in one.lines
        )
        parcels = "\n".join(f"{parcel.tracking_number} {parcel.state}" for parcel in one.shipments)
        placed = one.placed_at.date().isoformat()
        table.add_row(one.id, one.state, placed, f"{one.total} {one.currency}", items, parcels)
    return _show(table)


async def _customers() -> list[Customer]:
    async with _records() as records:
        return await records.customers()


async def _orders(customer: str) -> tuple[Customer | None, list[Order]]:
    async with _records() as records:
        found = await records.customer_by_email(customer)
        if found is None:
            found = next((one for one in await records.customers() if one.id == customer), None)
        return found, await records.orders_of(found.id) if found else []


@asynccontextmanager
async def _records() -> AsyncIterator[ShopRecords]:
    settings = load()
    opened = await open_demo_shop(
        settings.shop.folder, settings.data / "shop.db", clock=lambda: datetime.now(UTC)
    )
    try:
        yield opened
    finally:
        await opened.close()


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except ShopUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    except (ValueError, SettingsInvalid) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_ARGUMENTS) from None


def _lines(kind: type[T], found: Sequence[T]) -> None:
    adapter = TypeAdapter(kind)
    for one in found:
        typer.echo(adapter.dump_json(one).decode())


def _show(table: Table) -> None:
    Console().print(table)
