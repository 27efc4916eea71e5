"""Which of a passage's answers fits a question: the closest in meaning, or all when none stands out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

MARGIN = 0.01
"""Cosine by which one answer must be closer than the next; E5's cosines of such pairs lie between
.80 and .90, and by eye the order means nothing below this."""


class ClosestAnswers:
    """Chooses by embeddings. ``embed``: a text to a unit vector."""

    def __init__(self, embed: Callable[[str], Sequence[float]]) -> None:
        self._embed = cache(lambda text: np.asarray(embed(text), np.float32))

    def __call__(self, question: str, answers: Sequence[str]) -> Sequence[str]:
        """The answer closest to ``question``, or all of them, in their order."""
        asked = self._embed(question)
        ranked = sorted(((float(asked @ self._embed(answer)), answer) for answer in answers), reverse=True)
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < MARGIN:
            return answers
        return [ranked[0][1]]
