from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.report import DataInvalid, silent
from evals.benchmarks.satisfaction import run
from tests.evals.benchmarks.files import figure, write


def conversation(name: str, *turns: tuple[str, int | None], lang: str = "en") -> dict[str, Any]:
    said: list[dict[str, Any]] = []
    for text, label in turns:
        said.append({"role": "user", "text": text, "satisfaction": label})
        said.append({"role": "agent", "text": "I see.", "satisfaction": None})
    return {"id": name, "lang": lang, "source": f"shop-{lang}", "turns": said, "overall_satisfaction": 1}


ROWS = [
    conversation("1", ("Hello", None), ("This is a terrible, useless service, I am furious!", 0)),
    conversation("2", ("Hi", None), ("Thank you so much, that is perfect!", 2), ("When is it sent?", 0)),
]


def test_three_turns_by_hand(tmp_path: Path) -> None:
    report = run(write(tmp_path / "x.jsonl", ROWS), silent)
    # Read as 0, 2, 1 where 0, 2, 0 is right: F1 is 2/3, 1 and 0.
    assert figure(report, "accuracy", "shop-en en").value == pytest.approx(2 / 3)
    assert figure(report, "macro-F1", "shop-en en").value == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert figure(report, "F1 dissatisfied", "shop-en en").value == pytest.approx(2 / 3)
    always = [a.value for a in figure(report, "accuracy", "shop-en en").anchors]
    assert always == pytest.approx([2 / 3], abs=1e-4)


def test_later_turns_are_not_read(tmp_path: Path) -> None:
    calm = conversation("1", ("Where is my parcel?", 1), ("Where is it now?", None))
    angry = conversation("1", ("Where is my parcel?", 1), ("You liars, I am furious!!!", None))
    angry["turns"][1]["text"] = "We lost it, and we do not care."
    figures = [run(write(tmp_path / f"{n}.jsonl", [r]), silent).figures for n, r in enumerate((calm, angry))]
    assert figures[0] == figures[1]


def test_languages_and_sources_stay_apart_and_a_model_is_fitted_beside(tmp_path: Path) -> None:
    chinese = conversation("3", ("你们太差了，气死我了！", 0), ("谢谢，太好了", 2), lang="zh")
    write(tmp_path / "train.jsonl", [*ROWS, chinese] * 3)
    write(tmp_path / "dev.jsonl", [*ROWS, chinese])
    report = run(tmp_path, silent)
    assert figure(report, "accuracy", "shop-zh zh").value == 1.0
    assert figure(report, "accuracy", "shop-zh zh, ceiling, fitted here").n == 2


def test_bad_labels_and_none_at_all_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"field turns\[0\].satisfaction: 0 to 2 is needed, here is 5"):
        run(write(tmp_path / "a.jsonl", [conversation("1", ("Hello", 5))]), silent)
    with pytest.raises(DataInvalid, match="no turn of a shopper is rated"):
        run(write(tmp_path / "b.jsonl", [conversation("1", ("Hello", None))]), silent)
