"""Fixed sentences: both languages, the same values, no leftovers."""

from __future__ import annotations

import string
from importlib.resources import files
from typing import get_args

import pytest
import yaml

from agent.events import HandoffReason
from agent.texts import names, text

TEXTS = yaml.safe_load((files("agent") / "data" / "texts.yaml").read_text(encoding="utf-8"))


def fields(sentence: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_sentence_has_both_languages_with_the_same_values(name: str) -> None:
    assert set(TEXTS[name]) == {"en", "zh"}
    assert fields(TEXTS[name]["en"]) == fields(TEXTS[name]["zh"])


@pytest.mark.parametrize("reason", get_args(HandoffReason))
def test_every_reason_for_a_hand_over_can_be_announced_and_suggests_a_next_step(reason: str) -> None:
    assert {f"handoff.{reason}", f"suggest.{reason}"} <= names()


def test_an_unknown_sentence_is_an_error() -> None:
    with pytest.raises(KeyError):
        text("no.such", "en")
