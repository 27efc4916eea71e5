"""Puts the passages found for a question in order: a logistic model of a few cheap features.

The cosine of a small embedder says what a text is about; it does not say that "how heavy" asks
for kilograms, that the rare word of the question is in one passage only, or that "send it back"
is a return. The features do, for a tenth of a millisecond a passage. ``tools/fit_reranker.py``
fits the weights on pairs of a right and a wrong passage of one question and writes them, with
how well they do on shops they have not seen, to ``rerank.json``. The first few are then read
(:mod:`retrieval.cross_encoder`), which orders them once more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np

from retrieval.concepts import concepts
from retrieval.expected import Sort, holds, sorts
from retrieval.lexical import LexicalIndex
from retrieval.passages import Chunk, Passage
from retrieval.products import other_product
from retrieval.vectors import Floats
from retrieval.words import sentences, terms

FEATURES = (
    "similarity",
    "words held",
    "words held by one sentence",
    "sort of answer held",
    "things spoken of",
    "things in title and heading",
)
"""Shares run from 0 to 1, rare words counting more; the third is 0 when the question tells no sort."""
TOGETHER = 0.5
"""What the cross-encoder's log odds weigh beside the score. Of the shop it was not taught on, the right
passage is first for .89 of the English and .94 of the Chinese questions, without it for .85 and .88;
.3 and .7 differ by less than 1 in 100."""


def features(question: str, passages: Sequence[Passage], words: LexicalIndex) -> Floats:
    """One row a passage; the columns are :data:`FEATURES`."""
    asked, wanted, things = set(words.asked(question)), sorts(question), concepts(question)
    rows = [_row(passage, asked, wanted, things, words) for passage in passages]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES))


def rerank(
    question: str, passages: Sequence[Passage], words: LexicalIndex, named: frozenset[str] = frozenset()
) -> list[Passage]:
    """The passages with their scores, best first, ties by id.

    Args:
        question: What was asked.
        passages: Candidates, in any order.
        words: The words of the chunks the candidates come from: which are rare there.
        named: Products the question names. Passages about others come last.
    """
    scores = features(question, passages, words) @ weights()
    scored = [
        replace(passage, score=round(float(score), 6))
        for passage, score in zip(passages, scores, strict=True)
    ]
    return sorted(scored, key=lambda one: (other_product(one.chunk, named), -one.score, one.chunk.id))


def reordered(passages: Sequence[Passage], odds: Sequence[float]) -> list[Passage]:
    """Reranked passages again, with what the cross-encoder says of each counted in, best first.

    Args:
        passages: Those that were read together with the question.
        odds: Of each, as :func:`retrieval.cross_encoder.read_together` gives them.
    """
    scored = [
        replace(one, score=round(one.score + TOGETHER * each, 6))
        for one, each in zip(passages, odds, strict=True)
    ]
    return sorted(scored, key=lambda one: -one.score)


@cache
def weights() -> Floats:
    """The fitted weights, in the order of :data:`FEATURES`."""
    fitted = json.loads(files("retrieval").joinpath("rerank.json").read_text(encoding="utf-8"))
    return np.array([fitted["weights"][name] for name in FEATURES])


@dataclass(frozen=True)
class _Read:
    """What a chunk says, as far as the features look at it."""

    title: frozenset[str]
    whole: frozenset[str]
    sentences: tuple[frozenset[str], ...]
    head: frozenset[str]
    things: frozenset[str]


@lru_cache(maxsize=4096)
def _read(chunk: Chunk) -> _Read:
    top = f"{chunk.title} {chunk.heading}"
    return _Read(
        title=frozenset(terms(chunk.title)),
        whole=frozenset(terms(f"{top} {chunk.text}")),
        sentences=tuple(frozenset(terms(text)) for _, text in sentences(chunk.text)),
        head=concepts(top),
        things=concepts(f"{top}\n{chunk.text}"),
    )


def _row(
    passage: Passage,
    asked: set[str],
    wanted: frozenset[Sort],
    things: frozenset[str],
    words: LexicalIndex,
) -> tuple[float, ...]:
    read = _read(passage.chunk)
    # Every sentence about a product is about that product: its name tells none from the others.
    about = asked - read.title if passage.chunk.product else asked
    return (
        passage.similarity,
        words.coverage(asked, read.whole),
        max((words.coverage(about, sentence) for sentence in read.sentences), default=0.0),
        float(holds(passage.chunk.text, wanted)),
        len(things & read.things) / len(things) if things else 0.0,
        len(things & read.head) / len(things) if things else 0.0,
    )
