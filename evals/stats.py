"""Intervals and paired tests for scored conversations: few scenarios, many claims, rare misses.

The unit that is drawn, paired and resampled is always the scenario: repeats and claims of one
scenario resemble each other, and counted one by one they would feign certainty. All random
steps are seeded, so that the same run gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
"""Of intervals that are shown (two-sided) and of bounds that decide (one-sided)."""

RESAMPLES = 10_000
"""Of a bootstrap: the ends of a 95 % interval are then stable to about a tenth of its width."""

SWAPS = 20_000
"""Random relabellings of a permutation test; the least p it can give is 1 / 20,001."""

FEW = 5
"""With fewer differing scenarios than this, resampling has next to nothing to draw on."""

ENUMERATED = 13
"""Up to so many differing scenarios all 2^n relabellings are tried, and p is exact."""


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """Two versions on the same scenarios. ``drop`` is how much worse the second one is.

    Attributes:
        a, b: The metric of each version.
        drop: ``a - b`` where higher is better, ``b - a`` where lower is.
        low, high: Two-sided 95 % interval of ``drop``.
        bound: One-sided upper 95 % bound of ``drop``: "at worst so much".
        error: Standard error of ``drop``.
        p: One-sided, of "the second is not worse".
        scenarios: That were compared.
        worse, better: Scenarios in which the second version did worse, and better.
    """

    a: float
    b: float
    drop: float
    low: float
    high: float
    bound: float
    error: float
    p: float
    scenarios: int
    worse: int
    better: int


def wilson(hits: float, of: float, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22:209-212).

    Unlike the textbook interval it has a width at 0 and at 1, where good metrics live.
    """
    if of <= 0 or not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of} is not a share")
    z = _z(confidence)
    share, scale = hits / of, 1 + z * z / of
    centre = (share + z * z / (2 * of)) / scale
    half = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / scale
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == of else min(1.0, centre + half)
    return Interval(low, high)


def pass_hat(passed: int, of: int, k: int) -> float:
    """Chance that ``k`` further attempts all pass, estimated from ``passed`` of ``of``.

    ``C(c, k) / C(n, k)``, unbiased; the mean over scenarios is pass^k
    (Yao et al. 2024, tau-bench, arXiv 2406.12045, section 3).
    """
    if not 0 <= passed <= of or not 1 <= k <= of:
        raise ValueError(f"no pass^{k} from {passed} of {of}")
    return comb(passed, k) / comb(of, k)


def ratio_interval(
    hits: Floats,
    of: Floats,
    *,
    share: bool = True,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Interval of ``sum(hits) / sum(of)``, one entry per scenario.

    Scenarios are resampled whole (cluster bootstrap, percentiles; Field & Welsh 2007,
    J. R. Stat. Soc. B 69:369-390). Two cases have a better answer: one yes-or-no judgement per
    scenario is Wilson's; and where a share is 0 or 1 throughout, every resample is alike and the
    bootstrap would claim certainty, so that Wilson's over the number of scenarios stands in
    (as if the claims of a scenario were one).
    """
    total_of = float(of.sum())
    if total_of <= 0:
        raise ValueError("nothing was judged")
    judged = int((of > 0).sum())
    if share:
        value = float(hits.sum()) / total_of
        if _yes_or_no(hits, of):
            return wilson(float(hits.sum()), total_of, confidence)
        if value <= 0 or value >= 1:
            return wilson(value * judged, judged, confidence)
    sums = _weights(len(of), resamples, seed) @ np.stack([hits, of], axis=1).astype(np.float32)
    sums = sums[sums[:, 1] > 0]
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def paired(
    hits_a: Floats,
    of_a: Floats,
    hits_b: Floats,
    of_b: Floats,
    *,
    better: Literal["higher", "lower"] = "higher",
    share: bool = True,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Paired:
    """Compare ``sum(hits) / sum(of)`` of two versions; entry i of each array is scenario i.

    ``of`` may be 0 on one side (a version that brought in a person where the other did not):
    the scenario then counts for the side that has it, which is what a precision needs.

    One yes-or-no judgement per scenario and version: exact McNemar test and Newcombe's interval.
    Else: label-swap permutation test and cluster bootstrap. Both intervals shrink to a point when
    hardly a scenario differs; a share's half-width is then at least the rule of three over the
    scenarios, see ``least_half_width``.
    """
    n = len(of_a)
    if not n or of_a.sum() <= 0 or of_b.sum() <= 0:
        raise ValueError("nothing was judged on one side")
    sign = 1.0 if better == "higher" else -1.0
    a, b = float(hits_a.sum() / of_a.sum()), float(hits_b.sum() / of_b.sum())
    drop = sign * (a - b)
    both = (of_a > 0) & (of_b > 0)
    change = sign * (hits_a[both] / of_a[both] - hits_b[both] / of_b[both])
    worse, improved = int((change > 1e-9).sum()), int((change < -1e-9).sum())
    one_sided = 2 * confidence - 1
    """The confidence of the two-sided interval whose upper end is the one-sided bound."""
    if share and better == "higher" and _yes_or_no(hits_a, of_a) and _yes_or_no(hits_b, of_b) and both.all():
        passed = int((hits_a * hits_b).sum())
        shown = newcombe(passed, worse, improved, n - passed - worse - improved, confidence)
        bound = newcombe(passed, worse, improved, n - passed - worse - improved, one_sided).high
        error = sqrt(worse + improved - (worse - improved) ** 2 / n) / n
        p = mcnemar(worse, improved)
    else:
        sums = _weights(n, resamples, seed) @ np.stack([hits_a, of_a, hits_b, of_b], axis=1).astype(
            np.float32
        )
        sums = sums[(sums[:, 1] > 0) & (sums[:, 3] > 0)]
        drops = sign * (sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3])
        low, high, upper = np.quantile(drops, [(1 - confidence) / 2, (1 + confidence) / 2, confidence])
        shown, bound, error = Interval(float(low), float(high)), float(upper), float(drops.std())
        p = swap_test(hits_a, of_a, hits_b, of_b, sign=sign, seed=seed)
    alone = ~both & ((hits_a < of_a) | (hits_b < of_b))
    if share and worse + improved + int(alone.sum()) < FEW:
        least = least_half_width(n, (1 + confidence) / 2)
        shown = Interval(min(shown.low, drop - least), max(shown.high, drop + least))
        bound = max(bound, drop + least_half_width(n, confidence))
        error = max(error, least_half_width(n, confidence) / NormalDist().inv_cdf(confidence))
        shown, bound = Interval(max(-1.0, shown.low), min(1.0, shown.high)), min(1.0, bound)
    return Paired(a, b, drop, shown.low, shown.high, bound, error, p, n, worse, improved)


def least_half_width(scenarios: int, confidence: float = CONFIDENCE) -> float:
    """What can still be hidden when nothing was seen in so many scenarios: about ``3 / n``.

    The exact rule of three, ``1 - (1 - confidence)^(1/n)`` (Hanley & Lippman-Hand 1983, JAMA
    249:1743-1745). Two equal runs of 14 scenarios do not exclude a drop of 19 points.
    """
    return float(1 - (1 - confidence) ** (1 / scenarios))


def newcombe(both: int, first: int, second: int, neither: int, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a difference of paired shares, first minus second.

    Method 10 of Newcombe 1998 (Stat. Med. 17:2635-2650): Wilson's limits of both shares, joined
    with their correlation.

    Args:
        both: Scenarios passed by both versions.
        first: Passed by the first alone.
        second: Passed by the second alone.
        neither: Passed by none.
        confidence: Two-sided.
    """
    n = both + first + second + neither
    one, two = wilson(both + first, n, confidence), wilson(both + second, n, confidence)
    share_one, share_two = (both + first) / n, (both + second) / n
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    product = both * neither - first * second
    if product > 0:
        product = max(product - n / 2, 0)  # type: ignore[assignment]
    correlation = product / sqrt(margins) if margins else 0.0

    def joined(x: float, y: float) -> float:
        return sqrt(max(0.0, x * x - 2 * correlation * x * y + y * y))

    difference = share_one - share_two
    return Interval(
        difference - joined(share_one - one.low, two.high - share_two),
        difference + joined(share_two - two.low, one.high - share_one),
    )


def mcnemar(worse: int, better: int) -> float:
    """One-sided exact p of "not worse": so many or more of the changed scenarios got worse.

    The sign test on discordant pairs (McNemar 1947, Psychometrika 12:153-157, in its exact form).
    """
    changed = worse + better
    return sum(comb(changed, i) for i in range(worse, changed + 1)) / int(2**changed)


def swap_test(
    hits_a: Floats, of_a: Floats, hits_b: Floats, of_b: Floats, *, sign: float = 1.0, seed: int = 0
) -> float:
    """One-sided p of "not worse", by swapping the versions' labels scenario by scenario.

    Were the versions alike, each scenario's two results could as well have come the other way
    round (Fisher's randomisation test; for equal ``of`` it is the sign-flip test on scenario
    means). Exact for few differing scenarios, else from random swaps with the observed one
    counted in (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39).
    """
    differs = (hits_a != hits_b) | (of_a != of_b)
    changed = int(differs.sum())
    if changed == 0:
        return 1.0
    hits, of = hits_b[differs] - hits_a[differs], of_b[differs] - of_a[differs]
    exact = changed <= ENUMERATED
    swapped = _all_swaps(changed) if exact else _some_swaps(-(-changed // 64) * 64, seed)[:, :changed]
    move = swapped @ np.stack([hits, of], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        drops = sign * (
            (hits_a.sum() + move[:, 0]) / (of_a.sum() + move[:, 1])
            - (hits_b.sum() - move[:, 0]) / (of_b.sum() - move[:, 1])
        )
    observed = sign * (hits_a.sum() / of_a.sum() - hits_b.sum() / of_b.sum())
    # A relabelling that leaves one side with nothing judged counts against the finding.
    extreme = int((~(drops < observed - 1e-9)).sum())
    tried = len(drops)
    return extreme / tried if exact else (extreme + 1) / (tried + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the chance of any false alarm (Holm 1979, Scand. J. Stat. 6:65-70)."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = largest
    return adjusted


def smallest_drop(error: float, alpha: float, power: float = 0.8) -> float:
    """Smallest true drop that a one-sided test at ``alpha`` finds with ``power``.

    By the normal approximation, ``(z_alpha + z_power) * error``; ``error`` is the standard error.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) * error


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _yes_or_no(hits: Floats, of: Floats) -> bool:
    return bool(np.isin(of, (0.0, 1.0)).all() and np.isin(hits, (0.0, 1.0)).all())


@lru_cache(maxsize=4)
def _weights(n: int, resamples: int, seed: int) -> NDArray[np.float32]:
    """How often each of ``n`` scenarios is drawn in each resample."""
    drawn = np.random.default_rng([seed, n]).integers(0, n, size=(resamples, n))
    places = drawn + np.arange(resamples)[:, None] * n
    return np.bincount(places.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float32)


@lru_cache(maxsize=ENUMERATED)
def _all_swaps(n: int) -> Floats:
    """Every row of ``n`` zeros and ones: which scenarios swap their labels."""
    bits: NDArray[np.int64] = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return bits.astype(np.float64)


@lru_cache(maxsize=4)
def _some_swaps(n: int, seed: int) -> Floats:
    """Random rows of zeros and ones; kept for rounded ``n``, of which the caller takes a part."""
    return (np.random.default_rng([seed, n]).random((SWAPS, n)) < 0.5).astype(np.float64)
