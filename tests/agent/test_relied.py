"""What relied on a text that holds no more: what counts as changed, and the fold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from agent import events as ev
from agent.changed import Change, TextsNow
from agent.events import Event, EventBody
from agent.ids import ConversationId, OrderId, StaffId, TurnId
from agent.relied import Relied, relied
from retrieval.chunks import chunk
from retrieval.passages import Chunk, Document, Kind, Section
from retrieval.versions import outdated

TODAY = date(2026, 6, 15)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
SINCE = NOON - timedelta(days=30)
OLD = "You can return an item within 30 days of delivery."
NEW = "You can return an item within 14 days of delivery."


def chunks(
    text: str,
    *,
    path: str = "shop/returns.md",
    title: str = "Returns",
    heading: str = "Returns > How long",
    version: str = "2026-01-01",
    kind: Kind = "policy",
    **attributes: str,
) -> list[Chunk]:
    effective = date.fromisoformat(version) if version else None
    document = Document(
        id=f"{path}@en",
        source=path,
        title=title,
        kind=kind,
        language="en",
        sections=(Section(heading, text),),
        version=version,
        effective=effective,
        attributes=attributes,
    )
    return chunk(document)


def cited(one: Chunk) -> ev.PassageRef:
    return ev.PassageRef(
        id=one.id,
        document=one.document,
        source=one.source,
        title=one.title,
        heading=one.heading,
        text=one.text,
        language=one.language,
        version=one.version,
        kind=one.kind,
        similarity=0.9,
    )


def change(before: list[Chunk], now: list[Chunk]) -> Change | None:
    return TextsNow(now, outdated(now, TODAY)).change(cited(before[0]))


def test_another_text_in_its_place_is_a_change_with_the_new_version() -> None:
    now = chunks(NEW, version="2026-06-01")
    assert change(chunks(OLD), now) == Change(version="2026-06-01", now=NEW)


def test_a_text_that_is_gone_has_no_version() -> None:
    assert change(chunks(OLD), []) == Change(version=None, now="")


def test_a_removed_section_of_a_document_that_is_still_there_has_its_version_and_no_text() -> None:
    now = chunks("Shops take 5 days.", heading="Returns > Refunds", version="2026-06-01")
    assert change(chunks(OLD), now) == Change(version="2026-06-01", now="")


@pytest.mark.parametrize(
    "now",
    [
        chunks(OLD, version="2026-06-01"),
        chunks(OLD, path="shop/terms.md", title="Terms", heading="Terms > Buying > How long"),
        chunks(OLD.replace("within ", "within\n")),
    ],
    ids=["only the version is new", "moved to another file and chapter", "a line broken elsewhere"],
)
def test_the_same_text_under_the_same_heading_is_no_change(now: list[Chunk]) -> None:
    assert change(chunks(OLD), now) is None


def test_the_same_words_about_something_else_do_not_count_as_moved() -> None:
    free = "Free of charge."
    now = [*chunks("4.90 EUR.", heading="Cost > Returns"), *chunks(free, heading="Cost > Exchanges")]
    assert change(chunks(free, heading="Cost > Returns"), now) == Change("2026-01-01", "4.90 EUR.")


@pytest.mark.parametrize("kind", ["product", "manual"])
def test_texts_that_give_no_word_are_left_out(kind: Kind) -> None:
    assert change(chunks(OLD, kind=kind), []) is None


@pytest.mark.parametrize(
    "newer",
    [
        chunks(NEW, path="shop/returns-2026.md", version="2026-06-10"),
        chunks(NEW, path="shop/new.md", title="Sending back", version="2026-06-10", replaces="returns"),
    ],
    ids=["same title, later day", "says what it replaces"],
)
def test_a_text_that_is_still_there_but_superseded_has_changed(newer: list[Chunk]) -> None:
    old = chunks(OLD)
    assert change(old, [*old, *newer]) == Change("2026-06-10", NEW)


def test_versions_of_one_id_are_one_document_whatever_they_are_called() -> None:
    old = chunks(OLD, id="returns-policy")
    newer = chunks(NEW, path="shop/b.md", title="Returns now", version="2026-06-10", id="returns-policy")
    also = chunks(NEW, path="shop/a.md", title="Returns", version="2026-06-10", id="returns-policy")
    assert change(old, [*old, *newer, *also]) == Change("2026-06-10", NEW)


def test_a_version_that_is_not_in_force_yet_changes_nothing() -> None:
    old = chunks(OLD)
    assert change(old, [*old, *chunks(NEW, path="shop/returns-july.md", version="2026-07-01")]) is None


# The fold.

CHANGES = {"p1": Change("v2", NEW), "p2": Change(None, "")}
T1, T2 = TurnId("t1"), TurnId("t2")


def events(*bodies: EventBody | timedelta) -> list[Event]:
    """Events of one conversation; a span lets time pass after the first, which is at ``SINCE``."""
    at, found = SINCE, list[Event]()
    for body in bodies:
        if isinstance(body, timedelta):
            at += body
        else:
            found.append(Event(conversation=ConversationId("c"), seq=len(found) + 1, at=at, body=body))
    return found


def begins(turn: TurnId = T1) -> ev.TurnStarted:
    return ev.TurnStarted(turn=turn, upto=1)


def answer(*passages: str, turn: TurnId = T1, text: str = "Thirty days.", quote: str = OLD) -> ev.AnswerSent:
    citations = tuple(
        ev.Citation(ref=str(n), kind="passage", id=one, title="Returns", quote=quote, version="v1")
        for n, one in enumerate(passages, 1)
    )
    return ev.AnswerSent(turn=turn, text=text, language="en", how="generated", citations=citations)


def promise(due: date | None = TODAY, order: str | None = None) -> ev.PromiseMade:
    return ev.PromiseMade(
        by="assistant", text="We pay it back.", due=due, order=OrderId(order) if order else None, source=1
    )


def found(*bodies: EventBody | timedelta) -> list[Relied]:
    return relied(events(*bodies), CHANGES, since=SINCE, today=TODAY)


def kinds(*bodies: EventBody | timedelta) -> list[tuple[str, list[str]]]:
    return [(one.kind, [source.passage for source in one.sources]) for one in found(*bodies)]


def test_an_answer_is_listed_with_what_changed_and_without_what_holds() -> None:
    (one,) = found(begins(), answer("p0", "p1"))
    assert (one.conversation, one.seq, one.at, one.said) == (ConversationId("c"), 2, SINCE, "Thirty days.")
    (source,) = one.sources
    assert (source.passage, source.version, source.new_version, source.stands) == ("p1", "v1", "v2", False)
    assert kinds(begins(), answer("p0")) == []


def test_it_is_said_whether_the_quoted_words_still_stand() -> None:
    (one,) = found(begins(), answer("p1", quote="within 14\ndays"))
    assert one.sources[0].stands
    (one,) = found(begins(), answer("p1", quote=""))
    assert not one.sources[0].stands


def test_a_fact_with_the_id_of_a_passage_is_no_passage() -> None:
    told = answer("p1")
    fact = told.citations[0].model_copy(update={"kind": "order_fact"})
    assert kinds(begins(), told.model_copy(update={"citations": (fact,)})) == []


def test_older_answers_are_left_out_and_their_open_promises_are_not() -> None:
    old = [
        replace_time(one, SINCE - timedelta(seconds=1)) for one in events(begins(), answer("p1"), promise())
    ]
    told = relied(old, CHANGES, since=SINCE, today=TODAY)
    assert [one.kind for one in told] == ["promise"]


def replace_time(event: Event, at: datetime) -> Event:
    return event.model_copy(update={"at": at})


def test_a_promise_stands_on_what_its_turn_cited() -> None:
    assert kinds(begins(), answer("p1"), promise()) == [("answer", ["p1"]), ("promise", ["p1"])]
    assert kinds(begins(), answer("p1"), begins(T2), answer(turn=T2), promise()) == [("answer", ["p1"])]


def test_a_turn_that_was_run_again_is_one_turn() -> None:
    assert kinds(begins(), answer("p1"), begins(), promise())[1:] == [("promise", ["p1"])]


def test_a_promise_about_an_order_stands_on_all_that_was_cited_before_it() -> None:
    told = kinds(begins(), answer("p1"), begins(T2), answer("p2", turn=T2), promise(order="FW-1"))
    assert told[2:] == [("promise", ["p1", "p2"])]
    assert kinds(begins(), promise(order="FW-1"), answer("p1")) == [("answer", ["p1"])]


@pytest.mark.parametrize(
    ("due", "after", "is_open"),
    [
        (TODAY, [], True),
        (TODAY - timedelta(days=1), [], False),
        (TODAY, [ev.ConversationClosed(by="idle")], True),
        (None, [], True),
        (None, [ev.ReplySent(message="m", staff=StaffId("dana"), name="Dana", text="Hi")], True),
        (None, [ev.HandoffAccepted(staff=StaffId("dana"), name="Dana")], False),
        (None, [ev.HandoffReturned(staff=StaffId("dana"))], False),
        (None, [ev.ConversationClosed(by="shopper")], False),
    ],
)
def test_a_promise_is_open_until_its_day_is_over_or_somebody_took_it_on(
    due: date | None, after: list[EventBody], is_open: bool
) -> None:
    told = found(begins(), answer("p1"), promise(due), *after)
    assert [one.due for one in told if one.kind == "promise"] == ([due] if is_open else [])


def test_a_document_that_staff_alone_may_read_is_known_too() -> None:
    """A text that shoppers may no longer read has not changed."""
    old = chunks(OLD)
    now = [replace(one, visibility="staff") for one in old]
    assert change(old, now) is None
