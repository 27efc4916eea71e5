"""``amends finetune list``, ``promote`` and ``rollback``: which adapter is served."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from agent.errors import AmendsError
from finetune.adapters import find, folders, read_adapter
from finetune.errors import AdapterInvalid
from finetune.promotions import promote, read_promotions, roll_back
from serving.commands.finetune.common import fail
from serving.models.adapters import own_adapters, served_adapter
from serving.settings import load

app = typer.Typer()

PINNED = "The settings name an adapter (AMENDS_MODEL__ADAPTER), which counts more: nothing changes until they do not."
TAKES_OVER = "A running amends up takes over within a minute or two, without dropping a chat."


@app.command("list")
def list_adapters(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Adapters that are here: one's own, then the shipped ones, and which of them is served.

    Exit codes: 0 listed, 1 what is promoted cannot be read or served.
    """
    settings = load()
    own = own_adapters(settings)
    problem, served, promoted = None, None, ""
    try:
        last = read_promotions(settings.data).current(settings.model.name)
        promoted = last.tag if last else ""
        served = served_adapter(settings)
    except AmendsError as error:
        problem = error
    rows = [_row(folder, "own" if folder.parent == own else "shipped") for folder in folders(own)]
    for row in rows:
        row.promoted, row.served = row.tag == promoted, row.tag == served
    if as_json:
        for row in rows:
            typer.echo(json.dumps(asdict(row), ensure_ascii=False))
    else:
        console = Console()
        console.print(_table(rows))
        if served is not None:
            console.print(f"served: {settings.model.name} with {served or 'no adapter'}", highlight=False)
    if problem is not None:
        fail(problem)


@dataclass
class _Row:
    """A line of the list."""

    tag: str
    base: str
    size: int
    """Of the weights, bytes."""
    origin: str
    promoted: bool = False
    served: bool = False
    problem: str = ""
    """Why it cannot be served, if so."""


def _row(folder: Path, origin: str) -> _Row:
    tag, base, size = folder.name, "", 0
    try:
        adapter = read_adapter(folder)
        tag, base, size = adapter.tag, adapter.about.base, adapter.size
        adapter.check()
    except (AdapterInvalid, OSError) as error:
        return _Row(tag, base, size, origin, problem=str(error))
    return _Row(tag, base, size, origin)


def _table(rows: list[_Row]) -> Table:
    table = Table(Column("adapter", no_wrap=True), "base", "size", "origin", "state", box=None)
    for row in rows:
        states = {"promoted": row.promoted, "served": row.served, row.problem: bool(row.problem)}
        state = ", ".join(word for word, holds in states.items() if holds)
        table.add_row(row.tag, row.base, f"{row.size / 1e6:.1f} MB", row.origin, state)
    return table


@app.command("promote")
def promote_adapter(
    name: Annotated[str, typer.Argument(help="Of the adapter (amends finetune list).")],
    gate: Annotated[Path, typer.Option(help="What amends eval gate --json printed, in a file.")],
) -> None:
    """Serve an adapter from now on, if it passed the gate against what is served now.

    Exit codes: 0 promoted, 1 it is not, for the reason printed.
    """
    settings = load()
    try:
        adapter = find(name, own_adapters(settings))
        promotion = promote(
            settings.data, adapter, gate, served=served_adapter(settings), now=datetime.now(UTC)
        )
    except (AmendsError, OSError) as error:
        fail(error)
    typer.echo(f"{promotion.tag} is promoted; before it: {promotion.previous or 'no adapter'}")
    typer.echo(PINNED if settings.model.adapter else TAKES_OVER)


@app.command("rollback")
def roll_back_adapter() -> None:
    """Go back to what was served before the last promotion.

    Exit codes: 0 done, 1 there is nothing to go back to, or what was before cannot be served now.
    """
    settings = load()
    try:
        withdrawn = roll_back(settings.data, settings.model.name, now=datetime.now(UTC))
        typer.echo(f"{withdrawn.tag} is withdrawn")
        typer.echo(f"from now on: {served_adapter(settings) or 'no adapter'}")
    except (AmendsError, OSError) as error:
        fail(error)
    typer.echo(PINNED if settings.model.adapter else TAKES_OVER)
