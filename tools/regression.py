"""Logistic regression and what it is judged by, for the fitting tools."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LEAST_SPREAD = 1e-6
"""A column that hardly varies is not blown up by being standardised."""


def fit_logistic(x: Floats, y: Floats, weight: Floats, *, ridge: float) -> tuple[float, Floats]:
    """Intercept and coefficients for unscaled columns, by Newton's method.

    Args:
        x: One row an example.
        y: 1 or 0 for each.
        weight: Of each example.
        ridge: Penalty on the squared coefficients of standardised columns; the intercept is free.
    """
    mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), LEAST_SPREAD)
    design = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    penalty = np.diag([0.0] + [ridge] * x.shape[1])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        p = sigmoid(design @ found)
        gradient = design.T @ (weight * (y - p)) - penalty @ found
        hessian = (design.T * (weight * p * (1 - p))) @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        found += step
        if np.abs(step).max() < 1e-9:
            break
    slopes = found[1:] / spread
    return float(found[0] - slopes @ mean), slopes


def sigmoid(logits: Floats) -> Floats:
    """Probabilities; logits are cut off long before ``exp`` overflows."""
    p: Floats = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    return p


def auc(right: ArrayLike, wrong: ArrayLike) -> float:
    """Probability that one of ``right`` scores above one of ``wrong``; ties count half."""
    apart = np.asarray(right)[:, None] - np.asarray(wrong)[None, :]
    return float((apart > 0).mean() + 0.5 * (apart == 0).mean())
