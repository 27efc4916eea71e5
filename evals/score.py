"""Judge attempts: every scorer, and whether all that must hold does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent.events import Event
from agent.ids import ConversationId
from agent.log import ConversationLog
from agent.log_sql import SqlLog
from agent.migrations import migrate
from evals.metrics import RESOLUTION
from evals.records import Attempt, Score, log_url, read_lines, write_lines
from evals.scenario import Scenario
from evals.scorers.effort import effort
from evals.scorers.grounding import grounding
from evals.scorers.outcome import outcome
from evals.scorers.people import people
from evals.scorers.safety import safety
from evals.scorers.trajectory import Trajectory

SCORERS: tuple[Callable[[Trajectory], Iterator[Score]], ...] = (outcome, grounding, safety, people, effort)


def score(scenario: Scenario, attempt: Attempt, events: Sequence[Event]) -> list[Score]:
    """Judge one attempt. One that was not held gets no score: it is counted beside them."""
    if attempt.outcome != "held":
        return []
    held = Trajectory(scenario, attempt, events)
    scores = [found for scorer in SCORERS for found in scorer(held)]
    missed = [found for found in scores if found.metric in RESOLUTION and found.hits < found.of]
    why = "; ".join(f"{found.metric}: {found.why}" if found.why else found.metric for found in missed)
    seqs = sorted({seq for found in missed for seq in found.seqs})
    return [held.score("resolved", not missed, why=why, seqs=seqs, by="resolved/1"), *scores]


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
            for found in score(scenarios[attempt.scenario], attempt, await read(log, attempt))
        ]
    finally:
        await log.close()
    write_lines(folder / "scores.jsonl", scores)
    return scores


async def read(log: ConversationLog, attempt: Attempt) -> list[Event]:
    """The events of an attempt, none when no conversation was opened."""
    return await log.read(ConversationId(attempt.conversation)) if attempt.conversation else []
