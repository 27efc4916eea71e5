"""Sentences quoted word for word."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from retrieval.passages import Found, Passage
from retrieval.quote import best_sentences, weights
from tests.retrieval.conftest import chunk_of

RETURNS = "Welcome to our shop. Return shipping costs 4.90 EUR. Faulty items travel free."
WELCOME, COSTS, FREE = (f"{text}." for text in RETURNS.rstrip(".").split(". "))


def found(*passages: Passage, near: dict[str, float] | None = None) -> Found:
    return Found(passages, 0.9, near or {})


def test_the_sentence_with_the_words_of_the_question_comes_first() -> None:
    passage = Passage(chunk_of("a", RETURNS), 0.9)
    (quote,) = best_sentences("What does return shipping cost?", found(passage), "en", limit=1)
    assert quote.text == COSTS
    assert RETURNS[quote.start : quote.start + len(quote.text)] == quote.text
    assert quote.passage is passage


def test_chinese_is_matched_by_character_pairs() -> None:
    text = "欢迎光临。退货运费为4.90欧元。瑕疵商品免费退回。"
    passage = Passage(chunk_of("a", text, language="zh", title="政策", heading=""), 0.9)
    (quote,) = best_sentences("退货运费是多少？", found(passage), "zh", limit=1)
    assert quote.text == "退货运费为4.90欧元。"


@pytest.mark.parametrize("nearest", [WELCOME, COSTS, FREE])
def test_a_sentence_that_says_it_in_other_words_is_known_by_its_meaning(nearest: str) -> None:
    near = {text: 0.9 if text == nearest else 0.75 for text in (WELCOME, COSTS, FREE)}
    passage = Passage(chunk_of("a", RETURNS), 0.9)
    (quote,) = best_sentences("what will I be charged", found(passage, near=near), "en", limit=1)
    assert quote.text == nearest


def test_of_sentences_alike_that_of_the_better_passage_comes_first() -> None:
    passages = [
        Passage(chunk_of(name, f"{name}. It weighs {grams} g."), 0.9, score)
        for name, grams, score in (("Kettle", 900, 101.0), ("Pan", 1200, 104.0))
    ]
    (quote,) = best_sentences("weight", found(*passages), "en", limit=1)
    assert quote.text == "It weighs 1200 g."


def test_what_was_not_compared_is_no_better_than_the_farthest() -> None:
    near = {WELCOME: 0.75, COSTS: 0.8, FREE: 0.75}
    page, other = Passage(chunk_of("a", RETURNS), 0.9), Passage(chunk_of("b", "Hello. Come in."), 0.9)
    quotes = best_sentences("what will I be charged", found(page, other, near=near), "en", limit=1)
    assert [quote.text for quote in quotes] == [COSTS]


def test_own_language_goes_before_the_other() -> None:
    zh = Passage(chunk_of("z", "退货运费为4.90欧元。", language="zh"), 0.95)
    en = Passage(chunk_of("e", RETURNS), 0.9)
    quotes = best_sentences("return shipping cost", found(zh, en), "en", limit=4)
    assert [quote.passage for quote in quotes] == [en, en, en, zh]


def test_the_same_sentence_is_quoted_once_and_the_limit_holds() -> None:
    passages = [Passage(chunk_of("a", RETURNS), 0.9), Passage(chunk_of("b", RETURNS), 0.8)]
    assert len(best_sentences("return", found(*passages), "en", limit=9)) == 3
    assert len(best_sentences("return", found(*passages), "en", limit=2)) == 2


def test_nothing_found_is_nothing_quoted_and_a_question_without_words_is_none_either() -> None:
    assert best_sentences("return", found(), "en") == []
    near = {WELCOME: 0.75, COSTS: 0.75, FREE: 0.8}
    (quote,) = best_sentences("???", found(Passage(chunk_of("a", RETURNS), 0.9), near=near), "en", limit=1)
    assert quote.text == FREE


def test_the_weights_are_those_of_a_fit_that_was_good_enough() -> None:
    fitted = json.loads(files("retrieval").joinpath("quote.json").read_text(encoding="utf-8"))
    assert fitted["shops"] == 6
    for language in ("en", "zh"):
        assert fitted[language]["unseen shops"]["questions"] > 350
        assert fitted[language]["unseen shops"]["first"] > 0.6
        assert fitted[language]["unseen shops"]["among_three"] > 0.85
    held, _, nearness, score = weights()
    assert min(held, nearness, score) > 0
