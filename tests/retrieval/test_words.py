"""Words, sentences and scripts of English and Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.language import declared_language, path_language
from retrieval.words import all_words, content_words, sentences


def test_english_content_words_meet_across_their_endings() -> None:
    assert content_words("How long do I have for returning the jackets?") == {"long", "return", "jacket"}
    assert content_words("returns jacket") <= all_words("The jackets were returned.")


def test_chinese_content_words_are_bigrams_without_particles() -> None:
    assert content_words("请问帐篷怎么退货？") == {"帐篷", "退货"}
    assert content_words("请问帐篷怎么退货？") <= all_words("本店的帐篷支持退货。")


def test_mixed_text_gives_both() -> None:
    assert content_words("Arbor 2 帐篷多重？") >= {"arbor", "2", "帐篷"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs 4.90 EUR. Really? Yes!", ["It costs 4.90 EUR.", "Really?", "Yes!"]),
        ("三十天。特价除外！“真的？”是", ["三十天。", "特价除外！", "“真的？”", "是"]),
        ("- one\n- two", ["- one", "- two"]),
        ("Wait... what", ["Wait...", "what"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_says(text: str, expected: list[str]) -> None:
    assert [sentence for _, sentence in sentences(text)] == expected


@given(st.text(alphabet='ab 。！？.!?"”\n天', max_size=200))
def test_sentences_are_exact_pieces_and_lose_nothing(text: str) -> None:
    found = list(sentences(text))
    assert all(text[start : start + len(sentence)] == sentence for start, sentence in found)
    assert "".join("".join(s.split()) for _, s in found) == "".join(text.split())


def test_other_languages_are_not_declared() -> None:
    assert declared_language("zho") is None
    assert declared_language("fr") is None
    assert declared_language(None) is None
    assert path_language("shop/english-breakfast.md") is None
    assert path_language("en/shop/zh/a.md") == "zh"
