"""Documents, chunks and passages, and the ports of this package.

A document is source text with a version; a chunk is a stored piece of it; a passage is a
chunk returned for a query, with its similarity. Its id is what a citation points to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from retrieval.library import Library
    from retrieval.vectors import Vectors

Language = Literal["en", "zh"]
Visibility = Literal["public", "customers", "staff"]
"""Who may read a document: anybody, signed-in customers, or staff alone."""
Kind = Literal["product", "policy", "faq", "manual", "page"]


@dataclass(frozen=True)
class Section:
    """A stretch of a document under one heading (``Returns > Final sale``)."""

    heading: str
    text: str


@dataclass(frozen=True)
class Document:
    """A source document, read and not yet split.

    Attributes:
        id: Stable across versions: source path or feed id, plus language.
        source: Where it came from, relative to the indexed path; shown to staff.
        title: Shown in citations.
        version: Effective date or the source's own version; changes with the text.
    """

    id: str
    source: str
    title: str
    kind: Kind
    language: Language
    sections: tuple[Section, ...]
    version: str = ""
    effective: date | None = None
    visibility: Visibility = "public"
    product: str = ""
    """Product id for products and manuals."""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chunk:
    """A stored piece of a document. ``id`` is stable while its text is."""

    id: str
    document: str
    source: str
    title: str
    heading: str
    text: str
    kind: Kind
    language: Language
    version: str
    visibility: Visibility
    checksum: str
    product: str = ""
    effective: date | None = None
    """From when on it holds; ``None`` when the document does not say."""
    family: str = ""
    """The name that all versions of the document share (``id`` of its front matter)."""
    replaces: str = ""
    """Name of the document whose place this one takes."""
    superseded: bool = False
    """Whether the document itself says that it no longer holds."""


@dataclass(frozen=True)
class Passage:
    """A chunk found for a query.

    Attributes:
        similarity: The cosine of question and chunk, -1 to 1.
        score: What the passages of one question are ordered by; not comparable across questions.
    """

    chunk: Chunk
    similarity: float
    score: float = 0.0


class Embedder(Protocol):
    """Turns text into unit vectors of ``dimensions`` floats."""

    @property
    def name(self) -> str:
        """Name and version; a change means the index must be built again."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed stored text. Blocking: call from a worker thread."""

    def embed_query(self, text: str) -> list[float]:
        """Embed a question. Blocking: call from a worker thread."""


class PassageIndex(Protocol):
    """Stores chunks and finds them again. Blocking library calls leave the event loop.

    Raises (every method): ``retrieval.errors.IndexUnavailable``.
    """

    @property
    def vectors(self) -> Vectors:
        """Of sentences of the stored texts, remembered; whoever else compares sentences shares them."""

    async def add(self, chunks: Sequence[Chunk]) -> None:
        """Store chunks; one that is there already is replaced by the same. Inputs stay as they are."""

    async def delete(self, ids: Sequence[str]) -> None:
        """Remove chunks for good; unknown ids are ignored."""

    async def checksums(self) -> dict[str, str]:
        """All chunk ids with their checksum."""

    async def get(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        """One chunk; ``None`` when missing and equally when not visible."""

    async def query(
        self,
        text: str,
        *,
        visible_to: frozenset[Visibility],
        k: int = 5,
        language: Language | None = None,
        without: frozenset[str] = frozenset(),
    ) -> list[Passage]:
        """The ``k`` most similar visible chunks, best first, ties by id; none of the documents ``without``."""

    async def similar(
        self, text: str, ids: Sequence[str], *, visible_to: frozenset[Visibility]
    ) -> list[Passage]:
        """These chunks, as far as they are there and visible, each with its similarity to ``text``."""

    async def nearness(self, question: str, texts: Sequence[str]) -> list[float]:
        """The similarity of each text to a question, both embedded as the stored ones are."""

    async def library(self) -> Library:
        """All chunks as they are now, for searching by words. The same object while nothing changed."""

    async def ready(self) -> None:
        """Raise ``IndexUnavailable`` unless the index answers and is not empty."""


@dataclass(frozen=True)
class Found:
    """What a :class:`Retriever` returns: passages, and whether they answer the question.

    Attributes:
        answerable: A probability from a scorer that never sees generated text.
        near: How near sentences of the passages are to the question: the cosine by the sentence.
    """

    passages: tuple[Passage, ...]
    answerable: float
    near: Mapping[str, float] = field(default_factory=dict)


class Retriever(Protocol):
    """A question in, cited passages out."""

    async def find(
        self, question: str, *, language: Language, visible_to: frozenset[Visibility], k: int = 4
    ) -> Found:
        """Find passages in the question's language first, else in the other one.

        Of a document with several versions, only the one in force is among them.
        """

    async def open(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        """The chunk a citation points to, or ``None``."""
