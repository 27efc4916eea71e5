"""All chunks of an index as they are at one moment, for what needs to see them all at once.

Searching by words, telling versions of a document apart, and knowing a product's name from
a common word cannot be asked of a vector store. A library is never changed: when chunks
change, a new one is made, which takes the words of unchanged chunks from the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import get_args

import numpy as np

from retrieval.lexical import LexicalIndex
from retrieval.passages import Chunk, Language, Visibility
from retrieval.products import ProductNames
from retrieval.versions import outdated
from retrieval.words import terms

TOP_WEIGHT = 2
"""Title and heading count as if they were written so many times."""


class Library:
    """Chunks, and an index of their words for each language.

    Args:
        chunks: All of them, of every visibility; searches name what the reader may see.
        before: An earlier library, to take over the words of what did not change.
    """

    def __init__(self, chunks: Iterable[Chunk], before: Library | None = None) -> None:
        self.chunks = {chunk.id: chunk for chunk in chunks}
        known: Mapping[Chunk, Sequence[str]] = before._terms if before else {}
        self._terms: Mapping[Chunk, Sequence[str]] = {
            chunk: known[chunk] if chunk in known else _terms_of(chunk) for chunk in self.chunks.values()
        }
        self._shelves: dict[Language, tuple[list[Chunk], LexicalIndex]] = {}
        for language in get_args(Language):
            there = [chunk for chunk in self.chunks.values() if chunk.language == language]
            self._shelves[language] = (there, LexicalIndex([self._terms[chunk] for chunk in there]))
        self.names = ProductNames(list(self.chunks.values()))
        self._outdated: dict[tuple[frozenset[Visibility], date], frozenset[str]] = {}

    def words(self, language: Language) -> LexicalIndex:
        """The index of the words of one language's chunks."""
        return self._shelves[language][1]

    def outdated(self, visible_to: frozenset[Visibility], today: date) -> frozenset[str]:
        """Documents that do not hold on ``today``, going by those the reader may see."""
        key = (visible_to, today)
        if key not in self._outdated:
            seen = (chunk for chunk in self.chunks.values() if chunk.visibility in visible_to)
            self._outdated[key] = outdated(seen, today)
        return self._outdated[key]

    def search(
        self,
        question: str,
        *,
        language: Language,
        visible_to: frozenset[Visibility],
        without: frozenset[str] = frozenset(),
        k: int,
    ) -> list[tuple[Chunk, float]]:
        """The ``k`` visible chunks with the highest BM25, best first, ties by id; none that scores 0."""
        chunks, index = self._shelves[language]
        scores = index.scores(question)
        found = [
            (chunks[place], float(scores[place]))
            for place in np.flatnonzero(scores)
            if chunks[place].visibility in visible_to and chunks[place].document not in without
        ]
        return sorted(found, key=lambda pair: (-pair[1], pair[0].id))[:k]


def _terms_of(chunk: Chunk) -> Sequence[str]:
    return tuple(TOP_WEIGHT * terms(f"{chunk.title} {chunk.heading}") + terms(chunk.text))
