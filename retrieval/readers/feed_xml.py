"""Google Merchant product feeds in XML: RSS 2.0 or Atom with the ``g:`` namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from retrieval.language import declared_language
from retrieval.passages import Document
from retrieval.readers.merchant import Fields, entry
from retrieval.readers.products import product_documents
from retrieval.readers.source_file import SourceFile

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 50_000_000


def read_feed(file: SourceFile) -> list[Document]:
    """All products of the feed.

    Raises:
        DocumentUnreadable: It is not well-formed, declares a DTD or entities, or is no feed.
    """
    try:
        root = fromstring(file.data(MAX_BYTES), forbid_dtd=True)
    except DefusedXmlException as error:
        raise file.unreadable("declares a DTD or entities, which a feed has no need of") from error
    except (ParseError, ValueError, LookupError) as error:
        raise file.unreadable("is not well-formed XML") from error
    items = [element for element in root.iter() if _name(element) in ("item", "entry")]
    if _name(root) not in ("rss", "feed") or not items:
        raise file.unreadable("is not an RSS or Atom product feed")
    spoken = next((element.text for element in root.iter() if _name(element) == "language"), None)
    return product_documents(
        file, [entry(_fields(item)) for item in items], language=declared_language(spoken)
    )


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _fields(item: Element) -> Fields:
    fields: Fields = {}
    for element in item:
        name, text = _name(element), (element.text or "").strip()
        if name == "product_detail":
            parts = {_name(part): (part.text or "").strip() for part in element}
            detail = (
                parts.get("section_name", ""),
                parts.get("attribute_name", ""),
                parts.get("attribute_value", ""),
            )
            fields.setdefault(name, []).append(detail)
        elif name == "link" and not text:
            fields.setdefault(name, []).append(("", "", element.get("href", "")))
        elif text:
            fields.setdefault(name, []).append(("", "", text))
    return fields
