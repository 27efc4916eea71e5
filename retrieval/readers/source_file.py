"""One file to be read: its bytes within limits, and what its path says about it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import cast, get_args

from retrieval.errors import DocumentUnreadable, VisibilityUnknown
from retrieval.language import declared_language, path_language, script_language
from retrieval.passages import Document, Kind, Language, Section, Visibility

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff\u200b\u202a-\u202e\u2066-\u2069]"
)
_FOLDER_KINDS: Mapping[str, Kind] = {
    "policies": "policy",
    "policy": "policy",
    "faq": "faq",
    "faqs": "faq",
    "manuals": "manual",
    "manual": "manual",
    "products": "product",
}
MAX_CHARACTERS = 2_000_000
"""Text taken from one file. Longer than any manual; stops a small file that unpacks into a huge one."""


@dataclass(frozen=True)
class SourceFile:
    """A file and the name it goes by in the index."""

    path: Path
    source: str

    def unreadable(self, why: str) -> DocumentUnreadable:
        """The error that names this file."""
        return DocumentUnreadable(self.source, why)

    def data(self, limit: int) -> bytes:
        """The file's bytes.

        Raises:
            DocumentUnreadable: It is larger than ``limit`` bytes, or cannot be opened.
        """
        try:
            with self.path.open("rb") as opened:
                data = opened.read(limit + 1)
        except OSError as error:
            raise self.unreadable(f"cannot be opened ({error.strerror})") from error
        if len(data) > limit:
            raise self.unreadable(f"is larger than {limit / 1_000_000:g} MB")
        return data

    def text(self, limit: int) -> str:
        """The file as text.

        Raises:
            DocumentUnreadable: It is too large, or neither UTF-8 nor marked as UTF-16.
        """
        data = self.data(limit)
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            raise self.unreadable(f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from error

    @property
    def kind(self) -> Kind | None:
        """The kind that the nearest telling folder stands for."""
        for part in reversed(self.source.split("/")[:-1]):
            if kind := _FOLDER_KINDS.get(part.lower()):
                return kind
        return None

    def language(self, declared: object, text: str) -> Language:
        """What the document says, else what its path says, else what its script says."""
        said = declared_language(declared) if isinstance(declared, str) else None
        return said or path_language(self.source) or script_language(text)

    def visibility(self, declared: object) -> Visibility:
        """``public`` when nothing is said.

        Raises:
            VisibilityUnknown: Something is said, but not a word there is a rule for.
        """
        if declared is None or declared == "":
            return "public"
        if declared not in get_args(Visibility):
            known = ", ".join(get_args(Visibility))
            raise VisibilityUnknown(self.source, f"its visibility is none of {known}")
        return cast("Visibility", declared)

    def document(
        self,
        *,
        title: str,
        kind: Kind,
        language: Language,
        sections: Iterable[Section],
        entry: str = "",
        version: object = None,
        effective: object = None,
        visibility: Visibility = "public",
        product: str = "",
        attributes: Mapping[str, str] | None = None,
    ) -> Document:
        """A document of this file: cleaned, empty sections left out, its id made from path and entry."""
        day = as_date(effective)
        cleaned = tuple(
            Section(clean_line(section.heading), text)
            for section in sections
            if (text := clean(section.text))
        )
        if sum(len(section.text) for section in cleaned) > MAX_CHARACTERS:
            raise self.unreadable(f"holds more than {MAX_CHARACTERS:,} characters")
        return Document(
            id=f"{self.source}{'#' + entry if entry else ''}@{language}",
            source=self.source,
            title=clean_line(title) or self.path.stem,
            kind=kind,
            language=language,
            sections=cleaned,
            version=clean_line(str(version)) if version else day.isoformat() if day else "",
            effective=day,
            visibility=visibility,
            product=product,
            attributes=attributes or {},
        )


def clean(text: str) -> str:
    """One form for all text: composed characters, plain line ends, no control or direction marks."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " "))
    text = _CONTROL.sub("", text)
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r" ?\n ?", "\n", re.sub(r"(?: ?\n){3,}", "\n\n", text)).strip()


def clean_line(text: str) -> str:
    """The same for a title or heading, on one line."""
    return " ".join(clean(text).split())


def as_date(value: object) -> date | None:
    """A date out of front matter or a column, or ``None``."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None
