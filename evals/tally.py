"""The scores of a run, added up by metric and scenario.

Only conversations that were held count. Everything is per held attempt, so that a scenario
weighs the same whether it was repeated four times or, after an error, three times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evals.metrics import METRICS
from evals.records import Run, RunInvalid, Score
from evals.scenario import Scenario
from evals.stats import Floats


@dataclass
class Sums:
    """One metric in one scenario.

    Attributes:
        hits, of: Summed over the judged attempts.
        judged: Attempts that have the metric.
        passed: Of these, the ones without a miss.
    """

    hits: float = 0.0
    of: float = 0.0
    judged: int = 0
    passed: int = 0
    scores: list[Score] = field(default_factory=list)


@dataclass(frozen=True)
class Tally:
    """A run's scores.

    Attributes:
        scenarios: By id.
        held: Conversations held, by scenario; a scenario with none is missing.
        sums: By metric, then scenario.
    """

    scenarios: Mapping[str, Scenario]
    held: Mapping[str, int]
    sums: Mapping[str, Mapping[str, Sums]]

    def metrics(self) -> list[str]:
        """The metrics that were judged, in the order of reports."""
        return [name for name in METRICS if self.sums.get(name)]

    def judged(self, metric: str) -> Mapping[str, Sums]:
        """The scenarios that have the metric."""
        return self.sums.get(metric, {})

    def arrays(self, metric: str, scenarios: Sequence[str]) -> tuple[Floats, Floats]:
        """Hits and ``of`` per held attempt, by scenario; 0 and 0 where it was not judged."""
        found = self.judged(metric)
        hits, of = np.zeros(len(scenarios)), np.zeros(len(scenarios))
        for place, name in enumerate(scenarios):
            sums = found.get(name)
            if sums is not None:
                hits[place], of[place] = sums.hits / self.held[name], sums.of / self.held[name]
        return hits, of

    def slices(self) -> list[str]:
        """All slices of the scenarios: ``all`` first, then by kind and name."""
        found = {name for scenario in self.scenarios.values() for name in scenario.slices}
        return sorted(found, key=lambda name: (name != "all", name))

    def within(self, slice_: str) -> list[str]:
        """Ids of the scenarios in a slice, ordered."""
        return sorted(name for name, scenario in self.scenarios.items() if slice_ in scenario.slices)


def tally(run: Run) -> Tally:
    """Add up a run's scores.

    Raises:
        RunInvalid: A score is of no known metric, of no scenario of the run, or its attempt
            is missing.
    """
    scenarios = {scenario.id: scenario for scenario in run.scenarios}
    outcomes = {(attempt.scenario, attempt.repeat): attempt.outcome for attempt in run.attempts}
    held: dict[str, int] = defaultdict(int)
    for (name, _), outcome in outcomes.items():
        if name not in scenarios:
            raise RunInvalid(f"{run.folder}: an attempt of {name}, which is not among its scenarios")
        if outcome == "held":
            held[name] += 1
    by_attempt: dict[tuple[str, str, int], list[Score]] = defaultdict(list)
    for score in run.scores:
        outcome_ = outcomes.get((score.scenario, score.repeat))
        if score.metric not in METRICS:
            raise RunInvalid(f"{run.folder}: no metric is called {score.metric}; score the run again")
        if outcome_ is None:
            raise RunInvalid(
                f"{run.folder}: a score of {score.scenario}, repeat {score.repeat}, never attempted"
            )
        if outcome_ == "held":
            by_attempt[score.metric, score.scenario, score.repeat].append(score)
    sums: dict[str, dict[str, Sums]] = defaultdict(dict)
    for (metric, name, _), scores in by_attempt.items():
        own = sums[metric].setdefault(name, Sums())
        own.hits += sum(score.hits for score in scores)
        own.of += sum(score.of for score in scores)
        own.judged += 1
        own.passed += all(score.hits >= score.of for score in scores)
        own.scores += scores
    return Tally(scenarios, dict(held), {metric: dict(found) for metric, found in sums.items()})
