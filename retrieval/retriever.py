"""A question in, passages out: by meaning and by words, put in order, the shopper's own language first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

from retrieval.answerable import answerable, models, sentences_of, to_read
from retrieval.cross_encoder import read_together
from retrieval.library import Library
from retrieval.passages import Chunk, Found, Language, Passage, PassageIndex, Visibility
from retrieval.rerank import reordered, rerank

BY_MEANING, BY_WORDS = 20, 10
"""Candidates of each kind. On the questions of five shops the right passage was always among
the first twenty by meaning or the first ten by words, but for one question in a thousand."""
LONGEST = 1_000
"""Characters of a question that are looked at."""


def utc_today() -> date:
    """The day, by the clock of the world."""
    return datetime.now(UTC).date()


class PassageRetriever:
    """Finds passages in an index and says whether they answer the question.

    Args:
        index: Where the chunks are.
        today: The day on which documents must be in force; the shop's own clock, if it has one.
    """

    def __init__(self, index: PassageIndex, *, today: Callable[[], date] = utc_today) -> None:
        self._index = index
        self._today = today

    async def find(
        self, question: str, *, language: Language, visible_to: frozenset[Visibility], k: int = 4
    ) -> Found:
        """Find ``k`` passages in the question's language.

        When there are too few, or they hardly answer it, passages in the other language join
        in, since a shop may have written a thing down only once. Documents that are not in
        force today are never among them.

        Raises:
            IndexUnavailable: The index does not answer, or is not built.
        """
        question = question[:LONGEST]
        library = await self._index.library()
        own = await self.candidates(question, library, language, visible_to)
        found = await self._judged(question, own, library, language)
        if len(own) >= k and found.answerable >= models()[language].threshold:
            return replace(found, passages=found.passages[:k])
        other: Language = "en" if language == "zh" else "zh"
        foreign = await self.candidates(question, library, other, visible_to)
        merged = await self._judged(question, [*own, *foreign], library, language)
        sure = max(found.answerable, merged.answerable)
        return replace(merged, passages=merged.passages[:k], answerable=sure)

    async def open(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        """The chunk a citation points to, or ``None``; also of a version that holds no more."""
        return await self._index.get(id, visible_to=visible_to)

    async def candidates(
        self, question: str, library: Library, language: Language, visible_to: frozenset[Visibility]
    ) -> list[Passage]:
        """The nearest chunks by meaning and by words, in no useful order.

        Only of documents that the reader may see and that are in force today.
        """
        without = library.outdated(visible_to, self._today())
        found = await self._index.query(
            question, visible_to=visible_to, k=BY_MEANING, language=language, without=without
        )
        known = {passage.chunk.id for passage in found}
        by_words = await asyncio.to_thread(
            library.search, question, language=language, visible_to=visible_to, without=without, k=BY_WORDS
        )
        # The index says again whether they are there and visible: the library may be a moment old.
        found += await self._index.similar(
            question, [chunk.id for chunk, _ in by_words if chunk.id not in known], visible_to=visible_to
        )
        return [
            one for one in found if one.chunk.visibility in visible_to and one.chunk.document not in without
        ]

    async def _judged(
        self, question: str, candidates: list[Passage], library: Library, language: Language
    ) -> Found:
        """The candidates in order, and whether the first of them answer the question."""
        words, named = library.words(language), library.names.named(question)
        ranked = await asyncio.to_thread(rerank, question, candidates, words, named)
        told = sentences_of(ranked)
        near = await self._index.nearness(question, told)
        first = to_read(ranked, named)
        odds = await asyncio.gather(*(asyncio.to_thread(read_together, question, one.chunk) for one in first))
        sure = await asyncio.to_thread(answerable, question, ranked, near, odds, words, language)
        read = reordered(first, odds)
        # What was not read is further down, or about another product: it counts for no more than what was.
        rest = [replace(one, score=min(one.score, read[-1].score)) for one in ranked if one not in first]
        return Found((*read, *rest), sure, dict(zip(told, near, strict=True)))
