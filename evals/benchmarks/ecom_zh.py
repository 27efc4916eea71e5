"""ECom-Bench's Chinese shop tasks, held with the product: pass^1 to pass^3.

Format: a folder with ``data/``, ``agent_wiki.md`` and one ``tasks*.json``, or the tasks file with the
others beside it. ``evals.importers.ecom`` says how its world is told in ours.
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
from evals.importers.ecom import import_task, read_tasks, searched
from evals.importers.task import ImportedTask, tasks_file
from evals.inprocess import Version
from evals.shops.ecom import NAME, NOW, EcomShop, documents
from retrieval.e5 import E5Embedder
from retrieval.passages import Embedder

REPEATS = 3
NUMBERS = OrderNumbers(lead="", digits=12)

_SOURCE = "GPT-4o, abstract of arXiv 2507.05639, all 53 tasks; user simulator not named"
_ANCHORS = {3: (Anchor(0.1, f"{_SOURCE}: lower end"), Anchor(0.2, f"{_SOURCE}: upper end"))}
_NOTES = (
    "The shopper is a state machine that says one intent after the other and is content with any answer to "
    "an intent that asks for no change of ours; published figures had a language model as the shopper.",
    "A picture is only its address: the product can't look at it.",
    "Looking up a gift card's balance or a review's record is not possible here and counts as not done.",
    "Addresses have no postal code, which the product asks for before it changes one.",
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
            open=lambda clock: EcomShop(db, clock=clock),
            now=NOW,
            names=[[product["商品名称"]] for product in db.products.values()],
            numbers=NUMBERS,
            looked=searched,
        ),
        progress,
        version=version,
        embedder=embedder,
        repeats=repeats,
    )
    plain = [task for task in tasks if not task.needs_image]
    expressible = [task for task in tasks if task.expressible]
    return BenchmarkReport(
        benchmark="ecom_zh",
        data=tasks_file(path).name,
        method=describe(version, repeats),
        figures=(
            *figures(tasks, tried, repeats=repeats, anchors=_ANCHORS),
            *figures(plain, tried, repeats=repeats, slice="without image tasks"),
            *figures(expressible, tried, repeats=repeats, slice="tasks the actions can express"),
            *counts(tasks, tried),
        ),
        notes=_NOTES,
        details=details(tasks, tried),
    )
