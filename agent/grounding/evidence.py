"""The windows of the sources that come nearest to a statement, each with its measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agent.grounding.features import Known, features
from agent.grounding.prepared import Prepared, SourceSentence
from agent.grounding.query import Query
from retrieval.vectors import Floats, Vectors

_SENTENCES = 12
"""Source sentences embedded for a claim at most, those that share most words with it."""
_WINDOWS = 6
"""Windows measured for a statement: half of them the nearest in words, half in meaning."""


@dataclass(frozen=True)
class Evidence:
    """One or two sentences of a source in a row, beside a statement."""

    prepared: Prepared
    first: int
    window: tuple[SourceSentence, ...]
    overlap: float
    measured: Floats
    """A row of ``FEATURES``."""

    @property
    def nearness(self) -> float:
        """How much it is about the same, whatever it says of it: the cosine spreads over a quarter of 1."""
        return self.overlap + 4 * float(self.measured[0])


_Window = tuple[Prepared, int, tuple[SourceSentence, ...]]


def evidence(
    claim: Query, statements: Sequence[Query], sources: Sequence[Prepared], known: Known, vectors: Vectors
) -> list[list[Evidence]]:
    """For each statement of the claim its best windows, in any order; none without a source sentence."""
    windows = list(_windows(claim, sources))
    if not windows:
        return [[] for _ in statements]
    texts = [claim.text, *(one.text for one in statements)]
    singles = [window[2][0].text for window in windows if len(window[2]) == 1]
    rows = vectors.of([*texts, *singles])
    place = dict(zip(singles, rows[len(texts) :], strict=True))
    joined = np.array([sum(place[s.text] for s in window[2]) for window in windows])
    joined /= np.linalg.norm(joined, axis=1, keepdims=True)
    whole, *each = rows[: len(texts)] @ joined.T
    return [
        _nearest(query, windows, own, whole, known, claim)
        for query, own in zip(statements, each, strict=True)
    ]


def _nearest(
    query: Query, windows: Sequence[_Window], own: Floats, whole: Floats, known: Known, claim: Query
) -> list[Evidence]:
    overlaps = [
        query.overlap(frozenset[str]().union(*(s.words for s in window)), prepared.context)
        for prepared, _, window in windows
    ]
    by_words = sorted(range(len(windows)), key=lambda at: -overlaps[at])[: _WINDOWS // 2]
    by_meaning = sorted(range(len(windows)), key=lambda at: -own[at])[: _WINDOWS // 2]
    best: dict[str, float] = {}
    for (prepared, _, _), cosine in zip(windows, whole, strict=True):
        best[prepared.source.id] = max(best.get(prepared.source.id, -1.0), float(cosine))
    return [
        Evidence(
            *windows[at],
            overlaps[at],
            features(query, known, *windows[at], (float(own[at]), best[windows[at][0].source.id]), claim),
        )
        for at in dict.fromkeys([*by_meaning, *by_words])
    ]


def _windows(claim: Query, sources: Sequence[Prepared]) -> Iterator[_Window]:
    """Every sentence, and every two in a row, of those that share most words with the claim."""
    sentences = [
        (prepared, at)
        for prepared in sources
        for at, sentence in enumerate(prepared.sentences)
        # A table row speaks for what its first cell names, and for nothing else.
        if not sentence.subject or sentence.subject & claim.words
    ]
    sentences.sort(key=lambda one: -claim.overlap(one[0].sentences[one[1]].words, one[0].context))
    kept = {(prepared.source.id, at) for prepared, at in sentences[:_SENTENCES]}
    for prepared, at in sentences[:_SENTENCES]:
        yield prepared, at, prepared.sentences[at : at + 1]
        if (prepared.source.id, at + 1) in kept and not prepared.sentences[at].subject:
            yield prepared, at, prepared.sentences[at : at + 2]
