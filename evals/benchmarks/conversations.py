"""Hold the conversations of a public task set, and say how many tasks were done k times of k.

A task is done in an attempt when the shop's end state is the reference's, every required fact was
told, and what had to be looked up was. Tasks that the product's actions can't express are held
like the others and counted as failed. What broke around an attempt (model, index, the simulated
shopper's own errors) is counted beside; a shopper who got nowhere before its turns ran out is
no such error, but a failed attempt.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.events import Event
from agent.log_sql import SqlLog
from agent.mood_e5 import E5Mood
from agent.prompts import VERSION as PROMPT
from agent.slots import OrderNumbers
from agent.understand_e5 import E5Reader
from evals.benchmarks.report import Anchor, Figure, Progress
from evals.extractive import ExtractiveModel
from evals.importers.task import ImportedTask, Search
from evals.inprocess import Version
from evals.records import Attempt, Manifest, log_url, read_lines
from evals.run import Plan, prepare, references
from evals.run import run as hold
from evals.score import read
from evals.scorers.trajectory import Trajectory
from evals.shops.memory import MemoryShop, MemoryStage
from evals.stats import pass_hat, wilson
from evals.target import InProcessTarget
from evals.text import holds
from evals.world import Stage
from retrieval.chroma import ChromaPassageIndex
from retrieval.chunks import chunk
from retrieval.passages import Document, Embedder
from retrieval.remembering import RememberingEmbedder
from retrieval.retriever import PassageRetriever

PARALLEL = 4
"""Conversations held side by side."""
SEED = 1
AT_ONCE = 32
"""Chunks embedded per step of the progress bar."""

Looked = Callable[[Sequence[Event], Search], bool]


@dataclass(frozen=True)
class TaskSet:
    """A task set, read.

    Attributes:
        names: Titles of each product, for the reader.
        numbers: How the shop writes order numbers.
        looked: Whether a conversation made an expected search.
    """

    name: str
    tasks: Sequence[ImportedTask]
    documents: Sequence[Document]
    open: Callable[[Callable[[], datetime]], MemoryShop]
    now: datetime
    names: Sequence[Sequence[str]]
    numbers: OrderNumbers
    looked: Looked = lambda events, search: True


@dataclass(frozen=True)
class Tried:
    """One attempt at a task. ``passed`` is ``None`` when it can't be judged."""

    attempt: Attempt
    passed: bool | None
    why: str


def plain_version(embedder: Embedder) -> Version:
    """The product without a language model: the best sentences of what it found are its answers."""
    return Version(model=ExtractiveModel(), mood=E5Mood(embedder.embed_query))


def describe(version: Version, repeats: int) -> str:
    """What was measured, for ``BenchmarkReport.method``."""
    return (
        f"the whole turn engine in process, model {version.model.name}, prompt {PROMPT}, reader e5-intents-1; "
        f"shoppers: Amends' rule-based state machine with the expected outcome as its wishes; "
        f"{repeats} attempts per task"
    )


def attempt_all(
    tasks: TaskSet, progress: Progress, *, version: Version, embedder: Embedder, repeats: int
) -> list[Tried]:
    """Hold every task ``repeats`` times and judge each attempt."""
    with tempfile.TemporaryDirectory(prefix="amends-bench-") as folder:
        return asyncio.run(_attempt_all(tasks, progress, version, embedder, repeats, Path(folder)))


async def _attempt_all(
    tasks: TaskSet, progress: Progress, version: Version, embedder: Embedder, repeats: int, folder: Path
) -> list[Tried]:
    embedder = RememberingEmbedder(embedder)
    index = ChromaPassageIndex(embedder, folder=folder / "index")
    try:
        chunks = [piece for document in tasks.documents for piece in chunk(document)]
        batches = [chunks[start : start + AT_ONCE] for start in range(0, len(chunks), AT_ONCE)]
        for batch in progress(batches, "documents", len(batches)):
            await index.add(batch)
        by_id = {task.scenario.id: task for task in tasks.tasks}
        stage = MemoryStage(
            tasks.name,
            tasks=by_id,
            open=tasks.open,
            retriever=PassageRetriever(index, today=lambda: tasks.now.date()),
            reader=E5Reader(
                embedder.embed_query, embedder.embed_passages, names=tasks.names, numbers=tasks.numbers
            ),
            now=tasks.now,
        )
        scenarios = [task.scenario for task in tasks.tasks]
        stages: dict[str, Stage] = {tasks.name: stage}
        plan = Plan(
            folder=folder / "run",
            scenarios=scenarios,
            manifest=_manifest(tasks, version, repeats),
            target=InProcessTarget(stages, version, folder / "run"),
            repeats=repeats,
            parallel=PARALLEL,
            expected=await references(scenarios, stages),
        )
        todo = prepare(plan, resume=False)
        groups = [todo[start : start + PARALLEL] for start in range(0, len(todo), PARALLEL)]
        for group in progress(groups, "conversations", len(groups)):
            await hold(plan, group)
        return await _judged(tasks, by_id, plan.folder)
    finally:
        index.close()


def _manifest(tasks: TaskSet, version: Version, repeats: int) -> Manifest:
    return Manifest(
        name=tasks.name,
        suite=tasks.name,
        scenarios=len(tasks.tasks),
        repeats=repeats,
        seed=SEED,
        target="in-process",
        model=version.model.name,
        adapter=version.model.adapter,
        prompt=PROMPT,
        started=tasks.now.isoformat(),
    )


async def _judged(tasks: TaskSet, by_id: Mapping[str, ImportedTask], folder: Path) -> list[Tried]:
    log = SqlLog(log_url(folder), clock=lambda: datetime.now(UTC))
    try:
        return [
            judge(by_id[attempt.scenario], attempt, await read(log, attempt), tasks.looked)
            for attempt in read_lines(folder / "attempts.jsonl", Attempt)
        ]
    finally:
        await log.close()


def judge(task: ImportedTask, attempt: Attempt, events: Sequence[Event], looked: Looked) -> Tried:
    """Whether an attempt did its task."""
    if attempt.outcome != "held":
        return Tried(attempt, None, attempt.why)
    missed = ["no end in time"] if attempt.ended == "limit" else []
    if attempt.changes != attempt.expected:
        missed.append("state")
    said = Trajectory(task.scenario, attempt, events).said
    if not all(any(holds(said, way) for way in ways) for ways in task.scenario.expect.told):
        missed.append("told")
    if not all(looked(events, search) for search in task.searches):
        missed.append("searches")
    if not task.expressible:
        missed.append("not expressible")
    return Tried(attempt, not missed, ", ".join(missed))


def figures(
    tasks: Sequence[ImportedTask],
    tried: Sequence[Tried],
    *,
    repeats: int,
    slice: str = "",
    anchors: Mapping[int, tuple[Anchor, ...]] | None = None,
) -> list[Figure]:
    """pass^1 to pass^k over some tasks.

    The interval is Wilson's over tasks, not over attempts: attempts at one task resemble each
    other, and a mean of shares varies at most as much as one of yes and no.
    """
    ids = {task.scenario.id for task in tasks}
    marks: defaultdict[str, list[bool]] = defaultdict(list)
    for one in tried:
        if one.passed is not None and one.attempt.scenario in ids:
            marks[one.attempt.scenario].append(one.passed)
    found = []
    for k in range(1, repeats + 1):
        chances = [pass_hat(sum(passed), len(passed), k) for passed in marks.values() if len(passed) >= k]
        if chances:
            interval = wilson(sum(chances), len(chances))
            value = sum(chances) / len(chances)
            known = (anchors or {}).get(k, ())
            found.append(Figure(f"pass^{k}", value, interval.low, interval.high, len(chances), slice, known))
    return found


def counts(tasks: Sequence[ImportedTask], tried: Sequence[Tried]) -> list[Figure]:
    """What stands beside the shares."""
    outcomes = Counter(one.attempt.outcome for one in tried if one.passed is None)
    unsaid = sum(not task.expressible for task in tasks)
    leaked = sum(bool(one.attempt.leaks) for one in tried)
    rows = (
        ("tasks", len(tasks), len(tasks), ""),
        ("tasks the actions can't express (counted as failed)", unsaid, len(tasks), ""),
        ("infrastructure errors", outcomes["infrastructure_error"], len(tried), "lower"),
        ("simulator errors", outcomes["simulator_error"], len(tried), "lower"),
        ("conversations with words of somebody else", leaked, len(tried), "lower"),
    )
    return [Figure(name, value, value, value, n, better=better) for name, value, n, better in rows]


def details(tasks: Sequence[ImportedTask], tried: Sequence[Tried]) -> dict[str, object]:
    """By task: what can't be said, and how each attempt went."""
    by_task: defaultdict[str, list[str]] = defaultdict(list)
    for one in tried:
        verdict = "not judged" if one.passed is None else "passed" if one.passed else "failed"
        by_task[one.attempt.scenario].append(f"{verdict}: {one.why}" if one.why else verdict)
    return {
        "not_expressible": {task.scenario.id: task.why_not for task in tasks if not task.expressible},
        "attempts": dict(by_task),
    }
