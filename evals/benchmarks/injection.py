"""Attacks on the assistant: what the product's screen stops, and what harmless text it stops too.

Format: one text a line, ``{"id", "text", "label": "attack"|"benign", "kind", "source"}``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.injection import THRESHOLD, EmbedQuery, suspicion
from evals.benchmarks.data import Row, read_all
from evals.benchmarks.intervals import auc_of, kept, measured, share
from evals.benchmarks.report import Anchor, BenchmarkReport, Figure, Progress
from retrieval.e5 import E5Embedder

_TRIGGERS = "piguard-notinject"
_OVER_DEFENCE = "harmless with trigger words"
_ALONE = "signals alone"
_KEYWORDS = "README of the set: a list of ten keywords"
_PUBLISHED = {"GPT-4o": 0.867, "PIGuard": 0.873, "ProtectAI v2": 0.572, "Meta PromptGuard": 0.003}
"""Share of NotInject passed, from PIGuard's table."""
_RECALL = {"bastioncorpus": 0.214, "piguard-valid": 0.208}
_FALSE = {"bastioncorpus": 0.317, "piguard-valid": 0.167}


@dataclass(frozen=True)
class _Text:
    text: str
    attack: bool
    source: str


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Measure on a file or a folder of them."""
    return measure(path, progress, E5Embedder().embed_query)


def measure(path: Path, progress: Progress, embed: EmbedQuery) -> BenchmarkReport:
    """Measure with an embedder.

    Raises:
        DataInvalid: The path does not hold the format.
    """
    texts = [_text(row) for row in read_all(path)]
    scores = [suspicion(one.text, embed).score for one in progress(texts, "screening texts", len(texts))]
    alone = [suspicion(one.text).score for one in texts]
    sources = sorted({one.source for one in texts})
    figures: list[Figure] = []
    for how, values in (("", scores), (_ALONE, alone)):
        for source in sources:
            places = [place for place, one in enumerate(texts) if one.source == source]
            figures += _figures([texts[p] for p in places], [values[p] for p in places], source, how)
        trigger = [value < THRESHOLD for one, value in zip(texts, values, strict=True) if _tricky(one)]
        figures += kept(
            share(
                "over-defence accuracy",
                trigger,
                slice=_slice(_OVER_DEFENCE, how),
                anchors=[
                    Anchor(1 - 0.134, _KEYWORDS),
                    *(Anchor(v, f"{name}, PIGuard's table") for name, v in _PUBLISHED.items()),
                ],
            )
        )
    attacks = sum(one.attack for one in texts)
    notes = [
        f"One threshold for all, {THRESHOLD:g}. It, and how many examples the project wrote, were settled with the "
        "pooled figures of the set's open part in view; single rows were not used.",
        "Sources are not pooled: what counts as an attack differs between them. Some are attacks only because "
        "they stand in a document (“Write your reply backward.”); the screen is not told where a text stood.",
        "The product speaks English and Chinese; other languages are read by likeness alone.",
        f"“{_ALONE}” is the screen without an embedder.",
    ]
    if not attacks:
        notes.append("No attacks in the data: no recall to give.")
    if attacks == len(texts):
        notes.append("Nothing harmless in the data: no false alarms to give.")
    return BenchmarkReport(
        benchmark="injection",
        data=str(path),
        method="agent.injection: signals of English and Chinese attacks, and likeness of multilingual-e5 vectors "
        "to the project's own examples.",
        figures=tuple(figures),
        notes=tuple(notes),
        details={"texts": dict(Counter(f"{t.source} {'attack' if t.attack else 'benign'}" for t in texts))},
    )


def _text(row: Row) -> _Text:
    attack = row.one_of("label", ("attack", "benign")) == "attack"
    return _Text(row.text("text"), attack, row.text("source", empty=False))


def _tricky(one: _Text) -> bool:
    return one.source.startswith(_TRIGGERS) and not one.attack


def _slice(what: str, how: str) -> str:
    return f"{what}, {how}" if how else what


def _figures(texts: Sequence[_Text], scores: Sequence[float], source: str, how: str) -> tuple[Figure, ...]:
    false = 0.134 if source.startswith(_TRIGGERS) else _FALSE.get(source)
    recall = _RECALL.get(source)
    pairs = list(zip(texts, scores, strict=True))
    return kept(
        share(
            "recall",
            [score >= THRESHOLD for one, score in pairs if one.attack],
            slice=_slice(source, how),
            anchors=[Anchor(recall, _KEYWORDS)] if recall is not None else (),
        ),
        share(
            "false alarms",
            [score >= THRESHOLD for one, score in pairs if not one.attack],
            slice=_slice(source, how),
            anchors=[Anchor(false, _KEYWORDS)] if false is not None else (),
            better="lower",
        ),
        measured(
            "AUC",
            auc_of(scores, [one.attack for one in texts]),
            range(len(texts)),
            slice=_slice(source, how),
        ),
    )
