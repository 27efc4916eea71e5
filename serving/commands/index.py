"""``amends index``: a shop's documents into the index."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from serving.embedding import open_embedder
from serving.settings import SettingsInvalid, load

if TYPE_CHECKING:
    from retrieval.indexing import IndexReport
    from retrieval.passages import PassageIndex

UNAVAILABLE, BAD_ARGUMENTS, SKIPPED, IN_USE, STOPPED = 1, 2, 3, 4, 130


def index(
    paths: Annotated[
        list[Path],
        typer.Argument(
            exists=True,
            help="Folders and files: Markdown, HTML, PDF, FAQ (CSV, JSON), product feed (XML, CSV, JSON-LD).",
        ),
    ],
    exclude: Annotated[
        list[str] | None, typer.Option(help="Pattern of files inside a folder to leave out. May be repeated.")
    ] = None,
    chroma_url: Annotated[
        str | None, typer.Option(help="Address of a Chroma server, instead of the one in the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Bring the index up to date with documents. Only what changed is embedded; what is gone is removed.

    A path is known by its own name: index the same folder again, not one above or below it.

    Exit status: 0 all well; 1 the index or embedder is unavailable; 2 bad arguments or settings;
    3 files were skipped; 4 another process holds the index.
    """
    # Chroma takes seconds to import, and no other command should wait for it.
    from retrieval.chroma import ChromaPassageIndex
    from retrieval.errors import IndexInUse, IndexUnavailable

    said = Console(stderr=True)
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
            report = asyncio.run(_index(paths, exclude or [], store, said))
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
        typer.echo(json.dumps(values, ensure_ascii=False))
    else:
        typer.echo(
            f"{report.documents} documents: {report.added} passages added, "
            f"{report.unchanged} unchanged, {report.removed} removed"
        )
    for file, why in report.skipped:
        said.print(f"skipped {file}: {why}", style="yellow", markup=False, soft_wrap=True)
    for place, why in report.suspicious:
        line = f"look at {place}: reads like instructions to the assistant ({why}); it was indexed"
        said.print(line, style="yellow", markup=False, soft_wrap=True)
    if report.skipped:
        raise typer.Exit(SKIPPED)


async def _index(paths: list[Path], exclude: list[str], store: PassageIndex, said: Console) -> IndexReport:
    from agent.injection import instructions
    from retrieval import indexing

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=said, disable=not said.is_terminal) as bar:
        tasks = {"read": bar.add_task("Reading", total=None), "embed": bar.add_task("Embedding", total=None)}

        def show(step: Literal["read", "embed"], done: int, total: int) -> None:
            bar.update(tasks[step], completed=done, total=total)

        return await indexing.index(paths, store, progress=show, exclude=exclude, screen=instructions)
