"""Sentences of the sources that best match a question: for when nothing can phrase an answer, and to
follow one that rests on others.

A linear score of what retrieval has reckoned already: the words of the question that a sentence holds,
how near it is in meaning (:class:`~retrieval.passages.Found` brings it along), the score of its
passage, and whether it opens it. ``tools/fit_quotes.py`` fits the weights and writes them, with how well
they do on shops they have not seen, to ``quote.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from retrieval.passages import Found, Language, Passage
from retrieval.vectors import Floats
from retrieval.words import all_words, content_words, sentences

FEATURES = ("words held", "opens its passage", "nearness", "score of its passage")
"""A share, 0 or 1, a cosine, and the score as the passage carries it."""


@dataclass(frozen=True)
class Quote:
    """A sentence, word for word: ``passage.chunk.text[start : start + len(text)] == text``."""

    passage: Passage
    text: str
    start: int


def best_sentences(question: str, found: Found, language: Language, limit: int = 3) -> list[Quote]:
    """At most ``limit`` sentences, best first, none twice. Passages in ``language`` go first."""
    quotes, rows = measured(question, found.passages, found.near)
    scores = rows @ weights()
    order = sorted(
        range(len(quotes)), key=lambda at: (quotes[at].passage.chunk.language != language, -scores[at], at)
    )
    best: dict[str, Quote] = {}
    for at in order:
        if len(best) == limit:
            break
        best.setdefault(quotes[at].text, quotes[at])
    return list(best.values())


def measured(
    question: str, passages: Sequence[Passage], near: Mapping[str, float]
) -> tuple[list[Quote], Floats]:
    """Every sentence of the passages in order, and a row of :data:`FEATURES` for each.

    Args:
        question: What was asked.
        passages: Best first.
        near: The cosine of each sentence to the question. One that was not compared counts as far as
            the farthest: it stands in a passage further down.
    """
    asked, farthest = content_words(question), min(near.values(), default=0.0)
    quotes, rows = [], []
    for passage in passages:
        for order, (start, text) in enumerate(sentences(passage.chunk.text)):
            held = len(asked & all_words(text)) / len(asked) if asked else 0.0
            quotes.append(Quote(passage, text, start))
            rows.append((held, float(order == 0), near.get(text, farthest), passage.score))
    return quotes, np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES))


@cache
def weights() -> Floats:
    """The fitted weights, in the order of :data:`FEATURES`."""
    fitted = json.loads(files("retrieval").joinpath("quote.json").read_text(encoding="utf-8"))
    return np.array([fitted["weights"][name] for name in FEATURES])
