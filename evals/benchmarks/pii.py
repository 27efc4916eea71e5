"""Personal data: what the product's scrubber finds, and what it leaves to be read.

Format: one text a line, ``{"id", "text", "spans": [{"start", "end", "type"}], "template_id"}``,
offsets in characters, ``end`` exclusive.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent import personal
from evals.benchmarks.data import Row, read_all
from evals.benchmarks.intervals import Rows, Statistic, kept, measured
from evals.benchmarks.report import Anchor, BenchmarkReport, Figure, Progress

COVERED: Mapping[str, personal.Type] = {
    "PERSON": "person",
    "STREET_ADDRESS": "address",
    "CREDIT_CARD": "card",
    "PHONE_NUMBER": "phone",
    "ZIP_CODE": "postcode",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "DOMAIN_NAME": "url",
    "US_SSN": "ssn",
    "IP_ADDRESS": "ip",
}
"""Types that matter in a shop's texts, and what the product calls them."""

BESIDE: Mapping[personal.Type, frozenset[str]] = {
    "address": frozenset({"GPE", "ZIP_CODE"}),
    "postcode": frozenset({"STREET_ADDRESS"}),
}
"""A found address takes in its town and code, which the set marks apart; that is no false alarm."""

_WITH_DIGIT = re.compile(r"\S*[\d@]\S*")
_FOUND = 0.5
"""Share of a span's characters from which it counts as found, and a finding as right."""


@dataclass(frozen=True)
class _Text:
    group: str
    gold: tuple[tuple[int, int, str], ...]
    found: tuple[personal.Span, ...]
    baseline: tuple[tuple[int, int], ...]


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Measure on a file or a folder of them.

    Raises:
        DataInvalid: The path does not hold the format.
    """
    rows = read_all(path)
    texts = [_text(row) for row in progress(rows, "searching texts", len(rows))]
    present = Counter(kind for text in texts for _, _, kind in text.gold)
    covered = [kind for kind in COVERED if present[kind]]
    figures: list[Figure] = [*_figures(texts, covered, ""), *_exact(texts, covered)]
    for kind in covered:
        figures += _figures(texts, [kind], kind)
    uncovered = {kind: count for kind, count in present.most_common() if kind not in COVERED}
    return BenchmarkReport(
        benchmark="pii",
        data=str(path),
        method="agent.personal: patterns with checksums, names and addresses by their surroundings and a list of "
        "given names; no model.",
        figures=tuple(figures),
        notes=(
            f"Types counted: {', '.join(covered) or 'none here'}.",
            f"Types in the data that the product does not look for: {', '.join(uncovered) or 'none'}.",
            "Found: at least half of a span's characters are masked as its type. Right: at least half of what was "
            "masked lies in spans of its type; an address may take in its town and code. Long numbers of no "
            "certain kind are masked (they do not leak), but count for no type.",
            "Leak rate: characters of personal spans left readable, whatever masked the others.",
            "Intervals draw whole templates: texts of one template succeed and fail together.",
        ),
        details={"texts": len(texts), "spans": dict(present.most_common()), "not covered": uncovered},
    )


def _text(row: Row) -> _Text:
    text = row.text("text")
    gold = []
    for span in row.rows("spans"):
        start, end = span.whole("start"), span.whole("end", high=len(text))
        if start >= end:
            raise span.wrong("end", f"more than start ({start}) is needed, here is {end}")
        gold.append((start, end, span.text("type", empty=False)))
    group = row.values.get("template_id")
    return _Text(
        group=f"template {group}" if group is not None else f"line {row.line} of {row.file}",
        gold=tuple(gold),
        found=tuple(personal.find(text)),
        baseline=tuple(match.span() for match in _WITH_DIGIT.finditer(text)),
    )


Counts = NDArray[np.float64]
"""A row per text: gold spans, of them found, findings, of them right."""


def _figures(texts: Sequence[_Text], kinds: Sequence[str], slice: str) -> tuple[Figure, ...]:
    if not kinds:
        return ()
    groups = [text.group for text in texts]
    counts = np.array([_counted(text, kinds) for text in texts], np.float64)
    letters = np.array([_leaked(text, kinds) for text in texts], np.float64)
    plain = letters[:, 2].sum() / letters[:, 0].sum()
    spans, findings = int(counts[:, 0].sum()), int(counts[:, 2].sum())
    return kept(
        measured("precision", _ratio(counts, 3, 2), groups, slice=slice, n=findings),
        measured("recall", _ratio(counts, 1, 0), groups, slice=slice, n=spans),
        measured("F1", _f_measure(counts, 1), groups, slice=slice, n=spans),
        measured("F2", _f_measure(counts, 2), groups, slice=slice, n=spans),
        measured(
            "leak rate",
            _ratio(letters, 1, 0),
            groups,
            slice=slice,
            n=int(letters[:, 0].sum()),
            better="lower",
            anchors=[
                Anchor(round(float(plain), 4), "every word with a digit or @ masked, computed on this data")
            ],
        ),
    )


def _exact(texts: Sequence[_Text], kinds: Sequence[str]) -> tuple[Figure, ...]:
    """Spans with the very same start, end and type."""
    ours = {COVERED[kind] for kind in kinds}
    counts = []
    for text in texts:
        gold = {(start, end, COVERED[kind]) for start, end, kind in text.gold if kind in kinds}
        found = {(span.start, span.end, span.type) for span in text.found if span.type in ours}
        both = len(gold & found)
        counts.append((len(gold), both, len(found), both))
    table = np.array(counts, np.float64)
    groups = [text.group for text in texts]
    spans = int(table[:, 0].sum())
    return kept(
        measured("precision, exact", _ratio(table, 3, 2), groups, n=int(table[:, 2].sum())),
        measured("recall, exact", _ratio(table, 1, 0), groups, n=spans),
        measured("F1, exact", _f_measure(table, 1), groups, n=spans),
        measured("F2, exact", _f_measure(table, 2), groups, n=spans),
    )


def _counted(text: _Text, kinds: Sequence[str]) -> tuple[int, int, int, int]:
    ours = {COVERED[kind] for kind in kinds}
    gold = [(start, end, COVERED[kind]) for start, end, kind in text.gold if kind in kinds]
    hit = sum(
        _inside(start, end, ((s.start, s.end) for s in text.found if s.type == kind))
        >= _FOUND * (end - start)
        for start, end, kind in gold
    )
    found = [span for span in text.found if span.type in ours]
    right = sum(
        _inside(span.start, span.end, _allowed(text, span.type)) >= _FOUND * (span.end - span.start)
        for span in found
    )
    return len(gold), hit, len(found), right


def _allowed(text: _Text, type: personal.Type) -> list[tuple[int, int]]:
    beside = BESIDE.get(type, frozenset())
    return [(start, end) for start, end, kind in text.gold if COVERED.get(kind) == type or kind in beside]


def _leaked(text: _Text, kinds: Sequence[str]) -> tuple[int, int, int]:
    """Characters of personal spans, those left by the product, those left by the baseline."""
    personal_letters = _letters((start, end) for start, end, kind in text.gold if kind in kinds)
    ours = _letters((span.start, span.end) for span in text.found)
    plain = _letters(text.baseline)
    return len(personal_letters), len(personal_letters - ours), len(personal_letters - plain)


def _inside(start: int, end: int, spans: Iterable[tuple[int, int]]) -> int:
    """Characters of a span that lie in others."""
    return len(_letters(spans) & set(range(start, end)))


def _letters(spans: Iterable[tuple[int, int]]) -> set[int]:
    return {at for start, end in spans for at in range(start, end)}


def _ratio(counts: Counts, above: int, below: int) -> Statistic:
    def statistic(rows: Rows) -> float:
        total = counts[rows, below].sum()
        return float(counts[rows, above].sum() / total) if total else float("nan")

    return statistic


def _f_measure(counts: Counts, beta: float) -> Statistic:
    """F with recall weighing ``beta`` times as much as precision; 0 when nothing was found."""

    def statistic(rows: Rows) -> float:
        gold, hit, found, right = counts[rows].sum(axis=0)
        if not gold:
            return float("nan")
        precision, recall = right / found if found else 0.0, hit / gold
        below = beta**2 * precision + recall
        return float((1 + beta**2) * precision * recall / below) if below else 0.0

    return statistic
