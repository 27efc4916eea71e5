"""Seed dialogues are of the format, enough, and spread over what shoppers want and feel."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
import yaml

from agent.events import Intent
from agent.ids import Language
from finetune.dialogues import SeedDialogue, read_dialogues
from finetune.errors import DatasetInvalid
from tests.finetune.written import dialogues

TURN = {"say": "where is {order}?", "want": ["order_status"], "mood": "neutral"}


def of(language: Language) -> list[SeedDialogue]:
    return [one for one in dialogues() if one.language == language]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_intent_is_shown_often_enough(language: Language) -> None:
    seen = Counter(want for one in of(language) for turn in one.turns for want in turn.want)
    assert [intent for intent in get_args(Intent) if seen[intent] < 8] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_shoppers_are_as_messy_as_shoppers_are(language: Language) -> None:
    ours = of(language)
    assert len(ours) >= 400
    bad = sum(one.temper in ("upset", "angry", "sarcastic") for one in ours)
    assert bad / len(ours) >= 0.25
    assert sum(bool(one.traits) for one in ours) / len(ours) >= 0.33
    turns = [turn for one in ours for turn in one.turns]
    assert sum(len(turn.want) > 1 for turn in turns) / len(ours) >= 1 / 6


def test_no_two_messages_of_a_language_open_alike() -> None:
    opened = Counter((one.language, one.turns[0].say.lower()) for one in dialogues())
    assert [say for say, count in opened.items() if count > 2] == []


def test_a_yes_or_no_is_the_whole_message() -> None:
    mixed = [
        turn.say
        for one in dialogues()
        for turn in one.turns
        if {"confirm", "decline"} & set(turn.want) and len(turn.want) > 1
    ]
    assert mixed == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"say": "where is {ordr}?"}, "unknown placeholders"),
        ({"args": {"ordr": "{order}"}}, "unknown arguments"),
        ({"want": ["order_stats"]}, "order_stats|literal_error|Input should be"),
        ({"mod": "neutral"}, "Extra inputs"),
    ],
)
def test_a_slip_of_the_pen_is_refused(tmp_path: Path, change: dict[str, object], why: str) -> None:
    write(tmp_path / "a.yaml", {"id": "en-z-001", "family": "x", "temper": "calm", "turns": [TURN | change]})
    with pytest.raises(DatasetInvalid, match=why):
        read_dialogues(tmp_path)


def test_an_id_used_twice_is_refused(tmp_path: Path) -> None:
    one = {"id": "en-z-001", "family": "x", "temper": "calm", "turns": [TURN]}
    write(tmp_path / "a.yaml", one)
    write(tmp_path / "b.yaml", one)
    with pytest.raises(DatasetInvalid, match=r"b\.yaml: en-z-001 occurs twice"):
        read_dialogues(tmp_path)


def write(path: Path, dialogue: object) -> None:
    path.write_text(yaml.safe_dump([dialogue]), encoding="utf-8")
