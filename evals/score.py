"""Judge attempts: every scorer, and whether all that must hold does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent.events import Event
from agent.ids import ConversationId
from agent.log import ConversationLog
from agent.log_sql import SqlLog
from agent.migrations import migrate
from evals.metrics import RESOLUTION
from evals.records import Attempt, RunInvalid, Score, log_url, read_lines, write_lines
from evals.scenario import Scenario
from evals.scorers.effort import effort
from evals.scorers.grounding import grounding
from evals.scorers.outcome import outcome
from evals.scorers.people import people
from evals.scorers.safety import safety
from evals.scorers.trajectory import Trajectory

TO_RESOLUTION = frozenset({"turns", "seconds"})
"""Measured to resolution."""
SCORERS: tuple[Callable[[Trajectory], Iterator[Score]], ...] = (outcome, grounding, safety, people, effort)


def score(scenario: Scenario, attempt: Attempt, events: Sequence[Event]) -> list[Score]:
    """Judge one attempt.

    One that was not held is counted beside the scores and gets none, but for a breach of what
    has zero tolerance: that is one whatever broke around it.
    """
    held = Trajectory(scenario, attempt, events)
    if attempt.outcome != "held":
        return [found for found in safety(held) if found.hits < found.of] if events else []
    scores = [found for scorer in SCORERS for found in scorer(held)]
    told = all(found.hits == found.of for found in scores if found.metric == "told")
    missed = [found for found in scores if found.hits < found.of and _counts(found, scenario, told=told)]
    why = "; ".join(f"{found.metric}: {found.why}" if found.why else found.metric for found in missed)
    seqs = sorted({seq for found in missed for seq in found.seqs})
    resolved = held.score("resolved", not missed, why=why, seqs=seqs, by="resolved/1")
    if missed:  # what it took to get nowhere is no effort to compare
        scores = [found for found in scores if found.metric not in TO_RESOLUTION]
    return [resolved, *scores]


def _counts(miss: Score, scenario: Scenario, *, told: bool) -> bool:
    """Whether a miss makes a conversation unresolved.

    A needless "I don't know" on the way is one, but not when every fact was told in the end.
    """
    if miss.metric == "refusal" and scenario.expect.refusal is False and scenario.expect.told and told:
        return False
    return miss.metric in RESOLUTION


async def score_run(folder: Path) -> list[Score]:
    """Judge a whole run anew from its files and write ``scores.jsonl``.

    Raises:
        RunInvalid: A file is missing or broken.
        LogUnavailable: The run's log can't be read.
    """
    scenarios = {scenario.id: scenario for scenario in read_lines(folder / "scenarios.jsonl", Scenario)}
    migrate(log_url(folder))
    log = SqlLog(log_url(folder), clock=lambda: datetime.now(UTC))
    try:
        scores = [
            found
            for attempt in read_lines(folder / "attempts.jsonl", Attempt)
            for found in score(_named(scenarios, attempt), attempt, await read(log, attempt))
        ]
    finally:
        await log.close()
    write_lines(folder / "scores.jsonl", scores)
    return scores


def _named(scenarios: Mapping[str, Scenario], attempt: Attempt) -> Scenario:
    if attempt.scenario not in scenarios:
        raise RunInvalid(f"scenarios.jsonl has no {attempt.scenario}, which was attempted")
    return scenarios[attempt.scenario]


async def read(log: ConversationLog, attempt: Attempt) -> list[Event]:
    """The events of an attempt, none when no conversation was opened."""
    return await log.read(ConversationId(attempt.conversation)) if attempt.conversation else []
