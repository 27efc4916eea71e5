"""One passage on a shelf, for tests of the turn: retrieval has its own, here its answer is given."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.passages import Chunk, Found, Language, Passage, Visibility

GOOD, FINAL = "You can return an item within 30 days of delivery.", "Final-sale items cannot be returned."
"""The two sentences of the passage."""
RETURNS = Chunk(
    id="returns-window",
    document="returns.en",
    source="policies/en/returns.md",
    title="Returns",
    heading="The window",
    text=f"{GOOD} {FINAL}",
    kind="policy",
    language="en",
    version="2026-03-01",
    visibility="public",
    checksum="x",
)


@dataclass
class Shelf:
    """A retriever that always finds ``RETURNS``."""

    answerable: float = 0.9
    also: tuple[Passage, ...] = ()

    async def find(
        self, question: str, *, language: Language, visible_to: frozenset[Visibility], k: int = 4
    ) -> Found:
        return Found((Passage(RETURNS, 0.9), *self.also), self.answerable, {GOOD: 0.9, FINAL: 0.8})

    async def open(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        return RETURNS
