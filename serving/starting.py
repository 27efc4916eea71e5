"""Starts what the product stands on: the index of the shop's documents, and the language model."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from retrieval.chroma import ChromaPassageIndex
from retrieval.indexing import index as bring_up_to_date
from serving.commands.model import options_for
from serving.embedding import open_embedder
from serving.models.catalogue import load as load_catalogue
from serving.models.convert import convert, converted
from serving.models.fetch import fetch
from serving.models.hardware import available_memory, detect
from serving.models.vllm import VllmServer
from serving.settings import Settings
from serving.steps import Steps
from serving.wiring import open_index

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
    return index


async def start_model(settings: Settings, stack: AsyncExitStack, shown: Steps) -> tuple[str, str]:
    """Make sure a model is served until ``stack`` ends; its API address and its metrics' address.

    Raises:
        AmendsError: It is not in the catalogue, or cannot be fetched, converted or started.
    """
    if settings.model.url:
        return settings.model.url, ""
    model = load_catalogue().get(settings.model.name)
    models = settings.data / "models"
    step = shown.begin("model")
    folder = converted(model, models)
    if folder is None:
        fetching = f"fetching {model.name}"
        await asyncio.to_thread(
            fetch, model, models, progress=lambda done, total: step.say(fetching, done, total)
        )
        step.say(f"converting {model.name} (about a minute)")
        folder = await asyncio.to_thread(convert, model, models)
    hardware = await asyncio.to_thread(detect)
    server = VllmServer(
        folder,
        model.name,
        settings.model.port,
        log=settings.data / "vllm.log",
        options=options_for(model, settings),
        progress=lambda at: step.say(f"starting · {at.said[:60]}"),
        memory=available_memory,
    )
    await server.start()
    stack.push_async_callback(server.stop)
    step.finish(f"{model.name} on {hardware.described()}")
    return server.url, server.metrics_url
