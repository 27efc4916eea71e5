"""Intervals: known values, whole groups drawn, and statistics equal to scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from evals.benchmarks.intervals import auc_of, bootstrap, macro_f1_of, mean_of, measured, share, wilson


def test_wilson_is_the_textbook_interval() -> None:
    # 8 of 10: centre (0.8 + 0.192)/1.384, half width 0.2285 (z = 1.96).
    low, high = wilson(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=2e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_rows_of_a_group_stay_together() -> None:
    # Two groups of one value each: a mean is 0, a half or 1, and nothing between.
    values = [0.0] * 50 + [1.0] * 50
    together = bootstrap(mean_of(values), ["a"] * 50 + ["b"] * 50)
    apart = bootstrap(mean_of(values), range(100))
    assert together == (0.0, 1.0)
    assert 0.35 < apart[0] < 0.5 < apart[1] < 0.65


def test_one_group_has_no_interval() -> None:
    assert bootstrap(mean_of([1.0, 0.0]), ["a", "a"]) == (0.5, 0.5)


def test_macro_f1_is_that_of_scikit_learn_on_any_rows() -> None:
    random = np.random.default_rng(1)
    guess, label = random.integers(0, 3, 80), random.integers(0, 3, 80)
    rows = random.integers(0, 80, 80)
    expected = f1_score(label[rows], guess[rows], labels=[0, 1, 2], average="macro", zero_division=0)
    assert macro_f1_of(guess, label, [0, 1, 2])(rows) == pytest.approx(expected)


def test_auc_counts_ties_half_and_needs_both_classes() -> None:
    statistic = auc_of([0.1, 0.5, 0.5, 0.9], [False, False, True, True])
    assert statistic(np.arange(4)) == pytest.approx(0.875)
    assert np.isnan(statistic(np.array([0, 1])))
    assert measured("AUC", auc_of([1.0, 2.0], [True, True]), range(2)) is None


def test_nothing_has_no_share() -> None:
    assert share("hits", []) is None
    half = share("hits", [True, False])
    assert half is not None
    assert (half.value, half.n) == (0.5, 2)
