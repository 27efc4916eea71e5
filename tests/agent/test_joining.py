"""Two answers of one turn read as one."""

from __future__ import annotations

from agent.events import AnswerSent, Citation, ProposedAction
from agent.ids import OrderId, TurnId
from agent.joining import joined


def said(text: str, *, sources: int = 0, **more: object) -> AnswerSent:
    citations = tuple(
        Citation(ref=str(n), kind="passage", id=f"p{n}", title="Returns", quote="q")
        for n in range(1, sources + 1)
    )
    fields = {"turn": TurnId("t"), "text": text, "language": "en", "how": "composed", "citations": citations}
    return AnswerSent.model_validate(fields | more)


def test_the_change_stands_last_and_its_marks_count_on() -> None:
    change = said("Too late for this one. [1]", sources=1, quick_replies=("Talk to a person",))
    both = joined(said("Within 30 days. [1] Free. [2]", sources=2, quick_replies=("Returns",)), change)
    assert both.text == "Within 30 days. [1] Free. [2]\n\nToo late for this one. [3]"
    assert [citation.ref for citation in both.citations] == ["1", "2", "3"]
    assert both.quick_replies == ("Talk to a person", "Returns")


def test_what_the_change_asks_for_is_remembered() -> None:
    asks = ProposedAction(kind="return", order=OrderId("FW-100001"))
    assert joined(said("A. [1]", sources=1), said("Which item?", asks=asks)).asks == asks
