"""The demo shop's own question set is what it says, and the benchmark counts what it should."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals.benchmarks.report import BenchmarkReport, DataInvalid, silent
from evals.benchmarks.shop_questions import (
    LANGUAGES,
    QuestionSet,
    chunks_of,
    faults,
    measure,
    read_questions,
    run,
)
from evals.latency import read_questions as typical_questions
from retrieval.chroma import ChromaPassageIndex
from retrieval.e5 import E5Embedder
from retrieval.passages import Chunk, Found, Language, Passage, Visibility
from retrieval.retriever import PassageRetriever
from serving.starting import NOT_DOCUMENTS
from tests.conftest import ROOT
from tests.evals.benchmarks.files import figure, names

SET = ROOT / "evals" / "data" / "shop_questions.yaml"


@pytest.fixture(scope="module")
def questions() -> QuestionSet:
    return read_questions(SET)


@pytest.fixture(scope="module")
def chunks(questions: QuestionSet) -> list[Chunk]:
    return chunks_of(questions)


def test_it_has_150_questions_a_language_a_third_unanswerable(questions: QuestionSet) -> None:
    assert (len(questions.answerable), len(questions.unanswerable)) == (100, 50)
    assert sum(twins.kind == "product" for twins in questions.answerable) >= 25


def test_every_answer_stands_in_the_documents_and_nothing_absent_does(
    questions: QuestionSet, chunks: list[Chunk]
) -> None:
    assert faults(questions, chunks) == []


def test_every_document_of_the_shop_but_single_products_and_questions_is_asked_about(
    questions: QuestionSet, chunks: list[Chunk]
) -> None:
    asked = {
        f"demo/{document}".partition("#")[0]
        for twins in questions.answerable
        for one in (twins.en, twins.zh)
        for document in one.gold
    }
    assert asked == {passage.source for passage in chunks}


def test_it_leaves_out_what_the_product_leaves_out(questions: QuestionSet) -> None:
    assert questions.not_documents == NOT_DOCUMENTS
    assert questions.shop == ROOT / "demo"


def test_no_question_is_one_of_another_set(questions: QuestionSet) -> None:
    """Those that coefficients, classifiers or prompts were made with, and the scenarios."""
    texts = [question.text for question in typical_questions(ROOT / "evals" / "data" / "typical.yaml")]
    for file in [
        ROOT / "agent" / "data" / "intents.yaml",
        *(ROOT / "evals" / "scenarios").glob("*.yaml"),
        *(ROOT / "demo" / "faq").glob("*.json"),
        *(ROOT / "retrieval" / "data").glob("*.json"),
        *(ROOT / "retrieval" / "data" / "asked").glob("*.yaml"),
    ]:
        text = file.read_text(encoding="utf-8")
        documents = [json.loads(text)] if file.suffix == ".json" else list(yaml.safe_load_all(text))
        texts += list(_strings(documents))
    others = {_letters(text) for text in texts}
    assert len(others) > 2000
    ours = {_letters(one.question) for twins in questions.twins for one in (twins.en, twins.zh)}
    assert len(ours) == 300
    assert ours & others == set()


def test_a_set_that_contradicts_the_documents_is_told_what_is_wrong(
    questions: QuestionSet, chunks: list[Chunk]
) -> None:
    first, second, *_ = questions.answerable
    none = questions.unanswerable[0]
    wrong = questions.model_copy(
        update={
            "answerable": (
                first.model_copy(
                    update={"en": first.en.model_copy(update={"gold": {"faq/en.json#customs": ("kayak",)}})}
                ),
                second.model_copy(update={"zh": first.zh}),
            ),
            "unanswerable": (
                none.model_copy(
                    update={
                        "id": first.id,
                        "en": none.en.model_copy(update={"absent": (("Hearth 0", "duck down"),)}),
                    }
                ),
            ),
        }
    )
    found = faults(wrong, chunks)
    assert f"{first.id} is told twice" in found
    assert f"{first.zh.question!r} is told twice" in found
    assert any("no passage of faq/en.json#customs holds ('kayak',)" in fault for fault in found)
    assert any("bag-hearth-down-0" in fault and "duck down" in fault for fault in found)


# A shop of one page a language, to count on.


PAGE = {
    "en": "# Rules\n\n## Lending\n\nWe lend projectors for {en} days, and the deposit comes back within a week "
    "of the day on which you return the machine to us in its case.\n\n## Lamps\n\nA lamp of a projector lasts "
    "two thousand hours; after that it is changed in our workshop on any Tuesday, while you wait for it.\n",
    "zh": "# 规则\n\n## 租借\n\n投影仪可以借九天，押金在您把机器连箱子一起还回来以后的一周之内退给您，不另外收手续费，"
    "也不用预约。\n\n## 灯泡\n\n投影仪的灯泡可以用两千小时，之后请在任意一个星期二到我们的维修间更换，您可以当场等候取走。\n",
}


def small(folder: Path, **changes: Any) -> Path:
    shop = folder / "shop"
    shop.mkdir()
    for language, text in PAGE.items():
        front = f"---\nid: rules\ntitle: Rules\nkind: policy\nversion: '1'\nlanguage: {language}\n---\n\n"
        (shop / f"rules.{language}.md").write_text(front + text.replace("{en}", "nine"), encoding="utf-8")
    lending, lamps = (
        {"rules.en.md": ["nine days"]},
        {"rules.en.md": ["two thousand hours", ["Tuesday", "Wednesday"]]},
    )
    content = {
        "shop": "shop",
        "answerable": [
            {
                "id": "lend",
                "kind": "figure",
                "en": {"question": "How many days may I keep a projector?", "gold": lending},
                "zh": {"question": "投影仪能借几天", "gold": {"rules.zh.md": ["九天"]}},
            },
            {
                "id": "lamp",
                "kind": "plain",
                "en": {"question": "When does the lamp have to be changed?", "gold": lamps},
                "zh": {"question": "灯泡用多久要换", "gold": {"rules.zh.md": ["两千小时"]}},
            },
        ],
        "unanswerable": [
            {
                "id": "screen",
                "kind": "article",
                "en": {"question": "Do you lend screens as well?", "absent": ["screen"]},
                "zh": {"question": "幕布也能借吗", "absent": ["幕布"]},
            }
        ],
        **changes,
    }
    path = folder / "questions.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def test_a_small_shop_is_indexed_and_its_questions_asked(tmp_path: Path) -> None:
    report = run(small(tmp_path), silent)
    for language in LANGUAGES:
        assert figure(report, "recall@5", language).value == 1.0
        assert figure(report, "recall@1", language).n == 2
        assert figure(report, "recall@5", f"{language}, figure").n == 1
        assert figure(report, "refusals on unanswerable", language).n == 1
        assert figure(report, "latency p50, ms", language).value > 0
        assert report.details[language]["missed"] == []
    json.dumps(report.as_json())


class _Told:
    """Gives the chunks it was told to give for each question, as sure of them as it was told."""

    def __init__(self, told: dict[str, tuple[list[Chunk], float]]) -> None:
        self.told = told

    async def find(
        self, question: str, *, language: Language, visible_to: frozenset[Visibility], k: int = 4
    ) -> Found:
        found, score = self.told.get(question, ([], 0.0))
        return Found(tuple(Passage(chunk, 0.5) for chunk in found[:k]), score)

    async def open(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        return None


@pytest.fixture
def counted(tmp_path: Path) -> BenchmarkReport:
    """One answer in third place, one missing; one near miss answered, with more confidence than either."""
    path = small(tmp_path)
    questions = read_questions(path)
    lend, lamp = (passage for passage in chunks_of(questions) if passage.language == "en")
    told = _Told(
        {
            "How many days may I keep a projector?": ([lamp, lamp, lend], 0.7),
            "When does the lamp have to be changed?": ([lend], 0.2),
            "Do you lend screens as well?": ([lend], 0.6),
        }
    )
    index = ChromaPassageIndex(E5Embedder(), folder=tmp_path / "index")
    try:
        return measure(path, silent, questions, told, index, "none")
    finally:
        index.close()


def test_ranks_and_refusals_are_counted(counted: BenchmarkReport) -> None:
    assert figure(counted, "recall@1", "en").value == 0.0
    assert figure(counted, "recall@5", "en").value == 0.5
    assert figure(counted, "MRR", "en").value == pytest.approx(1 / 6)
    assert figure(counted, "answer among three sentences", "en").value == 0.5
    assert figure(counted, "answer among three sentences", "zh").value == 0.0
    assert figure(counted, "answerable AUC", "en").value == 0.5
    assert figure(counted, "refusals on unanswerable", "en").value == 0.0
    assert figure(counted, "false refusals", "en").value == 0.5
    assert figure(counted, "refusals on unanswerable", "zh").value == 1.0
    assert figure(counted, "recall@5", "zh").value == 0.0
    details = counted.details["en"]
    assert [missed["id"] for missed in details["missed"]] == ["lamp"]
    assert (details["refused"], details["answered"]) == (["lamp"], ["screen"])
    assert details["ranks"] == {"lend": 3, "lamp": 0}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"shop": "nowhere"}, "shop: .* is no folder"),
        ({"shops": "shop"}, "shops: Extra inputs"),
        ({"answerable": []}, "answerable: Tuple should have at least 1 item"),
        ({"not_documents": ["*.md"]}, "lend.en: no passage of rules.en.md holds"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(DataInvalid, match=f"questions.yaml: {told}"):
        run(small(tmp_path, **changes), silent)


def test_the_product_is_measured_over_the_real_index(demo_index: Path, tmp_path: Path) -> None:
    """A few of the questions, both kinds; that any is found at all is the least there is to ask."""
    whole = read_questions(SET)
    some = whole.model_copy(
        update={"answerable": whole.answerable[:12], "unanswerable": whole.unanswerable[:6]}
    )
    shutil.copytree(demo_index, tmp_path / "index")
    embedder = E5Embedder()
    index = ChromaPassageIndex(embedder, folder=tmp_path / "index")
    try:
        report = measure(SET, silent, some, PassageRetriever(index), index, embedder.name)
    finally:
        index.close()
    assert {"recall@1", "recall@5", "MRR", "answerable AUC", "false refusals"} <= names(report)
    for language in LANGUAGES:
        found = figure(report, "recall@5", language)
        assert (found.n, found.value > 0.5) == (12, True)
        assert figure(report, "recall@1", language).value <= found.value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _letters(text: str) -> str:
    """Without case, blanks and punctuation: the same words are the same question."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())
