"""What the ``amends finetune`` commands share."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from serving.commands.failing import give_up
from serving.models.catalogue import load as load_catalogue
from serving.models.prepare import prepared
from serving.settings import Settings

DATASET = "dataset"
RUNS = "runs"


def workshop(settings: Settings) -> Path:
    """Where datasets and runs lie, unless a command is told otherwise."""
    return settings.data / "finetune"


def fail(error: Exception, code: int = 1) -> NoReturn:
    """Say what went wrong and exit."""
    give_up("amends finetune", error, code)


async def base_folder(settings: Settings, name: str) -> Path:
    """A base model's folder, fetched and converted when it is not here yet."""
    return await prepared(load_catalogue().get(name), settings.data / "models")


def counting(console: Console) -> Progress:
    """Bars that count what is done and guess the time left; none outside of a terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
