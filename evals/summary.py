"""What a run says: every metric with its interval, by slice, and what could not be judged beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evals.latency import quantile
from evals.metrics import METRICS
from evals.records import Manifest, Run
from evals.scenario import Scenario
from evals.stats import Interval, paired, pass_hat, ratio_interval
from evals.tally import Tally, tally


@dataclass(frozen=True)
class Cell:
    """One metric in one slice.

    Attributes:
        value: Share, mean count, or mean seconds.
        low, high: 95 % interval, scenarios resampled whole.
        scenarios: That have the metric.
        judged: Conversations that have it.
        hits, of: The sums behind ``value`` (over all conversations).
    """

    metric: str
    slice: str
    value: float
    low: float
    high: float
    scenarios: int
    judged: int
    hits: float
    of: float


@dataclass(frozen=True)
class Reliability:
    """pass^k: the chance that ``k`` attempts at a scenario all resolve it.

    ``scenarios`` are those with at least ``k`` judged attempts.
    """

    k: int
    slice: str
    value: float
    low: float
    high: float
    scenarios: int


@dataclass(frozen=True)
class Parity:
    """English against Chinese on scenarios told in both.

    ``difference`` is Chinese minus English, with its 95 % interval; ``p`` is one-sided, of
    "Chinese is not worse".
    """

    metric: str
    english: float
    chinese: float
    difference: float
    low: float
    high: float
    p: float
    pairs: int


@dataclass(frozen=True)
class Spread:
    """How long things took in one slice, in seconds."""

    metric: str
    slice: str
    median: float
    p90: float
    judged: int


@dataclass(frozen=True)
class Mishaps:
    """What is counted beside the scores and never inside them.

    Attributes:
        problems: Conversations in which the simulated shopper left its scenario, by kind.
    """

    attempts: int
    held: int
    simulator_errors: int
    infrastructure_errors: int
    skipped: int
    problems: Mapping[str, int]

    def rate(self, count: int) -> float:
        """``count`` per attempt."""
        return count / self.attempts if self.attempts else 0.0


@dataclass(frozen=True)
class Summary:
    """Everything a run says in figures."""

    manifest: Manifest
    cells: tuple[Cell, ...]
    reliability: tuple[Reliability, ...]
    parity: tuple[Parity, ...]
    spreads: tuple[Spread, ...]
    mishaps: Mishaps

    def cell(self, metric: str, slice_: str = "all") -> Cell | None:
        """One figure, or ``None`` where nothing was judged."""
        return next((cell for cell in self.cells if (cell.metric, cell.slice) == (metric, slice_)), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self) | {"manifest": self.manifest.model_dump(mode="json")}


def summarise(run: Run) -> Summary:
    """Sum up a run.

    Raises:
        RunInvalid: Its files do not fit together.
    """
    table = tally(run)
    groups = {name: table.within(name) for name in table.slices()}
    return Summary(
        manifest=run.manifest,
        cells=tuple(
            cell
            for metric in table.metrics()
            for name, members in groups.items()
            if (cell := _cell(table, metric, name, members))
        ),
        reliability=tuple(
            found for name, members in groups.items() for found in _reliability(table, name, members)
        ),
        parity=tuple(_parity(table)),
        spreads=tuple(
            spread
            for metric in table.metrics()
            if METRICS[metric].kind == "seconds"
            for name, members in groups.items()
            if (spread := _spread(table, metric, name, members))
        ),
        mishaps=_mishaps(run),
    )


def twins(scenarios: Mapping[str, Scenario]) -> list[tuple[str, str]]:
    """Ids of scenarios told in English and in Chinese, ordered."""
    by_pair: dict[str, dict[str, str]] = {}
    for name, scenario in sorted(scenarios.items()):
        if scenario.pair:
            by_pair.setdefault(scenario.pair, {}).setdefault(scenario.language, name)
    return [(found["en"], found["zh"]) for found in by_pair.values() if {"en", "zh"} <= found.keys()]


def pass_hats(table: Tally, scenarios: list[str], k: int) -> dict[str, float]:
    """pass^k of each scenario with at least ``k`` judged attempts."""
    found = table.judged("resolved")
    return {
        name: pass_hat(found[name].passed, found[name].judged, k)
        for name in scenarios
        if name in found and found[name].judged >= k
    }


def _cell(table: Tally, metric: str, slice_: str, members: list[str]) -> Cell | None:
    found = table.judged(metric)
    own = [name for name in members if name in found]
    if not own:
        return None
    hits, of = table.arrays(metric, own)
    span = ratio_interval(hits, of, share=METRICS[metric].kind == "share")
    return Cell(
        metric=metric,
        slice=slice_,
        value=float(hits.sum() / of.sum()),
        low=span.low,
        high=span.high,
        scenarios=len(own),
        judged=sum(found[name].judged for name in own),
        hits=sum(found[name].hits for name in own),
        of=sum(found[name].of for name in own),
    )


def _reliability(table: Tally, slice_: str, members: list[str]) -> list[Reliability]:
    most = max((sums.judged for sums in table.judged("resolved").values()), default=0)
    rows = []
    for k in range(1, most + 1):
        hats = np.array(list(pass_hats(table, members, k).values()))
        if not len(hats):
            continue
        span: Interval = ratio_interval(hats, np.ones(len(hats)))
        rows.append(Reliability(k, slice_, float(hats.mean()), span.low, span.high, len(hats)))
    return rows


def _parity(table: Tally) -> list[Parity]:
    pairs = [pair for pair in twins(table.scenarios) if all(name in table.held for name in pair)]
    rows = []
    for metric in table.metrics():
        found, about = table.judged(metric), METRICS[metric]
        own = [pair for pair in pairs if any(name in found for name in pair)]
        english = table.arrays(metric, [en for en, _ in own])
        chinese = table.arrays(metric, [zh for _, zh in own])
        if not english[1].sum() or not chinese[1].sum():
            continue
        result = paired(*english, *chinese, better=about.better, share=about.kind == "share")
        sign = -1.0 if about.better == "higher" else 1.0
        low, high = sorted((sign * result.low, sign * result.high))
        rows.append(Parity(metric, result.a, result.b, result.b - result.a, low, high, result.p, len(own)))
    return rows


def _spread(table: Tally, metric: str, slice_: str, members: list[str]) -> Spread | None:
    found = table.judged(metric)
    values = [score.value for name in members if name in found for score in found[name].scores]
    if not values:
        return None
    return Spread(metric, slice_, quantile(values, 0.5), quantile(values, 0.9), len(values))


def _mishaps(run: Run) -> Mishaps:
    outcomes = Counter(attempt.outcome for attempt in run.attempts)
    problems = Counter(kind for attempt in run.attempts for kind in {p.kind for p in attempt.problems})
    return Mishaps(
        attempts=len(run.attempts),
        held=outcomes["held"],
        simulator_errors=outcomes["simulator_error"],
        infrastructure_errors=outcomes["infrastructure_error"],
        skipped=outcomes["skipped"],
        problems=dict(sorted(problems.items())),
    )
