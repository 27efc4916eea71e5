"""The mood scorer of the product: the lexicon, and what E5 hears in the whole message.

Polite reports of a problem and sarcasm hold no word of the lexicon. A softmax regression over the
message's embedding, that of the shop's line before it and the lexicon's probabilities reads them.
The coefficients are fitted by ``tools/fit_mood.py``: ``agent/data/mood_e5.npz``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agent.events import MoodScores
from agent.ids import Language
from agent.intents import BEFORE, LONGEST, PROBE, normalise, same_space
from agent.mood import Mood
from agent.mood_lexicon import LexiconMood
from agent.softmax import softmax

Vectors = npt.NDArray[np.float32]
EmbedQuery = Callable[[str], list[float]]

WEIGHTS = Path(__file__).parent / "data" / "mood_e5.npz"
CLASSES = ("negative", "neutral", "positive")

_LEAST = 1e-3
"""Added to the lexicon's probabilities before their logarithm."""
_MOST_REASONS = 5

_WHOLE = {
    "en": {
        "negative": "displeased",
        "neutral": "neither pleased nor displeased",
        "positive": "pleased",
        "reason": "the message as a whole: {mood}",
    },
    "zh": {
        "negative": "不满",
        "neutral": "平静",
        "positive": "满意",
        "reason": "整条消息的语气：{mood}",
    },
}


@dataclass(frozen=True)
class Weights:
    """A fitted softmax regression: ``logits = features @ matrix + bias``."""

    matrix: Vectors
    """One column for each of :data:`CLASSES`; rows as :func:`features` orders them."""
    bias: Vectors
    probe: Vectors
    """The embedding of :data:`agent.intents.PROBE`, to tell whether another embedder is at work."""


@cache
def load(path: Path = WEIGHTS) -> Weights:
    """The fitted weights that come with this package."""
    with np.load(path, allow_pickle=False) as stored:
        return Weights(**{name: stored[name].astype(np.float32) for name in ("matrix", "bias", "probe")})


def shown(text: str) -> str:
    """What of a message is embedded."""
    return normalise(text)[:LONGEST]


def shown_before(text: str) -> str:
    """What of the shop's line before it is embedded."""
    return normalise(text)[-BEFORE:]


def features(message: Vectors, before: Vectors, lexicon: Vectors) -> Vectors:
    """Columns of the regression: both embeddings (zeros for no line) and the lexicon's log probabilities."""
    joined = np.concatenate([message, before, np.log(lexicon + _LEAST)], axis=-1)
    return np.asarray(joined, np.float32)


def probabilities(rows: Vectors, weights: Weights) -> Vectors:
    """The softmax, in the order of :data:`CLASSES`; ``rows`` from :func:`features`."""
    return softmax(rows @ weights.matrix + weights.bias)


class E5Mood:
    """Scores English and Chinese turns by their words and by what they say as a whole.

    With an embedder other than the one the weights were fitted on, it is the lexicon alone.

    Args:
        embed_query: A text to a unit vector. Blocking, about 10 ms.
    """

    def __init__(self, embed_query: EmbedQuery) -> None:
        self._embed_query = embed_query
        self._lexicon = LexiconMood()
        self._checking = threading.Lock()
        self._same: bool | None = None

    @property
    def name(self) -> str:
        """Name and version, stored with every score. Blocking before the first score."""
        return "e5-mood-3" if self._same_space() else self._lexicon.name

    @property
    def angry(self) -> float:
        """Reached by 90 % of furious and 15 % of merely displeased utterances held out; at the
        lexicon's .75 it would be 90 and 47 %. Blocking before the first score."""
        return 0.95 if self._same_space() else self._lexicon.angry

    def score(self, text: str, *, language: Language, earlier: Sequence[str] = (), before: str = "") -> Mood:
        """Score ``text``. Blocking. Text without a character that shows is neutral.

        Raises only what the embedder raises.
        """
        words = self._lexicon.score(text, language=language, earlier=earlier)
        message = shown(text)
        if not message or not self._same_space():
            return words
        row = features(
            self._embedded(message),
            self._embedded(shown_before(before)),
            np.asarray([getattr(words.scores, name) for name in CLASSES], np.float32),
        )
        found = probabilities(row, load()).astype(np.float64)
        # Single precision sums to one only nearly.
        scores = MoodScores(**dict(zip(CLASSES, map(float, found / found.sum()), strict=True)))
        verdict = _likeliest(scores)
        if verdict == _likeliest(words.scores):
            return Mood(scores, words.reasons)
        whole = _WHOLE[language]
        reason = whole["reason"].format(mood=whole[verdict])
        return Mood(scores, (reason, *words.reasons)[:_MOST_REASONS])

    def _embedded(self, text: str) -> Vectors:
        if not text:
            return np.zeros(len(load().probe), np.float32)
        return np.asarray(self._embed_query(text), np.float32)

    def _same_space(self) -> bool:
        with self._checking:
            if self._same is None:
                self._same = same_space(np.asarray(self._embed_query(PROBE), np.float32), load().probe)
            return self._same


def _likeliest(scores: MoodScores) -> str:
    return max(CLASSES, key=lambda name: float(getattr(scores, name)))
