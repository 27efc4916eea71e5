"""Product questions against structured facts: the right product, the right figure, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from agent.errors import ShopUnavailable
from agent.events import ProductFact
from agent.ids import Language
from agent.products.facts import beside
from agent.products.listed import ListedProducts, read_products
from agent.products.port import Choice, Product, Shelf, Spec
from agent.products.questions import Known, ProductQuestions
from agent.shop.sqlite import SqliteShop
from agent.understanding import Said
from retrieval.passages import Found
from tests.conftest import ROOT

PRODUCTS = read_products(ROOT / "demo")
BY_ID = {product.id: product for product in PRODUCTS}


@pytest.fixture
def questions(shop: SqliteShop) -> ProductQuestions:
    return ProductQuestions(ListedProducts(PRODUCTS, shop.shelf))


async def ask(
    questions: ProductQuestions, question: str, language: Language = "en", *before: str
) -> Known | None:
    earlier = [Said("shopper", line) for line in before]
    return await questions.answer(question, language, earlier=earlier)


async def told(
    questions: ProductQuestions, question: str, language: Language = "en", *before: str
) -> dict[str, str]:
    """The facts that answer a question outright; none when they don't."""
    known = await ask(questions, question, language, *before)
    return {fact.id: fact.text for fact in known.facts} if known and known.outright else {}


def about(facts: Mapping[str, str]) -> set[str]:
    return {fact.removeprefix("product:").partition("#")[0] for fact in facts}


# Properties over the whole demo catalogue.


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_full_title_gets_the_weight_of_that_product_and_of_no_other(
    questions: ProductQuestions, language: Language
) -> None:
    for product in PRODUCTS:
        title = product.title[language]
        question = f"how heavy is the {title}" if language == "en" else f"{title}多重？"
        facts = await told(questions, question, language)
        assert about(facts) == {product.id}, question
        assert all(title in sentence for sentence in facts.values())
        figures = "".join(facts.values())
        listed = [spec.value[language] for spec in product.specs if spec.name["en"].startswith("Weight")]
        weight = f"{product.weight_g:,}" if language == "en" else str(product.weight_g)
        assert weight in figures or any(value in figures for value in listed), question


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_warranty_and_price_are_those_of_the_product(
    questions: ProductQuestions, shop: SqliteShop, language: Language
) -> None:
    for product in PRODUCTS:
        title = product.title[language]
        question = f"warranty and price of the {title}?" if language == "en" else f"{title}的价格和保修期"
        facts = await told(questions, question, language)
        assert set(facts) == {f"product:{product.id}#warranty", f"product:{product.id}#price"}, question
        assert f"{product.warranty_years} " in facts[f"product:{product.id}#warranty"]
        for shelf in (await shop.shelf(product.id)).values():
            assert f"€{shelf.price:.2f}" in facts[f"product:{product.id}#price"]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_attribute_is_found_by_the_shops_own_name_for_it(
    questions: ProductQuestions, language: Language
) -> None:
    found = asked = 0
    for product in PRODUCTS:
        for number, spec in enumerate(product.specs, 1):
            name = spec.name[language]
            known = await ask(questions, f"{product.title[language]}: {name}?", language)
            asked += 1
            if known is None or "Arbor" in name:
                continue
            assert about({fact.id: fact.text for fact in known.facts}) <= {product.id}, name
            own = [fact.text for fact in known.facts if fact.id == f"product:{product.id}#spec.{number}"]
            found += bool(own)
            assert all(spec.value[language].rstrip(".。") in sentence for sentence in own)
    # The rest are words for other things too ("Returns", "For") or a single character.
    assert found / asked > 0.9


async def test_the_stock_told_of_a_variant_is_the_stock_it_has(
    questions: ProductQuestions, shop: SqliteShop
) -> None:
    for product in PRODUCTS:
        shelf = await shop.shelf(product.id)
        facts = await told(questions, f"is the {product.title['en']} in stock?")
        assert about(facts) == {product.id}
        there = facts.get(f"product:{product.id}#stock", "")
        gone = facts.get(f"product:{product.id}#stock.out", "")
        for choice in product.choices:
            assert choice.name["en"] in (there if shelf[choice.sku].available else gone)


# One product, one attribute.


@pytest.mark.parametrize(
    ("question", "language", "fact", "says"),
    [
        ("how heavy is the Arbor 3", "en", "tent-arbor-3#weight", "2,680 g"),
        ("how heavy is the Arbor-2?", "en", "tent-arbor-2#weight", "2,150 g"),
        ("那款双人帐篷多重", "zh", "tent-arbor-2#weight", "2150 克"),
        (
            "vega headlamp: how long does it shine?",
            "en",
            "headlamp-vega-600#spec.2",
            "2.5 / 6 / 18 / 60 hours",
        ),
        ("Hearth -10 舒适温标多少", "zh", "bag-hearth-down-10#spec.1", "-10 °C"),
        ("what kind of down is in the hearth 0?", "en", "bag-hearth-down-0#spec.3", "duck"),
        ("waterhead of the floor of the arbor 3", "en", "tent-arbor-3#spec.4", "5,000 mm"),
        ("price of the silk liner", "en", "liner-silk#price", "€59.90"),
        ("how much are the merino socks", "en", "sock-merino-hike#price", "€29.90"),
        ("how much is the footprint for the Arbor 3", "en", "footprint-arbor#price", "€39.00"),
        ("Hearth 0 加长款多少钱", "zh", "bag-hearth-down-0#price", "€239.00"),
        ("Can the Kettlebank be used on induction?", "en", "pot-kettlebank#spec.5", "No"),
        ("can i return the pedal 2?", "en", "tent-pedal-2#final_sale", "can't be returned or exchanged"),
        ("Pedal 2 是清仓吗，能退吗", "zh", "tent-pedal-2#final_sale", "不支持退货和换货"),
        ("is the Arbor 2 final sale?", "en", "tent-arbor-2#final_sale", "not marked final sale"),
        ("Is the first-aid kit returnable", "en", "firstaid-hillside#sealed", "unopened"),
        ("how heavey is the squal", "en", "jacket-squall-3l#spec.6", "435 g"),
        ("can i put my hearth 0 in the washing machine? what temp", "en", "bag-hearth-down-0#care", "30 °C"),
        ("how big is the arbor 2 packed", "en", "tent-arbor-2#spec.6", "46 × 15 cm"),
        ("how much weight can the traverse 65 carry", "en", "pack-traverse-65#spec.2", "25 kg"),
    ],
)
async def test_a_question_gets_its_figure(
    questions: ProductQuestions, question: str, language: Language, fact: str, says: str
) -> None:
    facts = await told(questions, question, language)
    assert list(facts) == [f"product:{fact}"]
    assert says in facts[f"product:{fact}"]


async def test_an_exception_of_its_category_wins(questions: ProductQuestions) -> None:
    lights = await told(questions, "How long is the warranty on your headlamps and lanterns?")
    assert all("3 years" in sentence for sentence in lights.values())
    assert about(lights) == {"headlamp-vega-600", "headlamp-mote-200", "lantern-glade"}
    bank = await told(
        questions,
        "and is that the same for the Cache 10k power bank?",
        "en",
        "How long is the warranty on your headlamps and lanterns?",
    )
    assert list(bank) == ["product:power-bank-10k#warranty"]
    assert "2 years" in bank["product:power-bank-10k#warranty"]


# Which product.


@pytest.mark.parametrize(
    "question",
    [
        "how heavy is the Arbor 4",
        "Arbor 5 多重",
        "price of the Traverse 50",
        "how heavy is it",
        "how much is the tent",
        "what does the warranty cover?",
        "how much do you charge for express shipping?",
        "is it warm in spring?",
        "bad weather: how much rain can leather take?",
    ],
)
async def test_nothing_is_said_of_a_product_that_was_not_named(
    questions: ProductQuestions, question: str
) -> None:
    known = await ask(questions, question, "zh" if "多" in question else "en")
    assert known is None or (known.facts == () and not known.missing)


async def test_a_name_that_two_products_share_gets_both_each_by_its_title(
    questions: ProductQuestions,
) -> None:
    facts = await told(questions, "how heavy is the Arbor?")
    assert about(facts) == {"tent-arbor-2", "tent-arbor-3"}
    assert "2,150 g" in facts["product:tent-arbor-2#weight"]


@pytest.mark.parametrize(
    ("before", "question", "language", "product"),
    [
        (["does the Arbor 2 stand by itself?"], "and how heavy is it?", "en", "tent-arbor-2"),
        (["how heavy is the Arbor 2?"], "what about the Arbor 3", "en", "tent-arbor-3"),
        (["Arbor 2 多重"], "Arbor 3 呢", "zh", "tent-arbor-3"),
        (["Arbor 2 不打地钉能立得住吗"], "那它多重啊", "zh", "tent-arbor-2"),
    ],
)
async def test_what_is_left_out_comes_from_before(
    questions: ProductQuestions, before: Sequence[str], question: str, language: Language, product: str
) -> None:
    assert list(await told(questions, question, language, *before)) == [f"product:{product}#weight"]


async def test_a_name_beside_small_words_of_another_title_is_not_that_other(
    questions: ProductQuestions,
) -> None:
    """There is a "Footprint for Arbor tents": "for" does not mean it."""
    earlier = [
        Said("shopper", "does the Arbor 2 stand by itself?"),
        Said("assistant", "The Arbor is made for winds up to about 17 m/s. [1]"),
    ]
    known = await questions.answer("and how heavy is it?", "en", earlier=earlier)
    assert known is not None
    assert [fact.id for fact in known.facts] == ["product:tent-arbor-2#weight"]


async def test_it_is_the_product_that_a_comparison_found(questions: ProductQuestions) -> None:
    first = await told(questions, "which tent is the lightest?")
    earlier = [Said("shopper", "which tent is the lightest?"), Said("assistant", "\n".join(first.values()))]
    known = await questions.answer("and how much is it?", "en", earlier=earlier)
    assert known is not None
    assert [fact.id for fact in known.facts] == ["product:tent-corrie-1#price"]


@pytest.mark.parametrize(
    "question", ["How do returns work?", "What does shipping cost?", "怎么退货", "运费多少钱"]
)
async def test_a_question_about_the_shop_is_not_about_the_product_before_it(
    questions: ProductQuestions, question: str
) -> None:
    known = await ask(questions, question, "en", "how heavy is the pedal 2?")
    assert known is None or not known.facts


# Comparisons.


@pytest.mark.parametrize(
    ("question", "language", "says"),
    [
        (
            "which is more waterproof, the squall or the drizzle? what mm are they",
            "en",
            "the Squall three-layer rain shell is more waterproof: 20,000 mm, against 10,000 mm",
        ),
        ("Hearth 0 和 Hearth -10 哪个更保暖", "zh", "Hearth -10 冬季羽绒睡袋更保暖：-10 °C"),
        ("whats lighter, the arbor 2 or the 3", "en", "the Arbor 2 two-person tent is lighter: 2,150 g"),
        (
            "which of your tents is the lightest?",
            "en",
            "the lightest is the Corrie 1 ultralight solo tent: 980 g",
        ),
        ("哪款睡袋最便宜", "zh", "Cub 儿童可加长睡袋，€74.00"),
        ("arbor 2 vs icefield 2: which one is heavier", "en", "the Icefield 2 winter tunnel tent is heavier"),
        ("is the vega 600 brighter than the mote 200", "en", "the Vega 600 headlamp is brighter"),
    ],
)
async def test_two_and_more_are_compared_by_their_figures(
    questions: ProductQuestions, question: str, language: Language, says: str
) -> None:
    (sentence,) = (await told(questions, question, language)).values()
    assert says in sentence


async def test_the_same_figure_wins_nothing(questions: ProductQuestions) -> None:
    (sentence,) = (await told(questions, "is the arbor 2 more waterproof than the arbor 3?")).values()
    assert "equal" in sentence
    assert "3,000 mm" in sentence


async def test_what_is_not_stated_alike_is_not_compared(questions: ProductQuestions) -> None:
    assert await told(questions, "Bothy 和 Rookery 哪个更保暖", "zh") == {}


# Variants and stock.


async def test_a_sold_out_variant_is_said_to_be_and_others_are_offered(questions: ProductQuestions) -> None:
    facts = await told(questions, "is the Squall in red size M in stock?")
    assert "Rowan red, M" in facts["product:jacket-squall-3l#stock.out"]
    others = facts["product:jacket-squall-3l#stock.others"]
    assert "Fjord blue, M" in others
    assert "Rowan red, M" not in others


@pytest.mark.parametrize(
    ("question", "language", "fact", "says"),
    [
        ("have you got the cairn mid in 44?", "en", "boot-cairn-mid#stock.out", "EU 44"),
        ("Arbor 2 红色的还有货吗", "zh", "tent-arbor-2#stock.out", "砖红"),
        ("Arbor 2 有绿色的吗", "zh", "tent-arbor-2#stock", "苔绿"),
        ("我想要 Rookery 男款 XL，有货吗", "zh", "jacket-rookery-down#stock.out", "男款，墨蓝，XL"),
        ("does the beck low come in 39", "en", "shoe-beck-low#stock.none", "39"),
        ("Merino 200 in XL?", "en", "baselayer-merino-200#stock.out", "Anthracite, XL"),
    ],
)
async def test_the_variant_asked_for_is_the_one_told(
    questions: ProductQuestions, question: str, language: Language, fact: str, says: str
) -> None:
    facts = await told(questions, question, language)
    assert next(iter(facts)) == f"product:{fact}"
    assert says in facts[f"product:{fact}"]


async def test_the_next_variant_is_asked_for_with_a_word(questions: ProductQuestions) -> None:
    before = "have you got the cairn mid in 44?"
    assert "EU 43" in (await told(questions, "and 43?", "en", before))["product:boot-cairn-mid#stock"]


async def test_stock_is_read_live(questions: ProductQuestions, shop: SqliteShop, tmp_path: Path) -> None:
    question = "do you still have the arbor 2 in sand?"
    assert "product:tent-arbor-2#stock" in await told(questions, question)
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE variants SET available = 2 WHERE sku = 'TENT-ARB2-SND'"))
    assert "2 left" in (await told(questions, question))["product:tent-arbor-2#stock"]
    with engine.begin() as connection:
        connection.execute(text("UPDATE variants SET available = 0 WHERE sku = 'TENT-ARB2-SND'"))
    engine.dispose()
    assert "product:tent-arbor-2#stock" not in await told(questions, question)


async def test_a_shop_that_is_away_is_said_to_be() -> None:
    async def away(product: str) -> Mapping[str, Shelf]:
        raise ShopUnavailable("away")

    questions = ProductQuestions(ListedProducts(PRODUCTS, away))
    assert await told(questions, "how heavy is the arbor 2")
    with pytest.raises(ShopUnavailable):
        await ask(questions, "how much is the arbor 2")


# What the data does not say.


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("do the cairn mid boots come in black?", "en"),
        ("Cairn 中帮那双靴子有黑色的吗", "zh"),
        ("那 Cairn 徒步靴都有什么颜色", "zh"),
        ("whats the waterhead of the floor of the Homestead 6? the floor, not the fly", "en"),
        ("Homestead 6 的帐底防水是多少毫米？问的是帐底，不是外帐", "zh"),
    ],
)
async def test_what_is_listed_for_others_alone_is_known_to_be_missing(
    questions: ProductQuestions, question: str, language: Language
) -> None:
    known = await ask(questions, question, language)
    assert known is not None
    assert known.facts == ()
    assert known.missing in {
        BY_ID["boot-cairn-mid"].title[language],
        BY_ID["tent-homestead-6"].title[language],
    }


@pytest.mark.parametrize(
    "question",
    [
        "how heavy are the poles of the Arbor 2",
        "how much is the Arbor 2 and is shipping free?",
        "will the squall be cheaper in november",
        "the zip on my Squall is broken, is that covered by the warranty?",
        "I bought the Arbor 2 for 199, can I get the price difference back?",
        "price of Arbor 2 in CNY",
        "what does the warranty of the arbor 2 cover",
        "Arbor 2 and Arbor 4 weight",
    ],
)
async def test_a_question_that_asks_for_more_is_left_to_the_documents(
    questions: ProductQuestions, question: str
) -> None:
    known = await ask(questions, question)
    assert known is None or not known.outright


# Another shop, with names of its own and titles in one language.

GRINDER, PRO = (
    Product(
        id=name,
        title={"en": title, "zh": title},
        category={"en": "Grinders", "zh": "磨豆机"},
        currency="EUR",
        choices=(Choice(f"{name}-1", {"en": "Black", "zh": "黑色"}, "colour"),),
        specs=(
            Spec({"en": "Burr diameter", "zh": "刀盘直径"}, {"en": burr, "zh": burr}),
            Spec({"en": "Noise level", "zh": "噪音"}, {"en": noise, "zh": noise}),
        ),
        weight_g=weight,
    )
    for name, title, burr, noise, weight in (
        ("g1", "Zephyr 40 coffee grinder", "40 mm", "68 dB", 900),
        ("g2", "Zephyr 40 Pro coffee grinder", "48 mm", "62 dB", 1200),
    )
)


@pytest.fixture
def other_shop() -> ProductQuestions:
    async def shelf(product: str) -> Mapping[str, Shelf]:
        return {f"{product}-1": Shelf(Decimal("59.00"), 3)}

    return ProductQuestions(ListedProducts((GRINDER, PRO), shelf))


async def test_another_shops_attributes_need_no_code(other_shop: ProductQuestions) -> None:
    facts = await told(other_shop, "What is the burr diameter and the noise level of the Zephyr 40 Pro?")
    assert about(facts) == {"g2"}
    assert "48 mm" in facts["product:g2#spec.1"]
    assert "62 dB" in facts["product:g2#spec.2"]
    assert "62 dB" in (await told(other_shop, "Zephyr 40 Pro 的噪音是多少", "zh"))["product:g2#spec.2"]


def test_facts_come_before_the_passages_as_near_as_the_nearest_sentence() -> None:
    fact = ProductFact(
        id="product:tarn#weight", product="tarn", title="Tarn", name="weight", text="It weighs 2 kg."
    )
    page = replace(beside((fact,), Found((), 0.9), "en").passages[0], score=50.0)
    found = beside((fact,), Found((page,), 0.9, {"Light for its size.": 0.8}), "en")
    assert [one.chunk.id for one in found.passages] == [fact.id, page.chunk.id]
    assert found.passages[0].score == 50.0
    assert found.near == {"Light for its size.": 0.8, fact.text: 0.8}
