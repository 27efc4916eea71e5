"""The scorer beside the exact rules: what it lets pass that words alone would not, and what it must not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.grounding import Claim, Source, SourceSet, Vectors, check
from agent.grounding.features import FEATURES
from agent.grounding.parts import parts_of
from agent.grounding.scorer import scorer
from retrieval.e5 import E5Embedder

KILN = Source(
    "kiln",
    "The Ember kiln heats to 1,230 °C and holds 18 litres. A firing takes 9 hours. It needs a 16 A socket; "
    "an extension lead must not be used. The shelves are not included.",
    "Ember kiln Firing",
)
BACK = Source(
    "back",
    "You have 20 days after delivery to send a kiln back. We collect it for 40 EUR. Glazes and clay that were "
    "opened cannot be returned. If we sent the wrong thing, we collect it free of charge.",
    "Returns How long you have",
)
YAO = Source(
    "yao",
    "Ember 电窑最高 1230 ℃，容积 18 升，烧一窑要 9 小时。需要 16 安插座，不能接拖线板。不含棚板。",
    "Ember 电窑 烧成",
)
TUI = Source(
    "tui",
    "签收后 20 天内可以退窑，上门取件收 40 元。已开封的釉料和陶泥不能退。发错货的，上门取件免费。",
    "退货 时限",
)


@cache
def vectors() -> Vectors:
    return Vectors(E5Embedder().embed_passages)


def one(sentence: str, *sources: Source, context: str = "") -> Claim:
    [claim] = check([sentence], sources, vectors=vectors(), context=context)
    return claim


@pytest.mark.parametrize(
    ("sentence", "source"),
    [
        ("A kiln can be sent back up to 20 days after you got it.", "back"),
        ("A firing takes 9 hours, and the shelves are not included.", "kiln"),
        ("Opened glazes cannot be returned; we collect a kiln for 40 EUR.", "back"),
        ("The Ember kiln heats up to 1230 °C, and a firing takes 9 hours.", "kiln"),
        ("签收 20 天之内能退窑，上门取件收 40 元。", "tui"),
        ("要用 16 安的插座，不能用拖线板。", "yao"),
        ("不含棚板，烧一窑 9 小时。", "yao"),
    ],
)
def test_other_words_for_the_same_pass(sentence: str, source: str) -> None:
    claim = one(sentence, BACK, KILN, TUI, YAO)
    assert (claim.supported, claim.source) == (True, source), (claim.reason, claim.probability)
    assert claim.probability is not None
    by_id = {s.id: s for s in (BACK, KILN, TUI, YAO)}
    assert claim.quote
    assert claim.quote in by_id[source].text


@pytest.mark.parametrize(
    "sentence",
    [
        "You have 30 days after delivery to send a kiln back.",
        "Opened glazes can be returned as well.",
        "The shelves are included.",
        "A firing takes 9 hours, and we lend you a second kiln in the meantime.",
        "The Ember kiln heats to 1,230 °C and comes with a lifetime guarantee.",
        "It needs a 16 A socket, and you can use an extension lead.",
        "The Birch kiln holds 18 litres.",
        "A kiln can be sent back by post.",
        "Our technician installs it at your home.",
        "签收后 30 天内可以退窑。",
        "已开封的釉料也可以退。",
        "含棚板，一窑要烧 9 小时。",
        "需要 16 安插座，可以接拖线板。",
        "电窑终身保修，随时可以退。",
        "我们安排师傅上门安装电窑。",
    ],
)
def test_what_no_source_says_is_stopped(sentence: str) -> None:
    claim = one(sentence, BACK, KILN, TUI, YAO)
    assert claim.needs_source
    assert not claim.supported, (claim.quote, claim.probability)


def test_a_sentence_of_the_source_itself_always_passes() -> None:
    drift = Source(
        "d", "It plays for 38 hours with the light off and 52 hours with it dimmed. It weighs 300 g."
    )
    claim = one("It plays for 38 hours with the light off and 52 hours with it dimmed.", drift)
    assert (claim.supported, claim.probability) == (True, 1.0)


def test_figures_that_change_places_are_found() -> None:
    cover = Source("c", "Headphones are covered for 2 years, power banks for 1 year.")
    assert one("Power banks are covered for 1 year, headphones for 2 years.", cover).supported
    assert not one("Power banks are covered for 2 years, headphones for 1 year.", cover).supported


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("You can return it within 20 days of delivery.", "You can return it after 20 days of delivery."),
        ("Cancel at least 2 days before the visit.", "Cancel at least 2 days after the visit."),
        ("签收后 20 天内可以退。", "签收 20 天后可以退。"),
    ],
)
def test_within_is_not_after(right: str, wrong: str) -> None:
    source = Source("s", right)
    assert one(right, source).supported
    assert one(wrong, source).reason in ("comparison", "polarity")
    assert check([wrong], [source])[0].reason in ("comparison", "polarity")


def test_what_the_shopper_named_is_less_strange() -> None:
    sentence = "For your Birchwood mug the Ember kiln heats to 1,230 °C."
    alone = one(sentence, KILN).probability
    named = one(sentence, KILN, context="Can I fire my Birchwood mug in the Ember kiln?").probability
    assert alone is not None
    assert named is not None
    assert named > alone


def test_a_live_fact_is_judged_by_words_and_a_deed_needs_its_proof() -> None:
    state = Source("FW-104233#state", "Order FW-104233 has been shipped with DHL on 3 March 2026.")
    assert one("It was shipped on March 3.", state, BACK).source == state.id
    assert not one("It was shipped on March 4.", state, BACK).supported
    assert one("I have cancelled your order.", BACK).reason == "action_not_done"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "It films in 2K, and night vision reaches 8 m.",
            ["It films in 2K, and ", "night vision reaches 8 m."],
        ),
        ("If it is brown, do not use it.", ["If it is brown, do not use it."]),
        ("Red, green and blue are in stock.", ["Red, green and blue are in stock."]),
        ("有 7 速，用转把变速。", ["有 7 速，", "用转把变速。"]),
        ("签收后，10 天内可以退。", ["签收后，10 天内可以退。"]),
    ],
)
def test_a_claim_is_cut_into_its_statements(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in parts_of(text)] == parts


@given(text=st.text(alphabet="It is，; but不 can 7天后如果and。", max_size=60))
def test_the_statements_are_the_whole_claim(text: str) -> None:
    assert "".join(text[start:end] for start, end in parts_of(text)) == text


@settings(max_examples=150, deadline=None)
@given(
    sentence=st.text(max_size=120)
    | st.text(alphabet="return 30天退货不能4.90€|-:*[1]No.第三；，,", max_size=60),
    text=st.text(max_size=200) | st.text(alphabet="return 30天退货不能4.90€|-:*\n", max_size=80),
)
def test_no_text_makes_it_raise(sentence: str, text: str) -> None:
    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(one)), 1.0, float(one.count("e"))] for one in texts]

    claim = SourceSet([Source("p", text, "title")], vectors=Vectors(embed), context=text).check(sentence)
    assert claim.sentence == sentence
    assert not claim.quote or claim.quote in text
    assert bool(claim.reason) != claim.supported
    assert claim.probability is None or 0 <= claim.probability <= 1


def test_without_vectors_no_probability_is_claimed() -> None:
    [claim] = check(["You have 20 days after delivery to send a kiln back."], [BACK])
    assert claim.supported
    assert claim.probability is None


def test_a_text_is_embedded_once_while_it_is_remembered() -> None:
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> list[list[float]]:
        asked.extend(texts)
        return [[float(len(one)), 1.0] for one in texts]

    kept = Vectors(embed, keep=2)
    first = kept.of(["a", "bb", "a"])
    assert asked == ["a", "bb"]
    assert np.allclose(first[0], first[2])
    assert np.allclose(np.linalg.norm(first, axis=1), 1.0)
    kept.of(["a"])
    kept.of(["ccc"])
    assert asked == ["a", "bb", "ccc"]
    kept.of(["a"])
    assert asked == ["a", "bb", "ccc"], "the latest used stays"
    kept.of(["bb"])
    assert asked[-1] == "bb"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_weights_fit_the_features_and_meet_their_aim(language: str) -> None:
    kept = json.loads(files("agent").joinpath("data/grounding_weights.json").read_text(encoding="utf-8"))[
        language
    ]
    assert set(kept["coefficients"]) == set(FEATURES)
    assert 0 < scorer(language).threshold < 1
    held_out = kept["on_shops_left_out"]
    assert held_out["after"]["wrong_among_shown"] < 0.01
    assert held_out["after"]["wrong_among_shown"] < held_out["before"]["wrong_among_shown"]
    assert held_out["after"]["made_wrong_stopped"] > held_out["before"]["made_wrong_stopped"]
