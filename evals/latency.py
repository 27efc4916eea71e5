"""How long shoppers wait: a set of questions, and the summary of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Question:
    """One typical message, with the customer who asks it (``visitor`` for nobody)."""

    id: str
    language: str
    customer: str
    text: str


@dataclass(frozen=True)
class Wait:
    """What one question took, in seconds since it was sent.

    Attributes:
        first: Until the first visible words; ``None`` when the answer came at once, whole.
        whole: Until the settled answer.
        how: ``generated``, ``quoted`` or ``composed``.
        withdrawn: Sentences taken back.
    """

    question: Question
    first: float | None
    whole: float
    how: str
    withdrawn: int
    text: str


def read_questions(path: Path) -> list[Question]:
    """Read a YAML list of ``{id, language, customer, text}``.

    Raises:
        ValueError: The file is not such a list; the message says where.
    """
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [Question(**{name: str(row[name]) for name in Question.__annotations__}) for row in rows]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a list of questions with id, language, customer and text") from error


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the sorted ``values`` lie, by linear interpolation."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def summary(waits: Sequence[Wait]) -> dict[str, dict[str, float]]:
    """Median and 90th percentile of first words and whole answers, by language."""
    found: dict[str, dict[str, float]] = {}
    for language in sorted({wait.question.language for wait in waits}):
        own = [wait for wait in waits if wait.question.language == language]
        first = [wait.first if wait.first is not None else wait.whole for wait in own]
        whole = [wait.whole for wait in own]
        found[language] = {
            "questions": float(len(own)),
            "first_p50": round(quantile(first, 0.5), 2),
            "first_p90": round(quantile(first, 0.9), 2),
            "whole_p50": round(quantile(whole, 0.5), 2),
            "whole_p90": round(quantile(whole, 0.9), 2),
        }
    return found
