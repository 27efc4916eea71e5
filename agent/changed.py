"""What became of a passage since it was cited: its text holds, or another stands in its place.

The index knows only today's texts; what an answer stood on is in the log. Comparing the two
needs no record of what each indexing run did, so a run that broke off loses nothing, and a
version that takes effect by its date counts the day it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath

from agent.events import PassageRef
from retrieval.passages import Chunk
from retrieval.versions import in_force_from

RULES = frozenset({"policy", "faq", "page"})
"""Kinds of documents that say what the shop does. A product's text changes without a word given."""


@dataclass(frozen=True)
class Change:
    """A cited text that holds no more."""

    version: str | None
    """Version of the document that has its place now; ``None`` when none has."""
    now: str
    """The text that has its place now; empty when none has."""


class TextsNow:
    """The texts in force today.

    Args:
        chunks: All of the index, whoever may read them.
        outdated: Documents among them that do not hold today.
    """

    def __init__(self, chunks: Iterable[Chunk], outdated: frozenset[str]) -> None:
        self._known = {chunk.id: chunk for chunk in chunks}
        self._held = [chunk for chunk in self._known.values() if chunk.document not in outdated]
        self._ids = {chunk.id for chunk in self._held}
        self._texts = {
            (chunk.language, _subject(chunk.title, chunk.heading), plain(chunk.text)) for chunk in self._held
        }

    def has(self, passage: str) -> bool:
        """Whether the passage of this id is in force."""
        return passage in self._ids

    def change(self, cited: PassageRef) -> Change | None:
        """What became of a cited passage; ``None`` while its text holds, also in another place.

        A text has only moved when it stands word for word under the same heading (or title,
        where there is no heading) in another file or chapter.
        """
        subject = _subject(cited.title, cited.heading)
        if cited.kind not in RULES or self.has(cited.id):
            return None
        if (cited.language, subject, plain(cited.text)) in self._texts:
            return None
        successor = self._successor(cited)
        if not successor:
            return Change(version=None, now="")
        same = [chunk.text for chunk in successor if _subject(chunk.title, chunk.heading) == subject]
        return Change(version=successor[0].version, now="\n".join(same))

    def _successor(self, cited: PassageRef) -> list[Chunk]:
        """The chunks of the document that has the place of the cited one."""
        there = [chunk for chunk in self._held if chunk.language == cited.language]
        known = self._known.get(cited.id)
        path = cited.document.rpartition("@")[0]
        names = {path, PurePosixPath(path.partition("#")[0]).stem, known.family if known else path}
        found = (
            [chunk for chunk in there if chunk.document == cited.document]
            or [chunk for chunk in there if chunk.family in names or chunk.replaces in names]
            or [chunk for chunk in there if (chunk.title, chunk.kind) == (cited.title, cited.kind)]
        )
        if not found:
            return []
        newest = max(found, key=lambda chunk: (in_force_from(chunk) or date.min, chunk.document))
        return [chunk for chunk in found if chunk.document == newest.document]


def plain(text: str) -> str:
    """``text`` with every gap a single space: a line broken elsewhere is the same text."""
    return " ".join(text.split())


def _subject(title: str, heading: str) -> str:
    return heading.rpartition(" > ")[2] or title
