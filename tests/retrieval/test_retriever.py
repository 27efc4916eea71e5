"""A question in, passages and their answerability out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import pytest

from retrieval.answerable import answerable, features, models
from retrieval.chroma import ChromaPassageIndex
from retrieval.e5 import E5Embedder
from retrieval.indexing import index
from retrieval.passages import Language, Passage, Visibility
from retrieval.retriever import PassageRetriever
from tests.retrieval.conftest import chunk_of

PUBLIC: frozenset[Visibility] = frozenset({"public"})
DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture(scope="module")
def e5() -> E5Embedder:
    return E5Embedder()


@pytest.fixture
async def store(tmp_path: Path, e5: E5Embedder) -> AsyncIterator[ChromaPassageIndex]:
    opened = ChromaPassageIndex(e5, folder=tmp_path / "chroma")
    yield opened
    opened.close()


@pytest.fixture
async def demo(store: ChromaPassageIndex) -> PassageRetriever:
    """The demo shop's returns and shipping policies, in both languages."""
    await index([DEMO / "policies"], store, exclude=["*/p*.md", "*/w*.md"])
    return PassageRetriever(store)


@pytest.mark.parametrize(
    ("good", "bad", "language"),
    [
        ("How long can I return an item?", "How tall is Mount Everest?", "en"),
        ("收到商品后多久可以退货？", "珠穆朗玛峰有多高？", "zh"),
    ],
)
async def test_a_question_the_documents_answer_scores_above_one_they_do_not(
    demo: PassageRetriever, good: str, bad: str, language: Language
) -> None:
    found = await demo.find(good, language=language, visible_to=PUBLIC)
    lost = await demo.find(bad, language=language, visible_to=PUBLIC)
    assert found.answerable > models()[language].threshold > lost.answerable
    assert len(found.passages) == len(lost.passages) == 4
    assert {passage.chunk.language for passage in found.passages} == {language}
    assert "30" in found.passages[0].chunk.text


async def test_the_other_language_helps_out_when_a_thing_was_written_once(store: ChromaPassageIndex) -> None:
    await store.add(
        [
            chunk_of("zh", "特价商品不可退货。", title="退货", heading="特价", language="zh"),
            chunk_of("en", "Boots are made of leather.", title="Boots", heading=""),
        ]
    )
    found = await PassageRetriever(store).find("能退特价商品吗", language="en", visible_to=PUBLIC)
    assert [passage.chunk.id for passage in found.passages] == ["zh", "en"]


async def test_nothing_visible_is_not_answerable(store: ChromaPassageIndex) -> None:
    await store.add([chunk_of("s", visibility="staff")])
    found = await PassageRetriever(store).find("returns", language="en", visible_to=PUBLIC)
    assert (found.passages, found.answerable) == ((), 0.0)


async def test_a_citation_opens_only_for_those_who_may_read_it(store: ChromaPassageIndex) -> None:
    chunk = chunk_of("s", visibility="staff")
    await store.add([chunk])
    retriever = PassageRetriever(store)
    assert await retriever.open("s", visible_to=PUBLIC) is None
    assert await retriever.open("s", visible_to=frozenset({"staff"})) == chunk


async def test_a_very_long_question_is_answered_by_its_beginning(demo: PassageRetriever) -> None:
    found = await demo.find(
        "How long can I return an item? " + "x " * 50_000, language="en", visible_to=PUBLIC
    )
    assert len(found.passages) == 4


def test_features_of_no_passages_are_zero() -> None:
    assert features("returns?", []) == (0.0, 0.0, 0.0)
    assert answerable("returns?", [], "en") == 0.0


def test_a_products_own_name_does_not_make_it_answerable() -> None:
    tent = Passage(chunk_of("a", "It has two doors.", title="Arbor tent", heading=""), 0.9)
    assert features("Arbor tent bluetooth", [tent])[2] == 0.0
    assert features("Arbor tent doors", [tent])[2] == 1.0


def test_more_of_the_words_and_more_similarity_raise_the_probability() -> None:
    def scored(similarity: float, text: str, language: Language, question: str) -> float:
        chunk = chunk_of("a", text, title="", heading="", language=language)
        return answerable(question, [Passage(chunk, similarity)], language)

    cases: list[tuple[Language, str, str]] = [
        ("en", "wash wool", "Wash wool cold."),
        ("zh", "清洗羊毛", "冷水清洗羊毛。"),
    ]
    for language, question, full in cases:
        best = scored(0.9, full, language, question)
        assert best > scored(0.9, "-", language, question)
        assert best > scored(0.8, full, language, question)


def test_the_coefficients_are_those_of_a_fit_that_was_good_enough() -> None:
    fitted = json.loads(files("retrieval").joinpath("answerable.json").read_text(encoding="utf-8"))
    asked = json.loads(
        files("retrieval").joinpath("data/answerable_questions.json").read_text(encoding="utf-8")
    )
    for language, model in models().items():
        questions = asked[language]
        assert fitted[language]["questions"] == len(questions["answerable"]) + len(questions["unanswerable"])
        assert len(questions["answerable"]) >= 40
        assert len(questions["unanswerable"]) >= 40
        assert fitted[language]["auc"] > 0.8
        assert 0 < model.threshold < 1
