"""Expansion is the same for a seed, fills everything in, and teaches no refusals."""

from __future__ import annotations

import json
import re
from itertools import islice

from agent.sentences import split_sentences
from agent.understand_prompt import schema
from finetune.example import Example
from finetune.expand import MOST_PASSAGES, UPSET, expand
from finetune.fill import voice
from finetune.fits import ClosestAnswers
from finetune.split import TEST_SHOPS, part_of_dialogue
from retrieval.e5 import E5Embedder
from tests.finetune.written import SEED, dialogues, examples, first, shops

REFUSAL = re.compile(
    r"\bI (?:do not|don't) know|(?:can(?:no|')t|unable to) (?:answer|find|tell)|not (?:mentioned|specified)"
    r"|the sources? (?:do|does)|没有(?:提到|提及|相关)|无法(?:回答|确认|确定)|不清楚|不知道|暂无",
    re.IGNORECASE,
)


def text(example: Example) -> str:
    return "\n".join([*(message.content for message in example.messages), example.said])


def of(task: str) -> list[Example]:
    return [one for one in examples() if one.task == task]


def test_the_same_seed_gives_the_same_and_another_gives_another() -> None:
    few = (shops()[:2], dialogues()[:20])
    ours = list(expand(*few, fits=first, seed=SEED))
    assert ours == list(expand(*few, fits=first, seed=SEED))
    theirs = list(expand(*few, fits=first, seed=SEED + 1))
    assert [one.id for one in ours] == [one.id for one in theirs]
    assert ours != theirs


def test_an_example_does_not_hang_on_the_ones_before_it() -> None:
    """So that a dialogue added in the middle leaves the others as they are."""
    alone = list(expand(shops(), dialogues()[40:41], fits=first, seed=SEED))
    known = {one.id: one for one in examples()}
    assert all(known[one.id] == one for one in alone)


def test_ids_are_unique_and_every_placeholder_is_filled() -> None:
    assert len({one.id for one in examples()}) == len(examples())
    target = [json.dumps(json.loads(one.target)["args"]) for one in of("understand")]
    words = [*map(text, examples()), *(one.target for one in of("answer")), *target]
    assert [found for one in words if (found := re.search(r"\{[a-z]+2?\}", one))] == []


def test_every_target_is_what_the_schema_allows() -> None:
    form = schema()["properties"]
    for one in of("understand"):
        target = json.loads(one.target)
        assert list(target) == ["intents", "language", "args"], one.id
        assert set(target["intents"]) <= set(form["intents"]["items"]["enum"])
        assert 1 <= len(target["intents"]) <= form["intents"]["maxItems"], one.id
        assert set(target["args"]) <= set(form["args"]["properties"])
        assert target["language"] == one.language


def test_an_order_number_is_said_in_the_message_itself() -> None:
    """One that is only meant ("the other order") is not the reader's to find; a slip or two is no harm."""
    said = [
        (re.sub(r"\W", "", order).lower() in re.sub(r"\W", "", one.said).lower(), one.id)
        for one in of("understand")
        if (order := json.loads(one.target)["args"].get("order"))
    ]
    assert len(said) > 300
    assert sum(not right for right, _ in said) < len(said) / 100


def test_answers_cite_the_source_that_answers_wherever_it_stands() -> None:
    places = set()
    for one in of("answer"):
        assert 1 <= len(one.sources) <= MOST_PASSAGES
        assert one.sources[one.right].text in one.messages[1].content
        marks = re.findall(r"\[(\d+)\]", one.target)
        assert set(marks) == {str(one.right + 1)}, one.id
        places.add((len(one.sources), one.right))
    assert places == {(of, place) for of in range(1, MOST_PASSAGES + 1) for place in range(of)}


def test_an_upset_shopper_is_soothed_first_and_no_other() -> None:
    soothing = {words for by in voice()["soothe"].values() for words in by}
    for one in of("answer"):
        assert one.upset == any(one.target.startswith(words) for words in soothing), one.id
    asked = [one.upset for one in of("answer") if one.origin == "shop"]
    assert abs(sum(asked) / len(asked) - UPSET) < 0.05


def test_answers_are_short() -> None:
    long = [one.id for one in of("answer") if len(split_sentences(one.target)) > 5]
    assert long == []


def test_no_target_refuses() -> None:
    assert [one.target for one in of("answer") if REFUSAL.search(one.target)] == []


def test_what_is_tested_on_is_filled_from_a_shop_that_is() -> None:
    tested = [one for one in dialogues() if part_of_dialogue(one.id, seed=SEED) == "test"]
    names = {one.order_lead for one in shops() if one.id in TEST_SHOPS}
    others = {one.order_lead for one in shops()} - names
    ids = {one.id for one in tested}
    words = "\n".join(text(one) for one in examples() if one.family in ids)
    assert [lead for lead in others if re.search(rf"\b{lead}\d", words)] == []
    assert any(lead in words for lead in names)


def test_the_answer_that_fits_the_question_is_chosen() -> None:
    fits = ClosestAnswers(E5Embedder().embed_query)
    answers = ("The lamp weighs 300 g.", "You can pay by card or on account.")
    assert fits("how heavy is the lamp", answers) == [answers[0]]
    assert fits("which cards can I pay with", answers) == [answers[1]]
    assert fits("how heavy is it", (answers[0], answers[0])) == (answers[0], answers[0])


def test_dialogues_remember_what_was_said() -> None:
    longer = (one for one in of("understand") if one.id.split("/")[1] == "3")
    for one in islice(longer, 50):
        before = next(other for other in examples() if other.id == one.id.replace("/3/", "/2/"))
        assert before.said[:200] in one.messages[1].content
