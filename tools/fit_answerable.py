"""Fit the coefficients of ``retrieval/answerable.py`` and measure them.

Asks every training shop and the demo shop their questions, some of which nothing answers, and each
question again as if the documents that answer it were not there. The first regression of each language
is fitted on all of them but the hard ones: what it weighs cannot tell a near miss. The second joins it
with the cross-encoder, on the shops that the cross-encoder was not taught on, hard questions included,
with the first one's odds from coefficients that have not seen the shop. Each shop is judged by
coefficients that have not seen it. Writes ``retrieval/answerable.json``.

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
from asked import DEMO, LANGUAGES, LEFT_OUT, ROOT, Asked, demo_shop, training_shops
from numpy.typing import NDArray
from regression import Floats, auc, fit_logistic, sigmoid
from rich.progress import track

from retrieval.answerable import FEATURES, JOINED, features, sentences_of, to_read
from retrieval.cross_encoder import read_together
from retrieval.e5 import E5Embedder
from retrieval.passages import Embedder
from retrieval.remembering import RememberingEmbedder
from retrieval.vectors import Vectors

WEIGHTS = ROOT / "retrieval" / "answerable.json"
RIDGE = 1.0
"""Strength of the penalty on standardised coefficients."""
ANSWERED, NONE, GONE = 0.75, 0.15, 0.1
"""How many questions of shoppers are taken to be answered by a shop's documents, to be about what it
never wrote of, and to be about what it wrote of without saying this. The data holds them in other
shares; the weights make up for it, so that one half is the threshold."""
UNREAD = (DEMO, LEFT_OUT)
"""Shops that the cross-encoder was not taught on."""


@dataclass(frozen=True)
class Rows:
    """Questions of one language, measured.

    Attributes:
        odds: What the cross-encoder says of the likeliest passage; not a number of shops it was taught on.
        share: Which of the three kinds each one is of.
    """

    asked: tuple[Asked, ...]
    x: Floats
    odds: Floats
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
    """The features of a question, of its candidates as they are put in order, and the cross-encoder's odds."""
    ranked, words = one.reranked, one.library.words(one.language)
    near = vectors.nearness(embedder.embed_query(one.question), sentences_of(ranked))
    odds = np.nan
    if one.shop in UNREAD:
        odds = max(read_together(one.question, each.chunk) for each in to_read(ranked, one.named))
    return (*features(one.question, ranked, near, words), odds)


def without_the_answer(one: Asked) -> Asked:
    """The question as it is asked of a shop that did not write down the answer."""
    kept = tuple(each for each, right in zip(one.candidates, one.right, strict=True) if not right)
    return replace(one, candidates=kept, right=(False,) * len(kept), answered=False)


def measure_all(questions: Sequence[Asked], embedder: Embedder) -> Rows:
    """Every question, and those that are answered again without the answer."""
    vectors = Vectors(embedder.embed_passages, keep=100_000)
    asked = [(one, ANSWERED if one.answered else NONE) for one in questions]
    asked += [(without_the_answer(one), GONE) for one in questions if one.answered]
    found = np.array([values(one, embedder, vectors) for one, _ in track(asked, "measuring")])
    return Rows(
        tuple(one for one, _ in asked),
        found[:, :-1],
        found[:, -1],
        np.array([float(one.answered) for one, _ in asked]),
        np.array([share for _, share in asked]),
        np.array([one.shop for one, _ in asked]),
        np.array([one.hard for one, _ in asked]),
    )


def joined(rows: Rows, first: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Intercept and coefficients of the second regression, of :func:`fit` on the chosen rows."""
    return fit(np.column_stack([first, rows.odds])[chosen], rows.y[chosen], rows.share[chosen])


def judged(rows: Rows, show: bool) -> dict[str, Any]:
    """One language's part of ``answerable.json``."""
    y, shops = rows.y, rows.shops
    first = np.zeros(len(y))
    for shop in np.unique(shops):
        weights = fit(*rows.of(shops != shop))
        first[shops == shop] = weights[0] + rows.x[shops == shop] @ weights[1:]
    unread = np.isin(shops, UNREAD)
    p = np.full(len(y), np.nan)
    for shop in UNREAD:
        here = shops == shop
        p[here] = predict(joined(rows, first, unread & ~here), np.column_stack([first, rows.odds])[here])
    if show:
        for one, score in zip(rows.asked, p, strict=True):
            if one.shop in UNREAD and (score >= 0.5) != one.answered:
                print(f"  {'refused' if one.answered else 'answered'} {score:.2f} {one.shop}: {one.question}")
    weights, second = fit(*rows.of(np.ones(len(y), dtype=bool))), joined(rows, first, unread)
    easy, asked = ~rows.hard, rows.share != GONE

    def figures(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        own = chosen & unread
        return {"apart": measured(sigmoid(first[chosen]), y[chosen]), "together": measured(p[own], y[own])}

    return {
        "intercept": round(float(weights[0]), 4),
        "coefficients": {name: round(float(w), 4) for name, w in zip(FEATURES, weights[1:], strict=True)},
        "joined": {name: round(float(w), 4) for name, w in zip(JOINED, second, strict=True)},
        "threshold": 0.5,
        "shops": len(np.unique(shops)),
        "unseen_shops": figures(easy & asked),
        "unseen_shops_without_the_answer": figures(easy & (rows.share != NONE)),
        "unseen_shops_hard": figures(rows.hard & asked),
        "by_shop": {str(shop): figures(easy & asked & (shops == shop)) for shop in UNREAD},
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
