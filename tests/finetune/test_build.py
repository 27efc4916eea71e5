"""A dataset: no family on both sides, nothing twice, nothing the model is judged on, and a card."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from finetune.build import Built, at_most, build, save
from finetune.contamination import Seen
from finetune.errors import DatasetInvalid
from finetune.example import Example, Message, read
from finetune.split import TEST_SHARE, TEST_SHOPS
from tests.finetune.written import SEED, examples


@pytest.fixture(scope="module")
def built() -> Built:
    return build(examples(), Seen([]), seed=SEED)


def test_no_family_is_on_both_sides(built: Built) -> None:
    learnt, tested = ({one.family for one in part} for part in (built.train, built.test))
    assert learnt & tested == set()
    assert tested >= TEST_SHOPS
    dialogues = [
        {one.family for one in part if one.origin == "dialogue"} for part in (built.train, built.test)
    ]
    assert len(dialogues[1]) / len(dialogues[0] | dialogues[1]) == pytest.approx(TEST_SHARE, abs=0.04)


def test_a_text_of_the_test_shop_is_nowhere_to_be_learnt(built: Built) -> None:
    texts = {source.text for one in built.test for source in one.sources}
    assert not any(source.text in texts for one in built.train for source in one.sources)


def test_building_again_gives_the_same_order_and_all_is_kept(built: Built) -> None:
    assert build(examples(), Seen([]), seed=SEED) == built
    assert len(built.train) + len(built.test) + built.duplicates == len(examples())
    other = build(examples(), Seen([]), seed=SEED + 1)
    assert {one.id for one in other.test} != {one.id for one in built.test}


def test_a_planted_copy_is_left_out_wherever_it_stands() -> None:
    asks, source = (next(one for one in examples() if one.task == task) for task in ("understand", "answer"))
    long = asks.model_copy(update={"said": "my lamp flickered all night long and now it is dead for good"})
    seen = Seen(["It flickered all night long and now it is dead.", source.sources[0].text])
    result = build([long, source], seen, seed=SEED)
    assert set(result.contaminated) == {long.id, source.id}
    assert (result.train, result.test) == ((), ())


def test_what_repeats_is_kept_once() -> None:
    one = examples()[0]
    again = one.model_copy(update={"id": "again", "said": f"  {one.said.upper()} "})
    result = build([one, again], Seen([]), seed=SEED)
    assert [kept.id for kept in (*result.train, *result.test)] == [one.id]
    assert result.duplicates == 1


def test_what_is_saved_is_what_is_read_and_the_card_says_how_much(built: Built, tmp_path: Path) -> None:
    save(built, tmp_path, seed=SEED, day=date(2026, 6, 15))
    assert tuple(read(tmp_path / "train.jsonl")) == built.train
    assert tuple(read(tmp_path / "test.jsonl")) == built.test
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    mine = [
        [one for one in part if one.task == "understand" and one.language == "zh"]
        for part in (built.train, built.test)
    ]
    assert f"| understand | zh | dialogue | {len(mine[0])} | {len(mine[1])} |" in card


def test_a_line_that_is_no_example_is_named(tmp_path: Path) -> None:
    good = Example(
        id="a", family="a", task="understand", origin="dialogue", language="en",
        messages=(Message(role="user", content="hi"),), target="{}", said="hi",
    )  # fmt: skip
    path = tmp_path / "train.jsonl"
    path.write_text(good.model_dump_json() + "\n{}\n")
    with pytest.raises(DatasetInvalid, match=r"train\.jsonl, line 2"):
        list(read(path))
    with pytest.raises(DatasetInvalid, match="amends finetune build"):
        list(read(tmp_path / "none.jsonl"))


def test_a_limit_holds_for_each_task_and_language(built: Built) -> None:
    few = at_most(built.train, {"answer": 3})
    counts = {
        (task, language): sum(one.task == task and one.language == language for one in few)
        for task in ("answer", "understand")
        for language in ("en", "zh")
    }
    assert counts[("answer", "en")] == counts[("answer", "zh")] == 3
    assert counts[("understand", "en")] > 500
