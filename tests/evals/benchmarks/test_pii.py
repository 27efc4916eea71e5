from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.pii import run
from evals.benchmarks.report import DataInvalid, silent
from tests.evals.benchmarks.files import figure, write


def row(text: str, *spans: tuple[str, str], template: int = 1) -> dict[str, Any]:
    marked = [
        {"start": text.index(part), "end": text.index(part) + len(part), "type": kind} for part, kind in spans
    ]
    return {"id": text[:5], "text": text, "spans": marked, "template_id": template}


ROWS = [
    row("Write to ida@example.com please.", ("ida@example.com", "EMAIL_ADDRESS")),
    row("My name is Ida Berg.", ("Ida Berg", "PERSON"), template=2),
    row("Quorra came by on Monday.", ("Quorra", "PERSON"), ("Monday", "DATE_TIME"), template=3),
    row("Nothing to see here.", template=4),
]


def test_found_missed_and_leaked_by_hand(tmp_path: Path) -> None:
    report = run(write(tmp_path / "other.jsonl", ROWS), silent)
    assert figure(report, "recall").value == pytest.approx(2 / 3)
    assert figure(report, "precision").value == 1.0
    assert figure(report, "F2").value == pytest.approx(5 * (2 / 3) / (4 + 2 / 3))
    assert figure(report, "recall", "PERSON").value == 0.5
    assert figure(report, "recall, exact").value == pytest.approx(2 / 3)
    # "Quorra" is left, of 15 + 8 + 6 characters.
    assert figure(report, "leak rate").value == pytest.approx(6 / 29)
    assert report.details["not covered"] == {"DATE_TIME": 1}


def test_what_is_masked_beside_the_span_is_no_hit_and_a_false_alarm(tmp_path: Path) -> None:
    text = "My name is Ida Berg, the parcel came."
    report = run(write(tmp_path / "a.jsonl", [row(text, ("parcel", "PERSON"))]), silent)
    assert figure(report, "recall").value == 0.0
    assert figure(report, "precision").value == 0.0
    assert figure(report, "leak rate").value == 1.0


def test_an_end_beyond_the_text_is_named(tmp_path: Path) -> None:
    bad = {"id": "1", "text": "Ida", "spans": [{"start": 0, "end": 9, "type": "PERSON"}]}
    with pytest.raises(DataInvalid, match=r"line 1, field spans\[0\].end: 0 to 3 is needed, here is 9"):
        run(write(tmp_path / "a.jsonl", [bad]), silent)
