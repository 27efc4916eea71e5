"""Fit the weights of ``retrieval/quote.py`` on the training shops, and measure them.

A training shop has a written answer to two questions of each passage. The sentence that is nearest to
the answer is the right one among those of the four passages found; pairs of it and another teach the
weights to put it first. Each shop is judged by weights that have not seen it. The scores of the passages
are the reranker's, which was fitted on all of these shops; what reads question and passage together was
taught on most of them and is left out. The demo shop is the test: ``amends bench shop_questions``.

    python tools/fit_quotes.py            # measure
    python tools/fit_quotes.py --write    # and write retrieval/quote.json
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from asked import LANGUAGES, ROOT, SHOPS, Asked, training_shops
from numpy.typing import NDArray
from regression import Floats, fit_ranking

from retrieval.answerable import DEPTH, sentences_of
from retrieval.e5 import E5Embedder
from retrieval.passages import Embedder, Language
from retrieval.quote import FEATURES, measured
from retrieval.remembering import RememberingEmbedder
from retrieval.vectors import Vectors

WEIGHTS = ROOT / "retrieval" / "quote.json"


@dataclass(frozen=True)
class Told:
    """A question with the sentences that may be quoted, and which of them is right."""

    shop: str
    language: Language
    rows: Floats
    right: NDArray[np.bool_]


def written() -> Iterator[tuple[tuple[str, str, str], str]]:
    """Questions, each by its shop and language, and the answers that were written to them."""
    for path in sorted(SHOPS.glob("*.yaml")):
        shop = yaml.safe_load(path.read_text(encoding="utf-8"))
        for part in (*shop["products"], *shop["policies"]):
            for passage in part.get("passages", [part]):
                for language in LANGUAGES:
                    pairs = zip(passage["asks"][language], passage["answers"][language], strict=False)
                    yield from (((shop["id"], language, str(ask)), str(answer)) for ask, answer in pairs)


def told(one: Asked, answer: str, embedder: Embedder, vectors: Vectors) -> Told | None:
    """The question measured; ``None`` when the right passage is not found."""
    found = one.reranked[:DEPTH]
    texts = sentences_of(found)
    near = vectors.nearness(embedder.embed_query(one.question), texts)
    quotes, rows = measured(one.question, found, dict(zip(texts, near, strict=True)))
    answering = {each.chunk.id for each, right in zip(one.candidates, one.right, strict=True) if right}
    fits = vectors.of([quote.text for quote in quotes]) @ vectors.of([answer])[0]
    fits[[quote.passage.chunk.id not in answering for quote in quotes]] = -1.0
    return Told(one.shop, one.language, rows, fits == fits.max()) if fits.max() > -1 else None


def fit(given: Sequence[Told]) -> Floats:
    """Weights for unscaled features."""
    return fit_ranking([(one.rows, one.right) for one in given])


def place(one: Told, weights: Floats) -> int:
    """Of the right sentence, from 0."""
    order = np.argsort(-(one.rows @ weights), kind="stable")
    return int(np.flatnonzero(one.right[order])[0])


def figures(places: Sequence[int]) -> dict[str, float]:
    """How often the right sentence is first, among two, among three."""
    found = np.array(places)
    return {
        "questions": len(found),
        "first": round(float((found < 1).mean()), 3),
        "among_two": round(float((found < 2).mean()), 3),
        "among_three": round(float((found < 3).mean()), 3),
    }


async def main() -> None:
    """Measure; with ``--write`` write the weights."""
    embedder = RememberingEmbedder(E5Embedder(), keep=100_000)
    vectors, answers = Vectors(embedder.embed_passages, keep=100_000), dict(written())
    given = []
    async for one in training_shops(embedder):
        answer = answers.get((one.shop, one.language, one.question))
        if answer is not None and (found := told(one, answer, embedder, vectors)) is not None:
            given.append(found)
    unseen: dict[str, list[int]] = {language: [] for language in LANGUAGES}
    for shop in dict.fromkeys(one.shop for one in given):
        weights = fit([one for one in given if one.shop != shop])
        for one in given:
            if one.shop == shop:
                unseen[one.language].append(place(one, weights))
    result: dict[str, Any] = {
        "weights": {name: round(float(w), 4) for name, w in zip(FEATURES, fit(given), strict=True)},
        "shops": len({one.shop for one in given}),
        **{language: {"unseen shops": figures(unseen[language])} for language in LANGUAGES},
    }
    text = json.dumps(result, indent=2)
    print(text)
    if "--write" in sys.argv[1:]:
        WEIGHTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
