"""Logistic regression, also of orders, and what it is judged by, for the fitting tools."""

from __future__ import annotations

from collections.abc import Sequence

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


def fit_ranking(given: Sequence[tuple[Floats, NDArray[np.bool_]]], *, ridge: float = 0.1) -> Floats:
    """Weights for unscaled columns that put what is right before what is not, by Newton's method.

    RankNet's loss with a linear score (Burges et al., 2005): a logistic regression on the differences
    of a right and a wrong row of one group. Every group weighs the same.

    Args:
        given: Of each group its rows, and which of them are right.
        ridge: Penalty on the squared weights of scaled columns, beside one for each group.
    """
    differences, shares = [], []
    for rows, right in given:
        pairs = (rows[right][:, None] - rows[~right][None]).reshape(-1, rows.shape[1])
        differences.append(pairs)
        shares.append(np.full(len(pairs), 1 / max(1, len(pairs))))
    x, share = np.concatenate(differences), np.concatenate(shares)
    scale = np.sqrt((x**2 * share[:, None]).sum(axis=0) / share.sum())
    x = x / scale
    found = np.zeros(x.shape[1])
    for _ in range(50):
        p = sigmoid(x @ found)
        gradient = x.T @ (share * (1 - p)) - ridge * found
        hessian = (x.T * (share * p * (1 - p))) @ x + ridge * np.eye(len(found))
        step = np.linalg.solve(hessian, gradient)
        found += step
        if np.abs(step).max() < 1e-9:
            break
    weights: Floats = found / scale
    return weights


def sigmoid(logits: Floats) -> Floats:
    """Probabilities; logits are cut off long before ``exp`` overflows."""
    p: Floats = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    return p


def auc(right: ArrayLike, wrong: ArrayLike) -> float:
    """Probability that one of ``right`` scores above one of ``wrong``; ties count half."""
    apart = np.asarray(right)[:, None] - np.asarray(wrong)[None, :]
    return float((apart > 0).mean() + 0.5 * (apart == 0).mean())
