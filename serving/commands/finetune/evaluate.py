"""``amends finetune evaluate`` and ``compare``: measure a model on the dataset's test part."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from agent.errors import AmendsError
from agent.grounding import Vectors
from agent.model_langchain import HttpLimits, LangchainModel
from agent.slots import OrderNumbers
from agent.understand_e5 import E5Reader
from finetune import evaluate as measuring
from finetune.build import at_most
from finetune.errors import RunInvalid
from finetune.evaluate import Measure, Output, Report, Row, read_report
from finetune.example import Example, digest, read
from finetune.merge import merge
from finetune.shops import TrainingShop, read_shops
from finetune.split import TEST_SHOPS
from retrieval.errors import RetrievalError
from retrieval.passages import Embedder
from serving.commands.finetune.common import DATASET, base_folder, counting, fail, workshop
from serving.commands.model import options_for
from serving.embedding import open_embedder
from serving.models.catalogue import load as load_catalogue
from serving.models.errors import ModelSetupError
from serving.models.quantize import quantize
from serving.models.vllm import VllmServer
from serving.settings import Settings, load

app = typer.Typer()

PATIENCE_SECONDS = 120.0
"""For one answer: slow is measured, not failed."""
SECONDS = ("first_token", "seconds")
PLAIN = (*SECONDS, "sentences", "overlap")
"""Measures that are no shares."""


@app.command("evaluate")
def evaluate_model(
    model: Annotated[
        str, typer.Option(help="Name in the catalogue, or with --url the name the server knows.")
    ] = "",
    url: Annotated[str, typer.Option(help="API of a running server; without it one is started.")] = "",
    adapter: Annotated[
        str,
        typer.Option(
            help="Folder of an adapter, merged before serving; with --url the name the server knows."
        ),
    ] = "",
    int8: Annotated[bool, typer.Option("--int8", help="Serve it with weights in 8 bits.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    most: Annotated[int, typer.Option(min=0, help="Examples of each task and language; 0 takes all.")] = 0,
    at_once: Annotated[
        int, typer.Option(min=1, help="Requests in flight. Times mean what a lone shopper sees only at 1.")
    ] = 1,
    label: Annotated[str, typer.Option(help="What tables call it.")] = "",
    out: Annotated[Path, typer.Option(help="File of the report.")] = Path("report.json"),
) -> None:
    """Ask a model everything in the test part, judge what it says, and write a report.

    Exit codes: 0 measured, whatever the figures; 1 it could not be.
    """
    settings, console = load(), Console(stderr=True)
    try:
        if url and int8:
            raise RunInvalid("--int8 goes with a server that is started here, not with --url")
        examples = list(read((data or workshop(settings) / DATASET) / "test.jsonl"))
        if most:
            examples = at_most(examples, {"answer": most, "understand": most})
        name = model or settings.model.name
        shown = label or name + (f" + {_run_of(adapter)}" if adapter else "") + (" int8" if int8 else "")
        found = asyncio.run(
            _measure(
                settings,
                examples,
                name,
                url,
                adapter,
                int8=int8,
                at_once=at_once,
                label=shown,
                console=console,
            )
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except (AmendsError, ModelSetupError, RetrievalError, OSError) as error:
        fail(error)
    Console().print(_table([found]))
    typer.echo(out)


@app.command("compare")
def compare_reports(
    reports: Annotated[list[Path], typer.Argument(help="Report files of amends finetune evaluate.")],
) -> None:
    """Put reports side by side.

    Exit codes: 0 shown, 1 a file is no report, or they are not about the same examples.
    """
    try:
        table = _table([read_report(path) for path in reports])
    except AmendsError as error:
        fail(error)
    Console().print(table)


async def _measure(
    settings: Settings,
    examples: list[Example],
    name: str,
    url: str,
    adapter: str,
    *,
    int8: bool,
    at_once: int,
    label: str,
    console: Console,
) -> Report:
    """Serve the model where no server is named, ask, and judge."""
    embedder = open_embedder(settings.retrieval)
    async with AsyncExitStack() as stack:
        if not url:
            url = await _serve(settings, stack, name, adapter, int8=int8, console=console)
            adapter = ""
        model = LangchainModel(
            base_url=url,
            model=name,
            adapter=adapter,
            first_token_seconds=PATIENCE_SECONDS,
            total_seconds=PATIENCE_SECONDS,
            limits=HttpLimits(connections=at_once),
        )
        stack.push_async_callback(model.aclose)
        await model.ready()
        with counting(console) as bars:
            task = bars.add_task(label, total=len(examples))
            asked = []
            async for one in measuring.ask_all(model, examples, at_once=at_once):
                asked.append(one)
                bars.advance(task)
            read_ones = await _read(embedder, examples, bars)
            return await asyncio.to_thread(
                measuring.report,
                label,
                model,
                asked,
                at_once=at_once,
                dataset=digest(sorted(examples, key=lambda one: one.id)),
                vectors=Vectors(embedder.embed_passages),
                read=read_ones,
            )


async def _serve(
    settings: Settings, stack: AsyncExitStack, name: str, adapter: str, *, int8: bool, console: Console
) -> str:
    """Serve a model of the catalogue, with an adapter merged into it, and say where."""
    entry, folder = load_catalogue().get(name), await base_folder(settings, name)
    made = workshop(settings) / "served"
    if adapter:
        folder = await asyncio.to_thread(merge, folder, Path(adapter), made / _run_of(adapter))
    if int8:
        out = made / f"{_run_of(adapter) if adapter else name}-int8"
        folder = await asyncio.to_thread(quantize, folder, out)
    server = VllmServer(
        folder,
        name,
        settings.model.port,
        log=settings.data / "vllm-evaluate.log",
        options=options_for(entry, settings),
    )
    with console.status(f"starting {name}"):
        await server.start()
    stack.push_async_callback(server.stop)
    return server.url


def _run_of(adapter: str) -> str:
    """The run an adapter is of: ``<run>/adapter`` as training leaves it, or its own name."""
    *_, parent, name = ("", *Path(adapter).parts)
    return parent if name == "adapter" and parent else name


async def _read(
    embedder: Embedder, examples: list[Example], bars: Progress
) -> tuple[list[Row], list[Output]]:
    """What the reader without a model makes of the same messages, told the test shop's things."""
    (shop,) = (shop for shop in read_shops() if shop.id in TEST_SHOPS)
    reader = E5Reader(
        embedder.embed_query,
        embedder.embed_passages,
        names=[_names(shop, place) for place in range(len(shop.products))],
        numbers=OrderNumbers(shop.order_lead, shop.order_digits),
    )
    task = bars.add_task(reader.name, total=sum(example.task == "understand" for example in examples))
    return await measuring.read_with(reader, examples, progress=lambda: bars.advance(task))


def _names(shop: TrainingShop, place: int) -> tuple[str, ...]:
    product = shop.products[place]
    return product.title.en, product.title.zh, product.short.en, product.short.zh


def _table(reports: list[Report]) -> Table:
    columns, rows = measuring.compare(reports)
    table = Table("task", "", "measure", *columns, "n", box=None)
    before = ("", "")
    for task, language, name, cells in rows:
        if before not in ((task, language), ("", "")):
            table.add_row()
        sizes = dict.fromkeys(str(cell.n) for cell in cells if cell)
        table.add_row(
            task, language, name.replace("_", " "), *(_cell(name, cell) for cell in cells), " / ".join(sizes)
        )
        before = (task, language)
    failed = {one.label: sum(row.failed for row in one.rows) for one in reports}
    table.caption = "95 % intervals; times are medians, seconds a request, " + ", ".join(
        f"{one.at_once} at once in {one.label}" for one in reports
    )
    if any(failed.values()):
        table.caption += "; without an answer: " + ", ".join(f"{n} in {name}" for name, n in failed.items())
    return table


def _cell(name: str, cell: Measure | None) -> str:
    if cell is None:
        return "–"
    places, scale = (2, 1) if name in PLAIN else (1, 100)
    unit = " s" if name in SECONDS else "" if name in PLAIN else " %"
    low, value, high = (f"{scale * one:.{places}f}" for one in (cell.low, cell.value, cell.high))
    return f"{value}{unit} ({low}–{high})"
