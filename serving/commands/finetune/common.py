"""What the ``amends finetune`` commands share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from serving.models.catalogue import load as load_catalogue
from serving.models.convert import convert, converted
from serving.models.fetch import fetch
from serving.settings import Settings

DATASET = "dataset"
RUNS = "runs"


def workshop(settings: Settings) -> Path:
    """Where datasets and runs lie, unless a command is told otherwise."""
    return settings.data / "finetune"


def fail(error: Exception, code: int = 1) -> NoReturn:
    """Say what went wrong and exit."""
    console = Console(stderr=True)
    console.print("amends finetune:", style="bold red", end=" ")
    console.print(str(error), markup=False, highlight=False)
    raise typer.Exit(code) from None


async def base_folder(settings: Settings, name: str) -> Path:
    """A base model's folder, fetched and converted when it is not here yet."""
    entry, models = load_catalogue().get(name), settings.data / "models"
    if (folder := converted(entry, models)) is not None:
        return folder
    await asyncio.to_thread(fetch, entry, models)
    return await asyncio.to_thread(convert, entry, models)
