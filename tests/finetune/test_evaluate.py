"""What is judged right is right, what is wrong costs, and a real server can be measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.events import Intent
from agent.model import Prompt
from agent.model_langchain import LangchainModel
from agent.understand_e5 import E5Reader
from agent.understanding import Said, Understanding
from finetune.errors import DatasetInvalid
from finetune.evaluate import (
    Asked,
    Report,
    answering,
    ask_all,
    compare,
    earlier,
    f1,
    median,
    model_rows,
    read_report,
    read_with,
    report,
    understanding,
)
from finetune.example import Example, write
from finetune.scores import Wanted, answered, rouge_l, understood
from retrieval.e5 import E5Embedder
from serving.commands.finetune import app
from tests.doubles import ScriptedModel
from tests.finetune.written import examples
from tests.servers import SMALL_MODEL

READER = E5Reader(lambda text: [], lambda texts: []).name


def picked(task: str, language: str, count: int) -> list[Example]:
    return [one for one in examples() if one.task == task and one.language == language][:count]


def wanted(*intents: Intent, **args: str) -> Wanted:
    return Wanted(intents=intents, language="en", args=args)


def answer_to(said: str, target: str = "It weighs 14.2 kg. [2]", *, upset: bool = False) -> Example:
    return Example.model_validate(
        {
            "id": "a", "family": "a", "task": "answer", "origin": "shop", "language": "en",
            "messages": [{"role": "user", "content": said}], "target": target, "said": said, "right": 1,
            "upset": upset,
            "sources": [
                {"id": "p1", "title": "Returns – How long", "text": "You can return it within 20 days."},
                {"id": "p2", "title": "Lark lamp – Weight", "text": "The Lark lamp weighs 14.2 kg. It takes 60 W."},
            ],
        }
    )  # fmt: skip


ASK = answer_to("how heavy is the lark?")
UPSET = answer_to("third time I ask: how heavy is it?", upset=True)


def test_the_right_answer_is_right_in_every_way() -> None:
    one = answered("The Lark lamp weighs 14.2 kg. [2]", ASK)
    assert (one.grounded, one.cited, one.language, one.apologises, one.sentences) == (
        True,
        True,
        True,
        False,
        1,
    )
    assert (one.figures, one.figures_right, one.needed, one.needed_found) == (1, 1, 1, 1)


def test_what_no_source_says_is_not_grounded_and_its_figure_is_wrong() -> None:
    one = answered("The Lark lamp weighs 14.2 kg. [2] It costs 99 euros. [2]", ASK)
    assert (one.claims, one.supported, one.grounded) == (2, 1, False)
    assert (one.figures, one.figures_right) == (2, 1)


def test_a_figure_of_another_source_or_a_part_of_one_is_not_right() -> None:
    assert answered("You can return it within 20 days. [2]", ASK).figures_right == 0
    assert answered("The Lark lamp weighs 4.2 kg. [2]", ASK).figures_right == 0


def test_an_answer_that_says_nothing_is_not_grounded() -> None:
    assert not answered("", ASK).grounded
    assert not answered("I'm happy to help! [2]", ASK).grounded


@pytest.mark.parametrize(
    ("text", "right"),
    [("It is 14.2 kg. [2]", True), ("A [2] B [2]", True), ("It is 14.2 kg. [1]", False), ("A [1] B [2]", False), ("It is 14.2 kg.", False)],
)  # fmt: skip
def test_a_mark_is_right_when_all_are(text: str, right: bool) -> None:
    assert answered(text, ASK).cited is right


def test_the_wrong_language_is_noticed() -> None:
    assert not answered("百灵灯重 14.2 公斤。 [2]", ASK).language
    assert answered("The Lark lamp weighs 14.2 kg. [2]", ASK).language


def test_an_apology_is_for_the_upset_and_stands_first() -> None:
    sorry = "I'm sorry about the trouble. The Lark lamp weighs 14.2 kg. [2]"
    late = "The Lark lamp weighs 14.2 kg. [2] I'm sorry."
    judged = [answered(text, ask) for ask in (ASK, UPSET) for text in (sorry, late)]
    assert [one.apologises for one in judged] == [True, False, True, False]
    measures = answering(judged)
    found = [
        (one.value, one.n) for name in ("apology_when_upset", "none_when_not") if (one := measures[name])
    ]
    assert found == [(0.5, 2), (0.5, 2)]


@pytest.mark.parametrize(
    ("said", "target", "f"),
    [("a b c d", "a b c d", 1.0), ("a x c", "a b c", 2 / 3), ("灯重三斤", "灯重", 2 / 3), ("", "a", 0.0), ("c a", "a c", 0.5)],
)  # fmt: skip
def test_overlap_is_the_longest_common_subsequence(said: str, target: str, f: float) -> None:
    assert rouge_l(said, target) == pytest.approx(f)


def test_arguments_are_compared_by_what_they_say() -> None:
    target = wanted("return_item", product="Lark  Lamp", reason_code="damaged")
    same = understood(wanted("return_item", product="lark lamp.", reason_code="damaged"), target)
    assert same.arguments
    off = understood(wanted("return_item", product="lamp", quantity="2"), target)
    assert not off.arguments
    assert (off.right, off.given) == (frozenset(), frozenset({"product", "quantity"}))


def test_intents_are_a_set_with_a_first_one() -> None:
    target = wanted("return_item", "policy_question", "order_status")
    one = understood(wanted("return_item", "order_status", "policy_question"), target)
    assert (one.main, one.intents) == (True, True)
    two = understood(wanted("policy_question", "return_item"), target)
    assert (two.main, two.intents) == (False, False)


@pytest.mark.parametrize("text", ["", "{", '{"intents":[],"language":"en","args":{}}', '{"intents":["buy"],"language":"en","args":{}}'])  # fmt: skip
def test_what_is_not_of_the_form_is_wrong_throughout(text: str) -> None:
    one = understood(Wanted.read(text), wanted("thanks"))
    assert not any((one.valid, one.main, one.intents, one.language, one.arguments))


def test_f1_weighs_what_is_missing_and_what_is_too_much() -> None:
    target = wanted("return_item", order="1", product="lamp")
    judged = [
        understood(wanted("return_item", order="1", quantity="2"), target),
        understood(wanted("return_item", order="1", product="lamp"), target),
    ]
    together, order, product = (f1(judged, name) for name in (None, "order", "product"))
    assert together is not None
    assert order is not None
    assert product is not None
    assert [together.value, order.value, product.value] == pytest.approx([6 / 8, 1, 2 / 3])
    assert together.n == 4
    assert together.low < together.value < together.high
    assert f1(judged, "city") is None


def test_shares_come_with_an_interval_that_narrows() -> None:
    right, wrong = (understood(wanted(said), wanted("thanks")) for said in ("thanks", "goodbye"))
    few, many = (understanding([right, wrong] * n)["main_intent"] for n in (5, 100))
    assert few is not None
    assert many is not None
    assert (few.value, few.n, many.n) == (0.5, 10, 200)
    assert few.low < many.low < 0.5 < many.high < few.high


def test_the_median_lies_in_its_interval() -> None:
    found = median([float(value) for value in range(101)])
    assert found is not None
    assert (found.value, found.n) == (50, 101)
    assert 35 < found.low < 50 < found.high < 65
    assert median([]) is None


def test_the_lines_before_a_message_are_read_back_from_its_prompt() -> None:
    later = [one for one in examples() if one.id == "en-a-002/2/understand"]
    for one in later:
        lines = earlier(one)
        assert [line.who for line in lines] == ["shopper", "assistant"]
        first = next(other for other in examples() if other.id == one.id.replace("/2/", "/1/"))
        assert lines[0] == Said("shopper", first.said[:240])
    assert later
    opening = next(one for one in examples() if one.id == "en-a-002/1/understand")
    assert earlier(opening) == []


class Oracle:
    """Reads the target out of a list, in order."""

    name = "oracle"

    def __init__(self, targets: Sequence[Example]) -> None:
        self._left = [json.loads(one.target) for one in targets]

    async def understand(self, text: str, *, earlier: Sequence[Said] = ()) -> Understanding:
        target = self._left.pop(0)
        order = target["args"].pop("order", None)
        return Understanding(
            tuple(target["intents"]), 1.0, target["language"], order=order, slots=target["args"]
        )


async def test_a_reader_that_is_always_right_scores_so_and_e5_does_not() -> None:
    asked = picked("understand", "en", 25)
    (row,), outputs = await read_with(Oracle(asked), [*asked, *picked("answer", "en", 2)])
    measured = {name: one.value for name, one in row.measures.items() if name != "seconds"}
    assert set(measured.values()) == {1.0}
    assert (row.examples, len(outputs), row.measures["main_intent"].n) == (25, 25, 25)
    embedder = E5Embedder()
    (other,), _ = await read_with(E5Reader(embedder.embed_query, embedder.embed_passages), asked)
    assert 0.1 < other.measures["main_intent"].value < 1.0


async def test_a_model_that_says_the_targets_scores_full_and_one_that_is_away_scores_nothing() -> None:
    asked = [*picked("understand", "zh", 3), *picked("answer", "zh", 3)]
    targets = {one.messages[-1].content: one.target for one in asked}
    model = ScriptedModel(answer=lambda prompt: targets[prompt[-1].text])
    rows = model_rows([one async for one in ask_all(model, asked, at_once=2)])
    by = {row.task: {name: one.value for name, one in row.measures.items()} for row in rows}
    assert {by["understand"][name] for name in ("main_intent", "arguments", "json_valid")} == {1.0}
    assert {by["answer"][name] for name in ("right_mark", "language", "overlap", "figures_right")} == {1.0}
    model.down = True
    rows = model_rows([one async for one in ask_all(model, asked, at_once=2)])
    assert [row.failed for row in rows] == [3, 3]
    assert {
        row.measures[name].value
        for row in rows
        for name in ("main_intent", "right_mark")
        if name in row.measures
    } == {0.0}
    assert not any("seconds" in row.measures for row in rows)


def measured(label: str, dataset: str = "d", intent: str = "thanks") -> Report:
    (example,) = picked("understand", "en", 1)
    target = json.loads(example.target) | {"intents": [intent]}
    asked = [Asked(example, json.dumps(target), 0.1, 0.2)]
    return report(label, ScriptedModel(), asked, at_once=1, dataset=dataset)


def test_reports_stand_side_by_side_and_a_reader_stands_once(tmp_path: Path) -> None:
    base = measured("base")
    reader = base.rows[0].model_copy(update={"who": "e5"})
    both = [one.model_copy(update={"rows": (*one.rows, reader)}) for one in (base, measured("tuned"))]
    path = tmp_path / "base.json"
    path.write_text(both[0].model_dump_json())
    columns, rows = compare([read_report(path), both[1]])
    assert columns == ["base", "e5", "tuned"]
    assert {(task, language) for task, language, _, _ in rows} == {("understand", "en")}
    assert all(len(cells) == 3 for *_, cells in rows)


def test_reports_of_other_examples_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match="not about the same examples"):
        compare([measured("a"), measured("b", dataset="other")])
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(DatasetInvalid, match=r"no\.json is no report"):
        read_report(tmp_path / "no.json")


@pytest.mark.model
async def test_a_schema_binds_what_a_real_server_says(vllm_url: str) -> None:
    """A model of this size would not write this by itself."""
    form = {
        "type": "object", "additionalProperties": False, "required": ["colour"],
        "properties": {"colour": {"enum": ["vermilion", "teal"]}},
    }  # fmt: skip
    model = LangchainModel(base_url=vllm_url, model=SMALL_MODEL)
    prompt = [Prompt("user", "Tell me about the sea.")]
    text = "".join([piece.text async for piece in model.stream(prompt, max_tokens=40, schema=form)])
    free = "".join([piece.text async for piece in model.stream(prompt, max_tokens=10)])
    await model.aclose()
    assert json.loads(text)["colour"] in ("vermilion", "teal")
    assert not free.lstrip().startswith("{")


@pytest.mark.model
def test_the_command_measures_a_real_server_and_compares(vllm_url: str, tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl", [*picked("understand", "en", 2), *picked("answer", "en", 1)])
    out = tmp_path / "reports" / "one.json"
    done = CliRunner().invoke(
        app, ["evaluate", "--url", vllm_url, "--model", SMALL_MODEL, "--data", str(tmp_path), "--out", str(out), "--label", "small"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = read_report(out)
    assert (found.model, found.label) == (SMALL_MODEL, "small")
    assert [(row.who, row.task, row.examples, row.failed) for row in found.rows] == [
        ("model", "answer", 1, 0),
        ("model", "understand", 2, 0),
        (READER, "understand", 2, 0),
    ]
    answers = found.rows[0].measures
    assert 0 < answers["first_token"].value < answers["seconds"].value
    shown = CliRunner().invoke(app, ["compare", str(out), str(out)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "main intent" in shown.output
    assert READER in shown.output


def test_no_server_and_no_dataset_are_said_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--url", "http://127.0.0.1:9/v1", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "amends finetune build" in done.output
    write(tmp_path / "test.jsonl", picked("answer", "en", 1))
    done = CliRunner().invoke(app, ["evaluate", "--url", "http://127.0.0.1:9/v1", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "cannot be reached" in done.output
