"""Whether passages answer a question: two small logistic regressions that see no generated text.

The first looks at the passages in the order of :mod:`retrieval.rerank`: by how much the first one beats
the second, whether the question's words are held by the first passages at all, rare ones
counting more, and whether what the question speaks of (a refund, a wash, a colour) is spoken of
there. A product's own name is left out of the words: every passage about a tent names the tent.
And it looks at the sentences by meaning: the nearest one tells whether just this is said, the
middle one whether the passages are about such things at all. What it cannot tell is a near miss.
The second joins it with what :mod:`retrieval.cross_encoder` reads in question and passages together.
``tools/fit_answerable.py`` fits both per language and writes them, with how well they do on shops
that neither they nor the cross-encoder have seen, to ``answerable.json``.
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
from retrieval.products import other_product
from retrieval.words import sentences, terms

DEPTH = 4
"""Passages whose words are looked at: as many as an answer is made from."""
READ = 5
"""Passages whose sentences are compared with the question, and that are read together with it."""
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


JOINED = ("intercept", "apart", "together")
"""The coefficients of the second regression, as they are written down."""


@dataclass(frozen=True)
class Model:
    """Coefficients for one language.

    Attributes:
        joined: Of the second regression: its intercept, and what the log odds of the first one and of
            the passage that the cross-encoder finds likeliest weigh.
        threshold: Where hits and false alarms balance.
    """

    intercept: float
    coefficients: tuple[float, ...]
    joined: tuple[float, float, float]
    threshold: float


def sentences_of(passages: Sequence[Passage]) -> list[str]:
    """The sentences of reranked passages that are compared with the question."""
    return [text for one in passages[:READ] for _, text in sentences(one.chunk.text)]


def to_read(passages: Sequence[Passage], named: frozenset[str]) -> list[Passage]:
    """Those of reranked passages that are read together with the question, best first.

    What is written about another product than the one named does not answer, unless there is nothing else.
    """
    first = list(passages[:READ])
    return [one for one in first if not other_product(one.chunk, named)] or first


def features(
    question: str, passages: Sequence[Passage], near: Sequence[float], words: LexicalIndex
) -> tuple[float, ...]:
    """The values of :data:`FEATURES`. No passages: zeros.

    Args:
        question: What was asked.
        passages: Reranked, best first.
        near: How near each sentence of :func:`sentences_of` is to the question, a cosine.
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
    odds: Sequence[float],
    words: LexicalIndex,
    language: Language,
) -> float:
    """Probability that reranked passages answer the question; 0 when there are none.

    Args:
        question: What was asked.
        passages: Reranked, best first.
        near: As for :func:`features`.
        odds: What :func:`retrieval.cross_encoder.read_together` says of those :func:`to_read`.
        words: Which words are rare in the shop.
        language: Of the question.
    """
    if not passages:
        return 0.0
    model = models()[language]
    terms_of = zip(model.coefficients, features(question, passages, near, words), strict=True)
    first = model.intercept + sum(weight * value for weight, value in terms_of)
    intercept, apart, together = model.joined
    return 1 / (1 + math.exp(-(intercept + apart * first + together * max(odds))))


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
                joined=tuple(data[language]["joined"][name] for name in JOINED),
                threshold=data[language]["threshold"],
            )
            for language in languages
        }
    )


def _whole(passage: Passage) -> str:
    return f"{passage.chunk.title}\n{passage.chunk.heading}\n{passage.chunk.text}"
