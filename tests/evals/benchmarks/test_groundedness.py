from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.groundedness import parted, run
from evals.benchmarks.report import DataInvalid, silent
from tests.evals.benchmarks.files import figure, names, write

KNOWLEDGE = "The Tarn tent weighs 2.1 kg. The Tarn tent was designed by Ida Berg."


def row(pair: str, response: str, grounded: bool) -> dict[str, Any]:
    return {
        "id": f"{pair}-{grounded}",
        "pair_id": pair,
        "knowledge": KNOWLEDGE,
        "dialogue": "[Human]: Tell me about the Tarn.",
        "response": response,
        "grounded": grounded,
    }


ROWS = [
    row("a", "The Tarn tent weighs 2.1 kg.", True),
    row("a", "The Tarn tent weighs 3.4 kg and is big.", False),
    row("b", "The Tarn tent was designed by Ida Berg.", True),
    row("b", "Otto Kranz drew it.", False),
]


def test_supported_answers_pass_and_score_above_made_up_ones(tmp_path: Path) -> None:
    report = run(write(tmp_path / "held out.jsonl", ROWS), silent)
    assert figure(report, "AUC").value == 1.0
    assert figure(report, "balanced accuracy").value == 1.0
    assert figure(report, "paired accuracy").n == 2
    # Only in pair b the grounded response is the longer one.
    assert figure(report, "paired accuracy", "grounded response is the longer").n == 1
    length = [a.value for a in figure(report, "paired accuracy").anchors if "this data" in a.source]
    assert length == [0.5]


def test_without_pairs_the_rest_is_given(tmp_path: Path) -> None:
    report = run(write(tmp_path / "dev.jsonl", [ROWS[0], ROWS[3]]), silent)
    assert "paired accuracy" not in names(report)
    assert figure(report, "accuracy").value == 1.0
    assert any("0 pairs; 2 responses" in note for note in report.notes)


def test_facts_that_run_together_are_parted_at_known_names_only() -> None:
    joined = "Wither has genre DystopiaWither is written by McDonald. It was released 20112011 was the year."
    apart = (
        "Wither has genre Dystopia. Wither is written by McDonald. It was released 2011. 2011 was the year."
    )
    assert parted(joined) == apart


def test_a_name_from_the_dialogue_is_not_made_up(tmp_path: Path) -> None:
    dialogue = "[Human]: Otto says Ida Berg designed the Tarn. Is that so?"
    rows = [
        {
            **row("a", f"As {name} says, the Tarn tent was designed by Ida Berg.", name == "Otto"),
            "dialogue": dialogue,
        }
        for name in ("Otto", "Emil")
    ]
    report = run(write(tmp_path / "dev.jsonl", rows), silent)
    assert figure(report, "paired accuracy").value == 1.0


def test_a_label_that_is_no_truth_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match='line 1, field grounded: true or false is needed, here is "yes"'):
        run(write(tmp_path / "dev.jsonl", [{**ROWS[0], "grounded": "yes"}]), silent)
