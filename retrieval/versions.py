"""Which version of a document is in force on a day: the others must not be told as current.

Two documents are versions of one when they share the ``id`` of their front matter, or title,
kind, product and language: a shop that keeps ``returns-2024.md`` beside ``returns.md`` rarely
gives both the same id. Of such versions the one holds whose day of effect is the latest that
has come. A document can also name the one it ``replaces``, or call itself ``superseded``.
Documents without any date are never judged by the dates of others: nothing says which is newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import PurePosixPath

from retrieval.passages import Chunk


def outdated(chunks: Iterable[Chunk], today: date) -> frozenset[str]:
    """Ids of the documents that do not hold on ``today``: superseded, replaced, or not yet in force."""
    documents = list({chunk.document: chunk for chunk in chunks}.values())
    days = {one.document: in_force_from(one) for one in documents}
    gone = {
        one.document
        for one in documents
        if one.superseded or ((day := days[one.document]) is not None and day > today)
    }
    there = [one for one in documents if one.document not in gone]
    for one in there:
        if one.replaces:
            gone.update(
                other.document
                for other in there
                if one.replaces in _names(other)
                and other.language == one.language
                and other.document != one.document
            )
    for family in _families([one for one in there if days[one.document] is not None]):
        newest = max(days[one.document] or date.min for one in family)
        gone.update(one.document for one in family if days[one.document] != newest)
    return frozenset(gone)


def in_force_from(chunk: Chunk) -> date | None:
    """The day a chunk's document takes effect: as it says, else its version when that is a date."""
    if chunk.effective is not None:
        return chunk.effective
    try:
        return date.fromisoformat(chunk.version)
    except ValueError:
        return None


def _names(chunk: Chunk) -> set[str]:
    """What a document may be called: its family, its path, ``returns`` for ``policies/en/returns.md``."""
    path = chunk.document.rpartition("@")[0] or chunk.document
    return {chunk.family or path, path, PurePosixPath(path.partition("#")[0]).stem}


def _families(documents: Sequence[Chunk]) -> list[list[Chunk]]:
    """Documents grouped by shared id or shared title, also across a third that has both."""
    above: dict[tuple[str, ...], tuple[str, ...]] = {}

    def top(key: tuple[str, ...]) -> tuple[str, ...]:
        while above.setdefault(key, key) != key:
            key = above[key]
        return key

    for one in documents:
        above[top(_by_id(one))] = top(_by_title(one))
    families: dict[tuple[str, ...], list[Chunk]] = {}
    for one in documents:
        families.setdefault(top(_by_title(one)), []).append(one)
    return list(families.values())


def _by_title(one: Chunk) -> tuple[str, ...]:
    return "title", one.title, one.kind, one.product, one.language


def _by_id(one: Chunk) -> tuple[str, ...]:
    return ("id", one.family, one.language) if one.family else _by_title(one)
