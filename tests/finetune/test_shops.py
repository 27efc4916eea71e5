"""The training shops say only what their texts say, and none is what the model is judged on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from agent.grounding import Source, check
from agent.ids import Language
from evals.text import holds
from finetune.errors import DatasetInvalid
from finetune.shops import FOLDER, ShopPassage, TrainingShop, read_shops
from finetune.split import TEST_SHOPS
from tests.finetune.written import shops

LANGUAGES: tuple[Language, ...] = ("en", "zh")
FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")


def passages(shop: TrainingShop) -> list[tuple[str, ShopPassage]]:
    """Each with the words of its title in both languages."""
    found: list[tuple[str, ShopPassage]] = [
        (f"{product.title.en} {product.title.zh}", one)
        for product in shop.products
        for one in product.passages
    ]
    return found + [(f"{one.title.en} {one.title.zh}", one) for one in shop.policies]


@pytest.mark.parametrize("shop", shops(), ids=lambda shop: shop.id)
def test_answers_carry_only_figures_of_their_text(shop: TrainingShop) -> None:
    strange = []
    for title, passage in passages(shop):
        for language in LANGUAGES:
            text = f"{title}\n{passage.text.of(language)}"
            for answer in passage.answers.of(language):
                strange += [(figure, answer) for figure in FIGURE.findall(answer) if not holds(text, figure)]
    assert strange == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_check_of_the_product_lets_most_answers_stand_and_few_wrong_ones(language: Language) -> None:
    """Were it otherwise, the model would learn to say what is then taken back."""
    stood: dict[str, list[bool]] = {"answers": [], "wrong": []}
    for shop in shops():
        for title, passage in passages(shop):
            source = Source(id="p", text=passage.text.of(language), title=title)
            for kind, said in (("answers", passage.answers), ("wrong", passage.wrong)):
                stood[kind] += [
                    all(claim.supported for claim in check(one, [source])) for one in said.of(language)
                ]
    right, wrong = (sum(flags) / len(flags) for flags in stood.values())
    assert right > 0.6
    assert wrong < right - 0.4


def test_every_shop_writes_its_order_numbers_in_its_own_way_and_one_is_kept_for_testing() -> None:
    leads = [shop.order_lead for shop in shops()]
    assert len(set(leads)) == len(leads)
    assert {shop.id for shop in shops()} > TEST_SHOPS


def test_no_shop_sells_what_the_demo_shop_sells() -> None:
    for shop in shops():
        words = f"{shop.sells.en} {' '.join(one.title.en for one in shop.products)}".lower()
        assert not re.search(r"\b(?:tent|sleeping bag|rucksack|hiking|camping|outdoor)", words), shop.id


def test_a_broken_shop_is_refused_by_name(tmp_path: Path) -> None:
    (path,) = (path for path in FOLDER.glob("*.yaml") if path.stem == "volt-harbor")
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["policies"].append(raw["policies"][0])
    (tmp_path / "twice.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    with pytest.raises(DatasetInvalid, match=r"(?s)twice\.yaml.*a topic occurs twice"):
        read_shops(tmp_path)


def test_no_shops_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match="holds no shops"):
        read_shops(tmp_path)
