from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.intents import run
from evals.benchmarks.report import DataInvalid, silent
from tests.evals.benchmarks.files import figure, write

SAID = {
    "weather": [
        "will it rain today",
        "is it sunny outside",
        "how warm is it tomorrow",
        "do I need an umbrella",
    ],
    "music": ["play a song by abba", "put on some jazz", "next track please", "turn the music up"],
    "bank": [
        "what is my balance",
        "pay my credit card bill",
        "transfer 20 euros to Ann",
        "is my card blocked",
    ],
}
ASKED = {
    "weather": "will it snow on friday",
    "music": "play the next song",
    "bank": "how much is in my account",
}


def rows(said: dict[str, list[str]], split: str) -> list[dict[str, Any]]:
    return [{"text": text, "intent": name, "split": split} for name, texts in said.items() for text in texts]


TRAIN = rows(SAID, "train")
TEST = rows({name: [text] for name, text in ASKED.items()}, "test")
OUTSIDE = {"text": "who painted the ceiling of that chapel", "intent": "oos", "split": "oos_test"}


def test_a_classifier_is_fitted_on_the_files_own_rows(tmp_path: Path) -> None:
    report = run(write(tmp_path / "mine.jsonl", [*TRAIN, *TEST, OUTSIDE]), silent)
    assert figure(report, "in-scope accuracy", "mine test").value == 1.0
    assert figure(report, "in-scope accuracy", "mine test").n == 3
    assert figure(report, "out-of-scope AUC", "mine test").value == 1.0


def test_training_rows_may_lie_in_a_file_beside(tmp_path: Path) -> None:
    write(tmp_path / "whole.jsonl", TRAIN)
    (tmp_path / "odd.jsonl").write_text("not json\n", encoding="utf-8")
    report = run(write(tmp_path / "held.jsonl", TEST), silent)
    assert report.details["held.jsonl"]["training rows from"] == "whole.jsonl"
    assert figure(report, "in-scope accuracy", "held test").value == 1.0


def test_without_any_training_rows_it_is_cross_validated(tmp_path: Path) -> None:
    report = run(write(tmp_path / "held.jsonl", rows(SAID, "test")), silent)
    assert figure(report, "in-scope accuracy", "held cross-validated").n == 12
    assert any("cross-validation" in note for note in report.notes)


def test_training_rows_alone_are_nothing_to_measure_on(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="only training rows"):
        run(write(tmp_path / "a.jsonl", TRAIN), silent)
