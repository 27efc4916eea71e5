"""A conversation that was held, as the judges see it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from agent import events as ev
from agent.events import Event, EventBody
from evals.records import Attempt, Score
from evals.scenario import Scenario

B = TypeVar("B", bound=EventBody)


@dataclass(frozen=True)
class Trajectory:
    """Scenario, attempt, and every event of the conversation."""

    scenario: Scenario
    attempt: Attempt
    events: Sequence[Event]

    def of(self, kind: type[B]) -> Iterator[tuple[int, B]]:
        """``(seq, body)`` of all events of one kind, in order."""
        for event in self.events:
            if isinstance(event.body, kind):
                yield event.seq, event.body

    @cached_property
    def answers(self) -> tuple[tuple[int, ev.AnswerSent], ...]:
        """What the assistant said."""
        return tuple(self.of(ev.AnswerSent))

    @cached_property
    def said(self) -> str:
        """Everything the shopper was told by the assistant, proposals and results included."""
        words = []
        for event in self.events:
            match event.body:
                case ev.AnswerSent() | ev.ActionDone():
                    words.append(event.body.text)
                case ev.ActionProposed():
                    words.append(event.body.summary)
                case ev.PromiseMade(by="assistant"):
                    words.append(event.body.text)
        return "\n".join(words)

    def turn(self, seq: int) -> int:
        """The shopper turn (from 1) that event ``seq`` belongs to; 0 before the first."""
        return bisect_right(self.attempt.turns, seq)

    def score(
        self, metric: str, hits: float, of: float = 1, *, why: str = "", seqs: Sequence[int] = (), by: str
    ) -> Score:
        """A score of this attempt."""
        return Score(
            scenario=self.scenario.id,
            repeat=self.attempt.repeat,
            metric=metric,
            hits=hits,
            of=of,
            why=why,
            seqs=tuple(seqs),
            scorer=by,
        )
