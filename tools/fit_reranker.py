"""Fit the weights of ``retrieval/rerank.py`` on the training shops, and measure them.

Every question whose right passage is among its candidates gives pairs of the right passage and a wrong
one; the weights learn to put the right one first. The figures are of shops that the weights have not
seen (each shop is left out in turn), of the hard questions about them and of the demo shop, which are
never fitted on.

    python tools/fit_reranker.py            # measure
    python tools/fit_reranker.py --write    # and write retrieval/rerank.json
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from asked import LANGUAGES, ROOT, Asked, demo_shop, training_shops
from regression import Floats, fit_ranking

from retrieval.e5 import E5Embedder
from retrieval.products import other_product
from retrieval.rerank import FEATURES, features

WEIGHTS = ROOT / "retrieval" / "rerank.json"

Rows = list[tuple[Asked, Floats]]


def rows(questions: Sequence[Asked]) -> Rows:
    """The features of each answered question's candidates."""
    return [
        (one, features(one.question, one.candidates, one.library.words(one.language)))
        for one in questions
        if one.answered
    ]


def fit(given: Rows) -> Floats:
    """Weights for unscaled features."""
    return fit_ranking([(values, np.array(one.right, dtype=bool)) for one, values in given])


def places(given: Rows, weights: Floats) -> list[float]:
    """Place of the first right passage, from 0; infinite where no candidate is right."""
    found = []
    for one, values in given:
        named = one.named
        last = np.array([other_product(passage.chunk, named) for passage in one.candidates])
        order = np.lexsort((-(values @ weights), last))
        right = np.flatnonzero(np.array(one.right)[order])
        found.append(float(right[0]) if len(right) else np.inf)
    return found


def figures(found: Sequence[float]) -> dict[str, float]:
    """How often the right passage is first, among four, among five; mean reciprocal rank."""
    place = np.array(found)
    return {
        "questions": len(place),
        "first": round(float((place < 1).mean()), 3),
        "among_four": round(float((place < 4).mean()), 3),
        "among_five": round(float((place < 5).mean()), 3),
        "mrr": round(float((1 / (1 + place)).mean()), 3),
    }


async def main() -> None:
    """Measure; with ``--write`` write the weights."""
    embedder = E5Embedder()
    training = rows([one async for one in training_shops(embedder)])
    easy = [row for row in training if not row[0].hard]
    demo = rows([one async for one in demo_shop(embedder)])
    weights = fit(easy)
    alone = np.eye(len(FEATURES))[FEATURES.index("similarity")]
    unseen: dict[str, list[float]] = {language: [] for language in LANGUAGES}
    hard: dict[str, list[float]] = {language: [] for language in LANGUAGES}
    cosine: dict[str, list[float]] = {language: [] for language in LANGUAGES}
    for shop in dict.fromkeys(one.shop for one, _ in training):
        without = fit([row for row in easy if row[0].shop != shop])
        for language in LANGUAGES:
            own = [row for row in training if row[0].shop == shop and row[0].language == language]
            plain = [row for row in own if not row[0].hard]
            unseen[language] += places(plain, without)
            hard[language] += places([row for row in own if row[0].hard], without)
            cosine[language] += places(plain, alone)
    result: dict[str, Any] = {
        "weights": {name: round(float(weight), 4) for name, weight in zip(FEATURES, weights, strict=True)},
        "shops": len({one.shop for one, _ in training}),
    }
    for language in LANGUAGES:
        own = [row for row in demo if row[0].language == language]
        result[language] = {
            "unseen shops": figures(unseen[language]),
            "unseen shops, cosine alone": figures(cosine[language]),
            "unseen shops, hard questions": figures(hard[language]),
            "demo shop": figures(places(own, weights)),
            "demo shop, cosine alone": figures(places(own, alone)),
        }
    text = json.dumps(result, indent=2)
    print(text)
    if "--write" in sys.argv[1:]:
        WEIGHTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
