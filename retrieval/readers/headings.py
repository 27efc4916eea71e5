"""Sections gathered under the path of headings that leads to them."""

from __future__ import annotations

from retrieval.passages import Section


class Outline:
    """Collects paragraphs; a heading of some level closes all deeper ones."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []
        self._paragraphs: list[str] = []
        self._sections: list[Section] = []
        self.first_title = ""

    def heading(self, level: int, text: str) -> None:
        """Begin a section. The first heading of level 1 is the title, and not repeated in paths."""
        self._close()
        if level == 1 and not self.first_title:
            self.first_title, self._path = text, []
            return
        self._path = [(above, name) for above, name in self._path if above < level]
        self._path.append((level, text))

    def paragraph(self, text: str) -> None:
        """Add a paragraph to the section that is open. Items of a list stay together."""
        if not text.strip():
            return
        if text.startswith("- ") and self._paragraphs and self._paragraphs[-1].startswith("- "):
            self._paragraphs[-1] += f"\n{text}"
        else:
            self._paragraphs.append(text)

    def sections(self) -> tuple[Section, ...]:
        """All sections that have text, in order."""
        self._close()
        return tuple(self._sections)

    def _close(self) -> None:
        if self._paragraphs:
            path = " > ".join(name for _, name in self._path)
            self._sections.append(Section(path, "\n\n".join(self._paragraphs)))
            self._paragraphs = []
