"""schema.org data (JSON-LD): products, product groups and FAQ pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bs4 import BeautifulSoup

from retrieval.passages import Document, Language, Visibility
from retrieval.readers.faq import Question, faq_documents
from retrieval.readers.products import Entry, product_documents
from retrieval.readers.source_file import SourceFile

_OPTIONS = ("color", "size", "pattern", "material")
_MEASURES = ("weight", "width", "height", "depth")


def loads(file: SourceFile, text: str) -> object:
    """JSON out of a file.

    Raises:
        DocumentUnreadable: It is not valid JSON, or nested without end.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise file.unreadable(f"is not valid JSON (line {error.lineno})") from error
    except RecursionError as error:
        raise file.unreadable("is nested too deeply") from error


def is_linked(data: object) -> bool:
    """Whether JSON says that it is JSON-LD."""
    return any("@type" in node or "@graph" in node for node in _top(data))


def linked_documents(
    file: SourceFile, data: object, *, language: Language | None = None, visibility: Visibility = "public"
) -> list[Document]:
    """Products and questions in JSON-LD; nodes of any other type are passed over."""
    nodes = list(_nodes(data))
    entries = [entry for node in nodes if _is(node, "Product", "ProductGroup") for entry in _entries(node)]
    questions = [
        Question(
            id=_text(node.get("@id")), question=_text(node.get("name")), answer=_text(answer.get("text"))
        )
        for page in nodes
        if _is(page, "FAQPage")
        for node in _list(page.get("mainEntity"))
        for answer in _list(node.get("acceptedAnswer"))[:1]
    ]
    return [
        *product_documents(file, entries, language=language, visibility=visibility),
        *faq_documents(file, questions, language=language, visibility=visibility),
    ]


def _top(data: object) -> Iterator[Mapping[str, Any]]:
    for node in data if isinstance(data, list) else [data]:
        if isinstance(node, dict):
            yield node


def _nodes(data: object) -> Iterator[Mapping[str, Any]]:
    for node in _top(data):
        yield node
        for inner in ("@graph", "mainEntity", "itemListElement", "item"):
            if not _is(node, "FAQPage"):
                yield from _nodes(node.get(inner))


def _is(node: Mapping[str, Any], *types: str) -> bool:
    named = node.get("@type")
    return any(
        str(name).rpartition("/")[2] in types for name in (named if isinstance(named, list) else [named])
    )


def _entries(node: Mapping[str, Any], parent: Mapping[str, Any] | None = None) -> Iterator[Entry]:
    variants = _list(node.get("hasVariant"))
    if variants:
        for variant in variants:
            yield from _entries(variant, node)
        return
    parent = parent or {}
    offer = next(iter(_list(node.get("offers")) or _list(parent.get("offers"))), {})
    own_id = _text(
        node.get("sku") or node.get("productID") or node.get("@id") or node.get("url") or node.get("name")
    )
    group = _text(
        parent.get("productGroupID")
        or node.get("inProductGroupWithID")
        or parent.get("@id")
        or parent.get("name")
        or own_id
    )
    price = _text(offer.get("price") or offer.get("lowPrice"))
    yield Entry(
        id=own_id,
        group=group,
        title=_text(parent.get("name") or node.get("name")),
        description=_text(parent.get("description") or node.get("description")),
        brand=_named(node.get("brand") or parent.get("brand")),
        price=f"{price} {_text(offer.get('priceCurrency'))}".strip(),
        availability=_availability(_text(offer.get("availability"))),
        options=tuple(value for key in _OPTIONS if (value := _named(node.get(key)))),
        details=tuple(_details(node)) + tuple(_details(parent)),
        link=_text(node.get("url") or parent.get("url")),
        language=_text(node.get("inLanguage") or parent.get("inLanguage")),
    )


def _details(node: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in _MEASURES:
        for measure in _list(node.get(key)):
            if value := _text(measure.get("value")):
                yield "", key, f"{value} {_text(measure.get('unitText') or measure.get('unitCode'))}".strip()
    for extra in _list(node.get("additionalProperty")):
        if value := f"{_text(extra.get('value'))} {_text(extra.get('unitText'))}".strip():
            yield "", _text(extra.get("name")), value


def _availability(address: str) -> str:
    name = address.rpartition("/")[2]
    return {"InStock": "in_stock", "OutOfStock": "out_of_stock", "SoldOut": "out_of_stock"}.get(
        name, {"PreOrder": "preorder", "BackOrder": "backorder"}.get(name, name)
    )


def _list(value: object) -> list[Mapping[str, Any]]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _named(value: object) -> str:
    return _text(value.get("name")) if isinstance(value, dict) else _text(value)


def _text(value: object) -> str:
    """A plain value as text; schema.org allows HTML in some of them."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value)
    return BeautifulSoup(text, "lxml").get_text(" ", strip=True) if "<" in text else text.strip()
