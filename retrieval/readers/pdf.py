"""PDF files: sections by bookmarks where there are any, else by page."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import Destination

from retrieval.passages import Document, Language, Section
from retrieval.readers.source_file import MAX_CHARACTERS, SourceFile

MAX_BYTES = 50_000_000
MAX_PAGES = 1_000
_FULL = 0.8
"""From this share of the page's width on, a line was broken to fit: ragged lines rarely end before it."""
_WIDE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
_ITEM = re.compile(r"[•‣▪–*-] |\d{1,3}[.)、] ")
_BULLET = re.compile(r"^[•‣▪] ?", re.MULTILINE)
_VERSION = re.compile(r"v?\d+(\.\d+)*|\d{4}-\d\d-\d\d", re.IGNORECASE)


def read_pdf(file: SourceFile) -> list[Document]:
    """One document. Its kind is ``manual`` unless its folder says otherwise.

    Raises:
        DocumentUnreadable: It is broken, encrypted, too long, or holds no text (a scan).
    """
    data = file.data(MAX_BYTES)
    # Warnings about small damage are of no use to whoever indexes; what matters raises.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted:
            raise file.unreadable("is encrypted")
        if len(reader.pages) > MAX_PAGES:
            raise file.unreadable(f"has more than {MAX_PAGES:,} pages")
        pages = list(_pages(file, reader))
        bookmarks = list(_bookmarks(reader, reader.outline, 0))
        about = reader.metadata
        title = (about.title if about else None) or ""
        # PDF has no field for a version; the subject is where one is usually put.
        version = _VERSION.fullmatch((about.subject if about else None) or "")
        declared = reader.root_object.get("/Lang")
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise file.unreadable(f"is not a readable PDF ({type(error).__name__})") from error
    text = "\n".join(pages)
    if not text.strip():
        raise file.unreadable("holds no text; a scan needs its text recognised first")
    language = file.language(str(declared) if declared else None, text)
    kind = file.kind or "manual"
    stem = PurePosixPath(file.source).name.split(".")[0]
    return [
        file.document(
            title=title or stem,
            kind=kind,
            language=language,
            sections=_by_bookmark(pages, bookmarks, title) or _by_page(pages, language),
            version=version.group() if version else None,
            product=stem if kind == "manual" else "",
        )
    ]


def _pages(file: SourceFile, reader: PdfReader) -> Iterator[str]:
    total = 0
    for page in reader.pages:
        text = page.extract_text()
        total += len(text)
        if total > MAX_CHARACTERS:
            raise file.unreadable(f"holds more than {MAX_CHARACTERS:,} characters")
        yield text


def _bookmarks(reader: PdfReader, outline: Sequence[object], level: int) -> Iterator[tuple[int, int, str]]:
    """(page, level, title) in the order of the document."""
    for item in outline:
        if isinstance(item, list):
            yield from _bookmarks(reader, item, level + 1)
        elif isinstance(item, Destination):
            page = reader.get_destination_page_number(item)
            if page is not None and item.title:
                yield page, level, str(item.title).strip()


def _by_bookmark(
    pages: Sequence[str], bookmarks: Sequence[tuple[int, int, str]], title: str
) -> list[Section]:
    """Cut the text where a bookmark's title stands alone on a line of its page; nothing when that fails."""
    if not bookmarks:
        return []
    width = _width(pages)
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    waiting = list(bookmarks)

    def close() -> None:
        heading = " > ".join(name for _, name in path if name != title)
        sections.append(Section(heading, _unwrap(lines, width)))
        lines.clear()

    for number, page in enumerate(pages):
        for line in page.splitlines():
            if waiting and waiting[0][0] <= number and _same(line, waiting[0][2]):
                close()
                _, level, name = waiting.pop(0)
                path = [(above, kept) for above, kept in path if above < level]
                path.append((level, name))
            else:
                lines.append(line)
    close()
    return [] if waiting else [section for section in sections if section.text.strip()]


def _same(line: str, title: str) -> bool:
    return "".join(line.split()).lower() == "".join(title.split()).lower()


def _by_page(pages: Sequence[str], language: Language) -> list[Section]:
    name = "第 {} 页" if language == "zh" else "Page {}"
    width = _width(pages)
    return [
        Section(name.format(number), _unwrap(page.splitlines(), width))
        for number, page in enumerate(pages, start=1)
    ]


def _unwrap(lines: Sequence[str], width: int) -> str:
    """Join lines that were broken to fit the page: a nearly full line goes on, unless a list item follows."""
    text, full = "", False
    for line in map(str.strip, lines):
        if not line:
            text = text.rstrip("\n") + "\n\n"
        elif full and not _ITEM.match(line):
            text += line if _WIDE.match(text[-1]) and _WIDE.match(line) else f" {line}"
        else:
            text += line if not text or text.endswith("\n") else f"\n{line}"
        full = _line_width(line) >= _FULL * width
    return _BULLET.sub("- ", text)


def _width(pages: Sequence[str]) -> int:
    return max((_line_width(line.strip()) for page in pages for line in page.splitlines()), default=0)


def _line_width(line: str) -> int:
    """Width in columns: a Han character takes two."""
    return len(line) + len(_WIDE.findall(line))
