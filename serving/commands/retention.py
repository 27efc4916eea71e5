"""``amends retention``: who is likely to leave, and why."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent.errors import AmendsError
from serving.settings import Settings, SettingsInvalid, load

if TYPE_CHECKING:
    from agent.shop.port import Customer
    from retention.churn import ChurnScore

UNAVAILABLE, BAD_ARGUMENTS = 1, 2

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def retention() -> None:
    """Who is likely to leave, and why."""


@dataclass(frozen=True)
class Scored:
    """A customer with their score."""

    customer: Customer
    score: ChurnScore


@app.command()
def score(
    customer: Annotated[str | None, typer.Option(help="E-mail of one customer; everybody otherwise.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows of the table. JSON always has everybody.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Score customers as of now, likeliest to leave first. Changes nothing.

    Exit status: 0 done; 1 the log or the shop is unavailable; 2 no such customer, bad arguments
    or settings.
    """
    said = Console(stderr=True)
    try:
        found = asyncio.run(_score(load()))
    except (SettingsInvalid, ValueError) as error:
        said.print(str(error), style="red", markup=False)
        raise typer.Exit(BAD_ARGUMENTS) from None
    except AmendsError as error:
        said.print(str(error), style="red", markup=False)
        raise typer.Exit(UNAVAILABLE) from None
    if customer is not None:
        wanted = customer.strip().casefold()
        found = [one for one in found if one.customer.email.casefold() == wanted]
        if not found:
            said.print("no customer has this e-mail", style="red", markup=False)
            raise typer.Exit(BAD_ARGUMENTS)
    if as_json:
        for one in found:
            typer.echo(json.dumps(_as_json(one), ensure_ascii=False))
    else:
        Console().print(_table(found[:limit]))
        if len(found) > limit:
            said.print(f"and {len(found) - limit} more (--limit, --json)")


async def _score(settings: Settings) -> list[Scored]:
    # The databases take a moment to import, and ``--help`` should not wait for them.
    from agent.log_sql import SqlLog
    from agent.migrations import migrate
    from agent.shop.demo import open_demo_shop
    from retention.scoring import score_all

    def clock() -> datetime:
        return datetime.now(UTC)

    settings.data.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(migrate, settings.log_url)
    log = SqlLog(settings.log_url, clock=clock)
    try:
        shop = await open_demo_shop(settings.shop.folder, settings.data / "shop.db", clock=clock)
        try:
            customers = {one.id: one for one in await shop.customers()}
            scores = await score_all(log, shop, clock)
            return [Scored(customers[score.customer], score) for score in scores]
        finally:
            await shop.close()
    finally:
        await log.close()


def _as_json(one: Scored) -> dict[str, object]:
    return {
        "customer": one.customer.id,
        "email": one.customer.email,
        "name": one.customer.name,
        "probability": round(one.score.probability, 4),
        "reasons": [reason.model_dump() for reason in one.score.reasons],
    }


def _table(found: list[Scored]) -> Table:
    table = Table("Leaves", "Customer", "Why", title="Customers by churn score", title_justify="left")
    for one in found:
        why = "\n".join(f"{reason.contribution:+.2f}  {reason.text}" for reason in one.score.reasons[:4])
        name = f"{one.customer.name}\n{one.customer.email}"
        table.add_row(f"{one.score.probability:.0%}", escape(name), escape(why))
    return table
