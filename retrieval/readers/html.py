"""HTML pages: what a visitor reads, and the schema.org data in them."""

from __future__ import annotations

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement, PreformattedString

from retrieval.passages import Document, Language
from retrieval.readers.headings import Outline
from retrieval.readers.json_ld import linked_documents, loads
from retrieval.readers.source_file import SourceFile
from retrieval.readers.table import row_line

MAX_BYTES = 5_000_000
_UNREAD = "script style nav footer template noscript iframe object svg canvas form button select head"
_BLOCK_NAMES = (
    "address article aside blockquote body dd details div dl dt fieldset figcaption figure h1 h2 h3 h4 h5 h6 "
    "header hr html li main ol p pre section summary table tbody td th thead tr ul"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def read_html(file: SourceFile) -> list[Document]:
    """The page by its headings, then each product or question in its JSON-LD."""
    soup = BeautifulSoup(file.data(MAX_BYTES), "lxml")
    for tag in soup.select('script[type="application/ld+json"]'):
        if not tag.get_text().strip():
            tag.decompose()
    linked = [loads(file, tag.get_text()) for tag in soup.select('script[type="application/ld+json"]')]
    visibility = file.visibility(_meta(soup, "amends:visibility"))
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    root = soup.find("html")
    declared = root.get("lang") if isinstance(root, Tag) else None
    for tag in soup.select(", ".join([*_UNREAD.split(), "[hidden]", '[aria-hidden="true"]'])):
        if not tag.decomposed:
            tag.decompose()
    language = file.language(declared, soup.get_text(" "))
    outline = Outline()
    _fill(outline, soup, language)
    documents = [
        document
        for data in linked
        for document in linked_documents(file, data, language=language, visibility=visibility)
    ]
    if sections := outline.sections():
        documents.insert(
            0,
            file.document(
                title=outline.first_title or title,
                kind=file.kind or "page",
                language=language,
                sections=sections,
                version=_meta(soup, "amends:version"),
                visibility=visibility,
            ),
        )
    return documents


def _meta(soup: BeautifulSoup, name: str) -> str | None:
    tag = soup.find("meta", attrs={"name": name})
    content = tag.get("content") if isinstance(tag, Tag) else None
    return content if isinstance(content, str) else None


def _fill(outline: Outline, soup: BeautifulSoup, language: Language) -> None:
    for table in soup.find_all("table"):
        if not table.decomposed:
            table.replace_with(_table(soup, table, language))
    block: Tag | None = None
    words: list[str] = []

    def close() -> None:
        text = "\n".join(" ".join(line.split()) for line in "".join(words).split("\0"))
        words.clear()
        if block is not None and (level := _HEADINGS.get(block.name)):
            if text.strip():
                outline.heading(level, " ".join(text.split()))
        else:
            outline.paragraph(
                f"- {text}" if block is not None and block.name == "li" and text.strip() else text
            )

    for element in soup.descendants:
        if isinstance(element, Tag) and element.name == "br":
            words.append("\0")
        if not isinstance(element, NavigableString) or isinstance(element, PreformattedString):
            continue
        owner = _block(element)
        if owner is not block:
            close()
            block = owner
        # NUL marks a line break until the white space is folded; it cannot be in the page itself.
        words.append(
            "\0".join(element.split("\n")) if owner and owner.name == "pre" else element.replace("\0", "")
        )
    close()


def _block(element: PageElement) -> Tag | None:
    parent = element.parent
    while parent is not None and parent.name not in _BLOCKS:
        parent = parent.parent
    return parent


def _table(soup: BeautifulSoup, table: Tag, language: Language) -> Tag:
    rows = [row for row in table.find_all("tr") if row.find_parent("table") is table]
    header: list[str] = []
    lines = soup.new_tag("pre")
    for row in rows:
        cells = row.find_all(["th", "td"], recursive=False)
        texts = [" ".join(cell.get_text(" ").split()) for cell in cells]
        if not header and cells and all(cell.name == "th" for cell in cells):
            header = texts
        elif any(texts):
            lines.append(row_line(header, texts, language) + "\n")
    return lines
