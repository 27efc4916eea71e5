"""What it cost the shopper: turns and waiting."""

from __future__ import annotations

from collections.abc import Iterator

from agent import events as ev
from evals.records import Score
from evals.scorers.trajectory import Trajectory

BY = "effort/1"


def effort(held: Trajectory) -> Iterator[Score]:
    """Measure turns, the whole wait, and each turn's first words and settled answer, in seconds."""
    yield held.score("turns", len(held.attempt.turns), by=BY)
    measured = list(held.of(ev.TurnMeasured))
    if not measured:
        return
    yield held.score("seconds", sum(body.total for _, body in measured), by=BY)
    for seq, body in measured:
        first = body.total if body.first_token is None else body.first_token
        yield held.score("first_token", first, seqs=[seq], by=BY)
        yield held.score("answer", body.total, seqs=[seq], by=BY)
