"""How likely a window of a source says a statement: logistic regression over its measurements.

Coefficients and thresholds: ``agent/data/grounding_weights.json``, fitted by
``tools/fit_grounding.py`` on written answers and made-up ones of fictional shops.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import exp
from typing import Any

import numpy as np

from agent.grounding.features import FEATURES
from retrieval.vectors import Floats


@dataclass(frozen=True)
class Scorer:
    """Coefficients of one language.

    Attributes:
        threshold: From here on a statement is taken as said, when the exact rules agree.
        balanced: Where right and wrong are told apart best without the exact rules.
    """

    intercept: float
    coefficients: Floats
    threshold: float
    balanced: float

    def probability(self, measured: Floats) -> float:
        """0 to 1, for a row of ``FEATURES``."""
        return 1 / (1 + exp(-max(-60.0, min(60.0, self.intercept + float(measured @ self.coefficients)))))


@cache
def scorer(language: str) -> Scorer:
    """The scorer of ``en`` or ``zh``."""
    kept: dict[str, Any] = json.loads(
        files("agent").joinpath("data", "grounding_weights.json").read_text(encoding="utf-8")
    )[language]
    by_name: dict[str, float] = kept["coefficients"]
    return Scorer(
        intercept=kept["intercept"],
        coefficients=np.array([by_name[name] for name in FEATURES]),
        threshold=kept["threshold"],
        balanced=kept["balanced"],
    )
