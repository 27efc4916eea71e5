"""The fields of Google's Merchant product data specification, from XML or a table."""

from __future__ import annotations

import re
from types import MappingProxyType

from bs4 import BeautifulSoup

from retrieval.readers.products import Entry

Fields = dict[str, list[tuple[str, str, str]]]
"""Field name to its values; a plain value is ``("", "", value)``, a product detail (topic, name, value)."""

_OPTIONS = ("color", "size", "pattern")
_SPECIFICATIONS = MappingProxyType(
    {
        "material": ("Material", "材质"),
        "product_weight": ("Weight", "重量"),
        "shipping_weight": ("Shipping weight", "运输重量"),
        "product_length": ("Length", "长"),
        "product_width": ("Width", "宽"),
        "product_height": ("Height", "高"),
        "gender": ("Gender", "适用性别"),
        "age_group": ("Age group", "年龄段"),
        "size_system": ("Size system", "尺码体系"),
        "care": ("Care", "保养"),
        "warranty": ("Warranty", "质保"),
    }
)
"""Fields told as specifications, with their English and Chinese names."""
_HAN = re.compile(r"[\u4e00-\u9fff]")


def entry(fields: Fields) -> Entry:
    """One feed entry; fields that say nothing to a shopper (GTIN, categories, images) are left out."""

    def value(*names: str) -> str:
        return next((_text(fields[name][0][2]) for name in names if fields.get(name)), "")

    chinese = bool(_HAN.search(value("title")))
    plain = [("", names[chinese], value(key)) for key, names in _SPECIFICATIONS.items() if value(key)]
    details = [
        (_text(topic), _text(name), _text(content))
        for topic, name, content in fields.get("product_detail", [])
        if content
    ]
    own_id = value("id")
    return Entry(
        id=own_id,
        group=value("item_group_id") or own_id,
        title=value("title", "structured_title"),
        description=value("description", "summary", "content"),
        brand=value("brand"),
        price=value("price"),
        sale_price=value("sale_price"),
        availability=value("availability"),
        options=tuple(option for name in _OPTIONS if (option := value(name))),
        details=(*plain, *details),
        highlights=tuple(_text(content) for _, _, content in fields.get("product_highlight", [])),
        link=value("link"),
        language=value("content_language", "language"),
        visibility=value("visibility"),
        version=value("version"),
    )


def _text(value: str) -> str:
    return BeautifulSoup(value, "lxml").get_text(" ", strip=True) if "<" in value else value.strip()
