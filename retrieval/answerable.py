"""Whether passages answer a question: a small logistic regression that sees no generated text.

It looks at the passages in the order of :mod:`retrieval.rerank`: by how much the first one beats
the second, whether the question's words are held by the first passages at all, rare ones
counting more, and whether what the question speaks of (a refund, a wash, a colour) is spoken of
there. A product's own name is left out of the words: every passage about a tent names the tent.
And it looks at the sentences by meaning: the nearest one tells whether just this is said, the
middle one whether the passages are about such things at all. ``tools/fit_answerable.py`` fits
the coefficients per language and writes them, with how well they do on shops they have not
seen, to ``answerable.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import median
from types import MappingProxyType

from retrieval.concepts import concepts
from retrieval.lexical import LexicalIndex
from retrieval.passages import Language, Passage
from retrieval.words import sentences, terms

DEPTH = 4
"""Passages whose words are looked at: as many as an answer is made from."""
READ = 5
"""Passages whose sentences are compared with the question."""
FEATURES = (
    "lead of the first over the second",
    "words held by the first",
    "words held by the first four",
    "things the first speaks of",
    "things it does not speak of",
    "nearest sentence",
    "middle sentence",
)
"""Scores as the passages carry them; words as shares, rare ones counting more; of the things a share
(one half when the question names none) and a number; cosines of sentences."""


@dataclass(frozen=True)
class Model:
    """Coefficients for one language; ``threshold`` is where hits and false alarms balance."""

    intercept: float
    coefficients: tuple[float, ...]
    threshold: float


def read(passages: Sequence[Passage]) -> list[str]:
    """The sentences of reranked passages that are compared with the question."""
    return [text for one in passages[:READ] for _, text in sentences(one.chunk.text)]


def features(
    question: str, passages: Sequence[Passage], near: Sequence[float], words: LexicalIndex
) -> tuple[float, ...]:
    """The values of :data:`FEATURES`. No passages: zeros.

    Args:
        question: What was asked.
        passages: Reranked, best first.
        near: How near each sentence of :func:`read` is to the question, a cosine.
        words: Which words are rare in the shop.
    """
    if not passages:
        return (0.0,) * len(FEATURES)
    top = passages[:DEPTH]
    named = set[str]().union(*(terms(one.chunk.title) for one in top[:2] if one.chunk.product))
    asked = set(words.asked(question)) - named
    held = [set(terms(text)) for text in map(_whole, top)]
    things = concepts(question)
    spoken = things & concepts(_whole(top[0]))
    return (
        top[0].score - (top[1].score if len(top) > 1 else 0.0),
        words.coverage(asked, held[0]),
        words.coverage(asked, set().union(*held)),
        len(spoken) / len(things) if things else 0.5,
        float(len(things - spoken)),
        max(near, default=0.0),
        median(near) if near else 0.0,
    )


def answerable(
    question: str,
    passages: Sequence[Passage],
    near: Sequence[float],
    words: LexicalIndex,
    language: Language,
) -> float:
    """Probability that reranked passages answer the question; 0 when there are none.

    The arguments are those of :func:`features`.
    """
    if not passages:
        return 0.0
    model = models()[language]
    terms_of = zip(model.coefficients, features(question, passages, near, words), strict=True)
    return 1 / (1 + math.exp(-(model.intercept + sum(weight * value for weight, value in terms_of))))


@cache
def models() -> Mapping[Language, Model]:
    """The fitted coefficients by language."""
    data = json.loads(files("retrieval").joinpath("answerable.json").read_text(encoding="utf-8"))
    languages: tuple[Language, ...] = ("en", "zh")
    return MappingProxyType(
        {
            language: Model(
                intercept=data[language]["intercept"],
                coefficients=tuple(data[language]["coefficients"][name] for name in FEATURES),
                threshold=data[language]["threshold"],
            )
            for language in languages
        }
    )


def _whole(passage: Passage) -> str:
    return f"{passage.chunk.title}\n{passage.chunk.heading}\n{passage.chunk.text}"
