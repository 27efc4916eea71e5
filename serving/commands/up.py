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
from finetune.promotions import FILE as PROMOTED
from retrieval.errors import RetrievalError
from serving.hosting import ModelHost
from serving.http import CannotListen, HttpServer, StartFailed, listen
from serving.models.adapters import chosen
from serving.models.takeover import SwitchingModel, Takeover
from serving.settings import Settings, load
from serving.starting import say_relied, start_index, start_model
from serving.steps import steps
from serving.wiring import running

app = typer.Typer(add_completion=False)


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
            # Left last, when nothing that asks a model runs any more, whichever took over by then.
            models = await stack.enter_async_context(AsyncExitStack())
            with steps(console) as shown:
                prepare_index = asyncio.create_task(
                    start_index(settings, shown, reindex=reindex), name="index"
                )
                try:
                    served, host = await start_model(settings, models, shown)
                    index = await prepare_index
                except BaseException:
                    prepare_index.cancel()
                    await asyncio.gather(prepare_index, return_exceptions=True)
                    raise
                model = SwitchingModel(served)
                await say_relied(settings, index, shown)
                product = await stack.enter_async_context(
                    running(settings, model=model, model_metrics=lambda: model.served.metrics, index=index)
                )
                server = HttpServer(product.app, listening)
                await server.start()
                stack.push_async_callback(server.stop)
            if host is not None and not settings.model.adapter:
                watch = asyncio.create_task(_takeover(settings, model, host, console).watch())
                stack.push_async_callback(_end, watch)
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


def _takeover(settings: Settings, model: SwitchingModel, host: ModelHost, console: Console) -> Takeover:
    return Takeover(
        model,
        serve=host.serve,
        wanted=lambda: chosen(settings),
        promoted=settings.data / PROMOTED,
        say=lambda line: console.print(line, markup=False, highlight=False),
    )


async def _end(task: asyncio.Task[None]) -> None:
    """End a task and wait until it has undone what it was about."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


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
