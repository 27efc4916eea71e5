"""BG/NBD: how many more purchases to expect of a customer, from when they bought before.

Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the
Pareto/NBD Model, Marketing Science 24(2), 275-284. While alive a customer buys as a Poisson
process; after each purchase they are lost with some chance. Rates vary over customers as a gamma
(shape ``r``, rate ``alpha``), chances as a beta distribution (``a``, ``b``).

The probability of being alive is from Fader, Hardie and Lee (2008), Computing P(alive) Using the
BG/NBD Model, brucehardie.com/notes/021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

Floats = NDArray[np.float64]

STARTS = ((0.5, 1.0, 1.0, 2.0), (1.0, 5.0, 1.0, 1.0), (0.2, 0.3, 0.5, 3.0))
"""Where the search begins (``alpha`` in mean observed times): the likelihood has one broad top,
and beginning at three places shows a search that got stuck."""
LARGEST = 12.0
"""Bound of the logarithm of a parameter; beyond it a distribution is a point."""
NEAR_ONE = 1e-7
"""Equation 10 divides by ``a`` - 1, and has a limit there."""
STEP = 1e-3
"""Of the second differences, in logarithms of the parameters."""
Z95 = 1.959963984540054


class NotFitted(Exception):
    """The likelihood has no top within the bounds: too few customers came back."""


@dataclass(frozen=True)
class Customers:
    """What is known about each customer, in one unit of time (weeks, say).

    Attributes:
        repeats: Purchases after the first.
        last: Time from the first purchase to the last; 0 without a repeat.
        observed: Time from the first purchase to the end of what is known.
    """

    repeats: Floats
    last: Floats
    observed: Floats

    @classmethod
    def of(cls, repeats: ArrayLike, last: ArrayLike, observed: ArrayLike) -> Customers:
        """Check and take the columns; raises ``ValueError`` when they contradict each other."""
        x, t, end = (np.asarray(one, np.float64) for one in (repeats, last, observed))
        if not len(x) or not x.shape == t.shape == end.shape:
            raise ValueError("three columns of one length are needed")
        if not np.all((x >= 0) & (x == np.round(x)) & (t >= 0) & (t <= end) & (end > 0)):
            raise ValueError("repeats count from 0, and 0 <= last <= observed")
        if np.any((x == 0) != (t == 0)):
            raise ValueError("the last purchase is at time 0 exactly when there was no repeat")
        return cls(x, t, end)

    def __len__(self) -> int:
        return len(self.repeats)


@dataclass(frozen=True)
class BgNbd:
    """A fitted model.

    Attributes:
        log_likelihood: Of the customers it was fitted on.
        intervals: 95 % interval of each parameter (observed information, on the logarithm).
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    intervals: dict[str, tuple[float, float]]

    def alive(self, customers: Customers) -> Floats:
        """Probability that each customer has not been lost; 1 without a repeat purchase, by the model."""
        x = customers.repeats
        odds_lost = np.exp(
            (self.r + x) * np.log((self.alpha + customers.observed) / (self.alpha + customers.last))
        ) * np.where(x > 0, self.a / (self.b + np.maximum(x, 1) - 1), 0.0)
        return np.asarray(1 / (1 + odds_lost))

    def expected(self, customers: Customers, time: float) -> Floats:
        """Purchases to expect in the next ``time`` (equation 10).

        The hypergeometric function is taken after Euler's transformation (Abramowitz and Stegun
        15.3.3): its parameters then stay small, and nothing overflows for frequent buyers.
        """
        x = customers.repeats
        a = self.a if abs(self.a - 1) > NEAR_ONE else 1 + NEAR_ONE
        total = self.alpha + customers.observed + time
        kept = (self.alpha + customers.observed) / total
        series = hyp2f1(a + self.b - 1 - self.r, a - 1, a + self.b + x - 1, time / total)
        while_alive = (a + self.b + x - 1) / (a - 1) * (1 - kept ** (a - 1) * series)
        return np.asarray(while_alive * self.alive(customers))

    def buys_again(self, customers: Customers, time: float) -> Floats:
        """Probability of at least one purchase in the next ``time``.

        Alive, and a gamma-Poisson count above 0: given that the customer is alive, the rate is
        gamma with shape r + x and rate alpha + T.
        """
        total = self.alpha + customers.observed
        none = (total / (total + time)) ** (self.r + customers.repeats)
        return np.asarray(self.alive(customers) * (1 - none))


def log_likelihood(parameters: ArrayLike, customers: Customers, counts: ArrayLike = 1.0) -> float:
    """Log-likelihood of (r, alpha, a, b) (equation 6, in the four parts of section 7)."""
    r, alpha, a, b = np.asarray(parameters, np.float64)
    x = customers.repeats
    purchases = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    kept = betaln(a, b + x) - betaln(a, b)
    alive = -(r + x) * np.log(alpha + customers.observed)
    lost = np.where(
        x > 0,
        np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + customers.last),
        -np.inf,
    )
    return float(np.sum(np.asarray(counts) * (purchases + kept + np.logaddexp(alive, lost))))


def fit(customers: Customers) -> BgNbd:
    """Fit by maximum likelihood.

    Raises ``NotFitted`` when nobody came back, or the best parameters lie at a bound.
    """
    if not np.any(customers.repeats > 0):
        raise NotFitted("no customer bought again")
    # Many customers have the same three numbers; each is worked out once.
    rows = np.column_stack([customers.repeats, customers.last, customers.observed])
    different, counts = np.unique(rows, axis=0, return_counts=True)
    once = Customers(different[:, 0], different[:, 1], different[:, 2])
    scale = float(customers.observed.mean())

    def loss(logs: Floats) -> float:
        return -log_likelihood(np.exp(logs), once, counts) / len(customers)

    best = min(
        (
            minimize(
                loss,
                np.log(np.array(start) * np.array([1.0, scale, 1.0, 1.0])),
                method="L-BFGS-B",
                bounds=[(-LARGEST, LARGEST)] * 4,
                options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 2000, "maxfun": 20000},
            )
            for start in STARTS
        ),
        key=lambda found: float(found.fun),
    )
    logs = np.asarray(best.x, np.float64)
    if np.any(np.abs(logs) > LARGEST - 0.01):
        raise NotFitted("the likelihood grows towards a bound: too few customers, or all alike")
    r, alpha, a, b = (float(value) for value in np.exp(logs))
    top = log_likelihood((r, alpha, a, b), once, counts)
    errors = _standard_errors(logs, once, counts)
    names = ("r", "alpha", "a", "b")
    intervals = {
        name: (float(np.exp(log - Z95 * error)), float(np.exp(log + Z95 * error)))
        for name, log, error in zip(names, logs, errors, strict=True)
    }
    return BgNbd(r, alpha, a, b, top, intervals)


def _standard_errors(logs: Floats, customers: Customers, counts: NDArray[np.int64]) -> Floats:
    """Of the parameters' logarithms, by the second differences of the log-likelihood."""
    steps = np.eye(len(logs)) * STEP

    def at(point: Floats) -> float:
        return log_likelihood(np.exp(point), customers, counts)

    information = np.array(
        [
            [
                -(at(logs + one + two) - at(logs + one - two) - at(logs - one + two) + at(logs - one - two))
                / (4 * STEP**2)
                for two in steps
            ]
            for one in steps
        ]
    )
    try:
        variances = np.diag(np.linalg.inv(information))
    except np.linalg.LinAlgError:
        raise NotFitted("the parameters cannot be told apart by these customers") from None
    if np.any(variances <= 0):
        raise NotFitted("the parameters cannot be told apart by these customers")
    return np.asarray(np.sqrt(variances))
