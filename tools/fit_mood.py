"""Fit the mood scorers, and measure them on what they have not seen.

The lexicon's coefficients are fitted on written utterances. Those that join it with embeddings are
fitted on the same utterances, on more whose words give nothing away, and on the training part of the
seed dialogues. Measured on the utterances and on the dialogues held out.

python tools/fit_mood.py                       # measure both scorers
python tools/fit_mood.py --wrong               # and list what is misread
python tools/fit_mood.py --write-lexicon       # fit agent/data/mood_weights.json, measure
python tools/fit_mood.py --write               # fit agent/data/mood_e5.npz, measure
python tools/fit_mood.py --penalties           # compare penalties by cross-validation
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agent import mood_e5, softmax  # noqa: E402
from agent import mood_lexicon as lexicon  # noqa: E402
from agent.ids import Language  # noqa: E402
from agent.intents import PROBE  # noqa: E402
from agent.mood import MoodScorer  # noqa: E402
from finetune.example import Part  # noqa: E402
from finetune.fill import filled_turns  # noqa: E402
from retrieval.e5 import E5Embedder  # noqa: E402

DATA = ROOT / "tests/agent/data/mood_utterances.yaml"
SEED = 7
CLASSES = mood_e5.CLASSES
# The lexicon's soft targets: a furious turn is surer to be negative than a displeased one.
TARGETS = {
    "furious": (0.96, 0.03, 0.01),
    "negative": (0.72, 0.25, 0.03),
    "neutral": (0.07, 0.88, 0.05),
    "positive": (0.02, 0.13, 0.85),
}
LEXICON_PENALTY, LEXICON_STEPS = 7e-4, 6000
PENALTY, RATE, STEPS, FOLDS = 3e-4, 0.05, 300, 5
"""Of the joined regression: best of four penalties by cross-validation on the training dialogues
(Brier score and calibration), which is why its probabilities need no further scaling."""
SCALES = np.repeat([3.0, 1.0, 0.3], [384, 384, len(CLASSES)])
"""How much the penalty spares the message, the line before it and the lexicon."""


@dataclass(frozen=True)
class Turn:
    """A shopper's turn and its mood."""

    group: str
    """Turns of one dialogue, or of one utterance; kept together in cross-validation."""
    language: Language
    text: str
    earlier: tuple[str, ...]
    before: str
    label: str

    @property
    def gold(self) -> int:
        """The place of its mood in ``CLASSES``."""
        return CLASSES.index("negative" if self.label == "furious" else self.label)


def utterances(part: str) -> list[Turn]:
    """The written utterances of ``fit``, ``whole`` or ``held_out``."""
    rows = []
    for language, by_label in yaml.safe_load(DATA.read_text(encoding="utf-8"))[part].items():
        for label, items in by_label.items():
            for item in items:
                text, earlier = (item, ()) if isinstance(item, str) else (item[0], tuple(item[1]))
                rows.append(Turn(text, language, text, earlier, "", label))
    return rows


def dialogue_turns(side: Part) -> list[Turn]:
    """The shoppers' turns of one part of the seed dialogues, filled in."""
    return [
        Turn(one.dialogue.id, one.dialogue.language, one.said, one.earlier, one.before, one.turn.mood)
        for one in filled_turns(side, seed=SEED)
    ]


@cache
def embedded(text: str) -> tuple[float, ...]:
    """A text's vector, as the scorer makes it."""
    return tuple(_embedder().embed_query(text)) if text else (0.0,) * 384


@cache
def _embedder() -> E5Embedder:
    return E5Embedder()


def fit_lexicon() -> dict[str, dict[str, float]]:
    """Softmax regression with neutral as the reference; deterministic, starts at zero."""
    rows = utterances("fit")
    x = np.array([[1.0, *lexicon.read(t.text, t.language, t.earlier).values.values()] for t in rows])
    y = np.array([TARGETS[turn.label] for turn in rows])
    w = np.zeros((x.shape[1], 3))
    for _ in range(LEXICON_STEPS):
        slope = (
            x.T @ (softmax.softmax(x @ w) - y) / len(x)
            + LEXICON_PENALTY * w * (np.arange(len(w)) > 0)[:, None]
        )
        w -= 0.8 * slope
    w -= w[:, 1:2]
    names = ("bias", *lexicon.FEATURES)
    return {
        c: {n: round(float(w[i, k]), 4) for i, n in enumerate(names)}
        for k, c in ((0, "negative"), (2, "positive"))
    }


def features(turns: Sequence[Turn]) -> mood_e5.Vectors:
    """What the joined regression sees of turns."""
    words = lexicon.LexiconMood()
    rows = []
    for turn in turns:
        scores = words.score(turn.text, language=turn.language, earlier=turn.earlier).scores
        rows.append(
            mood_e5.features(
                np.asarray(embedded(mood_e5.shown(turn.text)), np.float32),
                np.asarray(embedded(mood_e5.shown_before(turn.before)), np.float32),
                np.asarray([getattr(scores, name) for name in CLASSES], np.float32),
            )
        )
    return np.asarray(rows, np.float32)


def fit_joined(rows: mood_e5.Vectors, targets: mood_e5.Vectors, penalty: float = PENALTY) -> mood_e5.Weights:
    """As :func:`agent.softmax.fit` fits, on columns that the penalty spares unequally."""
    mean = rows.mean(axis=0)
    w = softmax.fit((rows - mean) * SCALES, targets, penalty=penalty, rate=RATE, steps=STEPS)
    matrix = w[:-1] * SCALES[:, None]
    probe = np.asarray(embedded(PROBE), np.float32)
    return mood_e5.Weights(matrix.astype(np.float32), (w[-1] - mean @ matrix).astype(np.float32), probe)


def report(name: str, turns: Sequence[Turn], found: mood_e5.Vectors) -> None:
    """Print how well probabilities fit the moods, by language.

    Brier: mean squared distance to the truth, 0 to 2. ECE: mean distance between the highest
    probability and how often it is right, over ten bins of equal width (Naeini et al. 2015).
    """
    for language in ("en", "zh"):
        some = np.array([turn.language == language for turn in turns])
        gold = np.array([turn.gold for turn in turns])[some]
        p = found[some]
        guess, sure = p.argmax(axis=1), p.max(axis=1)
        f1 = [
            2 * np.sum((guess == k) & (gold == k)) / max(1, np.sum(guess == k) + np.sum(gold == k))
            for k in range(len(CLASSES))
        ]
        hit, bins = np.sum((guess == 0) & (gold == 0)), np.minimum((sure * 10).astype(int), 9)
        ece = sum(
            np.mean(bins == k) * abs(np.mean((guess == gold)[bins == k]) - np.mean(sure[bins == k]))
            for k in set(bins.tolist())
        )
        brier = np.mean(np.sum((p - np.eye(len(CLASSES))[gold]) ** 2, axis=1))
        print(
            f"{name} {language}: accuracy {np.mean(guess == gold):.3f}, macro-F1 {np.mean(f1):.3f}, negative "
            f"precision {hit / max(1, np.sum(guess == 0)):.2f} recall {hit / max(1, np.sum(gold == 0)):.2f}, "
            f"Brier {brier:.3f}, ECE {ece:.3f}, of {len(gold)}"
        )


def measure(scorer: MoodScorer, name: str, turns: Sequence[Turn]) -> None:
    """Score turns as the product does and print how good that is."""
    moods = [scorer.score(t.text, language=t.language, earlier=t.earlier, before=t.before) for t in turns]
    found = np.asarray([[getattr(mood.scores, c) for c in CLASSES] for mood in moods], np.float32)
    report(f"{scorer.name}, {name},", turns, found)
    if "--wrong" in sys.argv:
        for turn, mood, row in zip(turns, moods, found, strict=True):
            if int(row.argmax()) != turn.gold:
                print("   ", turn.label, row.round(2), repr(turn.before[-60:]), turn.text, mood.reasons)


def main() -> None:
    """Fit what is asked for, then measure; or compare penalties."""
    if "--write-lexicon" in sys.argv:
        lexicon.WEIGHTS.write_text(json.dumps(fit_lexicon(), indent=1) + "\n", encoding="utf-8")
        lexicon.weights.cache_clear()
    if "--write" in sys.argv or "--penalties" in sys.argv:
        learnt = [*dialogue_turns("train"), *utterances("fit"), *utterances("whole")]
        rows, targets = (
            features(learnt),
            np.eye(len(CLASSES), dtype=np.float32)[[turn.gold for turn in learnt]],
        )
    if "--penalties" in sys.argv:
        fold = np.array([hashlib.sha256(turn.group.encode()).digest()[0] % FOLDS for turn in learnt])
        dialogues = len(dialogue_turns("train"))
        for penalty in (1e-4, 2e-4, 3e-4, 5e-4, 1e-3):
            found = np.zeros((len(learnt), len(CLASSES)), np.float32)
            for k in range(FOLDS):
                weights = fit_joined(rows[fold != k], targets[fold != k], penalty)
                found[fold == k] = mood_e5.probabilities(rows[fold == k], weights)
            report(f"penalty {penalty:g}", learnt[:dialogues], found[:dialogues])
        return
    if "--write" in sys.argv:
        fitted = fit_joined(rows, targets)
        np.savez_compressed(
            mood_e5.WEIGHTS,
            matrix=fitted.matrix.astype(np.float16),
            bias=fitted.bias,
            probe=fitted.probe.astype(np.float16),
        )
        mood_e5.load.cache_clear()
        print(f"{mood_e5.WEIGHTS.name}: {mood_e5.WEIGHTS.stat().st_size / 1000:.0f} kB")
    for scorer in (lexicon.LexiconMood(), mood_e5.E5Mood(lambda text: list(embedded(text)))):
        measure(scorer, "utterances held out", utterances("held_out"))
        measure(scorer, "dialogues held out", dialogue_turns("test"))


if __name__ == "__main__":
    main()
