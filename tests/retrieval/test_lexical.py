"""Search by words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from retrieval.lexical import LexicalIndex
from retrieval.library import Library
from retrieval.passages import Chunk, Language, Visibility
from retrieval.words import terms
from tests.retrieval.conftest import chunk_of

PUBLIC: frozenset[Visibility] = frozenset({"public"})
TEXTS = ("Tents are returned within 30 days.", "The stove burns gas.", "Tents and stoves have a warranty.")


def index_of(*texts: str) -> LexicalIndex:
    return LexicalIndex([terms(text) for text in texts])


def test_the_text_with_the_rare_word_wins() -> None:
    scores = index_of(*TEXTS).scores("Is there a warranty on the tent?")
    assert scores.argmax() == 2
    assert scores[1] == 0


def test_scores_are_those_of_the_formula() -> None:
    """By hand: two texts of one and three terms, mean 2; the word is once in each."""
    scores = index_of("gas", "gas burns blue").scores("gas")
    rarity = 0.1823215567939546  # ln(1 + 0.5 / 2.5)
    assert scores == pytest.approx(
        [rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 0.5)), rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1.5))]
    )


def test_chinese_is_found_without_a_dictionary() -> None:
    assert index_of("帐篷可在三十天内退货。", "炉子使用气罐。").scores("气罐炉怎么用").argmax() == 1


@pytest.mark.parametrize(
    ("misspelt", "meant"), [("warrenty", "warranty"), ("wraranty", "warranty"), ("waranty", "warranty")]
)
def test_a_slip_of_the_pen_finds_the_word(misspelt: str, meant: str) -> None:
    index = index_of(*TEXTS)
    assert index.asked(misspelt) == index.asked(meant) == terms(meant)


def test_a_short_or_distant_word_is_taken_as_it_is() -> None:
    index = index_of(*TEXTS)
    assert index.asked("gsa kayaks") == terms("gsa kayaks")


def test_coverage_counts_rare_words_more() -> None:
    index = index_of(*TEXTS)
    asked = {"tent", "warranty"}
    assert index.coverage(asked, {"warranty"}) > 0.5 > index.coverage(asked, {"tent"}) > 0
    assert index.coverage(set(), {"tent"}) == 1.0


def test_nothing_indexed_finds_nothing() -> None:
    assert index_of().scores("tents").tolist() == []
    assert found(Library([]), "tents") == []


def found(
    library: Library, question: str, *, without: Sequence[str] = (), language: Language = "en"
) -> list[str]:
    pairs = library.search(
        question, language=language, visible_to=PUBLIC, without=frozenset(without), k=3
    )  # fmt: skip
    return [chunk.id for chunk, _ in pairs]


def test_a_search_gives_only_what_may_be_seen_holds_and_is_of_the_language() -> None:
    chunks: list[Chunk] = [
        chunk_of("public"),
        chunk_of("staff", visibility="staff"),
        chunk_of("old", source="shop/old.md"),
        chunk_of("zh", "tents 帐篷", language="zh"),
    ]
    library = Library(chunks)
    assert found(library, "tents") == ["old", "public"]
    assert found(library, "tents", without=["shop/old.md@en"]) == ["public"]
    assert found(library, "tents", language="zh") == ["zh"]


def test_title_and_heading_are_searched_too() -> None:
    library = Library([chunk_of("a", "Forty days.", title="Voles", heading=""), chunk_of("b", "Forty.")])
    assert found(library, "voles") == ["a"]


def test_a_library_made_from_another_is_the_same_as_a_fresh_one() -> None:
    one, two = chunk_of("a"), chunk_of("b", "Stoves are sold without fuel.")
    before = Library([one])
    for question in ("stove fuel", "tents returned"):
        assert found(Library([one, two], before), question) == found(Library([one, two]), question)
