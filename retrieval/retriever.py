"""A question in, passages out: the shopper's own language first."""

from __future__ import annotations

from retrieval.answerable import DEPTH, answerable, models
from retrieval.passages import Chunk, Found, Language, Passage, PassageIndex, Visibility


class PassageRetriever:
    """Finds passages in an index and says whether they answer the question."""

    def __init__(self, index: PassageIndex) -> None:
        self._index = index

    async def find(
        self, question: str, *, language: Language, visible_to: frozenset[Visibility], k: int = 4
    ) -> Found:
        """Find ``k`` passages in the question's language.

        When there are too few, or they hardly answer it, passages in the other language join
        in by their similarity, since a shop may have written a thing down only once.

        Raises:
            IndexUnavailable: The index does not answer, or is not built.
        """
        wanted = max(k, DEPTH)
        own = await self._index.query(question, visible_to=visible_to, k=wanted, language=language)
        score = answerable(question, own, language)
        if len(own) >= k and score >= models()[language].threshold:
            return Found(tuple(own[:k]), score)
        other: Language = "en" if language == "zh" else "zh"
        foreign = await self._index.query(question, visible_to=visible_to, k=wanted, language=other)
        merged = _merge(own, foreign)[:wanted]
        return Found(tuple(merged[:k]), max(score, answerable(question, merged, language)))

    async def open(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        """The chunk a citation points to, or ``None``."""
        return await self._index.get(id, visible_to=visible_to)


def _merge(own: list[Passage], foreign: list[Passage]) -> list[Passage]:
    """By similarity; at equal similarity the own language goes first."""
    return sorted([*own, *foreign], key=lambda passage: -passage.similarity)
