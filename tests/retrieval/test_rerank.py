"""The order of passages, and what a question wants to know."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import pytest

from retrieval.concepts import concepts
from retrieval.expected import holds, sorts
from retrieval.library import Library
from retrieval.passages import Language, Passage
from retrieval.rerank import FEATURES, rerank, weights
from tests.retrieval.conftest import chunk_of


def order(question: str, texts: list[str], language: Language = "en") -> list[str]:
    """The texts in the order they are given back, all equally similar."""
    chunks = [
        chunk_of(str(place), text, title="", heading="", language=language)
        for place, text in enumerate(texts)
    ]
    words = Library(chunks).words(language)
    return [one.chunk.text for one in rerank(question, [Passage(chunk, 0.85) for chunk in chunks], words)]


@pytest.mark.parametrize(
    ("question", "texts", "language"),
    [
        ("how heavy is it", ["It weighs 2.1 kg.", "It is green and tall."], "en"),
        ("how do i send it back", ["You can return an item by post.", "You can pay an item by card."], "en"),
        ("does the tent have a skylight", ["There is a skylight.", "The tent is green.", "A tent."], "en"),
        ("多久能到", ["配送需要 3 天。", "支持微信和支付宝。"], "zh"),
        ("保修几年", ["保修期 2 年。", "退货免费。"], "zh"),
    ],
)
def test_the_passage_that_answers_goes_first(question: str, texts: list[str], language: Language) -> None:
    assert order(question, texts, language)[0] == texts[0]
    assert order(question, texts[::-1], language)[0] == texts[0]


def test_another_product_goes_last_however_similar() -> None:
    mine, other = (replace(chunk_of(key, title=f"Arbor {key}"), product=key) for key in ("3", "2"))
    general = replace(chunk_of("faq"), product="")
    passages = [Passage(other, 0.95), Passage(mine, 0.8), Passage(general, 0.7)]
    words = Library([mine, other, general]).words("en")
    ranked = rerank("arbor 3", passages, words, frozenset({"3"}))
    assert [one.chunk.id for one in ranked] == ["3", "faq", "2"]
    assert rerank("arbor", passages, words)[0].chunk.id == "2"


def test_equal_passages_keep_the_order_of_their_ids() -> None:
    chunks = [chunk_of(key) for key in "cab"]
    ranked = rerank("tents", [Passage(chunk, 0.8) for chunk in chunks], Library(chunks).words("en"))
    assert [one.chunk.id for one in ranked] == ["a", "b", "c"]


def test_nothing_to_order_is_fine() -> None:
    assert rerank("tents", [], Library([]).words("en")) == []


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("how heavy is it", "2150 g"),
        ("how many days until it comes", "within 3 working days"),
        ("how much does shipping cost", "4.90 EUR"),
        ("包多重", "重 900 克"),
        ("几天能到", "需要 3 个工作日"),
        ("退货要钱吗", "每次 4.90 欧元"),
    ],
)
def test_the_sort_of_answer_is_recognised(question: str, text: str) -> None:
    assert holds(text, sorts(question))
    assert not holds("It is made of wool.", sorts(question))


def test_a_question_that_tells_no_sort_wants_none() -> None:
    assert sorts("tell me about the tent") == frozenset()
    assert not holds("2 kg", frozenset())


@pytest.mark.parametrize(
    ("one", "other", "thing"),
    [
        ("how do I send it back", "Returns are free.", "return"),
        ("when do I get my money back", "We refund you.", "refund"),
        ("可以退掉吗", "退货期限", "return"),
        ("钱什么时候退给我", "退款方式", "refund"),
        ("my parcel never came", "Lost parcels", "lost"),
    ],
)
def test_different_words_for_one_thing_meet(one: str, other: str, thing: str) -> None:
    assert thing in concepts(one) & concepts(other)


def test_the_weights_are_those_of_a_fit_that_beats_the_cosine() -> None:
    fitted = json.loads(files("retrieval").joinpath("rerank.json").read_text(encoding="utf-8"))
    assert len(weights()) == len(FEATURES)
    for language in ("en", "zh"):
        ours, plain = fitted[language]["unseen shops"], fitted[language]["unseen shops, cosine alone"]
        assert ours["questions"] >= 500
        assert ours["first"] > plain["first"]
        assert ours["among_five"] > max(0.95, plain["among_five"])
