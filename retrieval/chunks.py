"""Documents cut into chunks along their own structure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace

from langchain_text_splitters import RecursiveCharacterTextSplitter

from retrieval.passages import Chunk, Document, Section

MAX_LENGTH = 800
"""160 words, or about 270 Han characters. E5 reads up to 512 tokens, but a passage that says one thing
is found more surely, is cheaper to put into a prompt, and is easier to check an answer against."""
MIN_LENGTH = 60
"""Neighbouring sections shorter than 12 words are joined: "Price: 249.00 EUR" alone is all title."""
_HAN = re.compile(r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]")
_SEPARATORS = [
    r"\n\n",
    r"\n",
    r"(?<=[。！？])",
    r"(?<=[.!?])\s+",
    r"(?<=[；;])",
    r"(?<=[，、,:：])",
    r"\s+",
    "",
]


def length(text: str) -> int:
    """Length in fifths of a word; a Han character counts as three of them, as it does in E5's tokens."""
    return 5 * len(_HAN.sub(" ", text).split()) + 3 * len(_HAN.findall(text))


def chunk(document: Document) -> list[Chunk]:
    """The chunks of a document, in order; every text is an exact piece of a section or of joined ones.

    The id of a chunk is a hash of document id, heading and text, so it stays while they do.
    """
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=MAX_LENGTH,
        chunk_overlap=0,
        length_function=length,
        separators=_SEPARATORS,
        is_separator_regex=True,
        keep_separator="end",
    )
    chunks: dict[str, Chunk] = {}
    for section in _join(document.sections):
        whole = length(section.text) <= MAX_LENGTH
        for text in [section.text] if whole else splitter.split_text(section.text):
            piece = _chunk(document, section.heading, text)
            chunks.setdefault(piece.id, piece)
    return list(chunks.values())


def embedded_text(chunk: Chunk) -> str:
    """What is embedded for a chunk: title and heading first, since a text may not name its subject."""
    return _prefix(chunk.title, chunk.heading) + chunk.text


def stored_text(embedded: str, title: str, heading: str) -> str:
    """A chunk's text out of its embedded text."""
    return embedded.removeprefix(_prefix(title, heading))


def _prefix(title: str, heading: str) -> str:
    return f"{title} > {heading}\n" if heading else f"{title}\n"


def _chunk(document: Document, heading: str, text: str) -> Chunk:
    chunk = Chunk(
        id=_hash(document.id, heading, text)[:24],
        document=document.id,
        source=document.source,
        title=document.title,
        heading=heading,
        text=text,
        kind=document.kind,
        language=document.language,
        version=document.version,
        visibility=document.visibility,
        checksum="",
        product=document.product,
        effective=document.effective,
        family=document.attributes.get("id", ""),
        replaces=document.attributes.get("replaces", ""),
        superseded=document.attributes.get("superseded", "").lower() == "true",
    )
    return replace(chunk, checksum=checksum(chunk))


def checksum(chunk: Chunk) -> str:
    """A hash of everything stored for a chunk: equal means that there is nothing to store again."""
    day = chunk.effective.isoformat() if chunk.effective else ""
    dated = (day, chunk.family, chunk.replaces, "superseded" if chunk.superseded else "")
    return _hash(
        embedded_text(chunk),
        *(chunk.document, chunk.source, chunk.title, chunk.heading, chunk.kind, chunk.language),
        *(chunk.version, chunk.visibility, chunk.product),
        *(dated if any(dated) else ()),
    )[:32]


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _join(sections: Sequence[Section]) -> list[Section]:
    """Join neighbouring small siblings; a joined text names each part by its own heading."""
    joined: list[Section] = []
    group: list[Section] = []

    def close() -> None:
        if len(group) == 1:
            joined.append(group[0])
        elif group:
            parent = _parent(group[0].heading)
            names = [section.heading.removeprefix(parent).removeprefix(" > ") for section in group]
            text = "\n\n".join(f"{name}\n{section.text}" for name, section in zip(names, group, strict=True))
            heading = " · ".join(names)
            joined.append(Section(f"{parent} > {heading}" if parent else heading, text))
        group.clear()

    for section in sections:
        small = length(section.text) < MIN_LENGTH and section.heading
        if not small or (group and _parent(group[0].heading) != _parent(section.heading)):
            close()
        group.append(section)
        if not small:
            close()
    close()
    return joined


def _parent(heading: str) -> str:
    return heading.rpartition(" > ")[0]
