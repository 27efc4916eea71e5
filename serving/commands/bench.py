"""``amends bench``: measure a running server, or parts of the product on a public data set."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from rich.table import Table

from evals.benchmarks.report import (
    BENCHMARKS,
    CONVERSATIONS,
    Benchmark,
    BenchmarkReport,
    DataInvalid,
    Figure,
    load_conversations,
)
from evals.benchmarks.report import load as load_benchmark
from evals.latency import Question, Wait, read_questions, summary
from serving.settings import ROOT
from serving.terminal import ChatFailed, TerminalShopper, Wire, sign_in

app = typer.Typer(no_args_is_help=True, add_completion=False)
TYPICAL = ROOT / "evals" / "data" / "typical.yaml"
DONE, UNREADABLE = 0, 2
_EXTRA = frozenset({"sklearn", "scipy"})
"""What ``amends[evals]`` brings."""

_FILE_WIDTH = 140
"""Columns of a table that goes to a file or pipe."""

T = TypeVar("T")

Data = Annotated[
    Path, typer.Option(help="A file in the set's format, or a folder in the layout of its README.")
]
Out = Annotated[Path | None, typer.Option(help="Write a JSON report here.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]


@app.callback()
def bench() -> None:
    """Measure a running server, or parts of the product on a public data set."""


@app.command()
def chat(
    url: Annotated[str, typer.Option(help="Address of a running server.")] = "http://127.0.0.1:8080",
    data: Annotated[
        Path, typer.Option(help="Questions: a YAML list of id, language, customer, text.")
    ] = TYPICAL,
    out: Annotated[Path | None, typer.Option(help="Write a JSON report here.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Ask everything this often.")] = 1,
) -> None:
    """How long shoppers wait for first words and whole answers, one shopper at a time.

    Exit codes: 0 measured, 2 the questions cannot be read, 4 server not reachable, 5 no answer.
    """
    console = Console(stderr=True)
    try:
        questions = read_questions(data)
    except (ValueError, OSError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    try:
        waits = [
            asyncio.run(ask(url.rstrip("/"), question))
            for question in track(questions * repeat, "asking", console=console)
        ]
    except ChatFailed as failed:
        console.print(str(failed), style="red", markup=False)
        raise typer.Exit(failed.exit_code) from None
    table = Table("question", "first words, s", "whole, s", "how", "taken back")
    table.add_column("answer")
    for wait in waits:
        first = f"{wait.first:.1f}" if wait.first is not None else "-"
        table.add_row(
            wait.question.id,
            first,
            f"{wait.whole:.1f}",
            wait.how,
            str(wait.withdrawn),
            " ".join(wait.text[:60].split()),
        )
    Console().print(table, markup=False)
    totals = summary(waits)
    typer.echo(json.dumps(totals))
    if out is not None:
        report = {"summary": totals, "waits": [asdict(wait) for wait in waits]}
        out.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


async def ask(url: str, question: Question) -> Wait:
    """Ask one question in a conversation of its own.

    Raises:
        ChatFailed: The server cannot be reached, or nothing settled in time.
    """
    answer: list[Wire] = []
    first: list[float] = []
    began = 0.0

    def see(event: Wire) -> None:
        if event["type"] == "answer.sent":
            answer.append(event)

    def passing(frame: Wire) -> None:
        if frame["type"] == "delta" and not first:
            first.append(time.monotonic() - began)

    async with TerminalShopper(
        url,
        sign_in=lambda: sign_in(url, question.customer, "zh" if question.language == "zh" else "en"),
        emit=see,
        passing=passing,
    ) as shopper:
        began = time.monotonic()
        await shopper.do(question.text)
        whole = time.monotonic() - began
        await shopper.close()
    return Wait(
        question=question,
        first=round(first[0], 3) if first else None,
        whole=round(whole, 3),
        how=answer[-1]["how"] if answer else "none",
        withdrawn=len(answer[-1]["withdrawn"]) if answer else 0,
        text=answer[-1]["text"] if answer else "",
    )


@app.command("serving")
def serving_speed(
    model: Annotated[str, typer.Option(help="Name in the catalogue; by default the settings'.")] = "",
    configs: Annotated[
        str, typer.Option(help="Of shipped, ours, int8, transformers, with commas; by default all there are.")
    ] = "",
    data: Annotated[
        Path, typer.Option(help="Questions: a YAML list of id, language, customer, text.")
    ] = TYPICAL,
    rounds: Annotated[int, typer.Option(min=1, help="Measure everything this often, in turn.")] = 3,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """How fast the model answers the product's own prompts, served in several ways side by side.

    Stop a running server first. With the default model on two cores it takes about half an hour.

    Exit codes: 0 measured, 1 it cannot be measured for the reason printed, 2 the questions cannot be read.
    """
    from agent.errors import AmendsError
    from retrieval.errors import RetrievalError
    from serving.speed.command import run
    from serving.speed.prompts import for_documents
    from serving.speed.report import lines, tables

    console = Console(stderr=True)
    try:
        questions = for_documents(read_questions(data))
    except (ValueError, OSError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from None
    names = [name.strip() for name in configs.split(",") if name.strip()]
    try:
        said = asyncio.run(run(model, names, questions, rounds, console))
    except (AmendsError, RetrievalError) as error:
        console.print(f"amends bench: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None
    text = json.dumps(said, ensure_ascii=False, indent=2)
    if out is not None:
        _write(out, text, console)
    if as_json:
        typer.echo(text)
        return
    shown = _figures_console()
    for table in tables(said):
        shown.print(table)
    for line in lines(said):
        shown.print(line, soft_wrap=True)


def measure(load: Callable[[], Benchmark], data: Path, out: Path | None, as_json: bool) -> None:
    """Run one benchmark, show its figures, write its report."""
    console = Console(stderr=True)
    try:
        run = load()
        with _bar(console) as bar:

            def progress(items: Iterable[T], description: str, total: int) -> Iterable[T]:
                return bar.track(items, total=total, description=description)

            report = run(data, progress)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _EXTRA:
            raise
        console.print(
            f"{error.name} is missing; install the evals extra: python3 tools/setup.py base evals",
            style="red",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(UNREADABLE) from None
    except DataInvalid as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from None
    text = json.dumps(report.as_json(), ensure_ascii=False, indent=2)
    if out is not None:
        _write(out, text, console)
    if as_json:
        typer.echo(text)
    else:
        _show(report)


def _write(out: Path, text: str, console: Console) -> None:
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        console.print(f"{out}: {error.strerror}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from None


def _figures_console() -> Console:
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=_FILE_WIDTH)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _show(report: BenchmarkReport) -> None:
    """The figures beside their anchors; each anchor's source is a numbered line below."""
    sources: dict[str, int] = {}
    for figure in report.figures:
        for anchor in figure.anchors:
            sources.setdefault(anchor.source, len(sources) + 1)
    table = Table(box=None)
    table.add_column("figure")
    table.add_column("slice")
    for heading in ("ours", "95 % interval", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("anchors [source]")
    for figure in report.figures:
        anchors = ", ".join(f"{anchor.value:.3f} [{sources[anchor.source]}]" for anchor in figure.anchors)
        table.add_row(*_cells(figure), anchors)
    console = _figures_console()
    console.print(f"{report.benchmark}, {report.data}")
    console.print(table)
    for source, number in sources.items():
        console.print(f"[{number}] {source}")
    console.print(report.method)
    for note in report.notes:
        console.print(f"- {note}")


def _cells(figure: Figure) -> tuple[str, str, str, str, str]:
    arrow = {"higher": "", "lower": " (lower is better)"}.get(figure.better, "")
    interval = "-" if figure.low == figure.high == figure.value else f"{figure.low:.3f} - {figure.high:.3f}"
    return f"{figure.name}{arrow}", figure.slice, f"{figure.value:.3f}", interval, str(figure.n)


def _command(name: str) -> Callable[..., None]:
    def command(data: Data, out: Out = None, as_json: AsJson = False) -> None:
        measure(lambda: load_benchmark(name), data, out, as_json)

    return command


def _conversations(name: str) -> Callable[..., None]:
    """A benchmark that holds conversations: what speaks in them can be chosen."""

    def command(
        data: Data,
        out: Out = None,
        as_json: AsJson = False,
        model: Annotated[
            str, typer.Option(help="Name of a served model; without one the sources are repeated.")
        ] = "",
        model_url: Annotated[str, typer.Option(help="OpenAI-compatible server that serves it.")] = "",
        repeat: Annotated[int, typer.Option(min=1, max=20, help="Attempts at each task (k).")] = 4,
    ) -> None:
        if bool(model) != bool(model_url):
            raise typer.BadParameter("give --model and --model-url together")

        measure(lambda: _held(name, model, model_url, repeat), data, out, as_json)

    return command


def _held(name: str, model: str, url: str, repeats: int) -> Benchmark:
    """The benchmark, with the whole engine around a model; imported only when it is wanted."""
    from evals.benchmarks.conversations import plain_version
    from retrieval.e5 import E5Embedder
    from serving.commands.eval.common import version, with_model
    from serving.settings import load as load_settings
    from serving.wiring import open_model

    embedder = E5Embedder()
    if model:
        settings = with_model(load_settings(), name=model, url=url)
        tested = version(settings, open_model(settings, url), embedder)
    else:
        tested = plain_version(embedder)
    measure_ = load_conversations(name)
    return partial(measure_, version=tested, embedder=embedder, repeats=repeats)


for _name, _line in BENCHMARKS.items():
    app.command(_name, help=f"{_line}.\n\nExit codes: 0 measured, 2 the data cannot be read.")(
        _conversations(_name) if _name in CONVERSATIONS else _command(_name)
    )
