"""Compare runs, decide about a release, write the report."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from agent.errors import AmendsError
from evals.compare import Comparison, NotComparable, compare
from evals.gate import RULES, RulesInvalid, gate, read_rules
from evals.metrics import METRICS
from evals.records import RunInvalid, read_run
from evals.report.build import write_report
from evals.score import score_run
from evals.summary import Cell, Reliability, Summary, summarise
from serving.commands.eval.common import fail, paper

app = typer.Typer(add_completion=False)

Folder = Annotated[Path, typer.Argument(help="A run's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def score(folder: Folder) -> None:
    """Judge an old run anew, for example after a judge was corrected.

    Exit codes: 0 scored, 2 not a run.
    """
    try:
        scores = asyncio.run(score_run(folder))
    except (RunInvalid, AmendsError, OSError) as error:
        fail(error, 2)
    typer.echo(f"{len(scores)} scores in {folder / 'scores.jsonl'}")


@app.command()
def show(folder: Folder, as_json: AsJson = False) -> None:
    """Print the figures of a run.

    Exit codes: 0 printed, 2 not a run.
    """
    try:
        summary = summarise(read_run(folder))
    except RunInvalid as error:
        fail(error, 2)
    if as_json:
        typer.echo(json.dumps(summary.as_json(), ensure_ascii=False))
    else:
        paper().print(table(summary))
        typer.echo(mishaps(summary))


@app.command(name="compare")
def compare_runs(
    base: Annotated[Path, typer.Argument(help="The run of the version in use.")],
    candidate: Annotated[Path, typer.Argument(help="The run of the new version.")],
    everything: Annotated[bool, typer.Option("--all", help="Every slice, not only what differs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold one version against another: differences with intervals, and scenarios that flipped.

    Exit codes: 0 compared, 2 not comparable (the message says why).
    """
    try:
        found = compare(read_run(base), read_run(candidate))
    except (RunInvalid, NotComparable) as error:
        fail(error, 2)
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False))
        return
    console = paper()
    console.print(differences(found, everything=everything))
    for flip in found.flips:
        if flip.metric == "resolved":
            mark = "[red]now fails[/]" if flip.worse else "[green]now passes[/]"
            console.print(f"{mark} {flip.scenario}", highlight=False)
            console.print(f"   {flip.why}", style="dim", markup=False, highlight=False)
    for warning in found.warnings:
        console.print(f"note: {warning}", style="yellow", markup=False, highlight=False)


@app.command(name="gate")
def gate_run(
    base: Annotated[Path, typer.Argument(help="The run of the version in use.")],
    candidate: Annotated[Path, typer.Argument(help="The run of the version to release.")],
    rules: Annotated[Path, typer.Option(help="What blocks a release.")] = RULES,
    as_json: AsJson = False,
) -> None:
    """Say whether a version may be released, with the reasons on one line each.

    Exit codes: 0 passed, 1 blocked, 2 not comparable, 3 too little power to tell.
    """
    try:
        runs = {"base": read_run(base), "candidate": read_run(candidate)}
        verdict = gate(runs["candidate"], runs["base"], read_rules(rules))
    except (RunInvalid, NotComparable, RulesInvalid) as error:
        fail(error, 2)
    if as_json:
        held = {role: run.manifest.model_dump(mode="json") for role, run in runs.items()}
        typer.echo(json.dumps(verdict.as_json() | {"runs": held}, ensure_ascii=False))
    else:
        for line in verdict.lines:
            typer.echo(str(line))
        typer.echo(f"{verdict.level.upper()}: {verdict.candidate} against {verdict.base}")
    raise typer.Exit(verdict.exit_code)


@app.command()
def report(
    folder: Folder,
    against: Annotated[Path | None, typer.Option(help="Run to compare with.")] = None,
    rules: Annotated[Path, typer.Option(help="What blocks a release.")] = RULES,
    out: Annotated[Path | None, typer.Option(help="The file; report.html in the run's folder.")] = None,
) -> None:
    """Write one HTML file with figures, slices, flips and every conversation beside its events.

    Exit codes: 0 written, 2 not a run or not comparable.
    """
    path = out or folder / "report.html"
    try:
        run = read_run(folder)
        base = read_run(against) if against else None
        verdict = gate(run, base, read_rules(rules)) if base else None
        asyncio.run(write_report(run, path, against=base, verdict=verdict))
    except (RunInvalid, NotComparable, RulesInvalid, AmendsError, OSError) as error:
        fail(error, 2)
    typer.echo(str(path))


def table(summary: Summary) -> Table:
    """The run's figures over all scenarios, and by language."""
    figures: dict[tuple[str, str], Cell | Reliability] = {
        **{(cell.metric, cell.slice): cell for cell in summary.cells},
        **{(f"pass^{one.k}", one.slice): one for one in summary.reliability},
    }
    shown = Table("figure", "all", "95 %", "en", "zh", "scenarios")
    for (name, slice_), row in figures.items():
        if slice_ != "all":
            continue
        own = [figures.get((name, f"language:{language}")) for language in ("en", "zh")]
        shown.add_row(
            name,
            f"{row.value:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            *("" if one is None else f"{one.value:.3f}" for one in own),
            str(row.scenarios),
        )
    return shown


def mishaps(summary: Summary) -> str:
    """What is counted beside the scores, in a line."""
    counted = summary.mishaps
    return (
        f"{counted.held} of {counted.attempts} conversations held; not scored: "
        f"{counted.simulator_errors} simulator errors, {counted.infrastructure_errors} infrastructure errors, "
        f"{counted.skipped} skipped"
    )


def differences(found: Comparison, *, everything: bool) -> Table:
    """Differences, candidate less base; without ``everything`` those over all, and shares told apart."""
    shown = Table("figure", "slice", found.a.name, found.b.name, "difference", "95 %", "p worse")
    for row in found.differences:
        apart = row.low > 0 or row.high < 0
        share = row.metric not in METRICS or METRICS[row.metric].kind == "share"
        if not (everything or row.slice == "all" or (apart and share)):
            continue
        shown.add_row(
            row.metric,
            row.slice,
            f"{row.a:.3f}",
            f"{row.b:.3f}",
            f"{row.difference:+.3f}",
            f"{row.low:+.3f} to {row.high:+.3f}",
            f"{row.p:.4f}",
            style="bold" if apart else "",
        )
    return shown
