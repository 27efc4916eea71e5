"""Hold the conversations of a suite."""

from __future__ import annotations

import asyncio
import os
import platform
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from agent.errors import AmendsError
from agent.prompts import VERSION as PROMPT
from evals.records import Attempt, Manifest, RunInvalid, read_run
from evals.run import Casting, Plan, cast_shopper, prepare, references
from evals.run import run as run_plan
from evals.scenario import Scenario, ScenarioInvalid, read_scenarios
from evals.score import score_run
from evals.shoppers.port import Playing
from evals.shoppers.scripted import ScriptedShopper
from evals.shoppers.strong import StrongShopper
from evals.summary import summarise
from evals.target import InProcessTarget, Target
from evals.world import ReferenceInvalid, Stage
from retrieval.errors import RetrievalError
from serving.commands.eval.common import EXTRACTIVE, commit, fail, paper, stage, start, version, with_model
from serving.commands.eval.judge import mishaps, table
from serving.embedding import open_embedder
from serving.eval_target import remote
from serving.models.adapters import served_adapter
from serving.settings import ROOT, Settings, load
from serving.starting import start_index
from serving.steps import steps
from serving.wiring import open_index, open_model

app = typer.Typer(add_completion=False)
SCENARIOS = ROOT / "evals" / "scenarios"
IN_PROCESS = "in-process"

Suite = Annotated[
    list[Path] | None, typer.Argument(help="Scenario files or folders; the demo shop's when not given.")
]
Only = Annotated[str, typer.Option(help="Only scenarios whose id or slice contains this.")]


@dataclass(frozen=True)
class Job:
    """What the command line asks for."""

    settings: Settings
    scenarios: list[Scenario]
    manifest: Manifest
    out: Path
    parallel: int
    resume: bool
    shopper: tuple[str, str] | None
    """Model and address of a strong model that plays the shoppers."""


@app.command()
def check(suite: Suite = None, only: Only = "") -> None:
    """Read scenarios, and carry out each reference solution on a fresh shop.

    Exit codes: 0 all can be used, 2 one can't (the message says which and why).
    """
    try:
        scenarios = chosen(suite, only)
        asyncio.run(_check(scenarios))
    except (ScenarioInvalid, ReferenceInvalid, AmendsError, OSError) as error:
        fail(error, 2)
    shown = Table("area", "en", "zh", "scripted", "simulated")
    for area in sorted({scenario.area for scenario in scenarios}):
        own = [scenario for scenario in scenarios if scenario.area == area]
        count = Counter(scenario.language for scenario in own)
        scripted = sum(1 for scenario in own if scenario.shopper.script)
        shown.add_row(area, str(count["en"]), str(count["zh"]), str(scripted), str(len(own) - scripted))
    paper().print(shown)
    typer.echo(f"{len(scenarios)} scenarios can be used")


@app.command()
def run(
    suite: Suite = None,
    out: Annotated[Path, typer.Option(help="Folder for the run; made if missing.")] = Path("eval-run"),
    target: Annotated[
        str, typer.Option(help="in-process, or the address of a running server (with its settings).")
    ] = IN_PROCESS,
    model: Annotated[
        str, typer.Option(help="Name in the catalogue, or “extractive”: repeats its sources, needs no model.")
    ] = "",
    model_url: Annotated[str, typer.Option(help="OpenAI-compatible server that serves it.")] = "",
    adapter: Annotated[
        str,
        typer.Option(help="Adapter (amends finetune list), or “none”; with --model-url one its server has."),
    ] = "",
    shopper_model: Annotated[
        str, typer.Option(help="A strong model that plays the simulated shoppers.")
    ] = "",
    shopper_url: Annotated[str, typer.Option(help="Where it is served (key: AMENDS_SHOPPER_KEY).")] = "",
    name: Annotated[str, typer.Option(help="What this version is called in reports.")] = "",
    repeat: Annotated[int, typer.Option(min=1, max=20, help="Conversations per scenario (k).")] = 1,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Conversations side by side.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the simulated shoppers.")] = 1,
    only: Only = "",
    resume: Annotated[bool, typer.Option(help="Take up a run that was cut off.")] = False,
) -> None:
    """Hold every conversation of a suite and score it.

    Exit codes: 0 run and scored, 1 something could not be started or nothing could be held,
    2 wrong scenarios or folder.
    """
    settings = with_model(load(), name=model, url=model_url, adapter=adapter)
    extractive = model == EXTRACTIVE
    strong = (shopper_model, shopper_url) if shopper_model and shopper_url else None
    try:
        scenarios = chosen(suite, only)
        paths = ", ".join(str(path) for path in suite) if suite else "evals/scenarios"
        manifest = Manifest(
            name=name or out.resolve().name,
            suite=f"{paths} ({only})" if only else paths,
            scenarios=len(scenarios),
            repeats=repeat,
            seed=seed,
            target=target,
            model=EXTRACTIVE if extractive else settings.model.name,
            adapter="" if extractive else served_adapter(settings),
            prompt=PROMPT,
            shopper=shopper_model if strong else "scripted and simulated",
            commit=commit(),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=f"{platform.machine()}, {os.cpu_count()} cores",
            settings={
                "answerable": settings.retrieval.answerable,
                "passages": settings.retrieval.passages,
                "max_tokens": settings.model.max_tokens,
            },
        )
        job = Job(settings, scenarios, manifest, out, parallel, resume, strong)
        asyncio.run(_run(job, Console(stderr=True)))
        done = read_run(out)
        summary = summarise(done)
    except (ScenarioInvalid, ReferenceInvalid, RunInvalid) as error:
        fail(error, 2)
    except (AmendsError, RetrievalError, OSError) as error:
        fail(error, 1)
    if lost := nothing_held(done.attempts):
        fail(lost, 1)
    paper().print(table(summary))
    typer.echo(f"{mishaps(summary)}\nthe run is in {out}; see it with: amends eval report {out}")


class NothingHeld(Exception):
    """Not one conversation of a run took place; the message says why the first did not."""


def nothing_held(attempts: Sequence[Attempt]) -> NothingHeld | None:
    """Why a run is worth nothing, if it is."""
    if any(one.outcome in {"held", "simulator_error"} for one in attempts):
        return None
    # What broke says more than what was left out.
    first = min(attempts, key=lambda one: one.outcome == "skipped")
    return NothingHeld(f"no conversation could be held; {first.scenario}: {first.why}")


def chosen(suite: list[Path] | None, only: str) -> list[Scenario]:
    """The scenarios of a suite that ``only`` selects.

    Raises:
        ScenarioInvalid: A file is broken, or none is left.
    """
    scenarios = read_scenarios(suite or [SCENARIOS])
    found = [one for one in scenarios if only in one.id or any(only in name for name in one.slices)]
    if not found:
        raise ScenarioInvalid(f"no scenario's id or slice contains “{only}”")
    if unknown := sorted({scenario.shop for scenario in found} - {"fernway"}):
        raise ScenarioInvalid(f"there is no shop called {unknown[0]} here")
    return found


async def _check(scenarios: list[Scenario]) -> None:
    settings = load()
    embedder = open_embedder(settings.retrieval)
    async with AsyncExitStack() as stack:
        # References need the shop alone; the index is never opened.
        index = open_index(settings, embedder, folder="evals")
        shop = await stage(settings, stack, index=index, embedder=embedder)
        await references(scenarios, {shop.name: shop})


async def _run(job: Job, console: Console) -> None:
    if (job.out / "run.json").exists() and not job.resume:  # said before a model is started
        raise RunInvalid(f"{job.out} holds a run already: choose another folder with --out, or --resume")
    async with AsyncExitStack() as stack:
        target, expected = await _target(job, stack, console)
        plan = Plan(
            folder=job.out,
            scenarios=job.scenarios,
            manifest=job.manifest,
            target=target,
            casting=_casting(job),
            repeats=job.manifest.repeats,
            parallel=job.parallel,
            expected=expected,
        )
        todo = prepare(plan, resume=job.resume)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            task = bars.add_task("conversations", total=len(todo))

            def told(attempt: Attempt) -> None:
                bars.advance(task)
                if attempt.outcome != "held":
                    line = f"{attempt.scenario} #{attempt.repeat}: {attempt.outcome}: {attempt.why}"
                    bars.console.print(line, markup=False, highlight=False)

            await run_plan(plan, todo, told=told)
    await score_run(job.out)


async def _target(
    job: Job, stack: AsyncExitStack, console: Console
) -> tuple[Target, dict[str, dict[str, dict[str, list[object]]]]]:
    """What is evaluated, and what each reference solution changes."""
    if job.manifest.target != IN_PROCESS:
        return await stack.enter_async_context(remote(job.manifest.target, job.settings, job.out)), {}
    with steps(console) as shown:
        index = await start_index(job.settings, shown, folder="evals")
        stack.callback(index.close)
        embedder = open_embedder(job.settings.retrieval)
        shop = await stage(job.settings, stack, index=index, embedder=embedder)
        stages: dict[str, Stage] = {shop.name: shop}
        expected = await references(job.scenarios, stages)
        model = await start(job.settings, job.manifest.model, stack, shown)
    return InProcessTarget(stages, version(job.settings, model, embedder), job.out), expected


def _casting(job: Job) -> Casting:
    if job.shopper is None:
        return cast_shopper
    model, url = job.shopper
    own = with_model(job.settings, name=model, url=url)
    key = SecretStr(os.environ.get("AMENDS_SHOPPER_KEY", "none"))
    own = own.model_copy(update={"model": own.model.model_copy(update={"api_key": key, "adapter": ""})})
    player = open_model(own, url)

    def casting(scenario: Scenario, seed: int) -> Playing:
        """Scripts stay scripts; wishes are played by the strong model."""
        return ScriptedShopper(scenario) if scenario.shopper.script else StrongShopper(scenario, player)

    return casting
