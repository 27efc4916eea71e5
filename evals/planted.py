"""Documents that exist in one scenario only, laid over the shop's real index."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from evals.scenario import PlantedDocument, Scenario
from evals.world import World
from retrieval.chunks import chunk, embedded_text
from retrieval.library import Library
from retrieval.passages import (
    Chunk,
    Document,
    Embedder,
    Language,
    Passage,
    PassageIndex,
    Section,
    Visibility,
)
from retrieval.vectors import Vectors

_HEADING = re.compile(r"^#+\s*(.+)$", re.MULTILINE)


class PlantedIndex:
    """The shop's index with planted documents beside, or instead of, its own.

    Reads go to the real index too; nothing is ever written to it. Which planted documents are
    there depends on the turn, so that a document can change in the middle of a chat.
    """

    def __init__(self, index: PassageIndex, embedder: Embedder, scenario: Scenario, world: World) -> None:
        self._index = index
        self._embedder = embedder
        self._world = world
        self._language: Language = scenario.language
        self._planted = scenario.faults.documents
        self._chunks: dict[str, list[Chunk]] = {
            planted.id: chunk(document(planted, scenario.language)) for planted in self._planted
        }
        self._library: tuple[Library, tuple[PlantedDocument, ...], Library] | None = None
        self._vectors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}

    def _present(self) -> list[PlantedDocument]:
        return [planted for planted in self._planted if self._world.turn > planted.after_turn]

    async def query(
        self,
        text: str,
        *,
        visible_to: frozenset[Visibility],
        k: int = 5,
        language: Language | None = None,
        without: frozenset[str] = frozenset(),
    ) -> list[Passage]:
        """The real index's passages, less those replaced, with the planted ones."""
        library = await self.library()
        spare = 12 if self._replaced() else 0
        real = await self._index.query(
            text, visible_to=visible_to, k=k + spare, language=language, without=without
        )
        found = [passage for passage in real if passage.chunk.id in library.chunks]
        if language in {None, self._language}:
            for planted in self._present():
                if planted.visibility in visible_to:
                    found += await asyncio.to_thread(self._similar, planted.id, text)
        kept = [passage for passage in found if passage.chunk.document not in without]
        return sorted(kept, key=lambda passage: (-passage.similarity, passage.chunk.id))[:k]

    async def similar(
        self, text: str, ids: Sequence[str], *, visible_to: frozenset[Visibility]
    ) -> list[Passage]:
        """These chunks, planted or real, as far as they are there and visible."""
        library = await self.library()
        wanted = [key for key in ids if key in library.chunks]
        found = await self._index.similar(text, wanted, visible_to=visible_to)
        for planted in self._present():
            if planted.visibility in visible_to:
                near = await asyncio.to_thread(self._similar, planted.id, text)
                found += [passage for passage in near if passage.chunk.id in wanted]
        return sorted(found, key=lambda passage: (-passage.similarity, passage.chunk.id))

    @property
    def vectors(self) -> Vectors:
        """The real index's: planted texts are embedded alike."""
        return self._index.vectors

    async def nearness(self, question: str, texts: Sequence[str]) -> list[float]:
        """The similarity of each text to a question."""
        return await self._index.nearness(question, texts)

    async def library(self) -> Library:
        """The real library, less what is replaced, with what is planted in this turn."""
        real, present = await self._index.library(), tuple(self._present())
        if self._library is None or self._library[:2] != (real, present):
            gone = self._replaced()
            chunks = [piece for piece in real.chunks.values() if _base(piece.document) not in gone]
            chunks += [piece for planted in present for piece in self._chunks[planted.id]]
            self._library = (real, present, await asyncio.to_thread(Library, chunks, real))
        return self._library[2]

    def _replaced(self) -> set[str]:
        return {planted.replaces for planted in self._present() if planted.replaces}

    def _similar(self, id: str, text: str) -> list[Passage]:
        if id not in self._vectors:
            texts = [embedded_text(piece) for piece in self._chunks[id]]
            self._vectors[id] = np.asarray(self._embedder.embed_passages(texts), dtype=np.float32)
        asked = np.asarray(self._embedder.embed_query(text), dtype=np.float32)
        return [
            Passage(piece, float(similarity))
            for piece, similarity in zip(self._chunks[id], self._vectors[id] @ asked, strict=True)
        ]

    async def get(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        """A planted chunk or a real one."""
        for planted in self._present():
            for piece in self._chunks[planted.id]:
                if piece.id == id and piece.visibility in visible_to:
                    return piece
        return await self._index.get(id, visible_to=visible_to)

    async def add(self, chunks: Sequence[Chunk]) -> None:
        """Not possible: scenarios share the real index."""
        raise NotImplementedError("planted documents are given with the scenario")

    async def delete(self, ids: Sequence[str]) -> None:
        """Not possible: scenarios share the real index."""
        raise NotImplementedError("planted documents are given with the scenario")

    async def checksums(self) -> dict[str, str]:
        """The real index's."""
        return await self._index.checksums()

    async def ready(self) -> None:
        """The real index's."""
        await self._index.ready()


def document(planted: PlantedDocument, language: Language) -> Document:
    """The planted document as retrieval reads documents: Markdown headings make sections."""
    parts = _HEADING.split(planted.text)
    sections = [Section("", parts[0].strip())] if parts[0].strip() else []
    sections += [
        Section(heading.strip(), text.strip()) for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
    return Document(
        id=f"{planted.id}.{language}",
        source=f"planted/{planted.id}",
        title=planted.title,
        kind=planted.kind,
        language=language,
        sections=tuple(sections),
        version=planted.version,
        visibility=planted.visibility,
    )


def _base(document: str) -> str:
    """What people call a document: ``returns`` for ``demo/policies/en/returns.md@en``."""
    path, _, entry = document.partition("@")[0].partition("#")
    return entry or PurePosixPath(path).stem
