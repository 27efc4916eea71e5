"""Product entries joined into documents: the variants of one item group are one product."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from retrieval.passages import Document, Language, Section, Visibility
from retrieval.readers.source_file import SourceFile, clean_line


@dataclass(frozen=True)
class Entry:
    """One variant, as a feed lists it.

    Attributes:
        group: Product that variants share; the entry's own id when it has no variants.
        options: What tells variants apart (colour, size, …), in order.
        details: (topic, name, value); the topic may be empty.
        price: With currency, as the feed writes it.
    """

    id: str
    group: str
    title: str
    description: str = ""
    brand: str = ""
    price: str = ""
    sale_price: str = ""
    availability: str = ""
    options: tuple[str, ...] = ()
    details: tuple[tuple[str, str, str], ...] = ()
    highlights: tuple[str, ...] = ()
    link: str = ""
    language: str = ""
    visibility: str = ""
    version: str = ""


@dataclass(frozen=True)
class _Words:
    description: str
    specifications: str
    variants: str
    price: str
    care: str
    warranty: str
    brand: str
    instead_of: str
    availability: Mapping[str, str] = field(default_factory=dict)
    comma: str = ", "
    semicolon: str = "; "
    colon: str = ": "


_WORDS: Mapping[Language, _Words] = MappingProxyType(
    {
        "en": _Words(
            description="Description",
            specifications="Specifications",
            variants="Sizes, colours and availability",
            price="Price",
            care="Care",
            warranty="Warranty",
            brand="Brand",
            instead_of="{sale} instead of {price}",
            availability={
                "in_stock": "In stock",
                "out_of_stock": "Out of stock",
                "preorder": "Can be pre-ordered",
                "backorder": "On back-order",
            },
        ),
        "zh": _Words(
            description="商品介绍",
            specifications="规格参数",
            variants="尺码、颜色与库存",
            price="价格",
            care="保养",
            warranty="质保",
            brand="品牌",
            instead_of="{sale}（原价 {price}）",
            availability={
                "in_stock": "有货",
                "out_of_stock": "缺货",
                "preorder": "可预订",
                "backorder": "补货中，可下单",
            },
            comma="、",
            semicolon="；",
            colon="：",
        ),
    }
)
_CARE = re.compile(r"\b(care|washing|cleaning)\b|保养|洗护|护理|清洁", re.IGNORECASE)
_WARRANTY = re.compile(r"\b(warranty|guarantee)\b|质保|保修", re.IGNORECASE)
_SEPARATOR = re.compile(r"([\s,，、|/(（\[【·:：–—-]+)")


def product_documents(
    file: SourceFile,
    entries: Iterable[Entry],
    *,
    language: Language | None = None,
    visibility: Visibility = "public",
) -> list[Document]:
    """One document per product, in the order of the file, with a section per topic.

    ``language`` and ``visibility`` are those of the file; an entry's own come first.

    Raises:
        DocumentUnreadable: An entry has no id or no title.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for number, entry in enumerate(entries, start=1):
        if not entry.id or not entry.title:
            raise file.unreadable(f"product {number} has no {'title' if entry.id else 'id'}")
        groups.setdefault((entry.group, entry.language), []).append(entry)
    return [_product(file, group, language, visibility) for group in groups.values()]


def _product(
    file: SourceFile, entries: Sequence[Entry], language: Language | None, visibility: Visibility
) -> Document:
    first = entries[0]
    text = f"{first.title} {first.description}"
    spoken = file.language(first.language, text) if first.language or not language else language
    words = _WORDS[spoken]
    title = _common_title(entries)
    details = [*dict.fromkeys(detail for entry in entries for detail in entry.details)]
    care = [detail for detail in details if _CARE.search(f"{detail[0]} {detail[1]}")]
    warranty = [d for d in details if d not in care and _WARRANTY.search(f"{d[0]} {d[1]}")]
    specifications = [d for d in details if d not in care and d not in warranty]
    if first.brand:
        specifications.insert(0, ("", words.brand, first.brand))
    highlights = [*dict.fromkeys(highlight for entry in entries for highlight in entry.highlights)]
    descriptions = [*dict.fromkeys(entry.description for entry in entries if entry.description)]
    return file.document(
        title=title,
        kind="product",
        language=spoken,
        sections=(
            Section(words.description, "\n".join([*descriptions[:1], *highlights])),
            Section(words.specifications, _lines(specifications, words, words.specifications)),
            Section(words.variants, _availability(entries, title, words)),
            Section(words.price, _prices(entries, title, words)),
            Section(words.care, _lines(care, words, words.care)),
            Section(words.warranty, _lines(warranty, words, words.warranty)),
        ),
        entry=first.group,
        version=first.version,
        # One restricted variant restricts the product: its facts are not told apart afterwards.
        visibility=max(
            (file.visibility(entry.visibility or visibility) for entry in entries),
            key=("public", "customers", "staff").index,
        ),
        product=first.group,
        attributes={k: v for k, v in (("link", first.link), ("brand", first.brand)) if v},
    )


def _lines(details: Sequence[tuple[str, str, str]], words: _Words, topic: str) -> str:
    return "\n".join(
        value if clean_line(name).lower() in ("", topic.lower()) else f"{name}{words.colon}{value}"
        for _, name, value in details
    )


def _availability(entries: Sequence[Entry], title: str, words: _Words) -> str:
    by_state: dict[str, list[str]] = {}
    for entry in entries:
        state = re.sub(r"[\s_-]+", "_", entry.availability.strip().lower())
        by_state.setdefault(words.availability.get(state, entry.availability), []).append(
            _name(entry, title, words)
        )
    lines = []
    for state, names in by_state.items():
        named = _listed(names, words)
        lines.append(f"{state}{words.colon}{named}" if state and named else state or named)
    return "\n".join(lines)


def _prices(entries: Sequence[Entry], title: str, words: _Words) -> str:
    by_price: dict[str, list[str]] = {}
    for entry in entries:
        if price := entry.price:
            if entry.sale_price:
                price = words.instead_of.format(sale=entry.sale_price, price=price)
            by_price.setdefault(price, []).append(_name(entry, title, words))
    if len(by_price) == 1:
        return next(iter(by_price))
    return "\n".join(
        f"{price}{words.colon}{named}" if (named := _listed(names, words)) else price
        for price, names in by_price.items()
    )


def _listed(names: Sequence[str], words: _Words) -> str:
    distinct = [name for name in dict.fromkeys(names) if name]
    # "S/M, charcoal" is one variant; between such names a comma would not be seen.
    return (words.semicolon if any(re.search("[,，、]", name) for name in distinct) else words.comma).join(
        distinct
    )


def _name(entry: Entry, title: str, words: _Words) -> str:
    return " / ".join(entry.options) or clean_line(entry.title.removeprefix(title)).strip(" -–—|/,:：()（）·")


def _common_title(entries: Sequence[Entry]) -> str:
    """What the variants' titles begin with, cut at a word; the first title when that is too little."""
    split = [_SEPARATOR.split(clean_line(entry.title)) for entry in entries]
    common: list[str] = []
    for pieces in zip(*split, strict=False):
        if len(set(pieces)) > 1:
            break
        common.append(pieces[0])
    title = _SEPARATOR.sub(lambda match: match.group(), "".join(common)).strip(" -–—|/,:：(（[【·，、")
    return title if len(title) * 3 >= len(clean_line(entries[0].title)) else clean_line(entries[0].title)
