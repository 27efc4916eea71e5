"""Grounded or made up: what ``agent.grounding`` says of answers to given knowledge.

Format: one response a line, ``{"id", "pair_id", "knowledge", "dialogue", "response", "grounded"}``; a
pair has the same knowledge and dialogue with one grounded and one made-up response.

The product shows a sentence only if exact rules and the scorer's threshold for shops agree. The task
here is looser (a chat that may add things), so the scorer alone is measured as well, at the threshold
that tells right from wrong best on our own shops. Neither was fitted to this set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.grounding import Source, Vectors, check
from agent.grounding.scorer import scorer
from evals.benchmarks.data import Row, read_all
from evals.benchmarks.intervals import Rows, Statistic, auc_of, kept, mean_of, measured, share
from evals.benchmarks.report import Anchor, BenchmarkReport, Figure, Progress
from retrieval.e5 import E5Embedder

_README = "README of the set, its open part"
_JUDGE = Anchor(0.6259, "HaluEval paper, question-answering part, ChatGPT as the judge")
_LONGER = "grounded response is the longer"


@dataclass(frozen=True)
class _Judged:
    pair: str
    grounded: bool
    length: int
    """Characters of the response."""
    score: float
    """Of the least likely statement, by the scorer alone."""
    passes: bool
    """Whether every claim is supported, as the product needs before it shows a sentence."""
    reasons: tuple[str, ...]


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Measure on a file or a folder of them.

    Raises:
        DataInvalid: The path does not hold the format.
    """
    rows = read_all(path)
    embedder = E5Embedder()
    vectors = Vectors(embedder.embed_passages)
    balanced = scorer("en").balanced
    judged = [_judge(row, vectors) for row in progress(rows, "judging responses", len(rows))]
    pairs = _pairs(judged)
    longer = [(good, bad) for good, bad in pairs if good.length > bad.length]
    inside = [one for pair in longer for one in pair]
    reasons: dict[str, int] = defaultdict(int)
    for one in judged:
        for reason in one.reasons:
            reasons[reason] += 1
    return BenchmarkReport(
        benchmark="groundedness",
        data=str(path),
        method=f"agent.grounding.check with the knowledge as the only source, the dialogue as context and "
        f"{embedder.name}. Score of a response: the scorer's probability of its least likely statement; 1 "
        "where it claims nothing. Passes: every claim is supported, exact rules included. By the scorer "
        f"alone: the score reaches {balanced}, which parts right from wrong best on our shops.",
        figures=(
            *_figures(judged, pairs, "", balanced),
            *_figures(inside, longer, _LONGER, balanced),
            *kept(
                share(
                    "made-up responses stopped",
                    [not one.passes for one in judged if not one.grounded],
                ),
                share("grounded responses passed", [one.passes for one in judged if one.grounded]),
            ),
        ),
        notes=(
            "A response of the reference may add facts that the knowledge does not state; the product stops "
            "those on purpose, which counts against it here.",
            "Balanced accuracy and accuracy without more words are at the product's own threshold, which is there "
            "to let nothing wrong be shown in a shop; nothing was fitted to the set.",
            'Facts that run together without a space ("DystopiaWither") are parted before they are read.',
            f"{len(pairs)} pairs; {len(judged) - 2 * len(pairs)} responses stand without their other one.",
            "Length baseline: the shorter response is taken for the grounded one, on the same rows.",
        ),
        details={
            "responses": len(judged),
            "pairs": len(pairs),
            "reasons": dict(sorted(reasons.items(), key=lambda item: -item[1])),
        },
    )


def _judge(row: Row, vectors: Vectors) -> _Judged:
    response = row.text("response", empty=False)
    grounded, pair = row.flag("grounded"), row.text("pair_id")
    claims = [
        claim
        for claim in check(
            response,
            [Source(id="knowledge", text=parted(row.text("knowledge")))],
            vectors=vectors,
            context=row.text("dialogue"),
        )
        if claim.needs_source
    ]
    return _Judged(
        pair=pair,
        grounded=grounded,
        length=len(response),
        score=min((claim.probability for claim in claims if claim.probability is not None), default=1.0),
        passes=all(claim.supported for claim in claims),
        reasons=tuple(claim.reason for claim in claims if claim.reason),
    )


_JOINT = re.compile(r"(?<=[a-z\d)!?'’])(?=([A-Z][a-z]+)\b)")
_YEARS = re.compile(r"(?<!\d)(\d{4})(?=\1\b)")


def parted(knowledge: str) -> str:
    """``knowledge`` with a stop where one fact runs into the next, which begins with a known name."""

    def stop(joint: re.Match[str]) -> str:
        alone = re.search(rf"(?<!\w){joint[1]}\b", knowledge)
        return ". " if alone else ""

    return _JOINT.sub(stop, _YEARS.sub(r"\1. ", knowledge))


def _pairs(judged: Sequence[_Judged]) -> list[tuple[_Judged, _Judged]]:
    """(grounded, made up) of every pair that has exactly one of each."""
    by_pair: dict[str, list[_Judged]] = defaultdict(list)
    for one in judged:
        by_pair[one.pair].append(one)
    return [
        (good, bad)
        for good, bad in (
            sorted(two, key=lambda one: not one.grounded) for two in by_pair.values() if len(two) == 2
        )
        if good.grounded and not bad.grounded
    ]


def _figures(
    judged: Sequence[_Judged], pairs: Sequence[tuple[_Judged, _Judged]], slice: str, balanced: float
) -> tuple[Figure, ...]:
    groups = [one.pair for one in judged]
    gold = [one.grounded for one in judged]
    passes = np.array([one.passes for one in judged], bool)
    likely = np.array([one.score >= balanced for one in judged], bool)
    short = auc_of([-one.length for one in judged], gold)(np.arange(len(judged))) if judged else np.nan
    shorter = [_points(bad.length, good.length) for good, bad in pairs]
    words = ((0.703, 0.475), (0.516,)) if not slice else ((), ())
    auc_anchors = [
        Anchor(value, f"{_README}: {how}") for value, how in zip(words[0], _BASELINES, strict=False)
    ]
    if not np.isnan(short):
        auc_anchors.append(Anchor(round(float(short), 4), "shorter is grounded, computed on this data"))
    pair_anchors = [Anchor(value, f"{_README}: {_BASELINES[1]}") for value in words[1]]
    if pairs:
        pair_anchors.append(
            Anchor(round(float(np.mean(shorter)), 4), "shorter is grounded, computed on this data")
        )
    best = _best_accuracy([-one.length for one in judged], gold)
    accuracy_anchors = [] if slice else [_JUDGE, Anchor(0.653, f"{_README}: length, best cut")]
    if best is not None:
        accuracy_anchors.append(Anchor(round(best, 4), "length with the best cut, computed on this data"))
    return kept(
        measured(
            "AUC", auc_of([one.score for one in judged], gold), groups, slice=slice, anchors=auc_anchors
        ),
        measured("balanced accuracy", _balanced(passes, gold), groups, slice=slice),
        measured("balanced accuracy, scorer alone", _balanced(likely, gold), groups, slice=slice),
        measured(
            "accuracy, scorer alone",
            mean_of(likely == np.array(gold, bool)),
            groups,
            slice=slice,
            anchors=accuracy_anchors,
        ),
        measured(
            "accuracy", mean_of(passes == np.array(gold, bool)), groups, slice=slice, anchors=accuracy_anchors
        ),
        measured(
            "paired accuracy",
            mean_of([_points(good.score, bad.score) for good, bad in pairs]),
            [good.pair for good, _ in pairs],
            slice=slice,
            anchors=pair_anchors,
        ),
    )


_BASELINES = ("shorter is grounded", "share of the response's words found in the knowledge")


def _points(first: float, second: float) -> float:
    """1 when the first is larger, a half for a tie."""
    return 1.0 if first > second else 0.5 if first == second else 0.0


def _balanced(passes: Rows, gold: Sequence[bool]) -> Statistic:
    label = np.array(gold, bool)

    def statistic(rows: Rows) -> float:
        seen, said = label[rows], passes[rows]
        if seen.all() or not seen.any():
            return float("nan")
        return float((said[seen].mean() + (~said[~seen]).mean()) / 2)

    return statistic


def _best_accuracy(scores: Sequence[float], gold: Sequence[bool]) -> float | None:
    """Accuracy at the cut that suits these rows best: what a baseline could reach at most."""
    if len(set(gold)) < 2:
        return None
    order = np.argsort(np.asarray(scores, np.float64), kind="stable")
    value, label = np.asarray(scores, np.float64)[order], np.asarray(gold, bool)[order]
    # Everything from place k on is taken for grounded; a cut may not part equal scores.
    right = np.concatenate([[0], np.cumsum(~label)]) + np.concatenate([np.cumsum(label[::-1])[::-1], [0]])
    allowed = np.concatenate([[True], value[1:] > value[:-1], [True]])
    return float(right[allowed].max() / len(label))
