"""Two versions held against each other, scenario by scenario."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evals.metrics import METRICS
from evals.records import Manifest, Run
from evals.scenario import Scenario
from evals.stats import Floats, Paired, paired
from evals.summary import pass_hats
from evals.tally import Sums, Tally, tally


class NotComparable(Exception):
    """The runs cannot be held against each other; the message says why and what to do."""


@dataclass(frozen=True)
class Difference:
    """One metric in one slice, both versions.

    Attributes:
        metric: Of ``evals.metrics``, or ``pass^2`` and up.
        difference: ``b - a``; ``low`` and ``high`` its 95 % interval.
        result: The paired result behind it, in which ``drop`` is positive when B is worse.
    """

    metric: str
    slice: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    result: Paired

    @property
    def p(self) -> float:
        """One-sided, of "B is not worse"."""
        return self.result.p


@dataclass(frozen=True)
class Flip:
    """A scenario that one version passes and the other does not.

    It passes a metric when more than half of its attempts have no miss. ``why`` and ``seqs``
    are of the first miss, at ``repeat`` of the version that fails.
    """

    scenario: str
    metric: str
    worse: bool
    """True for pass to fail, false for fail to pass."""
    why: str
    repeat: int
    seqs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """B (the candidate) against A (the base), over the scenarios that both held.

    Attributes:
        scenarios: Ids compared.
        only_a, only_b: Scenarios of one run alone.
        changed: In both runs, but not with the same content; not compared.
        lost_a, lost_b: In both runs, but never held in this one (errors, skipped); not compared.
        lost_metrics: Metric and slice where A was judged and B nowhere.
        warnings: What a reader should know before believing a figure.
    """

    a: Manifest
    b: Manifest
    scenarios: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    changed: tuple[str, ...]
    lost_a: tuple[str, ...]
    lost_b: tuple[str, ...]
    lost_metrics: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    differences: tuple[Difference, ...]
    flips: tuple[Flip, ...]

    def difference(self, metric: str, slice_: str = "all") -> Difference | None:
        """One row, or ``None`` where the metric was not judged in both runs."""
        return next((row for row in self.differences if (row.metric, row.slice) == (metric, slice_)), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self) | {"a": self.a.model_dump(mode="json"), "b": self.b.model_dump(mode="json")}


def compare(a: Run, b: Run) -> Comparison:
    """Compare run ``b`` with run ``a``.

    Raises:
        NotComparable: Formats or shoppers differ (the shopper is part of the yardstick: the same
            version scores many points apart with another one), or no scenario is in both.
        RunInvalid: The files of a run do not fit together.
    """
    one, two = tally(a), tally(b)
    _refuse(a.manifest, b.manifest)
    shared = sorted(one.scenarios.keys() & two.scenarios.keys())
    changed = [name for name in shared if _content(one.scenarios[name]) != _content(two.scenarios[name])]
    same = [name for name in shared if name not in set(changed)]
    lost_a = tuple(name for name in same if name not in one.held)
    lost_b = tuple(name for name in same if name not in two.held)
    held = tuple(name for name in same if name in one.held and name in two.held)
    if not held:
        raise NotComparable(
            f"{a.manifest.name} and {b.manifest.name} have no scenario in common that both held"
        )
    return Comparison(
        a=a.manifest,
        b=b.manifest,
        scenarios=held,
        only_a=tuple(sorted(one.scenarios.keys() - two.scenarios.keys())),
        only_b=tuple(sorted(two.scenarios.keys() - one.scenarios.keys())),
        changed=tuple(changed),
        lost_a=lost_a,
        lost_b=lost_b,
        lost_metrics=tuple(_lost_metrics(one, two, held)),
        warnings=tuple(_warnings(a.manifest, b.manifest, changed)),
        differences=tuple(_differences(one, two, held)),
        flips=tuple(_flips(one, two, held)),
    )


def _refuse(a: Manifest, b: Manifest) -> None:
    if a.version != b.version:
        raise NotComparable(
            f"{a.name} has format {a.version}, {b.name} has {b.version}: run the older one again"
        )
    if a.shopper != b.shopper:
        raise NotComparable(
            f"the shoppers were played by “{a.shopper}” in {a.name} and by “{b.shopper}” in {b.name}: "
            "run one of them again with the other's shopper"
        )


def _warnings(a: Manifest, b: Manifest, changed: list[str]) -> Iterator[str]:
    for field, title in (
        ("suite", "suites"),
        ("seed", "seeds"),
        ("repeats", "repeats"),
        ("target", "targets"),
    ):
        one, two = getattr(a, field), getattr(b, field)
        if one != two:
            yield f"the {title} differ: {one} in {a.name}, {two} in {b.name}"
    if changed:
        yield f"{len(changed)} scenarios were edited between the runs and are not compared"


def _content(scenario: Scenario) -> dict[str, Any]:
    """What a conversation and its judgement depend on; titles and groups may be edited freely."""
    return scenario.model_dump(exclude={"about", "area", "pair"})


def _members(table: Tally, held: tuple[str, ...]) -> dict[str, list[str]]:
    """The compared scenarios of each slice."""
    return {
        name: [scenario for scenario in held if name in table.scenarios[scenario].slices]
        for name in table.slices()
    }


def _lost_metrics(one: Tally, two: Tally, held: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for slice_, names in _members(one, held).items():
        for metric in one.metrics():
            if one.arrays(metric, names)[1].sum() and not two.arrays(metric, names)[1].sum():
                yield metric, slice_


def _differences(one: Tally, two: Tally, held: tuple[str, ...]) -> Iterator[Difference]:
    members = _members(one, held)
    for metric in one.metrics():
        about = METRICS[metric]
        first, second = one.judged(metric), two.judged(metric)
        for slice_, names in members.items():
            own = [name for name in names if name in first or name in second]
            a, b = one.arrays(metric, own), two.arrays(metric, own)
            if a[1].sum() and b[1].sum():
                result = paired(*a, *b, better=about.better, share=about.kind == "share")
                yield _difference(metric, slice_, result, lower=about.better == "lower")
    yield from _reliability(one, two, members)


def _reliability(one: Tally, two: Tally, members: dict[str, list[str]]) -> Iterator[Difference]:
    """pass^k from k = 2 on, as far as both runs were repeated (pass^1 is ``resolved``)."""
    most = min(max((s.judged for s in t.judged("resolved").values()), default=0) for t in (one, two))
    for k in range(2, most + 1):
        for slice_, names in members.items():
            a, b = pass_hats(one, names, k), pass_hats(two, names, k)
            both = sorted(a.keys() & b.keys())
            if both:
                ones: Floats = np.ones(len(both))
                first, second = np.array([a[n] for n in both]), np.array([b[n] for n in both])
                yield _difference(f"pass^{k}", slice_, paired(first, ones, second, ones), lower=False)


def _difference(metric: str, slice_: str, result: Paired, *, lower: bool) -> Difference:
    sign = 1.0 if lower else -1.0
    low, high = sorted((sign * result.low, sign * result.high))
    return Difference(metric, slice_, result.a, result.b, result.b - result.a, low, high, result)


def _flips(one: Tally, two: Tally, held: tuple[str, ...]) -> Iterator[Flip]:
    for metric in one.metrics():
        if METRICS[metric].kind != "share":
            continue
        first, second = one.judged(metric), two.judged(metric)
        for name in held:
            if name not in first or name not in second:
                continue
            before, after = _passes(first[name]), _passes(second[name])
            if before != after:
                failing = second[name] if before else first[name]
                miss = next(score for score in failing.scores if score.hits < score.of)
                yield Flip(name, metric, before, miss.why, miss.repeat, miss.seqs)


def _passes(sums: Sums) -> bool:
    return sums.passed * 2 > sums.judged
