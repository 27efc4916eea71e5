from pathlib import Path

import pytest

from agent.shop.catalogue import Catalogue, read_catalogue
from agent.shop.countries import country_code, country_name
from agent.shop.rules import ShopRules

TENT = "- {id: %s, title: {en: Tent, zh: 帐篷}, price: '10.00', variants: [%s]}"
GREEN = "{sku: %s, name: {en: Green, zh: 绿}, stock: 1}"


def folder_with(tmp_path: Path, *files: str) -> Path:
    (tmp_path / "products").mkdir()
    for number, content in enumerate(files):
        (tmp_path / "products" / f"{number}.yaml").write_text(content, encoding="utf-8")
    return tmp_path


def test_the_demo_catalogue_has_products_variants_and_prices(catalogue: Catalogue) -> None:
    assert len(catalogue.products) >= 55
    items = list(catalogue.items())
    assert any(product.final_sale for product, _ in items)
    assert any(variant.stock == 0 for _, variant in items)
    (long,) = (item for item in items if item[1].sku == "BAG-HRT0-LNG")
    assert long[0].price_of(long[1]) > long[0].price


def test_a_country_code_is_no_boolean(rules: ShopRules) -> None:
    assert any("NO" in method.regions for method in rules.shipping.methods)
    assert all(
        country_name(code, "zh") != code for method in rules.shipping.methods for code in method.regions
    )


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ((), "no products"),
        (("- {id: [",), r"0\.yaml"),
        ((TENT % ("a", "{sku: X, name: {en: Green}, stock: 1}"),), "needs both en and zh"),
        ((TENT % ("a", "{sku: X, name: {en: Green, zh: 绿}, stock: -1}"),), "greater than or equal to 0"),
        ((TENT % ("a", GREEN % "X"), TENT % ("a", GREEN % "Y")), "product a occurs twice"),
        ((TENT % ("a", GREEN % "X"), TENT % ("b", GREEN % "X")), "SKU X occurs twice"),
    ],
)
def test_a_broken_catalogue_is_refused_by_name(
    files: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_catalogue(folder_with(tmp_path, *files))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DE", "DE"),
        (" germany ", "DE"),
        ("德国", "DE"),
        ("uk", "GB"),
        ("中国", "CN"),
        ("Narnia", None),
        ("", None),
    ],
)
def test_a_country_is_known_by_code_and_by_name(text: str, code: str | None) -> None:
    assert country_code(text) == code
