"""Fit the mood coefficients on the written utterances, and measure on the held-out ones.

python tools/fit_mood.py                       # measure
python tools/fit_mood.py --write               # fit, write agent/data/mood_weights.json, measure
python tools/fit_mood.py --wrong               # and list what is misread
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agent import mood_lexicon as lexicon  # noqa: E402
from agent.ids import Language  # noqa: E402

DATA = ROOT / "tests/agent/data/mood_utterances.yaml"
CLASSES = ("negative", "neutral", "positive")
# Soft targets: a furious turn is surer to be negative than a displeased one.
TARGETS = {
    "furious": (0.96, 0.03, 0.01),
    "negative": (0.72, 0.25, 0.03),
    "neutral": (0.07, 0.88, 0.05),
    "positive": (0.02, 0.13, 0.85),
}
PENALTY, STEPS = 7e-4, 6000


def load(part: str) -> list[tuple[Language, str, str, list[str]]]:
    """(language, label, text, earlier) of a part."""
    rows = []
    for language, by_label in yaml.safe_load(DATA.read_text(encoding="utf-8"))[part].items():
        for label, items in by_label.items():
            for item in items:
                text, earlier = (item, []) if isinstance(item, str) else item
                rows.append((language, label, text, earlier))
    return rows


def fit() -> dict[str, dict[str, float]]:
    """Softmax regression with neutral as the reference; deterministic, starts at zero."""
    rows = load("fit")
    x = np.array([[1.0, *lexicon.read(t, lang, before).values.values()] for lang, _, t, before in rows])
    y = np.array([TARGETS[label] for _, label, _, _ in rows])
    w = np.zeros((x.shape[1], 3))
    for _ in range(STEPS):
        logits = x @ w
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        slope = x.T @ (p - y) / len(x) + PENALTY * w * (np.arange(len(w)) > 0)[:, None]
        w -= 0.8 * slope
    w -= w[:, 1:2]
    names = ("bias", *lexicon.FEATURES)
    return {
        c: {n: round(float(w[i, k]), 4) for i, n in enumerate(names)}
        for k, c in ((0, "negative"), (2, "positive"))
    }


def measure(part: str) -> None:
    """Print accuracy and macro-F1 of a part by language."""
    rows = load(part)
    for language in ("en", "zh"):
        pairs = []
        for lang, label, text, before in rows:
            if lang == language:
                mood = lexicon.LexiconMood().score(text, language=lang, earlier=before)
                scores = mood.scores.model_dump()
                guess = max(scores, key=lambda name: scores[name])
                gold = "negative" if label == "furious" else label
                pairs.append((gold, guess))
                sure = label == "furious" and mood.scores.negative < 0.75
                if "--wrong" in sys.argv and (guess != gold or sure):
                    print("   ", label, {k: round(v, 2) for k, v in scores.items()}, text, mood.reasons)
        f1 = []
        for name in CLASSES:
            hit = sum(g == p == name for g, p in pairs)
            f1.append(2 * hit / max(1, sum(g == name for g, _ in pairs) + sum(p == name for _, p in pairs)))
        right = np.mean([g == p for g, p in pairs])
        print(f"{part} {language}: accuracy {right:.3f}, macro-F1 {np.mean(f1):.3f} of {len(pairs)}")


if __name__ == "__main__":
    if "--write" in sys.argv:
        lexicon.WEIGHTS.write_text(json.dumps(fit(), indent=1) + "\n", encoding="utf-8")
    for half in ("fit", "held_out"):
        measure(half)
