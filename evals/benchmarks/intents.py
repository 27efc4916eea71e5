"""What a message asks for: the product's kind of classifier, fitted on the set's own training rows.

Format: one message a line, ``{"text", "intent", "split"}``; splits with ``train`` in their name are
fitted on, the others measured. Intent ``oos`` is out of scope. A file without training rows takes
those of a file beside it that has the same intents; with none, it is measured by cross-validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from agent import intents as classifier
from agent.events import Intent
from agent.intents import Vectors, Weights, normalise
from evals.benchmarks.data import Row, data_files, read_rows
from evals.benchmarks.intervals import auc_of, kept, measured, share
from evals.benchmarks.report import Anchor, BenchmarkReport, DataInvalid, Figure, Progress
from retrieval.e5 import E5Embedder
from retrieval.passages import Embedder

OUT_OF_SCOPE = "oos"
FOLDS = 5
SEED = 20260301
_BY_FOLDS = "cross-validated"
_TFIDF = "README of the set: character TF-IDF and logistic regression"

SHOP_INTENTS: Mapping[str, frozenset[str]] = {
    "cancel_order": frozenset({"cancel_order"}),
    "change_shipping_address": frozenset({"change_address"}),
    "check_cancellation_fee": frozenset({"policy_question"}),
    "check_payment_methods": frozenset({"policy_question"}),
    "check_refund_policy": frozenset({"policy_question"}),
    "complaint": frozenset({"complaint"}),
    "contact_customer_service": frozenset({"request_person", "policy_question"}),
    "contact_human_agent": frozenset({"request_person"}),
    "delivery_options": frozenset({"policy_question"}),
    "delivery_period": frozenset({"policy_question", "order_status"}),
    "get_refund": frozenset({"return_item", "return_eligibility"}),
    "track_order": frozenset({"order_status"}),
    "track_refund": frozenset({"order_status"}),
}
"""Intents of the Bitext set that the product has a word for; the others (invoices, accounts,
newsletter, placing an order) it sends to a document or a person, whatever it calls them."""


@dataclass(frozen=True)
class _Message:
    text: str
    intent: str
    split: str

    @property
    def trains(self) -> bool:
        return "train" in self.split


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Measure on a file or a folder of them."""
    return measure(path, progress, E5Embedder())


def measure(path: Path, progress: Progress, embedder: Embedder) -> BenchmarkReport:
    """Measure with an embedder.

    Raises:
        DataInvalid: The path does not hold the format.
    """
    figures: list[Figure] = []
    notes = [
        "The set's intents are not the product's: this measures its kind of classifier (one embedding, a "
        "softmax), fitted here. “as shipped” is the product's own classifier on the intents it has too.",
    ]
    details: dict[str, object] = {}
    vectors: dict[str, list[float]] = {}
    for file in data_files(path):
        rows = [_message(row) for row in read_rows(file)]
        training, whence = _training(file, rows)
        asked = [row for row in rows if not row.trains]
        if training is None:
            notes.append(
                f"{file.name}: no training rows in it or beside it, so it is measured by {FOLDS}-fold "
                "cross-validation."
            )
        elif not asked:
            raise DataInvalid(f"{file}, field split: only training rows, nothing to measure on")
        needed = [*asked, *(training or [])]
        texts = [text for text in dict.fromkeys(normalise(row.text) for row in needed) if text not in vectors]
        for text in progress(texts, f"embedding {file.name}", len(texts)):
            vectors[text] = embedder.embed_query(text)
        if training is None:
            read = _by_folds(asked, vectors)
            results = {_BY_FOLDS: (asked, read)}
        else:
            fitted = _fit(training, vectors)
            results = {name: (part, _read(fitted, part, vectors)) for name, part in _parts(asked).items()}
        for split, (part, guesses) in results.items():
            figures += _figures(f"{file.stem} {split}", part, guesses)
        figures += _as_shipped(file.stem, asked, vectors)
        details[file.name] = {
            "training rows": len(training or []),
            "training rows from": whence,
            "measured rows": len(asked),
            "intents": len({row.intent for row in asked}),
        }
    return BenchmarkReport(
        benchmark="intents",
        data=str(path),
        method=f"{embedder.name} query vectors and agent.intents.fit with the product's settings; out of scope "
        "is told by the highest probability.",
        figures=tuple(figures),
        notes=tuple(notes),
        details=details,
    )


def _message(row: Row) -> _Message:
    return _Message(
        row.text("text", empty=False), row.text("intent", empty=False), row.text("split", empty=False)
    )


def _in_scope(rows: Sequence[_Message]) -> list[_Message]:
    return [row for row in rows if row.intent != OUT_OF_SCOPE]


def _training(file: Path, rows: Sequence[_Message]) -> tuple[list[_Message] | None, str]:
    """Training rows and the file they come from; its own, else those of a file beside it."""
    if own := _in_scope([row for row in rows if row.trains]):
        return own, file.name
    needed = {row.intent for row in _in_scope(rows)}
    for beside in sorted(file.parent.glob("*.jsonl")):
        if beside == file:
            continue
        try:
            found = _in_scope([row for row in map(_message, read_rows(beside)) if row.trains])
        except DataInvalid:
            continue  # a file of another format is no concern of ours
        if found and needed <= {row.intent for row in found}:
            return found, beside.name
    return None, ""


def _parts(rows: Sequence[_Message]) -> dict[str, list[_Message]]:
    """Rows by split; ``oos_val`` belongs to ``val``."""
    parts: dict[str, list[_Message]] = {}
    for row in rows:
        parts.setdefault(row.split.removeprefix("oos_"), []).append(row)
    return parts


def _matrix(rows: Sequence[_Message], vectors: Mapping[str, Sequence[float]]) -> Vectors:
    return np.asarray([vectors[normalise(row.text)] for row in rows], np.float32)


def _fit(rows: Sequence[_Message], vectors: Mapping[str, Sequence[float]]) -> Weights:
    # The names stand for classes alone; the classifier does not look at them.
    labels = [cast("Intent", row.intent) for row in rows]
    matrix = _matrix(rows, vectors)
    return classifier.fit(matrix, [(label,) for label in labels], probe=matrix[0], penalty=3e-5)


def _read(
    fitted: Weights, rows: Sequence[_Message], vectors: Mapping[str, Sequence[float]]
) -> list[tuple[str, float]]:
    """Best intent and its probability, without the shop's patterns, which know other intents."""
    logits = (_matrix(rows, vectors) - fitted.mean) @ fitted.matrix.T + fitted.bias
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    return [(fitted.intents[int(row.argmax())], float(row.max())) for row in p]


def _by_folds(rows: Sequence[_Message], vectors: Mapping[str, Sequence[float]]) -> list[tuple[str, float]]:
    """Each row read by a classifier fitted without it and without its like (the same text)."""
    texts = {text: place for place, text in enumerate(dict.fromkeys(normalise(row.text) for row in rows))}
    dealt = np.random.default_rng(SEED).permutation(len(texts)) % FOLDS
    fold = [int(dealt[texts[normalise(row.text)]]) for row in rows]
    read: list[tuple[str, float]] = [("", 0.0)] * len(rows)
    for one in sorted(set(fold)):
        training = _in_scope([row for row, at in zip(rows, fold, strict=True) if at != one])
        places = [place for place, at in enumerate(fold) if at == one]
        if not training:
            continue
        found = _read(_fit(training, vectors), [rows[place] for place in places], vectors)
        for place, guess in zip(places, found, strict=True):
            read[place] = guess
    return read


def _figures(slice: str, rows: Sequence[_Message], read: Sequence[tuple[str, float]]) -> tuple[Figure, ...]:
    known = [(row, guess) for row, (guess, _) in zip(rows, read, strict=True) if row.intent != OUT_OF_SCOPE]
    clinc = slice == "clinc150 val"
    bitext = slice == "bitext test"
    accuracy = [Anchor(0.920, _TFIDF)] if clinc else [Anchor(0.999, _TFIDF)] if bitext else []
    return kept(
        share(
            "in-scope accuracy", [row.intent == guess for row, guess in known], slice=slice, anchors=accuracy
        ),
        measured(
            "out-of-scope AUC",
            auc_of([-p for _, p in read], [row.intent == OUT_OF_SCOPE for row in rows]),
            [normalise(row.text) for row in rows],
            slice=slice,
            anchors=[Anchor(0.963, _TFIDF)] if clinc else (),
        ),
    )


def _as_shipped(
    file: str, rows: Sequence[_Message], vectors: Mapping[str, Sequence[float]]
) -> tuple[Figure, ...]:
    """The product's own classifier on the intents that it shares with a set of shop messages."""
    if not {row.intent for row in _in_scope(rows)} & SHOP_INTENTS.keys() - {"cancel_order"}:
        return ()
    shared = [row for row in rows if row.intent in SHOP_INTENTS]
    weights = classifier.load()
    if not shared or 2 * len(next(iter(vectors.values()))) != weights.mean.shape[0]:
        return ()
    p = weights.probabilities(
        classifier.paired(_matrix(shared, vectors)), [normalise(row.text) for row in shared]
    )
    right = [
        weights.intents[int(best)] in SHOP_INTENTS[row.intent]
        for best, row in zip(p.argmax(axis=1), shared, strict=True)
    ]
    return kept(share("accuracy as shipped", right, slice=f"{file}, intents the product has too"))
