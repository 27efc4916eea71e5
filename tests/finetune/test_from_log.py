"""Only answers that helped are learnt from, and nobody can be found in them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent import events as ev
from agent.events import Event, EventBody
from agent.ids import ConversationId, TurnId
from agent.personal import scrub
from finetune.from_log import examples

TURN = TurnId("turn_1")
PASSAGE = ev.PassageRef(
    id="p1",
    document="returns",
    source="returns.md",
    title="Returns",
    heading="The window",
    text="You can return an item within 30 days of delivery.",
    language="en",
    version="2026-03-01",
    kind="policy",
    similarity=0.9,
)
FOUND = ev.PassagesFound(
    turn=TURN, query="I'm mei@example.com, order FW-100001: how long?", passages=(PASSAGE,), answerable=0.9
)


CITED = ev.Citation(ref="1", kind="passage", id="p1", title="Returns", quote="within 30 days")


def answer(**changes: object) -> ev.AnswerSent:
    said = ev.AnswerSent(
        turn=TURN, text="Within 30 days of delivery. [1]", language="en", how="generated", citations=(CITED,)
    )
    return said.model_copy(update=changes)


def mood(negative: float) -> ev.MoodScored:
    scores = ev.MoodScores(negative=negative, neutral=1 - negative, positive=0)
    return ev.MoodScored(turn=TURN, seq=9, scores=scores, scorer="test")


def learnt(*bodies: EventBody) -> int:
    return len(list(examples(history(*bodies))))


def history(*bodies: EventBody) -> list[Event]:
    now = datetime.now(UTC)
    return [
        Event(conversation=ConversationId("c"), seq=seq, at=now, body=body)
        for seq, body in enumerate(bodies, 1)
    ]


def test_an_answer_that_helped_becomes_the_prompt_the_model_saw_and_the_words_that_stood() -> None:
    (example,) = examples(history(FOUND, answer(), mood(0.1)))
    assert example.target == "Within 30 days of delivery. [1]"
    assert [message.role for message in example.messages] == ["system", "user"]
    assert PASSAGE.text in example.messages[1].content
    assert "mei@example.com" not in str(example.messages)
    assert "FW-100001" not in str(example.messages)


@pytest.mark.parametrize(
    "bodies",
    [
        (FOUND, answer(withdrawn=("no_overlap",))),
        (FOUND, answer(how="quoted")),
        (FOUND, answer(), mood(0.9)),
        (FOUND, answer(), ev.ConversationRated(score=2)),
        (answer(),),
        (FOUND, answer(citations=(CITED.model_copy(update={"id": "FW-100001#state"}),))),
    ],
    ids=["taken back", "quoted", "annoyed", "rated badly", "no passages", "an order fact"],
)
def test_what_did_not_help_is_left_out(bodies: tuple[EventBody, ...]) -> None:
    assert learnt(*bodies) == 0


@pytest.mark.parametrize("text", ["call +49 761 123456", "电话 138 0013 8000", "a.b+c@example.co.uk"])
def test_numbers_and_addresses_are_scrubbed(text: str) -> None:
    assert not any(char.isdigit() or char == "@" for char in scrub(text).replace("<", "").replace(">", ""))


def test_prices_and_days_stay() -> None:
    assert scrub("4.90 EUR within 30 days") == "4.90 EUR within 30 days"
