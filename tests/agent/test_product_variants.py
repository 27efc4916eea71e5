"""Questions over the variants of one product: how many there are, and which costs least or most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from agent.ids import Language
from agent.products.listed import ListedProducts
from agent.products.port import Choice, Product, Shelf
from agent.products.questions import ProductQuestions
from agent.products.variants import picked
from agent.understanding import Said

KETTLE = Product(
    id="kettle",
    title={"en": "Brisk kettle", "zh": "Brisk 电水壶"},
    category={"en": "Kettles", "zh": "水壶"},
    currency="EUR",
    choices=tuple(
        Choice(f"k-{number}", {"en": en, "zh": zh}, "colour, size")
        for number, (en, zh) in enumerate(
            [
                ("Black, 1 L", "黑色，1 升"),
                ("Black, 1.7 L", "黑色，1.7 升"),
                ("White, 1 L", "白色，1 升"),
                ("White, 1.7 L", "白色，1.7 升"),
                ("Red, 1 L", "红色，1 升"),
            ]
        )
    ),
)
MUG = Product(
    id="mug",
    title={"en": "Plain mug", "zh": "Plain 马克杯"},
    category={"en": "Mugs", "zh": "杯子"},
    currency="EUR",
    choices=(Choice("m-1", {"en": "Grey", "zh": "灰色"}, "colour"),),
)
SHELVES: Mapping[str, Mapping[str, Shelf]] = {
    "kettle": {
        "k-0": Shelf(Decimal("39.00"), 4),
        "k-1": Shelf(Decimal("49.00"), 9),
        "k-2": Shelf(Decimal("35.00"), 0),
        "k-3": Shelf(Decimal("55.00"), 0),
        "k-4": Shelf(Decimal("39.00"), 7),
    },
    "mug": {"m-1": Shelf(Decimal("9.00"), 3)},
}


@pytest.fixture
def questions() -> ProductQuestions:
    async def shelf(product: str) -> Mapping[str, Shelf]:
        return SHELVES[product]

    return ProductQuestions(ListedProducts((KETTLE, MUG), shelf))


async def told(
    questions: ProductQuestions, question: str, language: Language = "en", *before: str
) -> Mapping[str, str]:
    """The facts that answer a question outright, by name; none when they don't."""
    earlier = [Said("shopper", line) for line in before]
    known = await questions.answer(question, language, earlier=earlier)
    return {fact.name: fact.text for fact in known.facts} if known and known.outright else {}


@pytest.mark.parametrize(
    ("question", "language", "says"),
    [
        ("How many colours does the Brisk kettle come in?", "en", "number of colours: 3 (Black, White, Red)"),
        ("how many sizes of the Brisk are there", "en", "number of sizes: 2 (1 L, 1.7 L)"),
        ("How many kinds of the Brisk do you have?", "en", "number of variants: 5 (Black, 1 L; "),
        ("How many options does the Brisk come in?", "en", "number of variants: 5 "),
        ("Brisk 有几种颜色？", "zh", "共有 3 种颜色（黑色、白色、红色）"),
        ("Brisk 一共有多少款", "zh", "共有 5 种款式（黑色，1 升；"),
        ("Brisk 有几个尺码", "zh", "共有 2 种尺码规格（1 升、1.7 升）"),
    ],
)
async def test_how_many_there_are_is_told_with_which(
    questions: ProductQuestions, question: str, language: Language, says: str
) -> None:
    (sentence,) = (await told(questions, question, language)).values()
    assert says in sentence


@pytest.mark.parametrize(
    ("question", "language", "says"),
    [
        ("How many colours of the Brisk are in stock?", "en", "colours in stock: 2 of 3 (Black, Red)"),
        ("how many variants of the Brisk are available right now", "en", "variants in stock: 3 of 5 "),
        ("How many sizes of the white Brisk are in stock?", "en", "sizes in stock: 0 of 2."),
        ("Brisk 有几款有货", "zh", "5 种款式中，3 种有货（黑色，1 升；"),
    ],
)
async def test_of_those_in_stock_it_is_told_how_many_of_how_many(
    questions: ProductQuestions, question: str, language: Language, says: str
) -> None:
    (sentence,) = (await told(questions, question, language)).values()
    assert says in sentence


@pytest.mark.parametrize(
    ("question", "language", "name", "says"),
    [
        (
            "Which Brisk is the cheapest in stock?",
            "en",
            "variant.low",
            "in stock: Black, 1 L; Red, 1 L, €39.00",
        ),
        ("What's the most expensive Brisk?", "en", "variant.high", "White, 1.7 L, €55.00"),
        ("how much is the cheapest version of the Brisk", "en", "variant.low", "White, 1 L, €35.00"),
        ("Brisk 最便宜的是哪个", "zh", "variant.low", "白色，1 升，€35.00"),
        ("Brisk 有货的里面最贵的是哪款", "zh", "variant.high", "黑色，1.7 升，€49.00"),
        ("Which is the priciest Brisk in black?", "en", "variant.high", "Black, 1.7 L, €49.00"),
    ],
)
async def test_the_variant_that_costs_least_or_most_is_told(
    questions: ProductQuestions, question: str, language: Language, name: str, says: str
) -> None:
    facts = await told(questions, question, language)
    assert says in facts[name]


async def test_the_cheapest_that_is_sold_out_is_said_to_be(questions: ProductQuestions) -> None:
    facts = await told(questions, "Which Brisk is the cheapest?")
    assert "White, 1 L" in facts["stock.out"]
    assert "Black, 1 L" in facts["stock.others"]
    assert "stock.out" not in await told(questions, "Which Brisk is the cheapest in stock?")


async def test_the_cheapest_of_one_colour_is_not_called_the_cheapest_of_all(
    questions: ProductQuestions,
) -> None:
    facts = await told(questions, "Which is the cheapest Brisk in black?")
    assert "the cheapest of Black, 1 L; Black, 1.7 L: Black, 1 L, €39.00" in facts["variant.low"]


async def test_one_variant_alone_is_told_with_its_price(questions: ProductQuestions) -> None:
    assert "€9.00" in (await told(questions, "Which Plain mug is the cheapest?"))["price"]


@pytest.mark.parametrize(
    ("before", "question", "language", "name"),
    [
        (["How big is the Brisk kettle?"], "Which one is the cheapest?", "en", "variant.low"),
        (["Brisk 有几种颜色"], "最便宜的是哪个？", "zh", "variant.low"),
        (["Brisk 有几种颜色"], "有货的里面最便宜的是哪个", "zh", "variant.low"),
        (["do you have the Brisk kettle?"], "how many sizes are in stock?", "en", "count.sizes"),
        (["do you have the Brisk kettle?"], "and how many are there?", "en", "count.variants"),
        (["你们有 Brisk 吗"], "有几种有货", "zh", "count.variants"),
    ],
)
async def test_the_product_that_is_left_out_comes_from_before(
    questions: ProductQuestions, before: Sequence[str], question: str, language: Language, name: str
) -> None:
    assert next(iter(await told(questions, question, language, *before))) == name


async def test_which_is_cheapest_after_two_products_is_one_of_the_two(questions: ProductQuestions) -> None:
    facts = await told(questions, "哪个最便宜？", "zh", "Brisk 和 Plain 都有货吗")
    assert list(facts) == ["compare.price"]


@pytest.mark.parametrize(
    "question",
    [
        "Is the Brisk your cheapest kettle?",
        "will the Brisk be cheaper in november",
        "how many kinds of batteries does the Brisk take?",
        "Brisk 是最便宜的水壶吗",
        "Brisk 有几种加热模式",
        "What's the cheapest shipping for the Brisk?",
    ],
)
async def test_what_is_not_about_variants_is_left_to_the_documents(
    questions: ProductQuestions, question: str
) -> None:
    assert await told(questions, question, "zh" if "有" in question or "是" in question else "en") == {}


SHIRT = Product(
    id="shirt",
    title={"en": "Plain shirt", "zh": "Plain 衬衫"},
    category={"en": "Shirts", "zh": "衬衫"},
    currency="EUR",
    choices=tuple(
        Choice(f"s-{en}", {"en": en, "zh": en}, "size") for en in ("38-40 M", "42-44 L", "46-48 XL")
    ),
)


@pytest.mark.parametrize(
    ("product", "text", "sizes"),
    [
        (KETTLE, "the 1.7 L one", {"1.7 L"}),
        (KETTLE, "in 1 L please", {"1 L"}),
        (SHIRT, "the L one", {"42-44 L"}),
        (SHIRT, "in 47", {"46-48 XL"}),
        (SHIRT, "do you have XL", {"46-48 XL"}),
    ],
)
def test_a_letter_is_a_size_unless_it_is_the_unit_of_another_number(
    product: Product, text: str, sizes: set[str]
) -> None:
    picks, _ = picked(product, text)
    assert list(picks.values()) == [sizes]
