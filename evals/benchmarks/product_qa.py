"""Product questions: the product's retrieval ranks ten candidates, its scorer says whether any answers.

Format: one question a line, ``{"id", "question", "product", "product_id", "candidates": [{"text",
"label": 0|1|2, "source"}], "answerable"}``; label 2 answers fully, 1 helps, 0 is beside the point.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evals.benchmarks.data import Row, read_all
from evals.benchmarks.intervals import auc_of, kept, mean_of, measured
from evals.benchmarks.report import Anchor, BenchmarkReport, Figure, Progress
from retrieval.answerable import READ, answerable, sentences_of
from retrieval.chunks import embedded_text
from retrieval.cross_encoder import read_together
from retrieval.e5 import E5Embedder
from retrieval.language import script_language
from retrieval.library import Library
from retrieval.passages import Chunk, Embedder, Passage
from retrieval.remembering import RememberingEmbedder
from retrieval.rerank import reordered, rerank
from retrieval.vectors import Vectors

DEPTH = 5
_AT_ONCE = 16
"""Passages embedded per step of the progress bar; about a second on two cores."""
_README = "README of the set, its open half, TF-IDF"
_LEVELS = {"any relevant": 1, "full answer": 2}
_PUBLISHED = {
    ("MRR", "any relevant"): 0.806,
    ("P@1", "any relevant"): 0.694,
    ("MRR", "full answer"): 0.742,
    ("P@1", "full answer"): 0.599,
}


@dataclass(frozen=True)
class _Question:
    text: str
    product: str
    answerable: bool
    chunks: tuple[Chunk, ...]
    labels: tuple[int, ...]
    similarities: tuple[float, ...] = ()
    ranked: tuple[Passage, ...] = ()
    odds: tuple[float, ...] = ()
    """What the cross-encoder says of the first of them."""

    @property
    def scores(self) -> list[float]:
        """What the candidates are ranked by, in the order of the file: the higher the earlier."""
        read = len(self.odds)
        order = [*reordered(self.ranked[:read], self.odds), *self.ranked[read:]]
        place = {passage.chunk.id: place for place, passage in enumerate(order)}
        return [float(-place[chunk.id]) for chunk in self.chunks]


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Measure on a file or a folder of them."""
    return measure(path, progress, E5Embedder())


def measure(path: Path, progress: Progress, embedder: Embedder) -> BenchmarkReport:
    """Measure an embedder.

    Raises:
        DataInvalid: The path does not hold the format.
    """
    questions = [_question(row) for row in read_all(path)]
    embedder = RememberingEmbedder(embedder, keep=len(questions))  # each is asked twice
    library = Library(chunk for question in questions for chunk in question.chunks)
    asked = [_reranked(one, library) for one in _asked(questions, embedder, progress)]
    asked = [_read(one) for one in progress(asked, "reading question and passages", len(asked))]
    lexical = _lexical(asked)
    products = [question.product for question in asked]
    figures: list[Figure] = []
    for level, least in _LEVELS.items():
        figures += _ranking(asked, lexical, level, least)
    languages = [script_language(q.text) for q in asked]
    vectors = Vectors(embedder.embed_passages)
    answer = [
        answerable(
            q.text,
            q.ranked,
            vectors.nearness(embedder.embed_query(q.text), sentences_of(q.ranked)),
            q.odds,
            library.words(language),
            language,
        )
        for q, language in zip(asked, languages, strict=True)
    ]
    top = [max(q.similarities) for q in asked]
    gold = [q.answerable for q in asked]
    flat = auc_of([max(row) for row in lexical], gold)(np.arange(len(asked)))
    figures += kept(
        measured(
            "answerable AUC",
            auc_of(answer, gold),
            products,
            anchors=_anchors(0.633, f"{_README}: highest similarity", flat, "highest TF-IDF similarity"),
        ),
        measured(
            "answerable AUC, top similarity alone",
            auc_of(top, gold),
            products,
            anchors=_anchors(0.633, f"{_README}: highest similarity", flat, "highest TF-IDF similarity"),
        ),
    )
    missing = sum(not known for known in gold)
    notes = [
        f"{missing} of {len(asked)} questions have no relevant candidate; they count for answerability alone.",
        "Every question ranks the candidates of its own product; nothing else of the shop is searched.",
        "Not answerable means: not from these candidates.",
    ]
    if missing in (0, len(asked)):
        notes.append("Answerability has no AUC here: all questions are of one kind.")
    return BenchmarkReport(
        benchmark="product_qa",
        data=str(path),
        method=f"{embedder.name}: cosine of question and passage (with its product's title, as indexed), then "
        f"retrieval.rerank, retrieval.cross_encoder for the first {READ} and retrieval.answerable with their shipped "
        "coefficients, none of them fitted here. "
        "The candidates of the whole file say which words are rare.",
        figures=tuple(figures),
        notes=tuple(notes),
        details={
            "questions": len(asked),
            "candidates": sum(len(q.chunks) for q in asked),
            "languages": dict(Counter(languages)),
        },
    )


def _question(row: Row) -> _Question:
    candidates = row.rows("candidates")
    if not candidates:
        raise row.wrong("candidates", "it is empty")
    title, product = row.text("product"), row.text("product_id")
    labels = tuple(candidate.whole("label", high=2) for candidate in candidates)
    known = row.flag("answerable")
    question = row.text("question", empty=False)
    language = script_language(question)
    chunks = tuple(
        Chunk(
            id=f"{row.text('id')}#{place}",
            document=product,
            source=candidate.optional_text("source"),
            title=title,
            heading="",
            text=candidate.text("text"),
            kind="product",
            language=language,
            version="",
            visibility="public",
            checksum="",
            product=product,
        )
        for place, candidate in enumerate(candidates)
    )
    return _Question(question, product, known, chunks, labels)


def _asked(questions: Sequence[_Question], embedder: Embedder, progress: Progress) -> list[_Question]:
    """The questions with the similarity of each candidate; a text is embedded once."""
    texts = list(dict.fromkeys(embedded_text(chunk) for q in questions for chunk in q.chunks))
    starts = range(0, len(texts), _AT_ONCE)
    vectors: dict[str, list[float]] = {}
    for start in progress(starts, "embedding passages", len(starts)):
        batch = texts[start : start + _AT_ONCE]
        vectors.update(zip(batch, embedder.embed_passages(batch), strict=True))
    asked = []
    for question in progress(questions, "asking", len(questions)):
        query = np.asarray(embedder.embed_query(question.text))
        found = np.asarray([vectors[embedded_text(chunk)] for chunk in question.chunks]) @ query
        asked.append(replace(question, similarities=tuple(map(float, found))))
    return asked


def _reranked(question: _Question, library: Library) -> _Question:
    pairs = zip(question.chunks, question.similarities, strict=True)
    passages = [Passage(chunk, similarity) for chunk, similarity in pairs]
    words = library.words(script_language(question.text))
    return replace(question, ranked=tuple(rerank(question.text, passages, words)))


def _read(question: _Question) -> _Question:
    first = question.ranked[:READ]
    return replace(question, odds=tuple(read_together(question.text, one.chunk) for one in first))


def _words(text: str) -> list[str]:
    """Words, and Chinese characters one by one, or a Chinese text would be one word."""
    return re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", text.lower())


def _lexical(questions: Sequence[_Question]) -> list[list[float]]:
    """TF-IDF similarity of each candidate, words weighted by all texts of the file."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    model = TfidfVectorizer(tokenizer=_words, token_pattern=None, sublinear_tf=True)
    model.fit([q.text for q in questions] + [chunk.text for q in questions for chunk in q.chunks])
    return [
        (model.transform([c.text for c in q.chunks]) @ model.transform([q.text]).T).toarray()[:, 0].tolist()
        for q in questions
    ]


def _ranking(
    questions: Sequence[_Question], lexical: Sequence[Sequence[float]], level: str, least: int
) -> tuple[Figure, ...]:
    """MRR, P@1 and recall@5 over the questions that have a candidate of at least this label."""
    pairs = [
        (question, row)
        for question, row in zip(questions, lexical, strict=True)
        if any(label >= least for label in question.labels)
    ]
    groups = [question.product for question, _ in pairs]
    ours = [_order(q.scores, q.labels, least) for q, _ in pairs]
    words = [_order(row, q.labels, least) for q, row in pairs]
    cosine = [_order(q.similarities, q.labels, least) for q, _ in pairs]

    def figure(name: str, measure: Callable[[Sequence[bool]], float]) -> Figure | None:
        here = float(np.mean([measure(hits) for hits in words]))
        plain = float(np.mean([measure(hits) for hits in cosine]))
        return measured(
            name,
            mean_of([measure(hits) for hits in ours]),
            groups,
            slice=level,
            anchors=(
                *_anchors(_PUBLISHED.get((name, level)), _README, here, "TF-IDF similarity"),
                *_anchors(None, "", plain, "cosine alone"),
            ),
        )

    if not pairs:
        return ()
    return kept(
        figure("MRR", _reciprocal),
        figure("P@1", lambda hits: float(hits[0])),
        figure("recall@5", _recall),
    )


def _order(scores: Sequence[float], labels: Sequence[int], least: int) -> list[bool]:
    """Whether each candidate is relevant, best score first; ties stay in the order of the file."""
    places = sorted(range(len(scores)), key=lambda place: -scores[place])
    return [labels[place] >= least for place in places]


def _reciprocal(hits: Sequence[bool]) -> float:
    return 1 / (1 + list(hits).index(True))


def _recall(hits: Sequence[bool]) -> float:
    """Share of the relevant candidates among the first five."""
    return sum(hits[:DEPTH]) / sum(hits)


def _anchors(published: float | None, source: str, here: float, how: str) -> tuple[Anchor, ...]:
    given = [] if published is None else [Anchor(published, source)]
    if not np.isnan(here):
        given.append(Anchor(round(here, 4), f"{how}, computed on this data"))
    return tuple(given)
