"""Fit the coefficients of ``retrieval/answerable.py`` and measure them.

Asks every training shop and the demo shop their questions, some of which nothing answers, and each
question again as if the documents that answer it were not there. Fits one logistic regression per
language, and writes ``retrieval/answerable.json``. Each shop is judged by coefficients that have not
seen it, on the hard questions about it too, which nothing is fitted on: with them among the others
the coefficients tell no better, since what they weigh cannot tell a near miss.

    python tools/fit_answerable.py            # measure
    python tools/fit_answerable.py --wrong    # and list what is misjudged
    python tools/fit_answerable.py --write    # and write retrieval/answerable.json
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from asked import LANGUAGES, ROOT, Asked, demo_shop, training_shops
from numpy.typing import NDArray
from regression import Floats, auc, fit_logistic, sigmoid

from retrieval.answerable import FEATURES, features, read
from retrieval.e5 import E5Embedder
from retrieval.passages import Embedder
from retrieval.remembering import RememberingEmbedder
from retrieval.rerank import rerank
from retrieval.vectors import Vectors

WEIGHTS = ROOT / "retrieval" / "answerable.json"
RIDGE = 1.0
"""Strength of the penalty on standardised coefficients."""
ANSWERED, NONE, GONE = 2 / 3, 0.2, 2 / 15
"""How many questions of shoppers are taken to be answered by a shop's documents, to be about what it
never wrote of, and to be about what it wrote of without saying this. The data holds them in other
shares; the weights make up for it, so that one half is the threshold."""


@dataclass(frozen=True)
class Rows:
    """Questions of one language, measured: ``share`` is which of the three kinds each one is of."""

    asked: tuple[Asked, ...]
    x: Floats
    y: Floats
    share: Floats
    shops: NDArray[np.str_]
    hard: NDArray[np.bool_]

    def of(self, chosen: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
        """Those chosen, for :func:`fit`; none of the hard ones."""
        chosen = chosen & ~self.hard
        return self.x[chosen], self.y[chosen], self.share[chosen]


def fit(x: Floats, y: Floats, share: Floats) -> Floats:
    """Intercept and coefficients for unscaled features, the three kinds in the shares expected."""
    weight = np.zeros(len(y))
    for expected in (ANSWERED, NONE, GONE):
        weight[share == expected] = expected * len(y) / max(1, int((share == expected).sum()))
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


def values(one: Asked, embedder: Embedder, vectors: Vectors) -> tuple[float, ...]:
    """The features of a question, of its candidates as they are put in order."""
    words = one.library.words(one.language)
    ranked = rerank(one.question, one.candidates, words, one.library.names.named(one.question))
    near = vectors.nearness(embedder.embed_query(one.question), read(ranked))
    return features(one.question, ranked, near, words)


def without_the_answer(one: Asked) -> Asked:
    """The question as it is asked of a shop that did not write down the answer."""
    kept = tuple(each for each, right in zip(one.candidates, one.right, strict=True) if not right)
    return replace(one, candidates=kept, right=(False,) * len(kept), answered=False)


def measure_all(questions: Sequence[Asked], embedder: Embedder) -> Rows:
    """Every question, and those that are answered again without the answer."""
    vectors = Vectors(embedder.embed_passages, keep=100_000)
    asked = [(one, ANSWERED if one.answered else NONE) for one in questions]
    asked += [(without_the_answer(one), GONE) for one in questions if one.answered]
    return Rows(
        tuple(one for one, _ in asked),
        np.array([values(one, embedder, vectors) for one, _ in asked]),
        np.array([float(one.answered) for one, _ in asked]),
        np.array([share for _, share in asked]),
        np.array([one.shop for one, _ in asked]),
        np.array([one.hard for one, _ in asked]),
    )


def judged(rows: Rows, show: bool) -> dict[str, Any]:
    """One language's part of ``answerable.json``."""
    y, shops = rows.y, rows.shops
    p = np.zeros(len(y))
    for shop in np.unique(shops):
        p[shops == shop] = predict(fit(*rows.of(shops != shop)), rows.x[shops == shop])
    if show:
        for one, score in zip(rows.asked, p, strict=True):
            if (score >= 0.5) != one.answered:
                print(f"  {'refused' if one.answered else 'answered'} {score:.2f} {one.shop}: {one.question}")
    weights = fit(*rows.of(np.ones(len(y), dtype=bool)))
    easy, here = ~rows.hard, rows.share != GONE

    def figures(chosen: NDArray[np.bool_]) -> dict[str, float]:
        return measured(p[chosen], y[chosen])

    return {
        "intercept": round(float(weights[0]), 4),
        "coefficients": {name: round(float(w), 4) for name, w in zip(FEATURES, weights[1:], strict=True)},
        "threshold": 0.5,
        "shops": len(np.unique(shops)),
        "unseen_shops": figures(easy & here),
        "unseen_shops_without_the_answer": figures(easy & (rows.share != NONE)),
        "unseen_shops_hard": figures(rows.hard & here),
        "by_shop": {str(shop): figures(easy & here & (shops == shop)) for shop in np.unique(shops)},
    }


async def main() -> None:
    """Fit and measure; with ``--write`` write."""
    embedder = RememberingEmbedder(E5Embedder(), keep=100_000)
    questions = [one async for one in training_shops(embedder)]
    questions += [one async for one in demo_shop(embedder)]
    show = "--wrong" in sys.argv[1:]
    result = {
        language: judged(measure_all([one for one in questions if one.language == language], embedder), show)
        for language in LANGUAGES
    }
    text = json.dumps(result, indent=2)
    print(text)
    if "--write" in sys.argv[1:]:
        WEIGHTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
