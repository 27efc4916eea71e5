"""May this version be released? Three ways to say no, each with its reason on one line.

A version is *blocked* by a single miss of a metric with zero tolerance, and by a drop of a
protected metric that chance does not explain. It is *unsure*, which is no release either, while
the evidence cannot exclude a drop larger than the margin: too few scenarios, too many
conversations without an outcome, or scenarios left out. So a version does not pass by being
measured badly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from evals.compare import Comparison, Difference, compare
from evals.metrics import METRICS
from evals.records import Run, Score
from evals.scenario import Record
from evals.stats import SWAPS, holm, least_half_width, smallest_drop
from evals.tally import tally

RULES = Path(__file__).parent / "data" / "gate.yaml"
"""The rules that are shipped."""

SHOWN = 10
"""Scenarios named for one reason; the rest is counted."""

POWER = 0.8
"""With which "can tell" is meant."""


class RulesInvalid(Exception):
    """A rules file that cannot be used; the message names the file and what is wrong."""


class Errors(Record):
    """Shares of attempts that may end without an outcome, 0 to 1."""

    simulator: float = Field(0.05, ge=0, le=1)
    infrastructure: float = Field(0.02, ge=0, le=1)


class Protect(Record):
    """Metrics that must not drop in these slices.

    Attributes:
        metric: Names of ``evals.metrics`` (shares), or ``pass^k`` for the largest k that both
            runs have.
        margin: Points of a drop that must be excluded; ``None``: only a significant drop counts.
    """

    metric: tuple[str, ...] = Field(min_length=1)
    slice: tuple[str, ...] = ("all",)
    margin: float | None = Field(None, gt=0, le=100)

    @field_validator("metric")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name != "pass^k" and (name not in METRICS or METRICS[name].kind != "share"):
                raise ValueError(f"{name} is no share among the metrics")
        return names


class Rules(Record):
    """What blocks a release.

    Attributes:
        alpha: Family-wise error of all drop tests together.
    """

    alpha: float = Field(0.01, gt=0, lt=0.5)
    errors: Errors = Errors()
    protect: tuple[Protect, ...] = ()


Level = Literal["blocked", "unsure", "note"]


@dataclass(frozen=True)
class Line:
    """One reason. ``note`` does not stop a release."""

    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level.upper()} {self.text}"


@dataclass(frozen=True)
class Verdict:
    """The decision, with the reasons in order of weight.

    Attributes:
        base: Name of the run compared with, empty when there was none.
    """

    candidate: str
    base: str
    lines: tuple[Line, ...]

    @property
    def level(self) -> Literal["passed", "blocked", "unsure"]:
        """The gravest of the lines."""
        levels = {line.level for line in self.lines}
        return "blocked" if "blocked" in levels else "unsure" if "unsure" in levels else "passed"

    @property
    def passed(self) -> bool:
        """Whether the version may be released."""
        return self.level == "passed"

    @property
    def exit_code(self) -> int:
        """0 passed, 1 blocked, 3 unsure (2 is left to wrong usage)."""
        return {"passed": 0, "blocked": 1, "unsure": 3}[self.level]

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self) | {"level": self.level, "passed": self.passed, "exit_code": self.exit_code}


def read_rules(path: Path = RULES) -> Rules:
    """Read a rules file.

    Raises:
        RulesInvalid: It is missing, is no YAML, or a field is wrong.
    """
    try:
        return Rules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RulesInvalid(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise RulesInvalid(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def gate(
    candidate: Run, base: Run | None = None, rules: Rules | None = None, comparison: Comparison | None = None
) -> Verdict:
    """Decide whether ``candidate`` may be released.

    Args:
        candidate: The version to release.
        base: The version in use. Without one (a first release) only zero tolerance and errors
            are judged, and a note says so.
        rules: ``read_rules()`` when not given.
        comparison: Of both runs, when it was made already.

    Raises:
        NotComparable: See ``evals.compare``.
        RunInvalid: The files of a run do not fit together.
    """
    rules = rules or read_rules()
    tally(candidate)  # its files fit together
    lines = [*_zero_tolerance(candidate), *_unjudged(candidate), *_errors(candidate, rules.errors)]
    if base is None:
        lines.append(Line("note", "there is no base: nothing was compared"))
    else:
        comparison = comparison or compare(base, candidate)
        lines += _left_out(comparison)
        lines += judge(comparison, rules, repeats=candidate.manifest.repeats)
        lines += [Line("note", warning) for warning in comparison.warnings]
    order: dict[Level, int] = {"blocked": 0, "unsure": 1, "note": 2}
    lines.sort(key=lambda line: order[line.level])
    return Verdict(candidate.manifest.name, base.manifest.name if base else "", tuple(lines))


def judge(comparison: Comparison, rules: Rules, *, repeats: int = 1) -> list[Line]:
    """Judge the drops alone: tests over all protected pairs together, then margins."""
    rows: list[tuple[str, str, float | None, Difference]] = []
    lines: list[Line] = []
    absent: list[str] = []
    for metric, slice_, margin in _protected(comparison, rules):
        row = comparison.difference(metric, slice_)
        if row is None and (metric, slice_) in comparison.lost_metrics:
            lines.append(
                Line("unsure", f"{_place(metric, slice_)}: judged in the base, nowhere in the candidate")
            )
        elif row is None:
            absent.append(_place(metric, slice_))
        else:
            rows.append((metric, slice_, margin, row))
    if absent:
        lines.append(Line("note", f"judged in neither run: {'; '.join(absent)}"))
    adjusted = holm([row.p for *_, row in rows])
    # Holm's first step decides how small the smallest p must be; "can tell" is meant at that level.
    alpha = rules.alpha / max(1, len(rows))
    if alpha < 1 / SWAPS:
        lines.append(
            Line(
                "unsure",
                f"{len(rows)} protected slices are too many for alpha {rules.alpha:g}; protect fewer",
            )
        )
    for (metric, slice_, margin, row), p in zip(rows, adjusted, strict=True):
        if p <= rules.alpha:
            lines.append(Line("blocked", f"{_place(metric, slice_)}: {_drop(row)}"))
        elif margin is not None and row.result.bound > margin / 100:
            lines.append(Line("unsure", f"{_place(metric, slice_)}: {_unsure(row, margin, alpha, repeats)}"))
    return lines


def _protected(comparison: Comparison, rules: Rules) -> Iterator[tuple[str, str, float | None]]:
    """Each protected pair once; a later rule for the same pair replaces the earlier."""
    found: dict[tuple[str, str], float | None] = {}
    hats = [row.metric for row in comparison.differences if row.metric.startswith("pass^")]
    most = max(hats, key=lambda name: int(name.removeprefix("pass^")), default="")
    for rule in rules.protect:
        for name in rule.metric:
            metric = most if name == "pass^k" else name
            for slice_ in rule.slice if metric else ():
                found[metric, slice_] = rule.margin
    for (metric, slice_), margin in found.items():
        yield metric, slice_, margin


def _zero_tolerance(run: Run) -> Iterator[Line]:
    """Misses of metrics with zero tolerance, in whatever conversation they were seen.

    Also where the simulated shopper erred later on: what leaked has leaked. Every conversation
    held must have been judged; one that was not could hide anything.
    """
    held = {(a.scenario, a.repeat) for a in run.attempts if a.outcome == "held"}
    for name, metric in METRICS.items():
        if not metric.zero_tolerance:
            continue
        scores = [score for score in run.scores if score.metric == name]
        unjudged = sorted(held - {(score.scenario, score.repeat) for score in scores})
        if unjudged:
            yield Line(
                "unsure", f"{name}: not judged in {_names([s for s, _ in unjudged])}; score the run again"
            )
        misses: dict[str, list[Score]] = defaultdict(list)
        for score in scores:
            if score.hits < score.of:
                misses[score.scenario].append(score)
        for scenario, found in list(misses.items())[:SHOWN]:
            count = sum(ceil(score.of - score.hits) for score in found)
            first = found[0]
            where = f"{scenario} ({_where(run, first)})"
            yield Line(
                "blocked",
                f"{name}: {_count(count, 'miss', 'misses')} in {where}: {first.why or 'no reason given'}",
            )
        if len(misses) > SHOWN:
            yield Line("blocked", f"{name}: and in {len(misses) - SHOWN} more scenarios")


def _where(run: Run, score: Score) -> str:
    """Repeat, turn and events of a miss, as far as they are known."""
    parts = [f"repeat {score.repeat}"] if run.manifest.repeats > 1 else []
    if score.seqs:
        attempt = next(a for a in run.attempts if (a.scenario, a.repeat) == (score.scenario, score.repeat))
        turn = sum(start <= score.seqs[0] for start in attempt.turns)
        parts += [f"turn {turn}"] if turn else []
        parts += [f"event {', '.join(map(str, score.seqs))}"]
    return ", ".join(parts) or "whole conversation"


def _unjudged(run: Run) -> Iterator[Line]:
    scored = {(score.scenario, score.repeat) for score in run.scores}
    held = [attempt for attempt in run.attempts if attempt.outcome == "held"]
    missing = [attempt.scenario for attempt in held if (attempt.scenario, attempt.repeat) not in scored]
    if not held:
        yield Line("unsure", "no conversation was held")
    if missing:
        yield Line("unsure", f"{_names(missing)} held but never scored; score the run again")


def _errors(run: Run, limits: Errors) -> Iterator[Line]:
    outcomes = Counter(attempt.outcome for attempt in run.attempts)
    all_ = len(run.attempts) - outcomes["skipped"]
    for outcome, limit, title in (
        ("simulator_error", limits.simulator, "simulator errors"),
        ("infrastructure_error", limits.infrastructure, "infrastructure errors"),
    ):
        count = outcomes[outcome]  # type: ignore[index]
        if all_ and count / all_ > limit:
            share = f"{count} of {all_} attempts ({100 * count / all_:.1f} %)"
            yield Line("unsure", f"{title}: {share} have no outcome, the limit is {100 * limit:g} %")
    if skipped := outcomes["skipped"]:
        yield Line("note", f"{skipped} attempts were skipped: what they test was not seen")


def _left_out(comparison: Comparison) -> Iterator[Line]:
    for names, text in (
        (comparison.only_a, "of the base are not in the candidate; run it on the whole suite"),
        (comparison.lost_b, "have no conversation that was held; run them again"),
        (comparison.changed, "were edited since the base was run; run the base again"),
    ):
        if names:
            yield Line("unsure", f"{_names(names)} {text}")
    for names, text in (
        (comparison.only_b, "are new and were not compared"),
        (comparison.lost_a, "were not held in the base and not compared"),
    ):
        if names:
            yield Line("note", f"{_names(names)} {text}")


def _drop(row: Difference) -> str:
    result = row.result
    span = f"95 % {100 * result.low:.1f} to {100 * result.high:.1f}"
    p = f"p < {0.0001}" if result.p < 0.0001 else f"p = {result.p:.4f}"
    return (
        f"{100 * row.b:.1f} % against {100 * row.a:.1f} %, drop {100 * result.drop:.1f} points ({span}), {p}; "
        f"{result.worse} scenarios worse, {result.better} better"
    )


def _unsure(row: Difference, margin: float, alpha: float, repeats: int) -> str:
    result = row.result
    more = "add scenarios" if repeats >= 4 else "run with --repeat 4 or add scenarios"
    seen = f"{100 * row.b:.1f} % against {100 * row.a:.1f} %"
    could = f"the drop could be up to {100 * result.bound:.1f} points"
    if least_half_width(result.scenarios) * 100 > margin:
        return (
            f"{_count(result.scenarios, 'scenario', 'scenarios')} can't tell a drop of {margin:g} points "
            f"({could}); add scenarios"
        )
    tells = f"drops from about {100 * smallest_drop(result.error, alpha, POWER):.0f} points on can be told"
    return (
        f"{seen}, {could} and {margin:g} is the margin; with "
        f"{_count(result.scenarios, 'scenario', 'scenarios')} {tells}; {more}"
    )


def _place(metric: str, slice_: str) -> str:
    return metric if slice_ == "all" else f"{metric}, {slice_}"


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _names(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    shown = ", ".join(unique[:SHOWN]) + (" …" if len(unique) > SHOWN else "")
    return f"{_count(len(unique), 'scenario', 'scenarios')} ({shown})"
