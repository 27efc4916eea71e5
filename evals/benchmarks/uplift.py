"""How well a ranking finds those whom a treatment moves: the Qini curve and what it amounts to.

Radcliffe (2007), Using Control Groups to Target on Predicted Lift, Direct Marketing Analytics J.;
the area under the uplift curve after Gutierrez and Gerardy (2017), PMLR 67, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Ranking:
    """Outcomes in order of predicted uplift, best first, equal predictions taken together.

    Works out its figures for a bootstrap sample without sorting again.
    """

    treated: Flags
    outcome: Floats
    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Places in ``order`` where a run of equal predictions ends."""

    @classmethod
    def of(cls, uplift: Floats, treated: Flags, outcome: Floats) -> Ranking:
        """Sort by ``uplift``; raises ``ValueError`` when one of the two groups is empty."""
        if treated.all() or not treated.any():
            raise ValueError("a treated and an untreated group are needed")
        order = np.argsort(-uplift, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(uplift[order])), len(uplift) - 1)
        return cls(treated[order], outcome[order], order, ends)

    def qini(self, counts: Floats | None = None) -> float:
        """Outcomes won by targeting in this order instead of at random, per treated customer.

        The mean over all sizes of the target group of: outcomes of its treated, less those of its
        untreated scaled to as many, less the same of a random group; over all treated. 0 for a
        random ranking, negative for one that is upside down.

        Args:
            counts: How often each row was drawn, 1 if not given.
        """
        part, won_treated, won_rest, treated, rest = self._sums(counts)
        scale = np.divide(treated, rest, out=np.zeros_like(treated), where=rest > 0)
        gain = (won_treated - won_rest * scale) / treated[-1]
        return float(np.trapezoid(gain - part * gain[-1], part))

    def auuc(self, counts: Floats | None = None) -> float:
        """Area under (treated rate - untreated rate) x share targeted; half the mean effect by chance."""
        part, won_treated, won_rest, treated, rest = self._sums(counts)
        rate = np.divide(won_treated, treated, out=np.zeros_like(treated), where=treated > 0)
        other = np.divide(won_rest, rest, out=np.zeros_like(rest), where=rest > 0)
        return float(np.trapezoid((rate - other) * part, part))

    def _sums(self, counts: Floats | None) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        weight = np.ones(len(self.order)) if counts is None else counts[self.order]
        treated = weight * self.treated

        def at_ends(values: Floats) -> Floats:
            return np.concatenate([[0.0], np.cumsum(values)[self.ends]])

        drawn = at_ends(weight)
        return (
            drawn / drawn[-1],
            at_ends(treated * self.outcome),
            at_ends((weight - treated) * self.outcome),
            at_ends(treated),
            at_ends(weight - treated),
        )
