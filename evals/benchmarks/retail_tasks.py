"""tau2-bench's retail tasks, held with the product: pass^1 to pass^4.

Format: a folder with ``db.json``, ``policy.md`` and one ``tasks*.json``, or the tasks file with the
others beside it. ``evals.importers.tau2`` says how its world is told in ours.
"""

from __future__ import annotations

from pathlib import Path

from agent.slots import OrderNumbers
from evals.benchmarks.conversations import (
    TaskSet,
    attempt_all,
    counts,
    describe,
    details,
    figures,
    plain_version,
)
from evals.benchmarks.report import Anchor, BenchmarkReport, Progress
from evals.importers.task import ImportedTask, tasks_file
from evals.importers.tau2 import import_task, read_tasks
from evals.inprocess import Version
from evals.shops.tau2 import NAME, NOW, Tau2Shop, documents
from retrieval.e5 import E5Embedder
from retrieval.passages import Embedder

REPEATS = 4
NUMBERS = OrderNumbers(lead="#W", digits=7)

_ALL = "all 114 tasks, README of the set; user simulator"
_PUBLISHED = (
    ("Claude Sonnet 4.5, self-reported", "not named", 0.862, None),
    ("Claude Sonnet 4.5", "gpt-5.2", 0.724, 0.395),
    ("Qwen3.5-397B", "not named", 0.844, 0.596),
    ("GPT-5", "not named", 0.816, 0.588),
    ("GPT-4.1", "not named", 0.740, 0.523),
    ("o4-mini", "not named", 0.683, 0.468),
    ("GPT-4.1-mini", "not named", 0.614, 0.369),
)
_ANCHORS = {
    1: tuple(Anchor(one, f"{model}; {_ALL}: {simulator}") for model, simulator, one, _ in _PUBLISHED),
    4: tuple(
        Anchor(four, f"{model}; {_ALL}: {simulator}")
        for model, simulator, _, four in _PUBLISHED
        if four is not None
    ),
}
_NOTES = (
    "Published figures were made with language models as shoppers, ours with a state machine that is told "
    "the outcome it wants: order numbers, items and new variants. Do not compare them as if they were one test.",
    "The shopper is signed in; the set's own agent has to ask for e-mail or name and zip code.",
    "nl_assertions are not judged; a task is done by end state and required communication.",
    "The set has no dates; orders are given some, a week apart in the order they are listed.",
)


def scenarios(path: Path) -> list[ImportedTask]:
    """The tasks as scenarios; raises ``DataInvalid``."""
    db, tasks = read_tasks(path)
    return [import_task(task, db) for task in tasks]


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Measure the product without a language model."""
    embedder = E5Embedder()
    return measure(path, progress, version=plain_version(embedder), embedder=embedder)


def measure(
    path: Path, progress: Progress, *, version: Version, embedder: Embedder, repeats: int = REPEATS
) -> BenchmarkReport:
    """Measure a version.

    Raises:
        DataInvalid: The path does not hold the format.
    """
    db, raw = read_tasks(path)
    tasks = [import_task(task, db) for task in raw]
    tried = attempt_all(
        TaskSet(
            name=NAME,
            tasks=tasks,
            documents=documents(tasks_file(path).parent, db),
            open=lambda clock: Tau2Shop(db, clock=clock),
            now=NOW,
            names=[[product["name"]] for product in db.products.values()],
            numbers=NUMBERS,
        ),
        progress,
        version=version,
        embedder=embedder,
        repeats=repeats,
    )
    expressible = [task for task in tasks if task.expressible]
    return BenchmarkReport(
        benchmark="retail_tasks",
        data=tasks_file(path).name,
        method=describe(version, repeats),
        figures=(
            *figures(tasks, tried, repeats=repeats, anchors=_ANCHORS),
            *figures(expressible, tried, repeats=repeats, slice="tasks the actions can express"),
            *counts(tasks, tried),
        ),
        notes=_NOTES,
        details=details(tasks, tried),
    )
