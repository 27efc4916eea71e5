"""The demo shop's documents: complete in both languages, true to ``shop.yaml``, and in step."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
LANGUAGES = ("en", "zh")
POLICIES = ("payments", "price-match", "privacy", "returns", "shipping", "warranty")
HAN = re.compile(r"[\u4e00-\u9fff]")

SHOP: dict[str, Any] = yaml.safe_load((DEMO / "shop.yaml").read_text(encoding="utf-8"))
CATEGORIES: list[dict[str, Any]] = yaml.safe_load((DEMO / "categories.yaml").read_text(encoding="utf-8"))
PRODUCTS: list[tuple[str, dict[str, Any]]] = [
    (category["id"], product)
    for category in CATEGORIES
    for product in yaml.safe_load((DEMO / "products" / f"{category['id']}.yaml").read_text(encoding="utf-8"))
]


def tool(name: str) -> ModuleType:
    """A script of ``tools/``, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def matter(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8").split("---\n", 2)[1])
    return loaded


def body(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("---\n", 2)[2]


def policy(name: str, language: str) -> str:
    return body(DEMO / "policies" / language / f"{name}.md")


def rows(markdown: str) -> dict[str, list[str]]:
    """First cell of every table row to its other cells."""
    cells = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("|")]
    return {first.strip(): [cell.strip() for cell in rest] for first, *rest in cells}


def figures(text: str) -> set[str]:
    """The numbers in a text; Chinese calls an AAA cell a number-7 cell."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text.replace("7 号电池", ""))
    return set(re.findall(r"\d+(?:[.:]\d+)?", text))


def faq(language: str) -> list[dict[str, str]]:
    loaded: list[dict[str, str]] = json.loads((DEMO / "faq" / f"{language}.json").read_text(encoding="utf-8"))
    return loaded


def bilingual(value: Any, where: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Every text in two languages inside a structure, with where it stands."""
    if isinstance(value, dict):
        if set(value) & set(LANGUAGES):
            yield where, value
        else:
            for key, inner in value.items():
                yield from bilingual(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from bilingual(inner, f"{where}[{number}]")


def test_there_are_eight_categories_and_at_least_fifty_five_products() -> None:
    assert len(CATEGORIES) == 8
    assert {path.stem for path in (DEMO / "products").glob("*.yaml")} == {c["id"] for c in CATEGORIES}
    assert len(PRODUCTS) >= 55
    ids = [product["id"] for _, product in PRODUCTS]
    assert len(set(ids)) == len(ids)


def test_every_text_of_shop_categories_and_products_is_in_both_languages() -> None:
    texts = [*bilingual(SHOP, "shop"), *bilingual(CATEGORIES, "categories")]
    for _, product in PRODUCTS:
        texts += bilingual(product, product["id"])
    assert len(texts) > 1000
    for where, text in texts:
        assert all(text.get(language) for language in LANGUAGES), where
        assert not HAN.search(text["en"]), where


@pytest.mark.parametrize(("category", "product"), PRODUCTS, ids=[p["id"] for _, p in PRODUCTS])
def test_a_product_is_complete(category: str, product: dict[str, Any]) -> None:
    assert 40 <= len(product["description"]["en"].split()) <= 90
    assert 60 <= len(product["description"]["zh"]) <= 160
    assert HAN.search(product["description"]["zh"])
    assert 5 <= len(product["specs"]) <= 9
    assert product["weight_g"] > 0
    assert isinstance(product["final_sale"], bool)
    warranty = SHOP["warranty"]
    expected = warranty["exceptions"].get(product["id"], warranty["years"][category])
    assert product["warranty_years"] == expected
    for price in (product["price"], *(v["price"] for v in product["variants"] if "price" in v)):
        assert re.fullmatch(r"\d+\.\d\d", price)
        assert Decimal(price) > 0
    for language in LANGUAGES:
        if guide := product.get("size_guide"):
            assert (DEMO / "guides" / language / f"{guide}.md").is_file()
        if manual := product.get("manual"):
            assert (DEMO / "manuals" / language / f"{manual}.pdf").is_file()


def test_skus_are_unique_and_some_variants_are_sold_out() -> None:
    variants = [variant for _, product in PRODUCTS for variant in product["variants"]]
    skus = [variant["sku"] for variant in variants]
    assert len(set(skus)) == len(skus)
    assert {variant["stock"] == 0 for variant in variants} == {True, False}


def test_a_limit_on_returns_is_told_on_the_product_itself() -> None:
    told = {"en": re.compile("final sale|final-sale"), "zh": re.compile("清仓")}
    limited = [product for _, product in PRODUCTS if product["final_sale"]]
    assert limited
    for product in limited:
        for language in LANGUAGES:
            assert told[language].search(product["description"][language]), product["id"]
    sealed = [product for _, product in PRODUCTS if "return_only_sealed" in product]
    assert {product["return_only_sealed"] for product in sealed} == set(SHOP["sealed_only"])
    for product in sealed:
        assert "Returns" in {spec["name"]["en"] for spec in product["specs"]}, product["id"]


@pytest.mark.parametrize("folder", ["policies", "guides", "manuals"])
def test_every_page_is_in_both_languages_with_as_many_headings_and_the_same_figures(folder: str) -> None:
    names = {language: {p.name for p in (DEMO / folder / language).glob("*.md")} for language in LANGUAGES}
    assert names["en"] == names["zh"]
    for name in sorted(names["en"]):
        english, chinese = (DEMO / folder / language / name for language in LANGUAGES)
        for path, language in ((english, "en"), (chinese, "zh")):
            assert matter(path)["language"] == language
            assert matter(path)["id"] == path.stem
            assert matter(path)["title"] in body(path)
        assert HAN.search(body(chinese))
        assert not HAN.search(body(english))
        assert body(english).count("\n## ") == body(chinese).count("\n## ") >= 3
        assert figures(body(english)) == figures(body(chinese)), name


def test_the_six_policies_are_of_readable_length_and_dated() -> None:
    for language in LANGUAGES:
        paths = sorted((DEMO / "policies" / language).glob("*.md"))
        assert [path.stem for path in paths] == list(POLICIES)
        for path in paths:
            assert matter(path)["kind"] == "policy"
            assert matter(path)["version"] == SHOP["policy_version"]
            assert matter(path)["effective"] == SHOP["policy_effective"]
    for name in POLICIES:
        assert 300 <= len(policy(name, "en").split()) <= 600, name
        assert len(HAN.findall(policy(name, "zh"))) >= 500, name


def test_the_returns_policy_says_what_the_shop_does() -> None:
    days, fee, refund = SHOP["return_days"], SHOP["return_fee"], SHOP["refund_business_days"]
    withdrawal = SHOP["withdrawal_days"]
    english, chinese = policy("returns", "en"), policy("returns", "zh")
    assert f"within {days} days of delivery" in english
    assert f"自签收之日起 {days} 天内" in chinese
    assert f"We deduct {fee} EUR" in english
    assert f"扣除 {fee} 欧元" in chinese
    assert f"within {refund} business days after the parcel has arrived" in english
    assert f"到达仓库后 {refund} 个工作日内" in chinese
    assert f"whole order within {withdrawal} days of delivery" in english
    assert f"签收后 {withdrawal} 天内整单退回" in chinese
    assert SHOP["returns_address"]["en"] in english
    assert SHOP["returns_address"]["zh"] in chinese
    assert "Items marked final sale cannot be returned or exchanged." in english
    assert "“清仓不退换”的商品不支持退货和换货" in chinese


@pytest.mark.parametrize(("language", "currency"), [("en", "EUR"), ("zh", "欧元")])
def test_the_shipping_policy_says_what_the_shop_charges(language: str, currency: str) -> None:
    table = rows(policy("shipping", language))
    for method in SHOP["shipping"]["methods"]:
        price, days, _, carrier = table[method["title"][language]]
        assert price.startswith(f"{method['price']} {currency}")
        assert figures(price) == {method["price"], *filter(None, [method["free_from"]])}
        assert days.startswith("{}–{} ".format(*method["business_days"]))
        assert carrier == method["carrier"]
    assert SHOP["shipping"]["cutoff"] in policy("shipping", language)


@pytest.mark.parametrize(("language", "unit"), [("en", "years"), ("zh", "年")])
def test_the_warranty_policy_gives_the_years_of_every_category(language: str, unit: str) -> None:
    text = policy("warranty", language)
    table = rows(text)
    for category in CATEGORIES:
        years = SHOP["warranty"]["years"][category["id"]]
        assert table[category["title"][language]] == [f"{years} {unit}"]
    titles = {product["id"]: product["title"][language] for _, product in PRODUCTS}
    for product in SHOP["warranty"]["exceptions"]:
        assert titles[product].split(" with ")[0] in text


def test_payment_and_price_match_policies_use_the_shops_figures() -> None:
    for language, match, transfer in (
        ("en", "within {} days after the purchase", "for {} days"),
        ("zh", "购买后 {} 天内", "保留商品 {} 天"),
    ):
        assert match.format(SHOP["price_match_days"]) in policy("price-match", language)
        assert transfer.format(SHOP["bank_transfer_days"]) in policy("payments", language)
        for method in SHOP["payment_methods"]:
            assert method["title"][language].lower() in policy("payments", language).lower()


def test_there_are_size_guides_and_care_guides() -> None:
    names = [path.stem for path in (DEMO / "guides" / "en").glob("*.md")]
    assert sum(name.startswith("size-") for name in names) >= 3
    assert sum(name.startswith("care-") for name in names) >= 2


def test_the_faq_has_at_least_sixty_entries_alike_in_both_languages() -> None:
    english, chinese = faq("en"), faq("zh")
    assert len(english) >= 60
    assert [entry["id"] for entry in english] == [entry["id"] for entry in chinese]
    assert len({entry["id"] for entry in english}) == len(english)
    for en, zh in zip(english, chinese, strict=True):
        assert set(en) == set(zh) == {"id", "topic", "question", "answer"}
        assert all(HAN.search(zh[key]) for key in ("topic", "question", "answer"))
        assert not HAN.search(" ".join(en.values()))
        assert figures(en["question"] + en["answer"]) == figures(zh["question"] + zh["answer"]), en["id"]


def test_the_faq_agrees_with_the_shops_figures() -> None:
    answers = {entry["id"]: entry["answer"] for entry in faq("en")}
    assert answers["return-window"].startswith(f"You have {SHOP['return_days']} days")
    assert answers["return-cost"].startswith(f"{SHOP['return_fee']} EUR")
    assert f"Within {SHOP['refund_business_days']} business days" in answers["refund-when"]
    assert f"Within {SHOP['price_match_days']} days" in answers["price-match-how"]
    for method in SHOP["shipping"]["methods"]:
        assert f"{method['price']} EUR" in answers["shipping-cost"]
        assert "{}–{}".format(*method["business_days"]) in answers["shipping-time"]
    assert SHOP["phone"] in answers["talk-to-person"]


def test_product_facts_quoted_in_the_faq_are_the_products_own() -> None:
    prices = {product["id"]: product["price"] for _, product in PRODUCTS}
    for language in LANGUAGES:
        answers = {entry["id"]: entry["answer"] for entry in faq(language)}
        for product in ("jacket-squall-3l", "jacket-drizzle-25l"):
            assert prices[product] in answers["squall-or-drizzle"]
        weight = next(product["weight_g"] for _, product in PRODUCTS if product["id"] == "tent-arbor-2")
        assert str(weight) in answers["which-tent"].replace(",", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_feed_is_in_step_with_the_products(language: str) -> None:
    feed = (DEMO / "feed" / f"products.{language}.xml").read_text(encoding="utf-8")
    assert tool("make_feed").feed(DEMO, language) == feed, "run tools/make_feed.py"
    assert feed.count("<item>") == sum(len(product["variants"]) for _, product in PRODUCTS)


@pytest.mark.parametrize(
    "path", sorted((DEMO / "manuals").glob("*/*.md")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_manuals_pdf_is_in_step_with_its_text(path: Path) -> None:
    pytest.importorskip("reportlab")
    source = path.read_text(encoding="utf-8")
    make = tool("make_manuals")
    made = make.pdf(source)
    assert make.pdf(source) == made
    # Text, not bytes: another release of the PDF library may write the same page differently.
    committed, fresh = PdfReader(path.with_suffix(".pdf")), PdfReader(io.BytesIO(made))
    assert [page.extract_text() for page in committed.pages] == [
        page.extract_text() for page in fresh.pages
    ], "run tools/make_manuals.py"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_manuals_pdf_keeps_its_headings_title_and_language(language: str) -> None:
    paths = sorted((DEMO / "manuals" / language).glob("*.md"))
    assert len(paths) == 3
    for path in paths:
        reader = PdfReader(path.with_suffix(".pdf"))
        lines = [line.strip() for page in reader.pages for line in page.extract_text().splitlines()]
        for heading in re.findall(r"^#+ (.+)$", body(path), re.MULTILINE):
            assert heading in lines, heading
        assert reader.metadata is not None
        assert reader.metadata.title == matter(path)["title"]
        assert str(reader.root_object["/Lang"]) == language
        sizes: set[float] = set()

        def note(
            text: str, _cm: object, _tm: object, _font: object, size: float, seen: set[float] = sizes
        ) -> None:
            if text.strip():
                seen.add(size)

        reader.pages[0].extract_text(visitor_text=note)
        assert len(sizes) >= 3, "headings are set larger than text"
