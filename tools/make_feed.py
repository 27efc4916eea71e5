"""Make the demo shop's product feeds from its products.

``demo/products/*.yaml`` become ``demo/feed/products.en.xml`` and ``products.zh.xml``: RSS 2.0
with Google Merchant's ``g:`` namespace, an item for each variant, variants of a product joined
by ``g:item_group_id``. Specifications (which say when an
item comes back only sealed), care, warranty and final sale are ``g:product_detail``.

Usage: ``python tools/make_feed.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET  # written here, never parsed

import yaml

DEMO = Path(__file__).resolve().parent.parent / "demo"
LANGUAGES = ("en", "zh")
_G = "http://base.google.com/ns/1.0"
_WORDS = {
    "specs": {"en": "Specifications", "zh": "规格参数"},
    "care": {"en": "Care", "zh": "保养"},
    "warranty": {"en": "Warranty", "zh": "保修"},
    "returns": {"en": "Returns", "zh": "退货"},
}


def feed(folder: Path, language: str) -> str:
    """The feed of the shop in ``folder``, in one language, as XML."""
    shop = _read(folder / "shop.yaml")
    ET.register_namespace("g", _G)
    rss = ET.Element("rss", version="2.0")
    channel = ET.SubElement(rss, "channel")
    for name, text in (
        ("title", shop["name"][language]),
        ("link", f"{shop['website']}/{language}/"),
        ("description", shop["tagline"][language]),
        ("language", {"en": "en", "zh": "zh-CN"}[language]),
    ):
        ET.SubElement(channel, name).text = text
    for category in _read(folder / "categories.yaml"):
        for product in _read(folder / "products" / f"{category['id']}.yaml"):
            for variant in product["variants"]:
                _item(channel, shop, category, product, variant, language)
    ET.indent(rss, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(rss, encoding="unicode")}\n'


def _item(
    channel: ET.Element,
    shop: dict[str, Any],
    category: dict[str, Any],
    product: dict[str, Any],
    variant: dict[str, Any],
    language: str,
) -> None:
    item = ET.SubElement(channel, "item")
    link = f"{shop['website']}/{language}/products/{product['id']}"
    fields = {
        "id": variant["sku"],
        "item_group_id": product["id"],
        "title": product["title"][language],
        "description": product["description"][language],
        "link": f"{link}?variant={variant['sku']}",
        "image_link": f"{shop['website']}/images/{product['id']}.jpg",
        "brand": product["brand"],
        "mpn": variant["sku"],
        "condition": "new",
        "availability": "in_stock" if variant["stock"] else "out_of_stock",
        "price": f"{variant.get('price', product['price'])} {shop['currency']}",
        "product_type": category["title"][language],
        "color" if variant["option"] == "colour" else "size": variant["name"][language],
        "shipping_weight": f"{product['weight_g']} g",
        "product_weight": f"{product['weight_g']} g",
    }
    for name, text in fields.items():
        ET.SubElement(item, f"{{{_G}}}{name}").text = text
    for section, name, value in _details(shop, product, language):
        detail = ET.SubElement(item, f"{{{_G}}}product_detail")
        ET.SubElement(detail, f"{{{_G}}}section_name").text = section
        ET.SubElement(detail, f"{{{_G}}}attribute_name").text = name
        ET.SubElement(detail, f"{{{_G}}}attribute_value").text = value


def _details(shop: dict[str, Any], product: dict[str, Any], language: str) -> Iterator[tuple[str, str, str]]:
    """(topic, name, value) of everything a shopper may ask about."""
    words = {key: word[language] for key, word in _WORDS.items()}
    for spec in product["specs"]:
        yield words["specs"], spec["name"][language], spec["value"][language]
    if product["final_sale"]:
        yield words["returns"], words["returns"], shop["final_sale"][language]
    yield words["care"], words["care"], product["care"][language]
    years = product["warranty_years"]
    warranty = {"en": f"{years} years from the day of delivery", "zh": f"自签收之日起 {years} 年"}
    yield words["warranty"], words["warranty"], warranty[language]


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def main() -> None:
    """Write both feeds."""
    for language in LANGUAGES:
        target = DEMO / "feed" / f"products.{language}.xml"
        target.parent.mkdir(exist_ok=True)
        target.write_text(feed(DEMO, language), encoding="utf-8")
        print(target.relative_to(DEMO.parent))


if __name__ == "__main__":
    main()
