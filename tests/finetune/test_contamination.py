"""Text the model is judged on is found in training text, in both languages; what all shops say is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.contamination import Seen, evaluation_texts
from finetune.errors import DatasetInvalid

JUDGED = (
    "My Arbor 2 tent leaks at the seam after two nights of rain, what can I do?",
    "我买的帐篷用了两个晚上就开始漏水了，请问该怎么办",
    "where is my order?",
    "can I still change the size?",
)


@pytest.mark.parametrize(
    "planted",
    [
        "hello! the Arbor 2 tent leaks at the seam, after two nights outside",
        "你好，用了两个晚上就开始漏水了，请问",
        "Can I still change the size",
    ],
    ids=["a run of English words", "a run of Han characters", "a short one, whole"],
)
def test_a_planted_copy_is_found(planted: str) -> None:
    assert Seen(JUDGED).holds(planted)


@pytest.mark.parametrize(
    "own",
    [
        "the lamp leaks light after two nights of use, what can I do about it?",
        "where is my order?",
        "灯用了两个晚上就不亮了，请问该怎么办",
        "can I still change the size and the colour?",
    ],
    ids=["no run of eight", "too short to say anything", "no run of twelve", "a short one, gone on"],
)
def test_what_any_shopper_might_say_is_not(own: str) -> None:
    assert not Seen(JUDGED).holds(own)


def test_texts_are_taken_from_every_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_text("turns: [{say: from yaml}]")
    (tmp_path / "deep" / "b.jsonl").write_text('{"q": ["from jsonl"]}\n{"q": "second line"}\n')
    (tmp_path / "c.md").write_text("# Title\n\nfrom <b>markdown</b>\n")
    (tmp_path / "d.png").write_bytes(b"\x89PNG")
    found = {" ".join(text.split()) for text in evaluation_texts([tmp_path])}
    assert {"from yaml", "from jsonl", "second line", "from markdown"} <= found


def test_a_file_that_cannot_be_compared_with_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DatasetInvalid, match=r"broken\.json"):
        list(evaluation_texts([tmp_path]))
