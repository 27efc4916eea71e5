from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.product_qa import run
from evals.benchmarks.report import DataInvalid, silent
from tests.evals.benchmarks.files import figure, names, write


def question(text: str, candidates: list[tuple[str, int]], product: str = "P1") -> dict[str, Any]:
    return {
        "id": f"{product}-{text[:9]}",
        "question": text,
        "product": "Tarn two-person tent",
        "product_id": product,
        "candidates": [{"text": line, "label": label, "source": "review"} for line, label in candidates],
        "answerable": any(label for _, label in candidates),
    }


WEIGHT = question(
    "How heavy is it?",
    [("The colour is a friendly green.", 0), ("It weighs 2.1 kg in its bag.", 2), ("My dog likes it.", 0)],
)
FLOOR = question(
    "Is the floor waterproof?",
    [("We saw two deer.", 0), ("The floor is waterproof to 5,000 mm.", 2), ("The pegs are light.", 0)],
    "P2",
)
NOWHERE = question("Does it come with a stove?", [("Green.", 0), ("My dog likes it.", 0)], "P3")


def test_plain_answers_are_ranked_first_in_a_file_of_any_name(tmp_path: Path) -> None:
    report = run(write(tmp_path / "my questions.jsonl", [WEIGHT, FLOOR, NOWHERE]), silent)
    assert figure(report, "P@1", "full answer").value == 1.0
    assert figure(report, "MRR", "any relevant").n == 2
    assert figure(report, "recall@5", "any relevant").value == 1.0
    assert figure(report, "answerable AUC").n == 3
    assert any("computed on this data" in a.source for a in figure(report, "MRR", "full answer").anchors)


def test_with_answerable_questions_alone_there_is_no_auc(tmp_path: Path) -> None:
    report = run(write(tmp_path / "dev.jsonl", [WEIGHT]), silent)
    assert "answerable AUC" not in names(report)
    assert any("no AUC" in note for note in report.notes)


def test_a_label_out_of_range_is_named(tmp_path: Path) -> None:
    bad = {**WEIGHT, "candidates": [{"text": "a", "label": 3, "source": "x"}]}
    with pytest.raises(DataInvalid, match=r"line 2, field candidates\[0\].label: 0 to 2"):
        run(write(tmp_path / "dev.jsonl", [FLOOR, bad]), silent)
