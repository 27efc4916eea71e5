"""Make the demo shop's PDF manuals from their Markdown.

Each ``demo/manuals/<language>/<name>.md`` becomes ``<name>.pdf`` beside it: real headings in a
larger font, the same headings as bookmarks, title and language in the metadata, so that a PDF
reader finds the structure again. The same text always gives the same bytes.

Chinese uses the standard CID font STSong-Light: nothing is embedded, the viewer brings the font.

Usage: ``python tools/make_manuals.py`` (needs ``reportlab``).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate

MANUALS = Path(__file__).resolve().parent.parent / "demo" / "manuals"
LANGUAGES = ("en", "zh")
_FONTS = {"en": ("Helvetica", "Helvetica-Bold"), "zh": ("STSong-Light", "STSong-Light")}
_INK = HexColor("#1f2a24")


class _Heading(Paragraph):  # type: ignore[misc]  # reportlab ships no types
    """A heading that is also a bookmark."""

    def __init__(self, text: str, level: int, style: ParagraphStyle) -> None:
        super().__init__(escape(text), style)
        self.bookmark, self.level = text, level

    def draw(self) -> None:
        self.canv.bookmarkPage(self.bookmark)
        self.canv.addOutlineEntry(self.bookmark, self.bookmark, self.level)
        super().draw()


class _Styles:
    """Paragraph styles of one language."""

    def __init__(self, language: str) -> None:
        plain, bold = _FONTS[language]
        wrap = "CJK" if language == "zh" else None
        self.bold = bold
        self.text = ParagraphStyle(
            "text", fontName=plain, fontSize=10.5, leading=15.5, textColor=_INK, spaceAfter=6, wordWrap=wrap
        )
        self.item = ParagraphStyle("item", parent=self.text, leftIndent=14, firstLineIndent=-14, spaceAfter=4)
        self.headings = [
            ParagraphStyle(
                f"h{level}", parent=self.text, fontName=bold, fontSize=size, leading=size * 1.3,
                spaceBefore=before, spaceAfter=5, keepWithNext=True,
            )
            for level, size, before in ((1, 20, 0), (2, 14, 12), (3, 12, 8))
        ]  # fmt: skip


def split(source: str) -> tuple[dict[str, Any], str]:
    """Front matter and body of a Markdown file."""
    _, matter, body = source.split("---\n", 2)
    return yaml.safe_load(matter), body


def pdf(source: str) -> bytes:
    """The PDF of one manual's Markdown."""
    matter, body = split(source)
    language = str(matter["language"])
    if language == "zh":
        registerFont(UnicodeCIDFont("STSong-Light"))
    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(body))
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=22 * mm, rightMargin=22 * mm, topMargin=20 * mm, bottomMargin=20 * mm,
        title=matter["title"], author="Fernway Outdoor", subject=matter["version"], lang=language, invariant=1,
    )  # fmt: skip
    document.build(list(_blocks(tree, _Styles(language), language)))
    return out.getvalue()


def _blocks(tree: SyntaxTreeNode, styles: _Styles, language: str) -> Iterator[Flowable]:
    for node in tree.children:
        match node.type:
            case "heading":
                level = int(node.tag[1])
                yield _Heading(_plain(node), level - 1, styles.headings[level - 1])
            case "paragraph":
                yield Paragraph(_inline(node, styles), styles.text)
            case "bullet_list":
                yield from (Paragraph(f"•  {_inline(item, styles)}", styles.item) for item in node.children)
            case "ordered_list":
                for number, item in enumerate(node.children, start=1):
                    yield Paragraph(f"{number}.  {_inline(item, styles)}", styles.item)
            case "table":
                yield from (Paragraph(row, styles.item) for row in _rows(node, styles, language))
            case other:
                raise ValueError(f"a manual cannot contain {other}")


def _rows(table: SyntaxTreeNode, styles: _Styles, language: str) -> Iterator[str]:
    """Each row as a sentence that names its columns: text taken out of the PDF then says what is what."""
    colon, semicolon, stop = ("：", "；", "。") if language == "zh" else (": ", "; ", ".")
    head, body = table.children
    _, *names = (_inline(cell, styles) for cell in head.children[0].children)
    for row in body.children:
        first, *cells = (_inline(cell, styles) for cell in row.children)
        between = colon
        if len(cells) > 1:
            between = " – "
            cells = [f"{name}{colon}{cell}" for name, cell in zip(names, cells, strict=True)]
        yield f'<font name="{styles.bold}">{first}</font>{between}{semicolon.join(cells)}{stop}'


def _inline(node: SyntaxTreeNode, styles: _Styles) -> str:
    """The text inside a block as reportlab's markup."""
    if node.type == "text":
        return escape(node.content, quote=False)
    if node.type == "softbreak":
        return " "
    inner = "".join(_inline(child, styles) for child in node.children)
    return f'<font name="{styles.bold}">{inner}</font>' if node.type == "strong" else inner


def _plain(node: SyntaxTreeNode) -> str:
    return node.content if node.type == "text" else "".join(_plain(child) for child in node.children)


def main() -> None:
    """Write every manual's PDF beside its Markdown."""
    for language in LANGUAGES:
        for path in sorted((MANUALS / language).glob("*.md")):
            target = path.with_suffix(".pdf")
            target.write_bytes(pdf(path.read_text(encoding="utf-8")))
            print(target.relative_to(MANUALS.parent))


if __name__ == "__main__":
    main()
