"""The mood of a shopper's turn: the port. ``agent.mood_e5`` is the scorer, ``agent.mood_lexicon`` its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.events import MoodScores
from agent.ids import Language


@dataclass(frozen=True)
class Mood:
    """Probabilities and what gave it away (short phrases, evidence first)."""

    scores: MoodScores
    reasons: tuple[str, ...]


class MoodScorer(Protocol):
    """Scores one shopper turn in the light of what the shopper said before."""

    @property
    def name(self) -> str:
        """Name and version, stored with every score."""

    @property
    def angry(self) -> float:
        """P(negative) from which one message alone brings in a person: each scorer's own, since what
        a furious message gets differs from one to the next. Asked after ``score``."""

    def score(self, text: str, *, language: Language, earlier: Sequence[str] = (), before: str = "") -> Mood:
        """Score ``text``. Empty text is neutral. Same input, same scores.

        May block for tens of milliseconds: call it in a worker thread, never on the event loop.

        Args:
            text: What the shopper wrote.
            language: Of the text.
            earlier: The shopper's earlier messages, oldest first.
            before: The last line the shopper read: the assistant's or a person's; empty if there is none.
        """
