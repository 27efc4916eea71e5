"""``amends eval``: hold conversations, score them, compare two versions, block a bad one."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from agent.errors import AmendsError
from agent.model import LanguageModel
from agent.mood_lexicon import LexiconMood
from agent.prompts import VERSION as PROMPT
from agent.understand_e5 import E5Reader
from evals.extractive import ExtractiveModel
from evals.inprocess import Version
from evals.records import Attempt, Manifest, RunInvalid
from evals.run import Plan, prepare, references
from evals.run import run as run_plan
from evals.scenario import Scenario, ScenarioInvalid, read_scenarios
from evals.score import score_run
from evals.shops.store import StoreStage
from evals.target import InProcessTarget
from evals.world import ReferenceInvalid, Stage
from retrieval.errors import RetrievalError
from serving.embedding import open_embedder
from serving.settings import ROOT, Settings, load
from serving.starting import start_index, start_model
from serving.steps import Steps, steps
from serving.wiring import open_model, product_names

app = typer.Typer(no_args_is_help=True, add_completion=False)
SCENARIOS = ROOT / "evals" / "scenarios"
EXTRACTIVE = "extractive"

Suite = Annotated[list[Path] | None, typer.Argument(help="Scenario files or folders; ours when not given.")]
Only = Annotated[str, typer.Option(help="Only scenarios whose id or slice contains this.")]


@app.callback()
def evaluate() -> None:
    """Offline conversation evaluations. docs/evaluation.md walks through the whole loop."""


@app.command()
def check(suite: Suite = None, only: Only = "") -> None:
    """Read scenarios, and carry out each reference solution on a fresh shop.

    Exit codes: 0 all can be used, 2 one can't (the message says which and why).
    """
    console = Console(stderr=True)
    try:
        scenarios = _chosen(suite, only)
        asyncio.run(_check(scenarios))
    except (ScenarioInvalid, ReferenceInvalid, AmendsError, OSError) as error:
        _fail(console, error, 2)
    table = Table("area", "en", "zh", "scripted", "simulated")
    areas = sorted({scenario.area for scenario in scenarios})
    for area in areas:
        own = [scenario for scenario in scenarios if scenario.area == area]
        count = Counter(scenario.language for scenario in own)
        scripted = sum(1 for scenario in own if scenario.shopper.script)
        table.add_row(area, str(count["en"]), str(count["zh"]), str(scripted), str(len(own) - scripted))
    Console().print(table)
    typer.echo(f"{len(scenarios)} scenarios can be used")


@app.command()
def run(
    suite: Suite = None,
    out: Annotated[Path, typer.Option(help="Folder for the run; made if missing.")] = Path("eval-run"),
    model: Annotated[
        str, typer.Option(help="Name in the catalogue, or “extractive”: repeats its sources, needs no model.")
    ] = "",
    model_url: Annotated[str, typer.Option(help="OpenAI-compatible server that serves it.")] = "",
    name: Annotated[str, typer.Option(help="What this version is called in reports.")] = "",
    repeat: Annotated[int, typer.Option(min=1, max=20, help="Conversations per scenario (k).")] = 1,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Conversations side by side.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the simulated shoppers.")] = 1,
    only: Only = "",
    resume: Annotated[bool, typer.Option(help="Take up a run that was cut off.")] = False,
) -> None:
    """Hold every conversation of a suite and score it.

    Exit codes: 0 run and scored, 1 something could not be started, 2 wrong scenarios or folder.
    """
    console = Console(stderr=True)
    settings = load()
    if model and model != EXTRACTIVE:
        settings = settings.model_copy(update={"model": settings.model.model_copy(update={"name": model})})
    if model_url:
        settings = settings.model_copy(update={"model": settings.model.model_copy(update={"url": model_url})})
    try:
        scenarios = _chosen(suite, only)
        manifest = Manifest(
            name=name or out.name,
            suite=", ".join(str(path) for path in suite or [Path("evals/scenarios")])
            + (f" ({only})" if only else ""),
            scenarios=len(scenarios),
            repeats=repeat,
            seed=seed,
            target="in-process",
            model=EXTRACTIVE if model == EXTRACTIVE else settings.model.name,
            adapter="" if model == EXTRACTIVE else settings.model.adapter,
            prompt=PROMPT,
            commit=_commit(),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=f"{platform.machine()}, {os.cpu_count()} cores",
            settings={
                "answerable": settings.retrieval.answerable,
                "passages": settings.retrieval.passages,
                "max_tokens": settings.model.max_tokens,
            },
        )
        asyncio.run(_run(settings, scenarios, manifest, out, parallel, console, resume=resume))
    except (ScenarioInvalid, ReferenceInvalid, RunInvalid) as error:
        _fail(console, error, 2)
    except (AmendsError, RetrievalError, OSError) as error:
        _fail(console, error, 1)


@app.command()
def score(folder: Annotated[Path, typer.Argument(help="A run.")]) -> None:
    """Judge an old run anew, for example after a judge was corrected.

    Exit codes: 0 scored, 2 not a run.
    """
    try:
        scores = asyncio.run(score_run(folder))
    except (RunInvalid, AmendsError, OSError) as error:
        _fail(Console(stderr=True), error, 2)
    typer.echo(f"{len(scores)} scores in {folder / 'scores.jsonl'}")


def _chosen(suite: list[Path] | None, only: str) -> list[Scenario]:
    scenarios = read_scenarios(suite or [SCENARIOS])
    chosen = [one for one in scenarios if only in one.id or any(only in name for name in one.slices)]
    if not chosen:
        raise ScenarioInvalid(f"no scenario's id or slice contains “{only}”")
    return chosen


async def _check(scenarios: list[Scenario]) -> None:
    settings = load()
    embedder = open_embedder(settings.retrieval)
    # References need the shop alone: no index, no model.
    async with AsyncExitStack() as stack:
        stages = await _stages(settings, scenarios, stack, index=None, embedder=embedder)
        await references(scenarios, stages)


async def _stages(
    settings: Settings, scenarios: list[Scenario], stack: AsyncExitStack, *, index: Any, embedder: Any
) -> dict[str, Stage]:
    unknown = sorted({scenario.shop for scenario in scenarios} - {"fernway"})
    if unknown:
        raise ScenarioInvalid(f"there is no shop called {unknown[0]} here; it has a benchmark of its own")
    reader = E5Reader(
        embedder.embed_query, embedder.embed_passages, names=product_names(settings.shop.folder)
    )
    stage = StoreStage(settings.shop.folder, index=index, embedder=embedder, reader=reader)
    stack.callback(stage.close)
    await stage.open()
    return {stage.name: stage}


async def _run(
    settings: Settings,
    scenarios: list[Scenario],
    manifest: Manifest,
    out: Path,
    parallel: int,
    console: Console,
    *,
    resume: bool,
) -> None:
    async with AsyncExitStack() as stack:
        with steps(console) as shown:
            index = await start_index(settings, shown, folder="evals")
            stack.callback(index.close)
            embedder = open_embedder(settings.retrieval)
            stages = await _stages(settings, scenarios, stack, index=index, embedder=embedder)
            expected = await references(scenarios, stages)
            model = await _model(settings, manifest.model, stack, shown)
        version = Version(
            model=model,
            mood=LexiconMood(),
            answerable=settings.retrieval.answerable,
            passages=settings.retrieval.passages,
            max_tokens=settings.model.max_tokens,
        )
        plan = Plan(
            folder=out,
            scenarios=scenarios,
            manifest=manifest,
            target=InProcessTarget(stages, version, out),
            repeats=manifest.repeats,
            parallel=parallel,
            expected=expected,
        )
        todo = prepare(plan, resume=resume)
        counts: Counter[str] = Counter()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            task = bars.add_task("conversations", total=len(todo))

            def told(attempt: Attempt) -> None:
                counts[attempt.outcome] += 1
                bars.advance(task)
                if attempt.outcome != "held":
                    bars.console.print(
                        f"{attempt.scenario} #{attempt.repeat}: {attempt.outcome}: {attempt.why}",
                        markup=False,
                        highlight=False,
                    )

            await run_plan(plan, todo, told=told)
    scores = await score_run(out)
    resolved = [found.value for found in scores if found.metric == "resolved"]
    if resolved:
        typer.echo(f"resolved {sum(resolved):g} of {len(resolved)}; {dict(counts)}; the run is in {out}")


async def _model(settings: Settings, name: str, stack: AsyncExitStack, shown: Steps) -> LanguageModel:
    if name == EXTRACTIVE:
        return ExtractiveModel()
    url, _ = await start_model(settings, stack, shown)
    model = open_model(settings, url)
    await model.ready()
    return model


def _commit() -> str:
    """The checkout's commit, with ``+`` when files differ from it; empty outside of one."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed words
    return done.stdout.strip()


def _fail(console: Console, error: Exception, code: int) -> None:
    console.print(f"[bold red]amends eval:[/] {error}", highlight=False, markup=True)
    raise typer.Exit(code) from None
