"""Figures with 95 % intervals: Wilson's for plain shares, a cluster bootstrap for the rest.

Rows that belong together (two responses to one dialogue, turns of one conversation) are drawn
together, since their errors are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from evals.benchmarks.report import Anchor, Figure

RESAMPLES = 1000
SEED = 20260301
LEVEL = 0.95

Rows = NDArray[np.int64]
Statistic = Callable[[Rows], float]
"""A figure over the rows with these numbers; ``nan`` where it is not defined."""


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927); 0 to 1 when there is nothing."""
    if of == 0:
        return 0.0, 1.0
    interval = binomtest(hits, of).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(
    statistic: Statistic, groups: Sequence[Hashable], *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """95 % percentile interval, whole groups drawn with replacement (Efron and Tibshirani 1993, 13.3).

    Draws for which the statistic is not defined (only one class left) are passed over; with one
    group, or none defined, the interval is the value itself.
    """
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    whole = statistic(np.arange(len(groups)))
    if len(members) < 2:
        return whole, whole
    parts = [np.array(rows, np.int64) for rows in members.values()]
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        picked = random.integers(0, len(parts), len(parts))
        value = statistic(np.concatenate([parts[group] for group in picked]))
        if not np.isnan(value):
            drawn.append(value)
    if not drawn:
        return whole, whole
    edge = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(drawn, [edge, 100 - edge])
    return float(low), float(high)


def share(
    name: str,
    hits: Iterable[bool],
    *,
    slice: str = "",
    anchors: Sequence[Anchor] = (),
    better: str = "higher",
) -> Figure | None:
    """The share of independent rows that hit, or ``None`` over no rows."""
    flags = list(hits)
    if not flags:
        return None
    low, high = wilson(sum(flags), len(flags))
    return Figure(name, sum(flags) / len(flags), low, high, len(flags), slice, tuple(anchors), better)


def measured(
    name: str,
    statistic: Statistic,
    groups: Sequence[Hashable],
    *,
    slice: str = "",
    anchors: Sequence[Anchor] = (),
    better: str = "higher",
    n: int | None = None,
) -> Figure | None:
    """A figure with its cluster-bootstrap interval, or ``None`` where it is not defined.

    Args:
        groups: The group of each row; its length is the number of rows.
        n: What the figure is said to be over, the rows by default.
    """
    if not groups:
        return None
    value = statistic(np.arange(len(groups)))
    if np.isnan(value):
        return None
    low, high = bootstrap(statistic, groups)
    return Figure(name, value, low, high, len(groups) if n is None else n, slice, tuple(anchors), better)


def mean_of(values: ArrayLike) -> Statistic:
    """The mean of a value per row."""
    array = np.asarray(values, np.float64)
    return lambda rows: float(array[rows].mean())


def auc_of(scores: ArrayLike, positive: ArrayLike) -> Statistic:
    """Area under the ROC curve: how often a positive row scores above a negative one, ties half."""
    from sklearn.metrics import roc_auc_score

    value, label = np.asarray(scores, np.float64), np.asarray(positive, bool)

    def statistic(rows: Rows) -> float:
        seen = label[rows]
        if seen.all() or not seen.any():
            return float("nan")
        return float(roc_auc_score(seen, value[rows]))

    return statistic


def macro_f1_of(guesses: ArrayLike, labels: ArrayLike, classes: Sequence[Any]) -> Statistic:
    """Mean F1 over ``classes``; a class that is neither there nor guessed counts 0.

    As ``sklearn.metrics.f1_score``, which is too slow to be drawn a thousand times.
    """
    guess, label = np.asarray(guesses), np.asarray(labels)
    guessed = np.stack([guess == name for name in classes]).astype(np.float64)
    there = np.stack([label == name for name in classes]).astype(np.float64)
    twice, either = 2 * guessed * there, guessed + there

    def statistic(rows: Rows) -> float:
        weight = np.bincount(rows, minlength=len(label)).astype(np.float64)
        below = either @ weight
        return float(np.divide(twice @ weight, below, out=np.zeros(len(classes)), where=below > 0).mean())

    return statistic


def kept(*figures: Figure | None) -> tuple[Figure, ...]:
    """The figures that could be given."""
    return tuple(figure for figure in figures if figure is not None)
