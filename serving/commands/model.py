"""``amends model``: language models on this machine."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from serving.models.catalogue import CatalogueModel
from serving.models.catalogue import load as load_catalogue
from serving.models.convert import convert as convert_model
from serving.models.convert import converted
from serving.models.errors import ModelSetupError
from serving.models.fetch import fetch as fetch_model
from serving.models.folders import ModelFolder
from serving.models.hardware import detect
from serving.models.quantize import beside, quantize
from serving.models.vllm import Speculation, VllmOptions, VllmServer
from serving.settings import Settings, load

app = typer.Typer(no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(help="Name in the catalogue (amends model list).")]

LORA_RANK = 64
"""Highest rank of an adapter that a GPU's server takes; it reserves memory for it."""


@app.callback()
def model() -> None:
    """List, fetch, convert and serve language models."""


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """The catalogue, and what of it is here."""
    folder = load().data / "models"
    catalogue = load_catalogue()
    rows = [(entry, _state(entry, folder)) for entry in catalogue.models]
    if as_json:
        for entry, state in rows:
            facts = entry.model_dump(mode="json", exclude={"sources", "chat_template", "end_tokens"})
            typer.echo(json.dumps({**facts, "default": entry.name == catalogue.default, "state": state}))
        return
    name = Column("name", no_wrap=True)
    table = Table(name, "for", "licence", "languages", "memory", "download", "state", box=None)
    for entry, state in rows:
        table.add_row(
            entry.name,
            entry.purpose,
            entry.licence,
            " ".join(entry.languages),
            f"{entry.memory_gib:g} GiB",
            f"{entry.file.bytes / 1e6:.0f} MB",
            state,
        )
    console = Console()
    console.print(table)
    console.print(f"This machine: {detect().described()}", highlight=False)


@app.command()
def fetch(name: Name) -> None:
    """Fetch a model's file, verified. A call that was cut off is gone on with.

    Exit codes: 0 it is here, 1 it could not be fetched for the reason printed.
    """
    with _failing() as console:
        entry = load_catalogue().get(name)
        path = _fetch(entry, load().data / "models", console)
    typer.echo(path)


@app.command()
def convert(name: Name) -> None:
    """Convert a fetched model to what vLLM loads; nothing is done when that is there already.

    Exit codes: 0 it is here, 1 it could not be converted for the reason printed.
    """
    with _failing() as console:
        entry = load_catalogue().get(name)
        path = _convert(entry, load().data / "models", console)
    typer.echo(path)


@app.command()
def serve(
    name: Name,
    port: Annotated[int | None, typer.Option(help="Port to listen on; by default the settings'.")] = None,
) -> None:
    """Fetch and convert what is missing, then serve the model until Ctrl-C.

    Exit codes: 0 stopped by the operator, 1 it could not be served for the reason printed.
    """
    settings = load()
    with _failing() as console:
        entry = load_catalogue().get(name)
        models = settings.data / "models"
        folder = converted(entry, models)
        if folder is None:
            _fetch(entry, models, console)
            folder = _convert(entry, models, console)
        if settings.model.eight_bit and detect().device == "cpu":
            with console.status(f"rounding {name} to 8 bits"):
                folder = quantize(folder, beside(folder))
        asyncio.run(_serve(entry, folder, port or settings.model.port, settings, console))


def options_for(entry: CatalogueModel, settings: Settings) -> VllmOptions:
    """How a model is served on this machine under these settings."""
    device = detect().device
    return VllmOptions(
        device=device,
        dtype=entry.dtype,
        max_model_len=entry.served_length,
        memory_gib=entry.memory_gib,
        kv_cache_gib=settings.model.kv_cache_gib,
        speculation=Speculation() if settings.model.speculation else None,
        cache=settings.data / "cache",
        lora_rank=LORA_RANK if device == "cuda" else 0,
    )


async def _serve(
    entry: CatalogueModel, folder: Path, port: int, settings: Settings, console: Console
) -> None:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    if main is None:
        raise RuntimeError("not in a task")
    serving = False

    def signalled() -> None:
        asked_to_stop.set()
        if not serving:  # still starting: end the start itself
            main.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), console=console,
        transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task(f"starting {entry.name}", total=None)
        server = VllmServer(
            folder,
            entry.name,
            port,
            log=settings.data / "vllm.log",
            options=options_for(entry, settings),
            progress=lambda at: progress.update(task, description=f"starting {entry.name} · {at.said[:60]}"),
        )
        try:
            await server.start()
        except asyncio.CancelledError:
            console.print("stopped before it was ready")
            return
    serving = True
    console.print(
        f"{entry.name} is served at {server.url} (log: {server.log}); Ctrl-C stops it", highlight=False
    )
    stop = asyncio.create_task(asked_to_stop.wait())
    ended = asyncio.create_task(server.wait())
    try:
        await asyncio.wait({stop, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            ended.result()  # raises what made it give up
    finally:
        stop.cancel()
        ended.cancel()
        await asyncio.gather(stop, ended, return_exceptions=True)
        await server.stop()


def _fetch(entry: CatalogueModel, models: Path, console: Console) -> Path:
    with Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeElapsedColumn(),
        console=console,
    ) as progress:  # fmt: skip
        task = progress.add_task(f"fetching {entry.name}", total=entry.file.bytes)
        path = fetch_model(
            entry, models, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
        progress.update(task, completed=entry.file.bytes)
    return path


def _convert(entry: CatalogueModel, models: Path, console: Console) -> Path:
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), console=console
    ) as progress:
        task = progress.add_task(f"converting {entry.name}", total=1)
        path = convert_model(entry, models)
        progress.update(task, completed=1)
    return path


def _state(entry: CatalogueModel, models: Path) -> str:
    folder = ModelFolder(models, entry.name)
    if folder.served.exists():
        return "ready"
    if folder.file.exists():
        return "fetched"
    return "partly fetched" if folder.partial.exists() else "not here"


@contextmanager
def _failing() -> Iterator[Console]:
    """A console for progress, and failures as a message and exit status 1."""
    console = Console(stderr=True)
    try:
        yield console
    except ModelSetupError as error:
        console.print(f"amends model: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None
