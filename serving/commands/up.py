"""``amends up``: model, index and server, started together and stopped together."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel

from agent.errors import AmendsError
from retrieval.chroma import ChromaPassageIndex
from retrieval.errors import RetrievalError
from retrieval.indexing import index as bring_up_to_date
from serving.commands.model import options_for
from serving.embedding import open_embedder
from serving.http import CannotListen, HttpServer, StartFailed, listen
from serving.models.catalogue import load as load_catalogue
from serving.models.convert import convert, converted
from serving.models.fetch import fetch
from serving.models.hardware import available_memory, detect
from serving.models.vllm import VllmServer
from serving.settings import Settings, load
from serving.steps import Steps, steps
from serving.wiring import open_index, open_model, running

app = typer.Typer(add_completion=False)

NOT_DOCUMENTS = ("manuals/*/*.md", "*.yaml", "products/*", "personas*", "*.txt")
"""In the demo shop's folder: sources of documents, not documents."""


@app.command()
def up(
    reindex: Annotated[bool, typer.Option(help="Bring the index up to date before serving.")] = True,
) -> None:
    """Start the model, the index and the server, and stop them all on Ctrl-C.

    Exit codes: 0 stopped by the operator, 1 something could not be started, 2 wrong settings.
    """
    settings = load()
    console = Console(stderr=True)
    try:
        asyncio.run(serve(settings, console, reindex=reindex))
    except (AmendsError, RetrievalError, CannotListen, StartFailed, OSError) as error:
        console.print(f"[bold red]amends up:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def serve(settings: Settings, console: Console, *, reindex: bool) -> None:
    """Start everything in order of need, print the addresses, and wait for a signal."""
    listening = listen(settings.host, settings.port)  # a taken port is known before anything else
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    ready = False

    def signalled() -> None:
        stop.set()
        if not ready and main is not None:  # still starting: end the start itself
            main.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled)
    try:
        async with AsyncExitStack() as stack:
            with steps(console) as shown:
                prepare_index = asyncio.create_task(_index(settings, shown, reindex), name="index")
                try:
                    url, metrics = await _model(settings, stack, shown)
                    index = await prepare_index
                except BaseException:
                    prepare_index.cancel()
                    await asyncio.gather(prepare_index, return_exceptions=True)
                    raise
                model = open_model(settings, url)
                product = await stack.enter_async_context(
                    running(settings, model=model, model_metrics=metrics, index=index)
                )
                server = HttpServer(product.app, listening)
                await server.start()
                stack.push_async_callback(server.stop)
            ready = True
            _announce(console, server, settings)
            waits = [asyncio.create_task(stop.wait()), asyncio.create_task(server.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
            console.print("stopping …")
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        console.print("stopped before it was ready")
    finally:
        listening.close()


async def _index(settings: Settings, shown: Steps, reindex: bool) -> ChromaPassageIndex:
    index = open_index(settings, open_embedder(settings.retrieval), rebuild=True)
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


async def _model(settings: Settings, stack: AsyncExitStack, shown: Steps) -> tuple[str, str]:
    """Make sure a model is served; its API address and its metrics' address."""
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


def _announce(console: Console, server: HttpServer, settings: Settings) -> None:
    url = server.url
    lines = [f"API and widget   {url}/widget.js", f"ready?           {url}/readyz"]
    if settings.demo:
        names = ", ".join(settings.desk.users)
        lines = [
            f"shop with widget {url}/",
            f"mailbox          {url}/mailbox",
            f"staff desk       {url}/desk   (sign in as {names}; password: demo)",
            f"insights         {url}/insights",
            *lines[1:],
        ]
    console.print(Panel("\n".join(lines), title="Amends is ready", expand=False), highlight=False)
    console.print("Ctrl-C stops everything.")
