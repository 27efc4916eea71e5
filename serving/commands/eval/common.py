"""What the ``amends eval`` commands share."""

from __future__ import annotations

import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from agent.model import LanguageModel
from agent.mood_e5 import E5Mood
from agent.understand_e5 import E5Reader
from evals.extractive import ExtractiveModel
from evals.inprocess import Version
from evals.shops.store import StoreStage
from retrieval.passages import Embedder, PassageIndex
from serving.commands.failing import give_up
from serving.settings import ROOT, Settings
from serving.starting import start_model
from serving.steps import Steps
from serving.wiring import product_names

FILE_WIDTH = 140
EXTRACTIVE = "extractive"
"""The name of the model that only repeats its sources (``evals.extractive``)."""


def with_model(settings: Settings, *, name: str = "", url: str = "", adapter: str = "") -> Settings:
    """The settings with another model, where one is given."""
    given = {"name": "" if name == EXTRACTIVE else name, "url": url, "adapter": adapter}
    update = {field: value for field, value in given.items() if value}
    return settings.model_copy(update={"model": settings.model.model_copy(update=update)})


async def start(settings: Settings, name: str, stack: AsyncExitStack, shown: Steps) -> LanguageModel:
    """The model of this name, served until ``stack`` ends.

    Raises:
        AmendsError: It can't be fetched, started or reached.
    """
    if name == EXTRACTIVE:
        return ExtractiveModel()
    served, _ = await start_model(settings, stack, shown)
    await served.model.ready()
    return served.model


def version(settings: Settings, model: LanguageModel, embedder: Embedder) -> Version:
    """The version under test that the settings describe."""
    return Version(
        model=model,
        mood=E5Mood(embedder.embed_query),
        answerable=settings.retrieval.answerable,
        passages=settings.retrieval.passages,
        max_tokens=settings.model.max_tokens,
        understands=settings.model.understands,
    )


async def stage(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    index: PassageIndex,
    embedder: Embedder,
    store: Path | None = None,
) -> StoreStage:
    """The demo shop made ready; ``store``: as it is there instead of freshly seeded."""
    reader = E5Reader(
        embedder.embed_query, embedder.embed_passages, names=product_names(settings.shop.folder)
    )
    made = StoreStage(settings.shop.folder, index=index, embedder=embedder, reader=reader, store=store)
    stack.callback(made.close)
    await made.open()
    return made


def commit() -> str:
    """The checkout's commit, with ``+`` when files differ from it; empty outside of one."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def paper() -> Console:
    """Where tables go: as wide as the terminal, or wide enough for a file or pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=FILE_WIDTH)


def fail(error: Exception, code: int) -> NoReturn:
    """Say what went wrong and exit."""
    give_up("amends eval", error, code)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed words
    return done.stdout.strip()
