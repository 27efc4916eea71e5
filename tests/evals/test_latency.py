"""What was measured is summed up without being bent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.latency import Question, Wait, quantile, read_questions, summary
from serving.commands.bench import TYPICAL


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_lies_between_the_least_and_the_most(values: list[float], share: float) -> None:
    assert min(values) <= quantile(values, share) + 1e-9
    assert quantile(values, share) <= max(values) + 1e-9


def test_the_median_of_an_even_number_is_the_middle() -> None:
    assert quantile([4, 1, 3, 2], 0.5) == 2.5


def test_an_answer_that_comes_whole_counts_as_first_words_too() -> None:
    question = Question(id="q", language="en", customer="visitor", text="?")
    waits = [
        Wait(question, first=None, whole=2.0, how="composed", withdrawn=0, text=""),
        Wait(question, first=1.0, whole=4.0, how="generated", withdrawn=0, text=""),
    ]
    assert summary(waits)["en"]["first_p50"] == 1.5
    assert summary(waits)["en"]["whole_p50"] == 3.0


def test_the_shipped_questions_are_five_in_each_language() -> None:
    questions = read_questions(TYPICAL)
    assert sorted(q.language for q in questions) == ["en"] * 5 + ["zh"] * 5


@pytest.mark.parametrize("text", ["- {id: a}", "just words", "[1, 2]", "- [", ""])
def test_a_file_that_is_no_list_of_questions_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "q.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"q\.yaml"):
        read_questions(path)
