"""A question in, passages and their answerability out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from retrieval.answerable import answerable, features, models, to_read
from retrieval.chroma import ChromaPassageIndex
from retrieval.e5 import E5Embedder
from retrieval.indexing import index
from retrieval.library import Library
from retrieval.passages import Language, Passage, Visibility
from retrieval.rerank import rerank
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


async def test_a_superseded_policy_is_not_told_as_current(tmp_path: Path, e5: E5Embedder) -> None:
    """Old, present and coming returns policies lie side by side; the day decides which one is found."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, day, length in (
        ("2024", "2024-05-01", 45),
        ("now", "2026-03-01", 30),
        ("next", "2026-07-01", 60),
    ):
        (folder / f"returns-{name}.md").write_text(
            f"---\ntitle: Returns\nkind: policy\nlanguage: en\neffective: {day}\n---\n"
            f"## How long you have\n\nYou can return an item within {length} days of delivery.\n",
            encoding="utf-8",
        )
    store = ChromaPassageIndex(e5, folder=tmp_path / "chroma")
    await index([folder], store)
    for when, told in ((date(2025, 1, 1), "45"), (date(2026, 6, 15), "30"), (date(2026, 7, 1), "60")):
        retriever = PassageRetriever(store, today=partial(date.fromordinal, when.toordinal()))
        found = await retriever.find("how long can I return an item?", language="en", visible_to=PUBLIC)
        (passage,) = found.passages
        assert f"within {told} days" in passage.chunk.text
        assert passage.chunk.effective is not None
        assert passage.chunk.effective <= when
    assert await retriever.open(
        (await store.query("45 days", visible_to=PUBLIC))[0].chunk.id, visible_to=PUBLIC
    )
    store.close()


async def test_a_hidden_version_does_not_supersede_what_the_shopper_may_read(
    store: ChromaPassageIndex,
) -> None:
    old = replace(chunk_of("old", source="shop/a.md"), effective=date(2024, 1, 1))
    draft = replace(chunk_of("new", source="shop/b.md", visibility="staff"), effective=date(2025, 1, 1))
    await store.add([old, draft])
    found = await PassageRetriever(store).find("returns", language="en", visible_to=PUBLIC)
    assert [passage.chunk for passage in found.passages] == [old]


async def test_what_only_words_find_is_found_within_what_may_be_seen(store: ChromaPassageIndex) -> None:
    """A part number says nothing to an embedder; thirty chunks are nearer."""
    near = [chunk_of(f"n{number:02}", f"Tents and parts, page {number}.") for number in range(30)]
    part = chunk_of("part", "Order number QX-7714 is a pole.", title="Poles", heading="")
    await store.add([*near, part, replace(part, id="staff", visibility="staff")])
    found = await PassageRetriever(store).find("QX-7714", language="en", visible_to=PUBLIC)
    assert found.passages[0].chunk == part
    assert "staff" not in {passage.chunk.id for passage in found.passages}


async def test_another_model_does_not_answer_for_the_one_named(store: ChromaPassageIndex) -> None:
    pages = [
        replace(
            chunk_of(f"arbor-{size}", f"Weight: {kilos} kg.", title=f"Arbor {size} tent"),
            product=f"arbor-{size}",
        )
        for size, kilos in ((2, "2.15"), (3, "2.8"))
    ]
    await store.add(pages)
    for page in pages:
        found = await PassageRetriever(store).find(
            f"what does the {page.title} weigh", language="en", visible_to=PUBLIC
        )
        assert found.passages[0].chunk == page


def test_features_of_no_passages_are_zero() -> None:
    words = Library([]).words("en")
    assert set(features("returns?", [], [], words)) == {0.0}
    assert answerable("returns?", [], [], [], words, "en") == 0.0


def judged(
    question: str,
    text: str,
    similarity: float = 0.85,
    language: Language = "en",
    title: str = "",
    near: float = 0.85,
    odds: float = 0.0,
) -> float:
    """The probability that a shop with this one passage, of one sentence, answers."""
    chunk = chunk_of("a", text, title=title, heading="", language=language)
    words = Library([chunk]).words(language)
    ranked = rerank(question, [Passage(chunk, similarity)], words)
    return answerable(question, ranked, [near], [odds], words, language)


@pytest.mark.parametrize(
    ("language", "question", "full"),
    [("en", "wash wool", "Wash wool cold."), ("zh", "清洗羊毛", "冷水清洗羊毛。")],
)
def test_more_of_the_words_and_nearer_sentences_raise_the_probability(
    language: Language, question: str, full: str
) -> None:
    best = judged(question, full, 0.9, language)
    assert best > judged(question, "-", 0.9, language)
    assert best > judged(question, full, 0.9, language, near=0.8)


def test_a_products_own_name_does_not_make_it_answerable() -> None:
    plain = judged("Arbor tent bluetooth", "It has two doors.", title="Arbor tent")
    assert plain < judged("Arbor tent doors", "It has two doors.", title="Arbor tent")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_read_in_question_and_passage_counts(language: Language) -> None:
    chunks = [chunk_of(name, "Wash wool cold.", language=language) for name in "ab"]
    words = Library(chunks).words(language)
    ranked = rerank("wash wool", [Passage(chunk, 0.8) for chunk in chunks], words)
    sure, unsure = (
        answerable("wash wool", ranked, [0.78], [odds, -9.0], words, language) for odds in (1.0, -9.0)
    )
    assert sure > 0.5 > unsure


@pytest.mark.parametrize("best", ["a", "b", "c"])
async def test_what_is_read_in_the_passages_orders_them(
    store: ChromaPassageIndex, monkeypatch: pytest.MonkeyPatch, best: str
) -> None:
    await store.add([chunk_of(name, f"Returns, {name}: 30 days.") for name in ("a", "b", "c")])
    monkeypatch.setattr(
        "retrieval.retriever.read_together", lambda _, chunk: 1.0 if chunk.id == best else -9.0
    )
    found = await PassageRetriever(store).find("returns", language="en", visible_to=PUBLIC, k=3)
    assert found.passages[0].chunk.id == best
    assert set(found.near) == {one.chunk.text for one in found.passages}
    assert sorted(one.chunk.id for one in found.passages) == ["a", "b", "c"]


def test_what_is_about_another_product_is_not_read_for_the_one_named() -> None:
    about = [
        Passage(replace(chunk_of(f"{product}-{n}"), product=product), 0.9)
        for n, product in enumerate(("two", "three", "", "three"))
    ]
    assert to_read(about, frozenset({"three"})) == about[1:]
    assert to_read(about, frozenset()) == about
    assert to_read(about[:1], frozenset({"three"})) == about[:1]


def test_the_coefficients_are_those_of_a_fit_that_was_good_enough() -> None:
    fitted = json.loads(files("retrieval").joinpath("answerable.json").read_text(encoding="utf-8"))
    for language, model in models().items():
        unseen = fitted[language]["unseen_shops"]
        assert unseen["apart"]["unanswerable"] >= 90
        assert unseen["apart"]["questions"] >= 700
        assert unseen["together"]["auc"] > 0.85
        assert unseen["together"]["false_refusals"] < 0.2
        assert 0 < model.threshold < 1


async def test_what_is_about_another_product_never_outweighs_what_was_read(
    store: ChromaPassageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"two": "Tarn 2", "three": "Tarn 3"}
    await store.add(
        [
            replace(
                chunk_of(name, f"The {title} weighs {len(name)} kg.", title=f"{title} tent"), product=name
            )
            for name, title in about.items()
        ]
    )
    monkeypatch.setattr("retrieval.retriever.read_together", lambda _, chunk: -40.0)
    found = await PassageRetriever(store).find("how heavy is the Tarn 2?", language="en", visible_to=PUBLIC)
    assert [one.chunk.product for one in found.passages] == ["two", "three"]
    assert found.passages[0].score >= found.passages[1].score
