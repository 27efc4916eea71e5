"""Sentences quoted word for word."""

from __future__ import annotations

from retrieval.passages import Passage
from retrieval.quote import best_sentences
from tests.retrieval.conftest import chunk_of

RETURNS = "Welcome to our shop. Return shipping costs 4.90 EUR. Faulty items travel free."


def test_the_sentence_about_the_question_comes_first() -> None:
    passages = [Passage(chunk_of("a", RETURNS), 0.9)]
    (quote,) = best_sentences("What does return shipping cost?", passages, "en", limit=1)
    assert quote.text == "Return shipping costs 4.90 EUR."
    assert RETURNS[quote.start : quote.start + len(quote.text)] == quote.text
    assert quote.passage is passages[0]


def test_chinese_is_matched_by_character_pairs() -> None:
    text = "欢迎光临。退货运费为4.90欧元。瑕疵商品免费退回。"
    passages = [Passage(chunk_of("a", text, language="zh", title="政策", heading=""), 0.9)]
    (quote,) = best_sentences("退货运费是多少？", passages, "zh", limit=1)
    assert quote.text == "退货运费为4.90欧元。"


def test_own_language_goes_before_the_other() -> None:
    zh = Passage(chunk_of("z", "退货运费为4.90欧元。", language="zh"), 0.95)
    en = Passage(chunk_of("e", RETURNS), 0.9)
    quotes = best_sentences("return shipping cost", [zh, en], "en", limit=4)
    assert [quote.passage for quote in quotes] == [en, en, en, zh]


def test_the_same_sentence_is_quoted_once_and_the_limit_holds() -> None:
    passages = [Passage(chunk_of("a", RETURNS), 0.9), Passage(chunk_of("b", RETURNS), 0.8)]
    assert len(best_sentences("return", passages, "en", limit=9)) == 3
    assert len(best_sentences("return", passages, "en", limit=2)) == 2


def test_without_a_common_word_the_best_passage_opens() -> None:
    passages = [Passage(chunk_of("a", RETURNS), 0.9), Passage(chunk_of("b", "Something else."), 0.8)]
    (quote,) = best_sentences("???", passages, "en", limit=1)
    assert quote.text == "Welcome to our shop."
    assert best_sentences("return", [], "en") == []
