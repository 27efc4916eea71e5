"""Fit the coefficients of ``retrieval/answerable.py`` and measure them.

Asks the demo shop's index the questions of ``retrieval/data/answerable_questions.json``
(half of them answered by its documents, half not), fits one logistic regression per
language, and writes ``retrieval/answerable.json``. AUC and threshold come from
cross-validation, so no question is judged by coefficients that have seen it. (The form of
the features was chosen on the same questions, so expect a little less elsewhere.)

    python tools/fit_answerable.py                     # indexes the demo shop first
    python tools/fit_answerable.py --index .amends/chroma
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.answerable import DEPTH, features
from retrieval.chroma import ChromaPassageIndex
from retrieval.e5 import E5Embedder
from retrieval.indexing import index
from retrieval.passages import Language, Passage, PassageIndex

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = ROOT / "retrieval" / "data" / "answerable_questions.json"
WEIGHTS = ROOT / "retrieval" / "answerable.json"
SEED = 20260301
FOLDS = 8
RIDGE = 1.0
"""Strength of the penalty on standardised coefficients: 86 questions are few."""

Floats = NDArray[np.float64]


def fit(x: Floats, y: Floats) -> Floats:
    """Intercept and coefficients for unscaled features, by Newton's method with a ridge penalty."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    design = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    penalty = np.diag([0.0] + [RIDGE] * x.shape[1])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (y - p) - penalty @ weights
        hessian = (design.T * (p * (1 - p))) @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    slopes = weights[1:] / spread
    return np.concatenate([[weights[0] - slopes @ mean], slopes])


def predict(weights: Floats, x: Floats) -> Floats:
    """Probabilities."""
    p: Floats = 1 / (1 + np.exp(-(weights[0] + x @ weights[1:])))
    return p


def out_of_fold(x: Floats, y: Floats) -> Floats:
    """Each question's probability from coefficients fitted without it."""
    folds = np.random.default_rng(SEED).permutation(len(y)) % FOLDS
    p = np.zeros(len(y))
    for fold in range(FOLDS):
        p[folds == fold] = predict(fit(x[folds != fold], y[folds != fold]), x[folds == fold])
    return p


def auc(p: Floats, y: Floats) -> float:
    """Probability that an answerable question scores above an unanswerable one."""
    pairs = p[y == 1][:, None] - p[y == 0][None, :]
    return float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def best_threshold(p: Floats, y: Floats) -> float:
    """Where hits minus false alarms is largest (Youden), half way to the next lower score."""
    scores = np.sort(np.unique(p))
    cuts = (scores[1:] + scores[:-1]) / 2
    gains = [(p[y == 1] >= cut).mean() - (p[y == 0] >= cut).mean() for cut in cuts]
    return float(cuts[int(np.argmax(gains))])


async def ask(
    questions: dict[str, Any], store: PassageIndex, language: Language
) -> tuple[Floats, Floats, float]:
    """Features, answers, and in how many answerable questions the right source is among four."""

    async def find(question: str) -> list[Passage]:
        return await store.query(question, visible_to=frozenset({"public"}), k=DEPTH, language=language)

    rows, found = [], 0
    for item in questions["answerable"]:
        passages = await find(item["question"])
        rows.append(features(item["question"], passages))
        hit = any(source in p.chunk.document for p in passages[:4] for source in item["sources"])
        found += hit
        if not hit:
            print(f"  not among four: {item['question']}")
    rows += [features(question, await find(question)) for question in questions["unanswerable"]]
    y = np.array([1.0] * len(questions["answerable"]) + [0.0] * len(questions["unanswerable"]))
    return np.array(rows), y, found / len(questions["answerable"])


async def run(store: PassageIndex) -> dict[str, Any]:
    """The content of ``answerable.json``."""
    questions = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    result: dict[str, Any] = {}
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        x, y, recall = await ask(questions[language], store, language)
        p = out_of_fold(x, y)
        threshold = best_threshold(p, y)
        weights = fit(x, y)
        result[language] = {
            "features": ["top similarity", "gap to the fifth", "share of content words"],
            "intercept": round(float(weights[0]), 4),
            "coefficients": [round(float(weight), 4) for weight in weights[1:]],
            "threshold": round(threshold, 3),
            "questions": len(y),
            "auc": round(auc(p, y), 3),
            "hits": round(float((p[y == 1] >= threshold).mean()), 3),
            "false_alarms": round(float((p[y == 0] >= threshold).mean()), 3),
            "source_among_four": round(recall, 3),
        }
        print(language, json.dumps(result[language]))
        asked = [item["question"] for item in questions[language]["answerable"]]
        for question, answer, score in zip([*asked, *questions[language]["unanswerable"]], y, p, strict=True):
            if (score >= threshold) != bool(answer):
                print(f"  {'missed' if answer else 'false alarm'} {score:.2f}: {question}")
    return result


async def main() -> None:
    """Index the demo shop unless an index is given, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shop", type=Path, default=ROOT / "demo", help="folder to index")
    parser.add_argument("--index", type=Path, help="an index of that folder that is there already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        store = ChromaPassageIndex(E5Embedder(), folder=given.index or Path(made))
        with closing(store):
            if given.index is None:
                await index([given.shop], store)
            result = await run(store)
    WEIGHTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
