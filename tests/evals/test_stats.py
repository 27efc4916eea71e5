"""Intervals cover what they should, tests raise as few false alarms as they say."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.stats import (
    Floats,
    holm,
    least_half_width,
    mcnemar,
    newcombe,
    paired,
    pass_hat,
    ratio_interval,
    smallest_drop,
    swap_test,
    wilson,
)


def test_wilson_agrees_with_the_published_example() -> None:
    # Newcombe 1998, Stat. Med. 17:857-872, table I: 81/263, 15/148, 0/20 and 1/29.
    for hits, of, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        found = wilson(hits, of)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(("hits", "of"), [(1, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_has_no_interval(hits: int, of: int) -> None:
    with pytest.raises(ValueError, match="not a share"):
        wilson(hits, of)


@given(st.integers(1, 8), st.data())
def test_pass_hat_is_the_share_of_draws_that_all_pass(of: int, data: st.DataObject) -> None:
    passed, k = data.draw(st.integers(0, of)), data.draw(st.integers(1, of))
    outcomes = [True] * passed + [False] * (of - passed)
    drawn = list(combinations(outcomes, k))
    assert pass_hat(passed, of, k) == pytest.approx(sum(map(all, drawn)) / len(drawn))


def test_pass_hat_is_unbiased() -> None:
    chance, of, k = 0.7, 5, 3
    expected = sum(
        comb(of, c) * chance**c * (1 - chance) ** (of - c) * pass_hat(c, of, k) for c in range(of + 1)
    )
    assert expected == pytest.approx(chance**k)


def test_more_attempts_than_were_made_cannot_be_estimated() -> None:
    with pytest.raises(ValueError, match="no pass\\^4"):
        pass_hat(2, 3, 4)


def test_an_interval_over_claims_covers_as_often_as_it_says_though_claims_stick_together() -> None:
    rng = np.random.default_rng(3)
    covered = naive = 0
    for _ in range(300):
        of = rng.integers(1, 6, 60).astype(float)
        good = rng.random(60) < 0.8  # all claims of a scenario stand or fall together
        hits: Floats = of * good.astype(float)
        span = ratio_interval(hits, of, resamples=2000)
        covered += span.low <= 0.8 <= span.high
        flat = wilson(hits.sum(), of.sum())
        naive += flat.low <= 0.8 <= flat.high
    assert covered >= 0.91 * 300
    assert naive < 0.85 * 300  # counted claim by claim it would claim too much


def test_an_interval_is_not_a_point_when_all_is_well() -> None:
    of: Floats = np.full(20, 3.0)
    assert ratio_interval(of, of).low == pytest.approx(wilson(20, 20).low)
    assert ratio_interval(np.zeros(20), of).high == pytest.approx(wilson(0, 20).high)


def test_seconds_have_an_interval_around_their_mean() -> None:
    seconds: Floats = np.arange(1.0, 41.0, dtype=np.float64)
    span = ratio_interval(seconds, np.ones(40), share=False)
    assert 1 < span.low < 20.5 < span.high < 40


def test_mcnemar_is_the_sign_test() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 0) == 1 / 32
    assert mcnemar(0, 5) == 1
    assert mcnemar(7, 3) == pytest.approx(176 / 1024)


@given(st.integers(0, 7), st.integers(0, 6), st.integers(0, 20))
def test_swapping_labels_of_yes_or_no_is_mcnemar(worse: int, better: int, same: int) -> None:
    a = np.array([1.0] * worse + [0.0] * better + [1.0] * same + [1.0])
    b = np.array([0.0] * worse + [1.0] * better + [1.0] * same + [1.0])
    ones = np.ones(len(a))
    assert swap_test(a, ones, b, ones) == pytest.approx(mcnemar(worse, better))


def test_swapping_labels_raises_no_more_false_alarms_than_it_says() -> None:
    rng = np.random.default_rng(5)
    ps = []
    for _ in range(300):
        of = rng.integers(1, 5, 40).astype(float)
        ps.append(
            swap_test(
                rng.binomial(of.astype(int), 0.8).astype(float),
                of,
                rng.binomial(of.astype(int), 0.8).astype(float),
                of,
            )
        )
    assert np.mean(np.array(ps) <= 0.05) < 0.09
    assert 0.4 < np.mean(ps) < 0.65


def test_newcombe_covers_the_true_difference() -> None:
    rng = np.random.default_rng(7)
    both, first, second, neither = 0.80, 0.10, 0.02, 0.08
    covered = 0
    for cells in rng.multinomial(130, [both, first, second, neither], size=2000):
        span = newcombe(*(int(c) for c in cells))
        covered += span.low <= first - second <= span.high
    assert 0.93 <= covered / 2000 <= 0.99


def test_newcombe_turned_round_is_the_same_turned_round() -> None:
    one, two = newcombe(30, 8, 3, 9), newcombe(30, 3, 8, 9)
    assert one.low == pytest.approx(-two.high)
    assert one.high == pytest.approx(-two.low)


@pytest.mark.parametrize("claims", [1.0, 3.0])
def test_two_equal_runs_do_not_prove_that_nothing_was_lost(claims: float) -> None:
    of = np.full(14, claims)
    same = paired(of, of, of, of)
    assert same.drop == 0
    assert same.p == 1
    assert same.bound == pytest.approx(1 - 0.05 ** (1 / 14))  # 19 points
    assert same.low == pytest.approx(-same.high)


@given(st.integers(1, 1000))
def test_the_rule_of_three(scenarios: int) -> None:
    assert (1 - least_half_width(scenarios)) ** scenarios == pytest.approx(0.05)


@pytest.mark.parametrize("claims", [1, 3])
def test_the_bound_of_a_drop_is_exceeded_as_rarely_as_it_says(claims: int) -> None:
    rng = np.random.default_rng(11)
    exceeded = 0
    for _ in range(400):
        luck = rng.random((130, claims))
        a = (luck < 0.9).sum(1).astype(float)
        b = ((luck < 0.83) | ((luck > 0.95) & (luck < 0.97))).sum(1).astype(float)  # 7 worse, 2 better
        of = np.full(130, float(claims))
        exceeded += paired(a, of, b, of, resamples=2000).bound < 0.05
    assert exceeded / 400 <= 0.08


def test_a_version_that_acts_where_it_must_not_loses_precision() -> None:
    """The hand-overs that are wrong happen in scenarios where the base has none to compare."""
    made = np.array([1.0] * 20 + [0.0] * 20)
    extra = np.ones(40)
    result = paired(made, made, made, extra)
    assert (result.a, result.b) == (1.0, 0.5)
    assert result.p < 0.001
    assert result.low > 0.3


def test_where_lower_is_better_a_rise_is_a_drop() -> None:
    rng = np.random.default_rng(2)
    before = rng.gamma(4, 1, 60)
    ones = np.ones(60)
    result = paired(before, ones, before + 1, ones, better="lower", share=False)
    assert result.drop == pytest.approx(1)
    assert result.worse == 60
    assert result.p < 0.001


def test_nothing_judged_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="nothing was judged"):
        paired(np.ones(3), np.ones(3), np.zeros(3), np.zeros(3))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_the_smallest_drop_is_found_as_often_as_said() -> None:
    rng = np.random.default_rng(13)
    drop = smallest_drop(1.0, alpha=0.01)
    found = rng.normal(drop, 1.0, 20_000) > 2.3263
    assert np.mean(found) == pytest.approx(0.8, abs=0.01)


def test_the_same_data_gives_the_same_figures() -> None:
    rng = np.random.default_rng(1)
    of = rng.integers(1, 4, 50).astype(float)
    hits = np.floor(of * rng.random(50))
    assert paired(of, of, hits, of) == paired(of, of, hits, of)
    assert paired(of, of, hits, of) != paired(of, of, hits, of, seed=1)
