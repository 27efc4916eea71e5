"""The E5 reader with the real embedder, and the rules under it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import intents, slots
from agent.addresses import address
from agent.events import Intent
from agent.followups import clean, standalone
from agent.ids import Language
from agent.language import detect
from agent.understand_e5 import E5Reader
from agent.understanding import Said, Understanding
from retrieval.e5 import E5Embedder

HELD_OUT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "data" / "intents_heldout.yaml").read_text(encoding="utf-8")
)
NAMES = [["Fernway Arbor 2 tent", "Arbor 2 双人帐篷"], ["Fernway Arbor 3 tent"], ["Ember Duo stove"]]


@pytest.fixture(scope="module")
def embedder() -> E5Embedder:
    return E5Embedder()


@pytest.fixture(scope="module")
def reader(embedder: E5Embedder) -> E5Reader:
    return E5Reader(embedder.embed_query, embedder.embed_passages, names=NAMES)


def said(*lines: str) -> list[Said]:
    """``a: text`` for the assistant, anything else for the shopper."""
    return [
        Said("assistant", line[3:]) if line.startswith("a: ") else Said("shopper", line) for line in lines
    ]


# ---- intents ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_held_out_messages_are_read_well_enough(embedder: E5Embedder, language: str) -> None:
    asked = [(intent, text) for intent, by in HELD_OUT["single"].items() for text in by[language]]
    vectors = np.asarray([embedder.embed_query(intents.normalise(text)) for _, text in asked], np.float32)
    weights = intents.load()
    guesses = weights.probabilities(intents.paired(vectors), [text for _, text in asked]).argmax(axis=1)
    right = [weights.intents[k] == intent for k, (intent, _) in zip(guesses, asked, strict=True)]
    assert len(right) == 17 * 8
    assert sum(right) / len(right) >= 0.85


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("My trip got cancelled, so there is no hurry with the parcel.", "cancel_order"),
        ("don't cancel it!", "cancel_order"),
        ("千万别给我取消啊", "cancel_order"),
        ("旅行取消了，所以不急", "cancel_order"),
    ],
)
async def test_what_only_sounds_like_a_wish_is_none(reader: E5Reader, text: str, intent: str) -> None:
    assert intent not in (await reader.understand(text)).intents


@pytest.mark.parametrize("text", ["do it then", "Great, go ahead with that", "那就办吧"])
async def test_a_yes_in_other_words_is_a_leaning_and_confirms_nothing(reader: E5Reader, text: str) -> None:
    asked = said("a: I can cancel order FW-104233. Shall I? Please check the details and press Confirm.")
    understanding = await reader.understand(text, earlier=asked)
    assert "confirm" not in understanding.intents


@pytest.mark.parametrize("case", HELD_OUT["multi"], ids=lambda case: str(case["text"]))
async def test_a_message_with_two_wishes_has_both(reader: E5Reader, case: dict[str, Any]) -> None:
    understanding = await reader.understand(case["text"])
    assert set(case["intents"]) <= set(understanding.intents)
    assert understanding.language == case["language"]


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Yes", "confirm"),
        ("yes, please!", "confirm"),
        ("YES.", "confirm"),
        ("Confirm", "confirm"),
        ("确认", "confirm"),
        ("是的。", "confirm"),
        ("好的，确认", "confirm"),
        ("👍 ok", "confirm"),
        ("No", "decline"),
        ("no, thanks", "decline"),
        ("don’t", "decline"),
        ("不用了，谢谢", "decline"),
        ("算了", "decline"),
        ("取消", "cancel_order"),
    ],
)
async def test_a_whole_message_of_the_closed_set_answers(reader: E5Reader, text: str, intent: Intent) -> None:
    understanding = await reader.understand(text)
    assert understanding.intents == (intent,) or (
        intent == "cancel_order" and understanding.intents[0] == intent
    )


@pytest.mark.parametrize(
    "text",
    [
        "You can't cancel that",
        "Yesterday I ordered two",
        "yes but change the size first",
        "Yes, but what does it cost?",
        "yes?",
        "Yes and also cancel the other order",
        "is that a yes",
        "confirmed address is wrong",
        "OK so where is my order",
        "是不是已经发货了",
        "好的，但是要换成蓝色",
        "确认一下地址",
        "可以退货吗",
        "是吗？",
        "不确认收货地址对不对",
        "对了，运费多少",
        "no idea where my order is",
        "No. 3 is broken",
        "不行的话怎么办",
        "yesno",
        "",
    ],
)
async def test_nothing_else_confirms_or_declines(reader: E5Reader, text: str) -> None:
    understanding = await reader.understand(text)
    assert not {"confirm", "decline"} & set(understanding.intents)


def test_the_closed_sets_do_not_meet() -> None:
    rules = intents.rules()
    assert rules.confirm
    assert rules.decline
    assert not rules.confirm & rules.decline


async def test_a_follow_up_asks_what_the_question_before_it_asked(reader: E5Reader) -> None:
    earlier = said("How much does the Arbor 2 tent weigh?", "a: It weighs 2.15 kg.")
    understanding = await reader.understand("and the blue one?", earlier=earlier)
    assert understanding.intents[0] == "product_question"
    assert "arbor 2" in understanding.query.lower()


@pytest.mark.parametrize(
    ("text", "order", "also"),
    [
        ("Please cancel FW-100021. And when is FW-100022 coming?", "FW-100021", ("FW-100022",)),
        ("When is FW-100022 coming? And please cancel FW-100021.", "FW-100021", ("FW-100022",)),
        ("FW-100022 到哪了？另外帮我取消 FW-100021", "FW-100021", ("FW-100022",)),
        ("where is FW-100022, no wait, FW-100021", "FW-100021", ()),
        ("where are FW-100022, FW-100021 and FW-100022?", "FW-100022", ("FW-100021",)),
    ],
)
async def test_of_several_orders_the_one_to_be_changed_comes_first(
    reader: E5Reader, text: str, order: str, also: tuple[str, ...]
) -> None:
    understood = await reader.understand(text)
    assert (understood.order, understood.also) == (order, also)


async def test_a_guessed_status_of_the_product_spoken_of_is_a_question_about_it(reader: E5Reader) -> None:
    earlier = said("what kind of down is in the hearth 0?", "a: Hearth 0, Filling: 450 g duck down, 90/10.")
    understood = await reader.understand("ok and which country does it come from?", earlier=earlier)
    assert understood.intents == ("product_question",)
    surely = await reader.understand("where is my order FW-100021?", earlier=earlier)
    assert surely.intents == ("order_status",)


@pytest.mark.parametrize(("text", "intent"), [("那它多重啊", "product_question"), ("辛苦啦", "thanks")])
async def test_a_guessed_courtesy_ends_no_question(reader: E5Reader, text: str, intent: str) -> None:
    earlier = said("Arbor 2 不打地钉能立得住吗", "a: 有地布的先铺地布，内帐铺在上面。")
    understood = await reader.understand(text, earlier=earlier)
    assert understood.intents[0] == intent


async def test_symbols_alone_are_unclear(reader: E5Reader) -> None:
    for text in ("", "   ", "???", "…", "🙂"):
        assert (await reader.understand(text)).intents == ("unclear",)


async def test_another_embedder_is_fitted_from_the_examples() -> None:
    # Hashed letter pairs: poor, but another space, which the stored weights know nothing of.
    def embed(text: str) -> list[float]:
        vector = np.zeros(256, np.float32)
        for a, b in zip(text.lower(), text.lower()[1:], strict=False):
            vector[hash((ord(a), ord(b))) % 256] += 1
        norm = float(np.linalg.norm(vector)) or 1.0
        return cast("list[float]", (vector / norm).tolist())

    def embed_many(texts: Sequence[str]) -> list[list[float]]:
        return [embed(text) for text in texts]

    understanding = await E5Reader(embed, embed_many).understand("where is my order")
    assert understanding.intents[0] == "order_status"


# ---- order number, e-mail, code -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "order", "code"),
    [
        ("FW-104233", "FW-104233", None),
        ("fw104233 please", "FW-104233", None),
        ("FW 104233", "FW-104233", None),
        ("fw–104233", "FW-104233", None),
        ("订单ＦＷ－１０４２３３到哪了", "FW-104233", None),
        ("where is 104233", "FW-104233", None),
        ("订单104233", "FW-104233", None),
        ("my code is 482913", None, "482913"),
        ("验证码：482913", None, "482913"),
        ("482913 is the code", None, "482913"),
        ("order 104233, code 482913", "FW-104233", "482913"),
        ("FW-104233 and the code is 482913", "FW-104233", "482913"),
        ("my postal code is 200040", None, None),
        ("邮编518057", None, None),
        ("I paid 104233 EUR", None, None),
        ("call 13800104233", None, None),
        ("FW-1042331", None, None),
        ("tracking JD104233", None, None),
        ("promo code 123456", None, None),
        ("nothing here", None, None),
        ("１０４２３３", "FW-104233", None),
    ],
)
async def test_numbers_are_told_apart(
    reader: E5Reader, text: str, order: str | None, code: str | None
) -> None:
    understanding = await reader.understand(text)
    assert (understanding.order, understanding.code) == (order, code)


LETTER = slots.OrderNumbers(lead="#W", digits=7)
PLAIN = slots.OrderNumbers(lead="", digits=12)


@pytest.mark.parametrize(
    ("numbers", "text", "order", "code"),
    [
        (LETTER, "return the mug of #W1234567, please", "#W1234567", None),
        (LETTER, "w 1234567", "#W1234567", None),
        (LETTER, "it is 1234567", "#W1234567", None),
        (LETTER, "item 1234567", None, None),
        (LETTER, "I paid 1234567 USD", None, None),
        (LETTER, "#W12345678", None, None),
        (LETTER, "FW-104233", None, None),
        (LETTER, "my code is 482913", None, "482913"),
        (LETTER, "the code for #W1234567 is 482913", "#W1234567", "482913"),
        (PLAIN, "订单ID:210000000001的地址", "210000000001", None),
        (PLAIN, "210000000001", "210000000001", None),
        (PLAIN, "商品ID:310000000001", None, None),
        (PLAIN, "取消商品ID为310000000001的订单", None, None),
        (PLAIN, "商品310000000001，订单号为210000000001。", "210000000001", None),
        (PLAIN, "https://shop.example/310000000001.html", None, None),
        (PLAIN, "电话13800104233", None, None),
        (PLAIN, "验证码 482913", None, "482913"),
    ],
)
def test_other_shops_number_orders_in_other_ways(
    numbers: slots.OrderNumbers, text: str, order: str | None, code: str | None
) -> None:
    assert slots.order_and_code(text, (), numbers) == (order, code)


async def test_the_reader_takes_a_shops_own_numbers(embedder: E5Embedder) -> None:
    reader = E5Reader(embedder.embed_query, embedder.embed_passages, numbers=LETTER)
    understanding = await reader.understand("please cancel order #W1234567")
    assert (understanding.order, understanding.intents) == ("#W1234567", ("cancel_order",))


@pytest.mark.parametrize(
    ("last", "order", "code"),
    [
        ("a: Please type the six-digit code from the e-mail.", None, "482913"),
        ("a: 请输入验证码。", None, "482913"),
        ("a: What is your order number?", "FW-482913", None),
        ("a: 请提供订单号", "FW-482913", None),
    ],
)
async def test_six_bare_digits_are_what_was_asked_for(
    reader: E5Reader, last: str, order: str | None, code: str | None
) -> None:
    understanding = await reader.understand("482913", earlier=said(last))
    assert (understanding.order, understanding.code) == (order, code)
    if code:
        assert understanding.intents == ("prove_order",)


async def test_an_email_is_found_and_lowered(reader: E5Reader) -> None:
    understanding = await reader.understand("it is Anna.Berg+shop@Example.COM.")
    assert understanding.email == "anna.berg+shop@example.com"


# ---- language -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "earlier", "language"),
    [
        ("Where is my order?", (), "en"),
        ("我的订单到哪了", (), "zh"),
        ("我的 Arbor 2 tent 什么时候到", (), "zh"),
        ("Do you ship to 上海 and Beijing?", (), "en"),
        ("ok", ("我的订单到哪了",), "zh"),
        ("FW-104233", ("我的订单到哪了",), "zh"),
        ("refund??", ("where is my refund please",), "en"),
        ("DHL?", ("a: 您的包裹在路上。",), "zh"),
        ("好", ("where is my order please",), "zh"),
        ("ok", (), "en"),
        ("", ("我的订单到哪了",), "zh"),
    ],
)
def test_the_language_is_that_of_the_message_or_else_of_the_conversation(
    text: str, earlier: tuple[str, ...], language: Language
) -> None:
    assert detect(text, said(*earlier)) == language


# ---- slots ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return item 2 please", {"line": "2"}),
        ("第二件要退", {"line": "2"}),
        ("return everything", {"line": "all"}),
        ("两件都要退", {"line": "all"}),
        ("exchange the boots for a size 43", {"product": "boot", "variant": "43"}),
        ("swap the green jacket for a blue one", {"product": "jacket", "variant": "blue"}),
        ("M码换成L码", {"variant": "L"}),
        ("swap the boots for black, size 43 (item BOOT-CRN-43)", {"variant": "BOOT-CRN-43"}),
        ("鞋子换成货号 10234567", {"variant": "10234567"}),
        ("绿色的换成蓝色", {"variant": "蓝"}),
        ("two pairs of socks", {"quantity": "2", "product": "sock"}),
        (
            "I want to return the tent because the pole snapped",
            {"product": "tent", "reason": "the pole snapped"},
        ),
        ("the jacket is too small", {"reason_code": "too_small", "reason": "the jacket is too small"}),
        ("外套太小了，想换L码", {"reason_code": "too_small", "product": "外套", "variant": "L"}),
        ("发错货了", {"reason_code": "wrong_item"}),
        ("The bag arrived torn", {"reason_code": "damaged", "product": "bag"}),
        ("I want to send the Arbor 2 back", {"product": "arbor 2"}),
        ("炉子漏气", {"reason_code": "faulty", "product": "炉"}),
    ],
)
def test_slots_say_which_item_and_why(text: str, expected: dict[str, str]) -> None:
    found = slots.details(text, NAMES)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("text", ["hello", "where is my order", "什么时候到", "I'm in Austria"])
def test_no_slot_is_made_up(text: str) -> None:
    assert slots.details(text, NAMES) == {}


def test_a_quick_reply_names_the_item_it_repeats() -> None:
    found = slots.details("Skua rain jacket", (), "Which one? 1. Skua rain jacket (M); 2. Merino socks (L)")
    assert found["product"].lower() in ("jacket", "skua rain jacket")
    assert slots.details("2", (), "Which item?")["line"] == "2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Please change the delivery address to: Anna Berg, Hauptstr. 5, 10115 Berlin, Germany. Thanks!",
            {
                "recipient": "Anna Berg",
                "line1": "Hauptstr. 5",
                "postal_code": "10115",
                "city": "Berlin",
                "country": "Germany",
            },
        ),
        (
            "deliver to 8 Mill Road, Cambridge CB1 2AD, UK instead",
            {
                "line1": "8 Mill Road",
                "city": "Cambridge",
                "postal_code": "CB1 2AD",
                "country": "United Kingdom",
            },
        ),
        (
            "New address:\nTom Vos\nKerkstraat 12\n1017 GA Amsterdam\nNetherlands",
            {
                "recipient": "Tom Vos",
                "line1": "Kerkstraat 12",
                "postal_code": "1017 GA",
                "city": "Amsterdam",
                "country": "Netherlands",
            },
        ),
        (
            "收货地址改成广东省深圳市南山区科技园路18号3栋502，邮编518057，收件人张伟",
            {
                "recipient": "张伟",
                "region": "广东省",
                "city": "深圳市",
                "line1": "南山区科技园路18号3栋502",
                "postal_code": "518057",
            },
        ),
        ("改寄到上海市徐汇区漕溪路100号", {"city": "上海市", "line1": "徐汇区漕溪路100号"}),
    ],
)
async def test_an_address_gives_the_parts_that_are_certain(
    reader: E5Reader, text: str, expected: dict[str, str]
) -> None:
    understanding = await reader.understand(text)
    parts = ("recipient", "line1", "line2", "city", "region", "postal_code", "country")
    assert {part: understanding.slots[part] for part in parts if part in understanding.slots} == expected
    assert "change_address" in understanding.intents


async def test_a_bare_address_answers_the_question_for_one(reader: E5Reader) -> None:
    understanding = await reader.understand(
        "Anna Berg, Hauptstr. 5, 10115 Berlin", earlier=said("a: What is the new address?")
    )
    assert understanding.intents[0] == "change_address"
    assert understanding.slots["postal_code"] == "10115"


@pytest.mark.parametrize(
    "text", ["change my address please", "can you send it to my office instead", "地址填错了", "改一下地址"]
)
def test_no_address_is_made_up(text: str) -> None:
    assert address(text) == {}


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("I will sue you", ("legal",)),
        ("我要打12315", ("legal",)),
        ("the stove caught fire and burned my hand", ("safety", "injury")),
        ("炉子着火了，我的手烫伤了", ("safety", "injury")),
        ("there's a smell like gas, it smells of gas", ("safety",)),
        ("I'll go to the press", ("press",)),
        ("我要找媒体曝光", ("press",)),
        ("I will never buy from you again", ("leaving",)),
        ("我再也不会在你们家买了", ("leaving",)),
        ("nobody was injured", ()),
        ("没有受伤，只是想退货", ()),
        ("I'm not going to sue anybody", ()),
        ("I don't need a lawyer", ()),
        ("Can the stove overheat or explode in the sun?", ()),
        ("气罐会爆炸吗？", ()),
        ("do you sell a french press", ()),
        ("press the button", ()),
        ("is it legal to camp wild in Norway", ()),
        ("is the fabric fire resistant", ()),
        ("these boots hurt a bit", ()),
        ("where is my order", ()),
    ],
)
def test_risky_topics_are_raised_not_denied(text: str, topics: tuple[str, ...]) -> None:
    assert slots.topics(text) == topics


# ---- the question for retrieval ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Hi, how much is shipping to France? Thanks!", "how much is shipping to France?"),
        ("您好，请问寄到法国运费多少？谢谢", "寄到法国运费多少？"),
        ("Hello there! can I return FW-104233?", "can I return?"),
        ("hello", "hello"),
    ],
)
def test_courtesies_and_numbers_are_not_searched_for(text: str, query: str) -> None:
    assert standalone(text, (), lambda _: "") == query


@pytest.mark.parametrize(
    ("text", "earlier", "query"),
    [
        ("is it waterproof?", ("How heavy is the Arbor 2 tent?",), "arbor 2 tent: is it waterproof?"),
        ("它防水吗", ("a: 推荐您看看 Arbor 2 双人帐篷。",), "双人帐篷: 它防水吗"),
        (
            "and to Norway?",
            ("how much is shipping to France",),
            "how much is shipping to France and to Norway?",
        ),
        ("那挪威呢", ("寄到法国运费多少",), "寄到法国运费多少 那挪威呢"),
        ("is the Ember Duo stove loud?", ("How heavy is the Arbor 2 tent?",), "is the Ember Duo stove loud?"),
        (
            "what does the warranty cover for backpacks bought in another shop last year",
            ("How heavy is the Arbor 2 tent?",),
            "what does the warranty cover for backpacks bought in another shop last year",
        ),
    ],
)
def test_a_follow_up_is_made_to_stand_alone(text: str, earlier: tuple[str, ...], query: str) -> None:
    def product(line: str) -> str:
        return slots.details(line, NAMES).get("product", "")

    assert standalone(text, said(*earlier), product) == query


def test_cleaning_never_leaves_the_edges_dirty() -> None:
    assert clean("  Hi!!  please  ") == ""


# ---- odd input --------------------------------------------------------------------------------------

_ODD = st.text(max_size=200) | st.text(alphabet="FW-0123456789 验证码code@.,\n改成路号", max_size=80)


@settings(max_examples=80, deadline=None)
@given(text=_ODD, earlier=st.lists(st.text(max_size=60), max_size=2))
def test_no_text_makes_the_rules_raise(text: str, earlier: list[str]) -> None:
    lines = [Said("assistant", line) for line in earlier]
    slots.details(text, NAMES, earlier[-1] if earlier else "")
    slots.order_and_code(text, lines)
    address(text)
    slots.topics(text)
    standalone(text, lines, lambda _: "")
    intents.clauses(text)
    assert detect(text, lines) in ("en", "zh")


@settings(max_examples=25, deadline=None)
@given(text=_ODD)
def test_no_text_makes_the_reader_raise(text: str) -> None:
    # A fixed vector stands for the engine: here only the reader's own handling is tried.
    reader = E5Reader(lambda _: list(_UNIT), lambda texts: [list(_UNIT) for _ in texts])
    reader._weights = intents.load()
    understanding: Understanding = asyncio.run(reader.understand(text))
    assert understanding.intents
    assert 0 <= understanding.confidence <= 1


_UNIT = [384**-0.5] * 384


async def test_a_very_long_message_is_read(reader: E5Reader) -> None:
    understanding = await reader.understand("my tent is torn and I want to return it. " * 400)
    assert "return_item" in understanding.intents


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("cancel FW-104233\nno wait, FW-104277 please", "FW-104277"),
        ("取消 FW-104233，不对，是 FW-104277", "FW-104277"),
        ("FW-104233, sorry I mean FW-104277, or was it... no, FW-104299", "FW-104299"),
        ("cancel FW-104233 and where is FW-104277", "FW-104233"),
        ("sorry to bother you, FW-104233", "FW-104233"),
    ],
)
def test_a_corrected_order_number_counts(text: str, order: str) -> None:
    assert slots.order_and_code(text)[0] == order


@pytest.mark.parametrize("text", ["Arbor 3 呢", "那 Pike 1000 呢？", "Bothy 有货吗"])
def test_a_products_name_does_not_make_a_chinese_question_english(text: str) -> None:
    assert detect(text) == "zh"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("then start that trace with the carrier now please", True),
        ("could you get someone to find out please?", True),
        ("现在就帮我跟快递查件吧", True),
        ("差价退给我", True),
        ("what do you do about late parcels?", False),
        ("how long after buying do you match prices?", False),
        ("你们买完多久内能退差价？", False),
        ("how do I file a warranty claim?", False),
    ],
)
def test_work_that_only_staff_can_do_is_a_wish_for_a_person(text: str, asked: bool) -> None:
    assert ("request_person" in intents.votes(text)) is asked
