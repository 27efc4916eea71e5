"""Fit the coefficients of ``retrieval/answerable.py`` and measure them.

Asks every training shop and the demo shop their questions, some of which nothing answers, fits
one logistic regression per language, and writes ``retrieval/answerable.json``. Each shop is judged
by coefficients that have not seen it.

    python tools/fit_answerable.py            # measure
    python tools/fit_answerable.py --wrong    # and list what is misjudged
    python tools/fit_answerable.py --write    # and write retrieval/answerable.json
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from asked import LANGUAGES, ROOT, Asked, demo_shop, training_shops
from regression import Floats, auc, fit_logistic, sigmoid

from retrieval.answerable import FEATURES, features
from retrieval.e5 import E5Embedder
from retrieval.rerank import rerank

WEIGHTS = ROOT / "retrieval" / "answerable.json"
RIDGE = 1.0
"""Strength of the penalty on standardised coefficients."""
ANSWERED = 2 / 3
"""How many questions of shoppers are taken to be answered by a shop's documents. The data holds
more; the weights of the classes make up for it, so that one half is the threshold."""


def fit(x: Floats, y: Floats) -> Floats:
    """Intercept and coefficients for unscaled features, answered and unanswered in the share expected."""
    weight = np.where(y == 1, ANSWERED / y.mean(), (1 - ANSWERED) / (1 - y.mean()))
    intercept, slopes = fit_logistic(x, y, weight, ridge=RIDGE)
    return np.concatenate([[intercept], slopes])


def predict(weights: Floats, x: Floats) -> Floats:
    """Probabilities."""
    return sigmoid(weights[0] + x @ weights[1:])


def measured(p: Floats, y: Floats, threshold: float = 0.5) -> dict[str, float]:
    """AUC, and what happens at the threshold."""
    return {
        "questions": len(y),
        "unanswerable": int((y == 0).sum()),
        "auc": round(auc(p[y == 1], p[y == 0]), 3),
        "refusals": round(float((p[y == 0] < threshold).mean()), 3),
        "false_refusals": round(float((p[y == 1] < threshold).mean()), 3),
        "refusals_at_false_refusals_of_5_percent": round(
            float((p[y == 0] < np.quantile(p[y == 1], 0.05)).mean()), 3
        ),
    }


def values(one: Asked) -> tuple[float, ...]:
    """The features of a question, of its candidates as they are put in order."""
    words = one.library.words(one.language)
    ranked = rerank(one.question, one.candidates, words, one.library.names.named(one.question))
    return features(one.question, ranked, words)


def judged(questions: Sequence[Asked], show: bool) -> dict[str, Any]:
    """One language's part of ``answerable.json``."""
    x = np.array([values(one) for one in questions])
    y = np.array([float(one.answered) for one in questions])
    shops = np.array([one.shop for one in questions])
    p = np.zeros(len(y))
    for shop in np.unique(shops):
        p[shops == shop] = predict(fit(x[shops != shop], y[shops != shop]), x[shops == shop])
    if show:
        for one, score in zip(questions, p, strict=True):
            if (score >= 0.5) != one.answered:
                print(f"  {'refused' if one.answered else 'answered'} {score:.2f} {one.shop}: {one.question}")
    weights = fit(x, y)
    return {
        "intercept": round(float(weights[0]), 4),
        "coefficients": {name: round(float(w), 4) for name, w in zip(FEATURES, weights[1:], strict=True)},
        "threshold": 0.5,
        "shops": len(np.unique(shops)),
        "unseen_shops": measured(p, y),
        "by_shop": {str(shop): measured(p[shops == shop], y[shops == shop]) for shop in np.unique(shops)},
    }


async def main() -> None:
    """Fit and measure; with ``--write`` write."""
    embedder = E5Embedder()
    questions = [one async for one in training_shops(embedder)]
    questions += [one async for one in demo_shop(embedder)]
    show = "--wrong" in sys.argv[1:]
    result = {
        language: judged([one for one in questions if one.language == language], show)
        for language in LANGUAGES
    }
    text = json.dumps(result, indent=2)
    print(text)
    if "--write" in sys.argv[1:]:
        WEIGHTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
