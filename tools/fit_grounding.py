"""Fit the scorer of ``agent.grounding``, choose its thresholds, and measure both on shops it has not seen.

    python tools/fit_grounding.py            # fit, report, write the weights
    python tools/fit_grounding.py --wrong    # and list what is misjudged on shops left out

Data: written and made answers of ``finetune/data/shops`` (see ``tools/grounding_examples.py``). Every
figure is measured shop by shop with coefficients from the other shops. The sentences of
``tests/agent/data/grounding.json`` are only measured on, with and without the scorer.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from agent.grounding import Source, SourceSet, Vectors, check, split_sentences  # noqa: E402
from agent.grounding.entailment import chosen  # noqa: E402
from agent.grounding.evidence import Evidence  # noqa: E402
from agent.grounding.features import FEATURES  # noqa: E402
from agent.grounding.support import failure  # noqa: E402
from retrieval.e5 import E5Embedder  # noqa: E402
from tools.grounding_examples import Example, examples  # noqa: E402
from tools.regression import Floats, auc, fit_logistic, sigmoid  # noqa: E402

SHOPS = ROOT / "finetune" / "data" / "shops"
SENTENCES = ROOT / "tests" / "agent" / "data" / "grounding.json"
WEIGHTS = ROOT / "agent" / "data" / "grounding_weights.json"
ROUNDS = 4
"""A claim is learnt from its best window, and which that is changes with the coefficients."""
RIDGE = 3.0
WEIGHT = {"written": 1.5}
"""Of a wrong answer; one made by rule counts half, as its wording gives it away."""
MADE = 0.5
SHOWN_WRONG = 0.01
"""At most this share of what is shown may be wrong, where a third of what is said is (as in the data)."""
SHOWN_MADE = 0.05
"""At most this share of the wrong answers made by rule may be shown."""


@dataclass(frozen=True)
class Statement:
    """Windows beside one statement of an answer: their measurements, and what the exact rules say."""

    windows: tuple[Evidence, ...]
    rows: Floats
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """An example with its statements, and whether rules and word overlap alone let it pass."""

    example: Example
    statements: tuple[Statement, ...]
    by_rules: bool


@dataclass(frozen=True)
class Fit:
    """Intercept and coefficients for unscaled measurements."""

    intercept: float
    coefficients: Floats

    def p(self, rows: Floats) -> Floats:
        """Probabilities."""
        return sigmoid(self.intercept + rows @ self.coefficients)

    def answer(self, measured: Measured, *, rules: bool) -> float:
        """Of the least likely statement; with ``rules``, 0 where they leave no window."""
        least = 1.0
        for one in measured.statements:
            p = self.p(one.rows).tolist()
            best = chosen(one.windows, one.reasons, p) if rules else int(np.argmax(p))
            least = min(least, 0.0 if best is None else p[best])
        return least


def measure(example: Example, vectors: Vectors) -> Measured:
    """All that fitting and choosing need of an example."""
    sources = SourceSet(example.sources, vectors=vectors, context=example.question)
    statements = []
    for sentence in split_sentences(example.text):
        for query, windows in sources.measured(sentence):
            rows = np.array([one.measured for one in windows])
            reasons = tuple(failure(query, one.prepared, one.first, one.window) for one in windows)
            statements.append(Statement(tuple(windows), rows, reasons))
    by_rules = all(claim.supported for claim in check(example.text, example.sources))
    return Measured(example, tuple(statements), by_rules)


def fit(data: Sequence[Measured]) -> Fit:
    """Learn from the best window of each right statement, and of the worst statement of a wrong answer."""
    start = np.zeros(len(FEATURES))
    start[FEATURES.index("cosine")], start[FEATURES.index("overlap")] = 4.0, 1.0
    found = Fit(0.0, start)
    for _ in range(ROUNDS):
        rows, labels, weights = [], [], []
        for one in data:
            best = [
                (float(p.max()), s.rows[int(p.argmax())]) for s in one.statements for p in [found.p(s.rows)]
            ]
            if not best:
                continue
            taken = best if one.example.supported else [min(best, key=lambda pair: pair[0])]
            rows += [row for _, row in taken]
            labels += [float(one.example.supported)] * len(taken)
            weights += [1.0 if one.example.supported else WEIGHT.get(one.example.how, MADE)] * len(taken)
        found = Fit(*fit_logistic(np.array(rows), np.array(labels), np.array(weights), ridge=RIDGE))
    return found


@dataclass(frozen=True)
class Scored:
    """An example judged by coefficients that have not seen its shop."""

    measured: Measured
    alone: float
    """By the scorer alone."""
    ruled: float
    """By the scorer and the exact rules."""


def left_out(data: Sequence[Measured]) -> list[Scored]:
    """Every example, from a fit without its shop."""
    scored = []
    for shop in sorted({one.example.shop for one in data}):
        found = fit([one for one in data if one.example.shop != shop])
        scored += [
            Scored(one, found.answer(one, rules=False), found.answer(one, rules=True))
            for one in data
            if one.example.shop == shop
        ]
    return scored


def share(values: Iterable[bool]) -> float:
    """Of true among ``values``."""
    return float(np.mean(list(values)))


def thresholds(scored: Sequence[Scored]) -> tuple[float, float]:
    """The product's threshold, and the one that tells right from wrong best by the scorer alone."""
    right = [one for one in scored if one.measured.example.supported]
    wrong = [one for one in scored if not one.measured.example.supported]
    written = [one for one in wrong if one.measured.example.how == "written"]
    made = [one for one in wrong if one.measured.example.how != "written"]
    cuts = np.arange(0.3, 0.99, 0.01)
    product = float(cuts[-1])
    for cut in cuts:
        shown = sum(one.ruled >= cut for one in right)
        bad = sum(one.ruled >= cut for one in written)
        if bad < SHOWN_WRONG * (shown + bad) and share(one.ruled >= cut for one in made) <= SHOWN_MADE:
            product = float(cut)
            break
    balanced = max(
        cuts, key=lambda cut: share(o.alone >= cut for o in right) + share(o.alone < cut for o in wrong)
    )
    return round(product, 2), round(float(balanced), 2)


def report(scored: Sequence[Scored], product: float) -> dict[str, Any]:
    """Before and after, on shops left out."""
    right = [one for one in scored if one.measured.example.supported]
    by_how: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        if not one.measured.example.supported:
            by_how[one.measured.example.how].append(one)
    written = by_how["written"]
    made = [one for how, several in by_how.items() if how != "written" for one in several]
    return {
        "right_answers": len(right),
        "wrong_written": len(written),
        "wrong_made": len(made),
        "auc_written": round(auc([o.alone for o in right], [o.alone for o in written]), 3),
        "auc_made": round(auc([o.alone for o in right], [o.alone for o in made]), 3),
        "before": _shares(right, written, made, [o.measured.by_rules for o in (*right, *written, *made)]),
        "after": _shares(right, written, made, [o.ruled >= product for o in (*right, *written, *made)]),
        "made_shown_by_rule": {
            how: round(share(one.ruled >= product for one in several), 3)
            for how, several in sorted(by_how.items())
            if how != "written"
        },
    }


def _shares(
    right: Sequence[Scored], written: Sequence[Scored], made: Sequence[Scored], shown: Sequence[bool]
) -> Any:
    first, second = len(right), len(right) + len(written)
    bad = sum(shown[first:second])
    return {
        "right_passed": round(share(shown[:first]), 3),
        "written_wrong_stopped": round(1 - share(shown[first:second]), 3),
        "made_wrong_stopped": round(1 - share(shown[second:]), 3),
        "wrong_among_shown": round(bad / max(1, bad + sum(shown[:first])), 4),
    }


def sentences(vectors: Vectors | None) -> None:
    """Precision and recall of "supported" on the single sentences of the tests."""
    data = json.loads(SENTENCES.read_text(encoding="utf-8"))
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for item in data["items"]:
        language = item["language"]
        by_id = {s["id"]: Source(s["id"], s["text"], s["title"]) for s in data["sources"][language]}
        chosen = [by_id[name] for name in data["groups"][item["sources"]]]
        [claim] = check([item["sentence"]], chosen, vectors=vectors)
        said = claim.supported and claim.needs_source
        count = counts[language, item["half"]]
        count[0] += said and item["supported"]
        count[1] += said and not item["supported"]
        count[2] += not said and item["supported"]
    for (language, half), (hit, false, missed) in sorted(counts.items()):
        print(f"  {language} {half}: precision {hit / (hit + false):.3f} recall {hit / (hit + missed):.3f}")


def main() -> None:
    """Fit, measure, write."""
    vectors = Vectors(E5Embedder().embed_passages, keep=1_000_000)
    data = [measure(example, vectors) for example in examples(SHOPS, vectors)]
    written: dict[str, Any] = {}
    for language in ("en", "zh"):
        mine = [one for one in data if one.example.language == language]
        scored = left_out(mine)
        product, balanced = thresholds(scored)
        found = fit(mine)
        written[language] = {
            "intercept": round(found.intercept, 4),
            "coefficients": {
                n: round(float(c), 4) for n, c in zip(FEATURES, found.coefficients, strict=True)
            },
            "threshold": product,
            "balanced": balanced,
            "shops": sorted({one.example.shop for one in mine}),
            "on_shops_left_out": report(scored, product),
        }
        print(language, json.dumps(written[language]["on_shops_left_out"], indent=1))
        if "--wrong" in sys.argv:
            for one in scored:
                if (one.ruled >= product) != one.measured.example.supported:
                    kind = (
                        "missed" if one.measured.example.supported else f"SHOWN ({one.measured.example.how})"
                    )
                    print(f"  {kind} {one.alone:.2f} {one.ruled:.2f}: {one.measured.example.text}")
    WEIGHTS.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print("sentences of the tests, by rules and overlap")
    sentences(None)
    print("and with the scorer")
    sentences(vectors)


if __name__ == "__main__":
    main()
