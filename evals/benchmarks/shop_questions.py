"""A shop's own questions: does the product find the passage that answers, and know when none does?

Unlike the public sets this one asks the whole retrieval of the product, over the shop's real
documents in a real index. Format: a YAML file with ``shop``, ``not_documents``, ``answerable`` and
``unanswerable`` (:class:`QuestionSet`); ``evals/data/shop_questions.yaml`` is the demo shop's.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.turn_run import Ports
from evals.benchmarks.intervals import Rows, Statistic, auc_of, kept, mean_of, measured, share
from evals.benchmarks.report import Anchor, BenchmarkReport, DataInvalid, Figure, Progress
from retrieval.chroma import ChromaPassageIndex
from retrieval.chunks import chunk, embedded_text
from retrieval.e5 import E5Embedder
from retrieval.errors import DocumentUnreadable
from retrieval.indexing import index as bring_up_to_date
from retrieval.passages import (
    Chunk,
    Embedder,
    Found,
    Language,
    Passage,
    PassageIndex,
    Retriever,
    Visibility,
)
from retrieval.quote import best_sentences
from retrieval.readers import files_under, read
from retrieval.remembering import RememberingEmbedder
from retrieval.retriever import PassageRetriever

DEPTH = 5
"""Passages that are asked for; the gold passage counts as found among them."""
SHOPPER: frozenset[Visibility] = frozenset({"public"})
_COSINE = "cosine alone, computed on this data"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Answerable(_Strict):
    """A question in one language, and where its answer stands.

    Attributes:
        gold: Document (its path in the shop's folder, ``#id`` for one of several in a file) → words
            that one passage of it must hold: all of them, and of a list any one.
    """

    question: str = Field(min_length=1)
    gold: Mapping[str, tuple[str | tuple[str, ...], ...]] = Field(min_length=1)


class Unanswerable(_Strict):
    """A question in one language that the documents do not answer.

    Attributes:
        absent: Words that no passage of the language holds; of a list, none holds all of them.
    """

    question: str = Field(min_length=1)
    absent: tuple[str | tuple[str, ...], ...] = Field(min_length=1)


class AnswerableTwins(_Strict):
    """The same fact, asked by shoppers of both languages."""

    id: str = Field(min_length=1)
    kind: Literal["plain", "typo", "situation", "figure", "comparison", "exception", "product"]
    en: Answerable
    zh: Answerable


class UnanswerableTwins(_Strict):
    """What the documents do not say, asked by shoppers of both languages."""

    id: str = Field(min_length=1)
    kind: Literal["product", "policy", "service", "article", "compatibility"]
    en: Unanswerable
    zh: Unanswerable


class QuestionSet(_Strict):
    """A file of questions about one shop.

    Attributes:
        shop: The shop's folder, seen from the file.
        not_documents: Patterns of files in it that are not indexed.
    """

    shop: Path
    not_documents: tuple[str, ...] = ()
    answerable: tuple[AnswerableTwins, ...] = Field(min_length=1)
    unanswerable: tuple[UnanswerableTwins, ...] = Field(min_length=1)

    @property
    def twins(self) -> tuple[AnswerableTwins | UnanswerableTwins, ...]:
        """All of them, in the order of the file."""
        return (*self.answerable, *self.unanswerable)


LANGUAGES: tuple[Language, ...] = ("en", "zh")


def read_questions(path: Path) -> QuestionSet:
    """Read a file; its ``shop`` becomes a folder that exists.

    Raises:
        DataInvalid: It cannot be read, or is not in the format.
    """
    try:
        found = QuestionSet.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataInvalid(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataInvalid(f"{path}: not YAML ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise DataInvalid(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    folder = (path.parent / found.shop).resolve()
    if not folder.is_dir():
        raise DataInvalid(f"{path}: shop: {folder} is no folder")
    return found.model_copy(update={"shop": folder})


def chunks_of(questions: QuestionSet) -> list[Chunk]:
    """The shop's documents, read and cut as the product does it.

    Raises:
        DataInvalid: A document cannot be read.
    """
    try:
        return [
            piece
            for file, source in files_under(questions.shop, questions.not_documents)
            for document in read(file, source)
            for piece in chunk(document)
        ]
    except DocumentUnreadable as error:
        raise DataInvalid(str(error)) from None


def answers(question: Answerable, shop: str, passage: Chunk) -> bool:
    """Whether a passage is a gold one; ``shop`` is the name of the shop's folder."""
    name = passage.document.removeprefix(f"{shop}/").removesuffix(f"@{passage.language}")
    words = question.gold.get(name)
    if words is None:
        return False
    text = _plain(passage.text)
    return all(any(_plain(word) in text for word in _group(group)) for group in words)


def faults(questions: QuestionSet, chunks: Sequence[Chunk]) -> list[str]:
    """What is wrong with a set: ids and questions told twice, gold nowhere, an answer that there is."""
    shop = questions.shop.name
    found = [f"{name} is told twice" for name in _twice(twins.id for twins in questions.twins)]
    for language in LANGUAGES:
        asked = [getattr(twins, language).question for twins in questions.twins]
        found += [f"{text!r} is told twice" for text in _twice(_plain(text) for text in asked)]
        own = [passage for passage in chunks if passage.language == language]
        texts = [_plain(embedded_text(passage)) for passage in own]
        for twins in questions.answerable:
            one: Answerable = getattr(twins, language)
            for document, words in one.gold.items():
                alone = one.model_copy(update={"gold": {document: words}})
                if not any(answers(alone, shop, passage) for passage in own):
                    found.append(f"{twins.id}.{language}: no passage of {document} holds {words}")
        for none in questions.unanswerable:
            for group in getattr(none, language).absent:
                signs = [_plain(word) for word in _group(group)]
                found += [
                    f"{none.id}.{language}: {own[place].document} > {own[place].heading} holds {group}"
                    for place, text in enumerate(texts)
                    if all(sign in text for sign in signs)
                ]
    return found


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Index the shop into a database of its own for this run, and measure."""
    questions = read_questions(path)
    # One question alone is kept: the time of each that is asked includes embedding it, once.
    embedder: Embedder = RememberingEmbedder(E5Embedder(), keep=1)
    with tempfile.TemporaryDirectory(prefix="amends-questions-") as folder:
        index = ChromaPassageIndex(embedder, folder=Path(folder))
        try:
            asyncio.run(_fill(index, questions, progress))
            return measure(path, progress, questions, PassageRetriever(index), index, embedder.name)
        finally:
            index.close()


async def _fill(index: PassageIndex, questions: QuestionSet, progress: Progress) -> None:
    bar: list[Iterator[int]] = []
    shown = 0

    def tell(step: str, done: int, total: int) -> None:
        nonlocal shown
        if step == "embed":
            if not bar:
                bar.append(iter(progress(range(total), "embedding passages", total)))
            while shown < done:
                next(bar[0])
                shown += 1

    report = await bring_up_to_date([questions.shop], index, progress=tell, exclude=questions.not_documents)
    for left in bar:
        next(left, None)
    if report.skipped:
        raise DataInvalid(f"{report.skipped[0][0]}: {report.skipped[0][1]}")


@dataclass(frozen=True)
class _Asked:
    """One question as it was answered.

    Attributes:
        kind: Empty when the documents do not answer it.
        rank: Of the first gold passage, from 1; 0 when it is not among the first five.
        plain: The same in the order of the cosine alone.
        quoted: Whether the sentences that are quoted for the question hold the gold words.
        seconds: From the question to its passages and probability.
    """

    id: str
    kind: str
    question: str
    rank: int
    plain: int
    quoted: bool
    score: float
    seconds: float
    found: tuple[Passage, ...]

    @property
    def answered(self) -> bool:
        """Whether the product would try an answer."""
        return self.score >= Ports.answerable


def measure(
    path: Path,
    progress: Progress,
    questions: QuestionSet,
    retriever: Retriever,
    index: PassageIndex,
    embedder: str,
) -> BenchmarkReport:
    """Measure a retriever over an index of the shop that exists.

    Raises:
        DataInvalid: The set contradicts the shop's documents.
    """
    wrong = faults(questions, chunks_of(questions))
    if wrong:
        raise DataInvalid(f"{path}: {wrong[0]}")
    asked = asyncio.run(_ask(questions, retriever, index, progress))
    figures: list[Figure] = []
    for language in LANGUAGES:
        figures += _figures(asked[language], language)
    return BenchmarkReport(
        benchmark="shop_questions",
        data=str(path),
        method=f"PassageRetriever over Chroma with {embedder}, {DEPTH} passages a question; refused below "
        f"a probability of {Ports.answerable:g}, as in a conversation.",
        figures=tuple(figures),
        notes=(
            f"The three sentences are those quoted of the first {Ports.passages} passages when no model answers.",
            f"MRR counts a gold passage behind the first {DEPTH} as 0.",
            "Passages alone: what a conversation reads from a product's structured facts is not in it.",
            "Latency: one question at a time on a warm index, embedding of the question included.",
        ),
        details={language: _details(asked[language]) for language in LANGUAGES},
    )


async def _ask(
    questions: QuestionSet, retriever: Retriever, index: PassageIndex, progress: Progress
) -> dict[Language, list[_Asked]]:
    shop = questions.shop.name
    every = questions.twins
    found: dict[Language, list[_Asked]] = {}
    for language in LANGUAGES:
        # The first question pays for opening and loading; that is not what a shopper waits for.
        await retriever.find(
            getattr(every[-1], language).question, language=language, visible_to=SHOPPER, k=DEPTH
        )
        found[language] = []
        for twins in progress(every, f"asking, {language}", len(every)):
            one: Answerable | Unanswerable = getattr(twins, language)
            began = time.perf_counter()
            got = await retriever.find(one.question, language=language, visible_to=SHOPPER, k=DEPTH)
            seconds = time.perf_counter() - began
            nearest = await index.query(one.question, visible_to=SHOPPER, k=DEPTH, language=language)
            gold = one if isinstance(one, Answerable) else None
            found[language].append(
                _Asked(
                    id=twins.id,
                    kind=twins.kind if gold else "",
                    question=one.question,
                    rank=_rank(gold, shop, got.passages),
                    plain=_rank(gold, shop, nearest),
                    quoted=gold is not None and _quoted(gold, shop, got, language),
                    score=got.answerable,
                    seconds=seconds,
                    found=got.passages,
                )
            )
    return found


def _rank(gold: Answerable | None, shop: str, passages: Sequence[Passage]) -> int:
    hits = [gold is not None and answers(gold, shop, passage.chunk) for passage in passages[:DEPTH]]
    return hits.index(True) + 1 if True in hits else 0


def _quoted(gold: Answerable, shop: str, got: Found, language: Language) -> bool:
    best = best_sentences(gold.question, replace(got, passages=got.passages[: Ports.passages]), language)
    told: dict[str, list[str]] = defaultdict(list)
    for quote in best:
        told[quote.passage.chunk.document].append(quote.text)
    return any(
        answers(gold, shop, replace(quote.passage.chunk, text=" ".join(told[quote.passage.chunk.document])))
        for quote in best
    )


def _figures(asked: Sequence[_Asked], language: str) -> tuple[Figure, ...]:
    known = [one for one in asked if one.kind]
    unknown = [one for one in asked if not one.kind]
    groups = [one.id for one in asked]
    milliseconds = [1000 * one.seconds for one in asked]
    by_kind = groupby(sorted(known, key=lambda one: one.kind), key=lambda one: one.kind)
    return kept(
        _recall(known, 1, language),
        _recall(known, DEPTH, language),
        measured(
            "MRR",
            mean_of([1 / one.rank if one.rank else 0.0 for one in known]),
            [one.id for one in known],
            slice=language,
            anchors=_anchors([1 / one.plain if one.plain else 0.0 for one in known]),
        ),
        share("answer among three sentences", [one.quoted for one in known], slice=language),
        measured(
            "answerable AUC",
            auc_of([one.score for one in asked], [bool(one.kind) for one in asked]),
            groups,
            slice=language,
        ),
        share("refusals on unanswerable", [not one.answered for one in unknown], slice=language),
        share("false refusals", [not one.answered for one in known], slice=language, better="lower"),
        measured("latency p50, ms", _percentile(milliseconds, 50), groups, slice=language, better="lower"),
        measured("latency p95, ms", _percentile(milliseconds, 95), groups, slice=language, better="lower"),
        *(_recall(list(some), DEPTH, f"{language}, {kind}") for kind, some in by_kind),
    )


def _recall(known: Sequence[_Asked], depth: int, slice: str) -> Figure | None:
    return share(
        f"recall@{depth}",
        [0 < one.rank <= depth for one in known],
        slice=slice,
        anchors=_anchors([float(0 < one.plain <= depth) for one in known]),
    )


def _anchors(plain: Sequence[float]) -> tuple[Anchor, ...]:
    return (Anchor(round(float(np.mean(plain)), 4), _COSINE),)


def _percentile(values: ArrayLike, percent: float) -> Statistic:
    array = np.asarray(values, np.float64)

    def statistic(rows: Rows) -> float:
        return float(np.percentile(array[rows], percent))

    return statistic


def _details(asked: Sequence[_Asked]) -> dict[str, Any]:
    """What went wrong, question by question, and every rank, to compare two runs by."""
    return {
        "missed": [
            {
                "id": one.id,
                "kind": one.kind,
                "question": one.question,
                "found": [f"{passage.chunk.document} > {passage.chunk.heading}" for passage in one.found],
            }
            for one in asked
            if one.kind and not one.rank
        ],
        "refused": [one.id for one in asked if one.kind and not one.answered],
        "answered": [one.id for one in asked if not one.kind and one.answered],
        "ranks": {one.id: one.rank for one in asked if one.kind},
        "answerable": {one.id: round(one.score, 4) for one in asked},
    }


def _twice(values: Iterable[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


def _group(words: str | tuple[str, ...]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else words


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
