"""``amends index``: a shop's documents into the index."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from agent.errors import LogUnavailable
from serving.embedding import open_embedder
from serving.settings import Settings, SettingsInvalid, load

if TYPE_CHECKING:
    from agent.relied import Relied, Source
    from retrieval.indexing import IndexReport
    from retrieval.passages import PassageIndex
    from serving.relied import LookedBack

UNAVAILABLE, BAD_ARGUMENTS, SKIPPED, IN_USE, STOPPED = 1, 2, 3, 4, 130
SHORT = 120
"""Characters of what was said that the table shows; JSON has all of it."""


def index(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True,
            help="Folders and files: Markdown, HTML, PDF, FAQ (CSV, JSON), product feed (XML, CSV, JSON-LD).",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Pattern of files inside a folder to leave out. May be repeated.")
    ] = None,
    chroma_url: Annotated[
        str | None, typer.Option(help="Address of a Chroma server, instead of the one in the settings.")
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="DAYS",
            help="List answers of the last DAYS days (30) that relied on a text that has changed since.",
        ),
    ] = None,
    relied: Annotated[
        bool,
        typer.Option(
            "--relied",
            help="Index nothing; list what relied on changed texts, as the last indexing found them.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Bring the index up to date with documents. Only what changed is embedded; what is gone is removed.

    A path is known by its own name: index the same folder again, not one above or below it.

    When a policy, FAQ or page has changed, the open promises and recent answers that relied on
    its old text are listed. Nobody is written to.

    Exit status: 0 all well; 1 the index, embedder or log is unavailable; 2 bad arguments or
    settings; 3 files were skipped; 4 another process holds the index.
    """
    said = Console(stderr=True)
    if relied == bool(paths):
        said.print("give paths to index, or --relied", style="red")
        raise typer.Exit(BAD_ARGUMENTS)
    if relied:
        _list_again(since, said, as_json=as_json)
    else:
        _bring_up_to_date(paths or [], exclude or [], chroma_url, since, said, as_json=as_json)


def _bring_up_to_date(
    paths: list[Path],
    exclude: list[str],
    chroma_url: str | None,
    since: int | None,
    said: Console,
    *,
    as_json: bool,
) -> None:
    # Chroma takes seconds to import, and no other command should wait for it.
    from retrieval.chroma import ChromaPassageIndex
    from retrieval.errors import IndexInUse, IndexUnavailable

    try:
        settings = load()
        url = chroma_url or settings.retrieval.chroma_url or None
        store = ChromaPassageIndex(
            open_embedder(settings.retrieval),
            folder=None if url else settings.data / "chroma",
            url=url,
            # Building the index again is what this command is for.
            rebuild=True,
        )
        with closing(store):
            report, looked_back = asyncio.run(_index(paths, exclude, store, settings, since, said))
    except IndexInUse as error:
        said.print(f"{error} (--chroma-url)", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(IN_USE) from None
    except IndexUnavailable as error:
        said.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(UNAVAILABLE) from None
    except (ValueError, SettingsInvalid) as error:
        said.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(BAD_ARGUMENTS) from None
    except KeyboardInterrupt:
        said.print("Stopped. What was stored stays; the same command does the rest.")
        raise typer.Exit(STOPPED) from None
    if as_json:
        skipped = [{"file": file, "why": why} for file, why in report.skipped]
        suspicious = [{"place": place, "why": why} for place, why in report.suspicious]
        values = asdict(report) | {"skipped": skipped, "suspicious": suspicious}
        values["relied"] = None if looked_back is None else [_as_json(one) for one in looked_back.relied]
        typer.echo(json.dumps(values, ensure_ascii=False))
    else:
        typer.echo(
            f"{report.documents} documents: {report.added} passages added, "
            f"{report.unchanged} unchanged, {report.removed} removed"
        )
        if looked_back is not None and looked_back.relied:
            if report.added or report.removed:
                _show(looked_back)
            else:
                typer.echo(
                    f"{looked_back.counted()} relied on a text that has changed: amends index --relied"
                )
    for file, why in report.skipped:
        said.print(f"skipped {file}: {why}", style="yellow", markup=False, soft_wrap=True)
    for place, why in report.suspicious:
        line = f"look at {place}: reads like instructions to the assistant ({why}); it was indexed"
        said.print(line, style="yellow", markup=False, soft_wrap=True)
    if report.skipped:
        raise typer.Exit(SKIPPED)


def _list_again(days: int | None, said: Console, *, as_json: bool) -> None:
    from serving.relied import NothingKept, look_again

    try:
        found = asyncio.run(look_again(load(), days=days))
    except (NothingKept, LogUnavailable) as error:
        said.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(UNAVAILABLE) from None
    except (ValueError, SettingsInvalid) as error:
        said.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(BAD_ARGUMENTS) from None
    if as_json:
        values = {"relied": [_as_json(one) for one in found.relied]}
        typer.echo(json.dumps(values, ensure_ascii=False))
    elif found.relied:
        _show(found)
    else:
        typer.echo(f"nothing told in the last {found.days} days relied on a text that has changed")


async def _index(
    paths: list[Path],
    exclude: list[str],
    store: PassageIndex,
    settings: Settings,
    since: int | None,
    said: Console,
) -> tuple[IndexReport, LookedBack | None]:
    """Index, then look back; ``None`` when the log could not be read, which leaves the index as good."""
    from agent.injection import instructions
    from retrieval import indexing
    from serving.relied import DAYS, look_back

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=said, disable=not said.is_terminal) as bar:
        tasks = {"read": bar.add_task("Reading", total=None), "embed": bar.add_task("Embedding", total=None)}

        def show(step: Literal["read", "embed"], done: int, total: int) -> None:
            bar.update(tasks[step], completed=done, total=total)

        report = await indexing.index(paths, store, progress=show, exclude=exclude, screen=instructions)
    try:
        return report, await look_back(settings, store, days=since or DAYS)
    except LogUnavailable as error:
        why = f"indexed, but what relied on changed texts is not known: {error}"
        said.print(why, style="yellow", markup=False, soft_wrap=True)
        return report, None


def _show(found: LookedBack) -> None:
    table = Table(
        Column("Conversation", overflow="fold"),  # an id cut short finds nothing
        "When (UTC)",
        "What was said",
        "Source: version, then and now",
        "Due",
        title=f"Answers (last {found.days} days) and open promises that relied on the old text",
        title_justify="left",
        show_lines=True,
    )
    for one in found.relied:
        words = " ".join(one.said.split())
        words = words if len(words) <= SHORT else words[: SHORT - 1].rstrip() + "…"
        table.add_row(
            one.conversation,
            f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M}",
            escape(f"{'Promise: ' if one.kind == 'promise' else ''}{words}"),
            escape("\n".join(_described(source) for source in one.sources)),
            one.due.isoformat() if one.due else "",
        )
    Console().print(table)


def _described(source: Source) -> str:
    place = f"{source.title} › {source.heading}" if source.heading else source.title
    if source.new_version is None:
        return f"{place}: {source.version or 'no version'} → removed"
    kept = ", still has the quoted words" if source.stands else ""
    return f"{place}: {source.version or 'no version'} → {source.new_version or 'no version'}{kept}"


def _as_json(one: Relied) -> dict[str, object]:
    return asdict(one) | {"at": one.at.isoformat(), "due": one.due.isoformat() if one.due else None}
