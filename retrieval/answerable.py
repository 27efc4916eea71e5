"""Whether passages answer a question: a small logistic regression that sees no generated text.

Features, and why each: the top similarity (is there anything about it at all), its distance
to the fifth (does one passage stand out, or are many equally vague), and the share of the
question's content words that the passages hold (is the thing asked about even mentioned).
A product's own name is left out of the last: every passage about a tent names the tent.
``tools/fit_answerable.py`` fits the coefficients per language on questions about the demo
shop and writes them, with how well they do, to ``answerable.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from retrieval.passages import Language, Passage
from retrieval.words import all_words, content_words

DEPTH = 5
"""Passages that are looked at; the caller asks the index for at least so many."""


@dataclass(frozen=True)
class Model:
    """Coefficients for one language; ``threshold`` is where hits and false alarms balance."""

    intercept: float
    coefficients: tuple[float, ...]
    threshold: float


def features(question: str, passages: Sequence[Passage]) -> tuple[float, float, float]:
    """Top similarity, its gap to the fifth, share of content words found. No passages: zeros."""
    if not passages:
        return 0.0, 0.0, 0.0
    ranked = sorted(passages, key=lambda passage: -passage.similarity)[:DEPTH]
    asked, held = content_words(question), set[str]()
    for chunk in (passage.chunk for passage in ranked):
        held |= all_words(f"{chunk.title} {chunk.heading} {chunk.text}")
        if chunk.product:
            asked -= all_words(chunk.title)
    share = len(asked & held) / len(asked) if asked else 1.0
    return ranked[0].similarity, ranked[0].similarity - ranked[-1].similarity, share


def answerable(question: str, passages: Sequence[Passage], language: Language) -> float:
    """Probability that the passages answer the question; 0 when there are none."""
    if not passages:
        return 0.0
    model = models()[language]
    terms = zip(model.coefficients, features(question, passages), strict=True)
    return 1 / (1 + math.exp(-(model.intercept + sum(weight * value for weight, value in terms))))


@cache
def models() -> Mapping[Language, Model]:
    """The fitted coefficients by language."""
    data = json.loads(files("retrieval").joinpath("answerable.json").read_text(encoding="utf-8"))
    languages: tuple[Language, ...] = ("en", "zh")
    return MappingProxyType(
        {
            language: Model(
                intercept=data[language]["intercept"],
                coefficients=tuple(data[language]["coefficients"]),
                threshold=data[language]["threshold"],
            )
            for language in languages
        }
    )
