"""Starts what the product stands on: the index of the shop's documents, and the language model."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from retrieval.chroma import ChromaPassageIndex
from retrieval.cross_encoder import cross_encoder
from retrieval.indexing import index as bring_up_to_date
from serving.commands.model import options_for
from serving.embedding import open_embedder
from serving.hosting import ModelHost
from serving.models.adapters import chosen
from serving.models.catalogue import load as load_catalogue
from serving.models.hardware import detect
from serving.models.takeover import Served
from serving.relied import look_back
from serving.settings import Settings
from serving.steps import Steps
from serving.wiring import open_index, open_model

NOT_DOCUMENTS = ("manuals/*/*.md", "*.yaml", "products/*", "personas*", "*.txt")
"""In the demo shop's folder: sources of documents, not documents."""


async def start_index(
    settings: Settings, shown: Steps, *, folder: str = "chroma", reindex: bool = True
) -> ChromaPassageIndex:
    """Open the index in the data folder and bring it up to date with the shop's documents.

    Raises:
        RetrievalError: It cannot be opened, read or written.
    """
    index = open_index(settings, open_embedder(settings.retrieval), folder=folder, rebuild=True)
    step = shown.begin("documents")
    doing = {"read": "reading", "embed": "embedding"}

    try:
        await asyncio.to_thread(index.open)
        if reindex:
            result = await bring_up_to_date(
                [settings.shop.folder],
                index,
                progress=lambda name, done, total: step.say(doing[name], done, total),
                exclude=NOT_DOCUMENTS,
            )
            for path, why in result.skipped:
                shown.console.print(f"skipped {path}: {why}", highlight=False, markup=False)
            step.finish(
                f"{result.documents} read, {result.added} passages new, "
                f"{result.unchanged} unchanged, {result.removed} removed"
            )
    except BaseException:
        index.close()
        raise
    # Its weights take a second or two to unpack: no shopper's first question waits for that.
    await asyncio.to_thread(cross_encoder)
    return index


async def say_relied(settings: Settings, index: ChromaPassageIndex, shown: Steps) -> None:
    """Say how much was told on the strength of texts that have changed since, if anything was.

    Raises:
        LogUnavailable, IndexUnavailable: One of the two cannot be read.
    """
    found = await look_back(settings, index)
    if counted := found.counted():
        shown.console.print(
            f"{counted} relied on a text that has changed: amends index --relied",
            highlight=False,
            markup=False,
        )


async def start_model(
    settings: Settings, stack: AsyncExitStack, shown: Steps
) -> tuple[Served, ModelHost | None]:
    """Make sure a model is served until ``stack`` ends; what it is, and what can serve another.

    A model at ``model.url`` is served by somebody else: there is no host for it.

    Raises:
        AmendsError: It is not in the catalogue, or it or its adapter cannot be made ready.
    """
    if settings.model.url:
        elsewhere = open_model(settings, settings.model.url)
        stack.push_async_callback(elsewhere.aclose)
        return Served(elsewhere, elsewhere.aclose), None
    model = load_catalogue().get(settings.model.name)
    adapter = await asyncio.to_thread(chosen, settings)
    step = shown.begin("model")
    hardware = await asyncio.to_thread(detect)
    host = ModelHost(model, settings, options_for(model, settings), say=step.say)
    stack.push_async_callback(host.stop)
    served = await host.serve(adapter)
    name = f"{model.name} with {adapter.tag}" if adapter else model.name
    step.finish(f"{name} on {hardware.described()}")
    return served, host
