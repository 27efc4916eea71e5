"""What a message asks for: a classifier over embeddings, high-precision patterns, closed sets.

The classifier is a softmax regression on the E5 query embeddings of the message and of the line
it replies to, fitted by ``tools/fit_intents.py`` on the examples in ``agent/data/intents.yaml``
and on the seed dialogues of ``finetune/``. A pattern adds a fixed weight to its intent's logit.
That something is confirmed is only ever read off a whole message from a list; the classifier's
"confirm" is a leaning, which changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import yaml

from agent import softmax
from agent.events import Intent

Vectors = npt.NDArray[np.float32]

_DATA = Path(__file__).parent / "data"
WEIGHTS = _DATA / "intents.npz"

PROBE = "Where is my order?"
SAME_SPACE = 0.98
"""Cosine above which an embedder is the one that stored weights were fitted on: the same engine
gives 1 up to rounding, another model or prefix far less."""
LONGEST = 600
"""Characters of a text that are embedded; E5 reads 512 tokens."""
BEFORE = 300
"""Characters of the line a message replies to that are embedded, counted from its end: what it asks
stands there."""
LEANING: Mapping[Intent, str] = {"confirm": "yes", "decline": "no"}
"""What a yes or no is called that was not read off the list of :func:`answer`."""
PENALTY, PATTERN, MAIN = 1e-5, 1.5, 0.6
"""L2 penalty, a pattern's weight, and the share of the target that the main one of several intents
gets. Best of three penalties and three weights on the dialogues held out by ``tools/fit_intents.py``."""
ALSO = 0.3
"""Probability from which an intent counts beside the main one; best of four on the same."""
_RATE = 0.3
"""Of the fit's steps."""

_EDGES = re.compile(r"^[\s\W_]+|[\s\W_]+$")
_CLAUSE = re.compile(
    r"[.!?。！？;；\n]+\s*|[,，]\s*(?=\S)|\s+(?:and|but|also|plus|then)\s+(?=\S+\s+\S+)"
    r"|(?:另外|还有|顺便|然后|而且|并且)(?=\S{3,})",
    re.IGNORECASE,
)
CLAUSE_CERTAINTY = 0.5
RULED_OUT = 0.01
"""From the first a clause's intent joins the message's, unless the whole message gives it less
than the second. Both chosen by eye on two-wish messages."""
_VETO = 5.0
"""What is taken from the logit of an intent that the words rule out: its odds fall by 150."""
_ADDS_NOTHING = ("greeting", "thanks", "goodbye", "unclear", "off_topic")
"""Intents that a clause beside another one does not add to a message."""


def normalise(text: str) -> str:
    """Text as compared: NFKC, without control and zero-width characters, one space."""
    text = unicodedata.normalize("NFKC", text)
    kept = (" " if ch.isspace() else ch for ch in text if ch.isspace() or unicodedata.category(ch)[0] != "C")
    return " ".join("".join(kept).split())


@dataclass(frozen=True)
class _Rules:
    examples: tuple[tuple[Intent, str, str], ...]
    patterns: Mapping[Intent, tuple[re.Pattern[str], ...]]
    unless: Mapping[Intent, tuple[re.Pattern[str], ...]]
    confirm: frozenset[str]
    decline: frozenset[str]


def _compiled(raw: Mapping[str, Sequence[str]]) -> dict[Intent, tuple[re.Pattern[str], ...]]:
    return {
        cast("Intent", intent): tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
        for intent, patterns in raw.items()
    }


def _whole(text: str) -> str:
    """A message as its closed set lists it: no outer punctuation or emoji, one space, lower case."""
    text = normalise(text).lower().replace("’", "'")
    text = " ".join(re.sub("[,、]", " ", text).split())
    text = re.sub(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])", "", text)
    return _EDGES.sub("", text)


@cache
def rules() -> _Rules:
    """Examples, patterns and closed sets, read once."""
    raw: dict[str, Any] = yaml.safe_load((_DATA / "intents.yaml").read_text(encoding="utf-8"))
    return _Rules(
        examples=tuple(
            (cast("Intent", intent), language, text)
            for intent, by_language in raw["examples"].items()
            for language, texts in by_language.items()
            for text in texts
        ),
        patterns=_compiled(raw["patterns"]),
        unless=_compiled(raw["unless"]),
        confirm=frozenset(_whole(word) for line in raw["confirm"] for word in line.split("|")),
        decline=frozenset(_whole(word) for line in raw["decline"] for word in line.split("|")),
    )


def answer(text: str) -> Literal["confirm", "decline"] | None:
    """``confirm`` or ``decline`` when the whole message is one of the listed words, else ``None``.

    "Yes, but …", "You can't …" and "Yesterday …" are neither.
    """
    # Punctuation alone may stand around the word; a question mark makes it a question.
    if re.search(r"[?？]", text):
        return None
    whole = _whole(text)
    if whole in rules().confirm:
        return "confirm"
    return "decline" if whole in rules().decline else None


def lean(wants: Sequence[Intent]) -> tuple[str, tuple[Intent, ...]]:
    """A main intent that is a guessed yes or no, as a leaning, and what is left of ``wants``.

    Only :func:`answer` decides anything: in other words it is unclear, and the leaning may be asked
    back. Empty, and ``wants`` as they were, when the main intent is something else.
    """
    leaning = LEANING.get(wants[0], "") if wants else ""
    if not leaning:
        return "", tuple(wants)
    return leaning, (*(want for want in wants if want not in LEANING), "unclear")


def votes(text: str) -> frozenset[Intent]:
    """Intents with a pattern in ``text`` that nothing beside it takes back."""
    return _matching(rules().patterns, text) - vetoes(text)


def vetoes(text: str) -> frozenset[Intent]:
    """Intents that ``text`` only sounds like: "my trip got cancelled", "don't cancel it"."""
    return _matching(rules().unless, text)


def _matching(patterns: Mapping[Intent, tuple[re.Pattern[str], ...]], text: str) -> frozenset[Intent]:
    return frozenset(intent for intent, some in patterns.items() if any(p.search(text) for p in some))


def clauses(text: str) -> list[str]:
    """The parts of a message that can each ask for something; at most eight, none of one word."""
    parts = [part.strip() for part in _CLAUSE.split(text) if part and part.strip()]
    parts = [part for part in parts if len(part.split()) > 1 or len(re.findall("[\u4e00-\u9fff]", part)) > 1]
    return parts[:8] if len(parts) > 1 else []


@dataclass(frozen=True)
class Weights:
    """A fitted softmax regression: ``logits = (x - mean) @ matrix.T + bias``."""

    intents: tuple[Intent, ...]
    matrix: Vectors
    """One row an intent; the first half of its columns is for the message, the second for the line
    before it."""
    bias: Vectors
    mean: Vectors
    pattern: float
    """What a pattern adds to its intent's logit."""
    probe: Vectors
    """The embedding of :data:`PROBE`, to tell whether another embedder is at work."""

    def probabilities(self, vectors: Vectors, texts: Sequence[str]) -> Vectors:
        """Rows of probabilities over ``intents``, patterns included."""
        logits = np.asarray((vectors - self.mean) @ self.matrix.T + self.bias, np.float32)
        for row, text in enumerate(texts):
            for intent in votes(text):
                logits[row, self.intents.index(intent)] += self.pattern
            for intent in vetoes(text):
                logits[row, self.intents.index(intent)] -= _VETO
        return softmax.softmax(logits)


@cache
def load(path: Path = WEIGHTS) -> Weights:
    """The fitted weights that come with this package."""
    with np.load(path, allow_pickle=False) as stored:
        return Weights(
            intents=tuple(cast("Intent", name) for name in stored["intents"].tolist()),
            matrix=stored["matrix"].astype(np.float32),
            bias=stored["bias"].astype(np.float32),
            mean=stored["mean"].astype(np.float32),
            pattern=float(stored["pattern"]),
            probe=stored["probe"].astype(np.float32),
        )


def same_space(probe: Vectors, stored: Vectors) -> bool:
    """Whether two embeddings of one text come from the same embedder."""
    return probe.shape == stored.shape and float(probe @ stored) > SAME_SPACE


def paired(messages: Vectors, before: Vectors | None = None) -> Vectors:
    """What the classifier sees: a message's vector and that of the shop's line before it, or zeros."""
    return np.hstack([messages, np.zeros_like(messages) if before is None else before]).astype(np.float32)


def fit(
    vectors: Vectors,
    labels: Sequence[Sequence[Intent]],
    *,
    probe: Vectors,
    penalty: float = PENALTY,
    pattern: float = PATTERN,
    steps: int = 500,
) -> Weights:
    """Fit as :func:`agent.softmax.fit` does. Same input, same result.

    Args:
        vectors: Rows of :func:`paired`.
        labels: What each message asks for, the main intent first.
        probe: The embedding of :data:`PROBE`.
        penalty: Of the squared weights.
        pattern: What a pattern will add to its intent's logit.
        steps: Of the optimiser.
    """
    intents = tuple(sorted({intent for wants in labels for intent in wants}))
    target = np.zeros((len(labels), len(intents)), np.float32)
    for row, wants in zip(target, labels, strict=True):
        for intent in wants:
            row[intents.index(intent)] += (1 - MAIN) / len(wants[1:]) if len(wants) > 1 else 0.0
        row[intents.index(wants[0])] = MAIN if len(wants) > 1 else 1.0
    mean = vectors.mean(axis=0)
    w = softmax.fit(vectors - mean, target, penalty=penalty, rate=_RATE, steps=steps)
    return Weights(intents, w[:-1].T.copy(), w[-1].copy(), mean, pattern, probe)


def merge(
    whole: Mapping[Intent, float], parts: Sequence[Mapping[Intent, float]]
) -> list[tuple[Intent, float]]:
    """One list of intents for a message from its own probabilities and those of its clauses.

    Besides its best the message has those of at least :data:`ALSO`. A clause adds its best intent when it is fairly sure, it is not mere courtesy, and the
    message as a whole does not rule it out. The message's own best stays unless it is courtesy
    or unsure beside what the clauses say. At most four, strongest first.
    """
    found: dict[Intent, float] = {}
    for probabilities in parts:
        intent = max(probabilities, key=lambda name: probabilities[name])
        sure = probabilities[intent] >= CLAUSE_CERTAINTY and whole.get(intent, 0.0) >= RULED_OUT
        if intent not in _ADDS_NOTHING and sure:
            found[intent] = max(found.get(intent, 0.0), probabilities[intent])
    best = max(whole, key=lambda name: whole[name])
    for intent, probability in whole.items():
        if probability >= ALSO and intent not in _ADDS_NOTHING:
            found.setdefault(intent, probability)
    if not found or (best not in _ADDS_NOTHING and whole[best] >= CLAUSE_CERTAINTY):
        found.setdefault(best, whole[best])
    return sorted(found.items(), key=lambda item: (-max(item[1], whole.get(item[0], 0.0)), item[0]))[:4]
