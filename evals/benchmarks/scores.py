"""Figures over probabilities and rankings, fast enough to draw a thousand times; NaN where undefined."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import rankdata

from evals.policy_value import RESAMPLES, SEED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

BINS = 10
"""Of the calibration error: tenths of the rows by predicted probability."""
FARTHEST = 1e4
"""A slope beyond this has no end: the outcome is ranked without a fault, or hardly anything differs."""


def draws(groups: Ints) -> Iterator[Ints]:
    """Rows of bootstrap samples, whole groups drawn with replacement."""
    order = np.argsort(groups, kind="stable")
    sizes = np.unique(groups, return_counts=True)[1]
    starts = np.cumsum(sizes) - sizes
    random = np.random.default_rng(SEED)
    for _ in range(RESAMPLES):
        picked = random.integers(0, len(sizes), len(sizes))
        lengths = sizes[picked]
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield order[np.repeat(starts[picked], lengths) + offsets]


def auc(score: Floats, truth: Flags) -> float:
    """How often one with the outcome scores above one without, ties half (Mann and Whitney 1947)."""
    ones = int(truth.sum())
    zeros = len(truth) - ones
    if not ones or not zeros:
        return math.nan
    return float((rankdata(score)[truth].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def average_precision(score: Floats, truth: Flags) -> float:
    """Precision averaged over the recall it is reached at; equal scores are taken together."""
    ones = int(truth.sum())
    if not ones:
        return math.nan
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(truth[order])[ends]
    return float(np.sum(np.diff(hits, prepend=0) / ones * hits / (ends + 1)))


def brier(chance: Floats, truth: Flags) -> float:
    """Mean squared error of probabilities (Brier 1950)."""
    return float(np.mean((chance - truth) ** 2))


def calibration_error(chance: Floats, truth: Flags) -> float:
    """Mean distance of predicted and seen share over tenths of the rows, in order of probability."""
    order = np.argsort(chance, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    return float(sum(abs(chance[part].sum() - truth[part].sum()) for part in parts) / len(order))


def calibration_slope(chance: Floats, truth: Flags) -> float:
    """Slope of a logistic regression of the outcome on the log-odds (Cox 1958); 1 is calibrated."""
    if truth.all() or not truth.any():
        return math.nan
    odds = logit(np.clip(chance, 1e-6, 1 - 1e-6))
    if not odds.std():
        return math.nan
    columns = np.column_stack([np.ones(len(odds)), odds])
    weights = np.array([0.0, 1.0])
    for _ in range(25):  # Newton's method; it needs about five
        fitted = expit(columns @ weights)
        slope = columns.T @ (truth - fitted)
        curve = (columns * (fitted * (1 - fitted))[:, None]).T @ columns
        try:
            step = np.linalg.solve(curve, slope)
        except np.linalg.LinAlgError:
            return math.nan
        weights += step
        if not np.all(np.abs(weights) < FARTHEST):
            break
        if np.abs(step).max() < 1e-8:
            return float(weights[1])
    return math.nan
