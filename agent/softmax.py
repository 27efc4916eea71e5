"""Softmax regression: what the classifiers over embeddings are fitted by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


def softmax(logits: Vectors) -> Vectors:
    """Each row, or the only one, as probabilities."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), np.float32)


def fit(rows: Vectors, target: Vectors, *, penalty: float, rate: float, steps: int) -> Vectors:
    """Fit by full-batch Adam on the cross-entropy with an L2 penalty. Same input, same result.

    Args:
        rows: What is known of each example; centred, so that the bias is soon found.
        target: The probabilities wanted, one row an example.
        penalty: Of the squared weights; the bias is free.
        rate: How far a step goes.
        steps: Of the optimiser.

    Returns:
        One row a column of ``rows``, and the bias as the last one.
    """
    x = np.hstack([rows, np.ones((len(rows), 1))]).astype(np.float32)
    w = np.zeros((x.shape[1], target.shape[1]), np.float32)
    first, second = np.zeros_like(w), np.zeros_like(w)
    for step in range(1, steps + 1):
        slope = x.T @ (softmax(x @ w) - target) / len(x)
        slope[:-1] += penalty * w[:-1]
        first *= 0.9
        first += 0.1 * slope
        second *= 0.99
        second += 0.01 * slope**2
        w -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return w
