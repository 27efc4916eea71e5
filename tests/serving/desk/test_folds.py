"""The queue, the transcript, the packet and the figures, as folds of the same log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from agent import events as ev
from agent.conversation import fold
from agent.ids import ConversationId, StaffId, TurnId
from agent.live import LocalBus
from retention.insight import Share
from serving.desk import charts
from serving.desk.board import GROUPS, Board, Row, mood_level
from serving.desk.figures import Figures
from serving.desk.packet import current_packet, sparkline
from serving.desk.reader import LogReader
from serving.desk.transcript import transcript
from serving.desk.words import Words
from tests.serving.desk.stories import ADA, LIN, DeskServer, desk_server

DANA, LI = StaffId("dana"), StaffId("li")
EN, ZH = Words("en"), Words("zh")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[DeskServer]:
    async with desk_server(tmp_path) as running:
        yield running


async def board(desk: DeskServer) -> Board:
    found = Board()
    async for _, event in desk.services.log.scan():
        found.add(event)
    return found


async def a_busy_day(desk: DeskServer) -> dict[str, ConversationId]:
    """One conversation for every way it can stand."""
    commands = desk.services.conversations
    found = {
        name: await desk.start() for name in ("assistant", "waiting", "mine", "theirs", "closed", "back")
    }
    for talk in found.values():
        await desk.asks(talk, "Where is my parcel?", "On its way.", negative=0.4)
    for name in ("waiting", "mine", "theirs", "closed", "back"):
        desk.clock.advance(minutes=1)
        await desk.needs_person(found[name], "mood")
    for name, who in (("mine", DANA), ("theirs", LI), ("back", DANA)):
        await commands.take_over(found[name], staff=who, name=who.title())
    await commands.hand_back(found["back"], staff=DANA)
    await commands.close(found["closed"], by="shopper")
    return found


async def test_the_queue_and_the_conversation_never_disagree(desk: DeskServer) -> None:
    found = await a_busy_day(desk)
    await desk.tell(found["closed"], ev.MessageReceived(message="again", text="One more thing"))
    rows = (await board(desk)).rows
    assert len(rows) == len(found)
    for talk, row in rows.items():
        state = fold(talk, await desk.events(talk))
        assert (
            row.mode,
            row.staff,
            row.staff_name,
            row.waiting_since,
            row.head,
            row.customer,
            row.level,
        ) == (
            state.mode,
            state.staff,
            state.staff_name,
            state.waiting_since,
            state.head,
            state.customer,
            state.scope.level,
        )


async def test_each_conversation_stands_in_the_section_it_belongs_to(desk: DeskServer) -> None:
    found = await a_busy_day(desk)
    sections = (await board(desk)).sections(DANA)
    assert tuple(sections) == GROUPS
    names = {talk: name for name, talk in found.items()}
    assert {group: sorted(names[row.id] for row in rows) for group, rows in sections.items()} == {
        "waiting": ["waiting"],
        "mine": ["mine"],
        "colleagues": ["theirs"],
        "assistant": ["assistant", "back"],
        "closed": ["closed"],
    }


async def test_who_has_waited_longest_stands_on_top(desk: DeskServer) -> None:
    first, second = await desk.start(), await desk.start()
    await desk.needs_person(second, "requested")
    desk.clock.advance(minutes=3)
    await desk.needs_person(first, "legal_or_safety")
    desk.clock.advance(minutes=3)
    await desk.asks(second, "Hello?")
    assert [row.id for row in (await board(desk)).sections(DANA)["waiting"]] == [second, first]


async def test_a_shopper_without_an_answer_from_me_stands_above_those_with_one(desk: DeskServer) -> None:
    commands = desk.services.conversations
    quiet, open_ = await desk.start(), await desk.start()
    for talk in (open_, quiet):
        await commands.take_over(talk, staff=DANA, name="Dana")
    await desk.asks(open_, "Are you there?")
    desk.clock.advance(minutes=1)
    await commands.reply(quiet, staff=DANA, name="Dana", message="m1", text="Done.")
    mine = (await board(desk)).sections(DANA)["mine"]
    assert [(row.id, row.unanswered) for row in mine] == [(open_, True), (quiet, False)]


@pytest.mark.parametrize(
    ("value", "level"), [(-0.9, "upset"), (-0.3, "uneasy"), (0.0, "neutral"), (0.6, "pleased")]
)
def test_moods_have_a_word(value: float, level: str) -> None:
    assert mood_level(value) == level


def test_an_unknown_conversation_starts_empty() -> None:
    assert Row(ConversationId("c")).group(DANA) == "assistant"


async def test_a_late_score_of_an_older_message_does_not_replace_the_newest_mood(desk: DeskServer) -> None:
    conversation = await desk.start()
    first = await desk.asks(conversation, "fine", positive=0.6)
    await desk.asks(conversation, "terrible", negative=0.9)
    again = ev.MoodScored(
        turn=TurnId("t"), seq=first, scores=ev.MoodScores(negative=0, neutral=0, positive=1), scorer="t"
    )
    await desk.tell(conversation, again)
    assert (await board(desk)).rows[conversation].mood == pytest.approx(-0.8)


async def test_the_transcript_carries_mood_citations_lookups_and_outcomes(desk: DeskServer) -> None:
    conversation = await desk.torn_tent()
    proposal = desk.proposal()
    await desk.tell(
        conversation,
        proposal,
        ev.ActionConfirmed(proposal=proposal.proposal, how="button"),
        ev.ActionFailed(
            proposal=proposal.proposal, turn=proposal.turn, code="shop.unavailable", unknown=True
        ),
        made := desk.offer(ADA.id),
        ev.OfferAnswered(offer=made.offer, taken=True),
        ev.NoteAdded(staff=LI, text="call back"),
        ev.HandoffAccepted(staff=DANA, name="Dana"),
        ev.HandoffReturned(staff=DANA, note="refunded by hand"),
        ev.ConversationRated(score=4, comment="ok now"),
    )
    items = transcript(await desk.events(conversation), EN)
    assert [item.seq for item in items] == sorted(item.seq for item in items)
    shopper = [item for item in items if item.kind == "shopper"]
    assert [round(item.mood.value, 2) for item in shopper if item.mood] == [-0.25, -0.52, -0.8]
    assert shopper[2].mood
    assert "third time" in shopper[2].mood.reasons
    [lookup] = [item for item in items if item.kind == "lookup"]
    assert lookup.lines[0] == "FW-104233 was delivered on 9 June."
    answer = next(item for item in items if item.kind == "assistant")
    assert [citation.ref for citation in answer.citations] == ["1", "2"]
    change = next(item for item in items if item.kind == "change")
    assert (change.state, change.lines) == ("unknown", ("shop.unavailable",))
    assert next(item for item in items if item.kind == "offer").state == "taken"
    assert next(item for item in items if item.kind == "note").who == "Li"
    system = {item.text: item.lines for item in items if item.kind == "system"}
    assert system["Dana handed back to the assistant"] == ("refunded by hand",)
    assert system["Rated 4 of 5"] == ("ok now",)
    assert "等待人工：情绪不佳、多次未解决" in {
        item.text for item in transcript(await desk.events(conversation), ZH)
    }


async def test_every_line_of_the_packet_points_to_where_it_is_said(desk: DeskServer) -> None:
    conversation = await desk.torn_tent()
    events = await desk.events(conversation)
    packet = current_packet(fold(conversation, events), events, EN)
    assert packet is not None
    on_page = {item.seq: item for item in transcript(events, EN)}
    assert packet.wants[-1].text.startswith("This is the third time")
    for line in (*packet.wants, *packet.tried, *packet.facts, *packet.promises):
        item = on_page[line.seq]
        said = [item.text, *item.lines]
        assert any(line.text.rstrip("…") in words for words in said) or line in packet.promises
    assert packet.reasons == ("mood", "repeated_failure")
    assert packet.identity == "customer"
    assert packet.suggested.startswith("Apologise once")
    assert [point.value for point in packet.mood] == [-0.25, -0.52, -0.8]


async def test_the_packet_speaks_the_readers_language_and_ends_with_the_hand_back(desk: DeskServer) -> None:
    conversation = await desk.torn_tent()
    commands = desk.services.conversations
    events = await desk.events(conversation)
    packet = current_packet(fold(conversation, events), events, ZH)
    assert packet
    assert packet.suggested.startswith("先致歉一次")
    assert packet.facts[0].text == "已在商店登录"
    await commands.take_over(conversation, staff=DANA, name="Dana")
    await commands.hand_back(conversation, staff=DANA)
    events = await desk.events(conversation)
    assert current_packet(fold(conversation, events), events, EN) is None
    await desk.asks(conversation, "And my refund?", negative=0.9)
    await desk.needs_person(conversation, "mood")
    events = await desk.events(conversation)
    packet = current_packet(fold(conversation, events), events, EN)
    assert packet
    assert [line.text for line in packet.wants] == ["And my refund?"]
    assert packet.reasons == ("mood",)


def test_the_sparkline_stays_inside_its_box() -> None:
    points = [ev.MoodPoint(seq=i, value=value) for i, value in enumerate((-1, 0, 1))]
    assert sparkline(points) == [(4, 32), (80, 18), (156, 4)]
    assert sparkline(points[:1]) == [(80, 32)]
    assert sparkline([]) == []


async def test_waits_count_from_the_first_wish_to_the_first_person(desk: DeskServer) -> None:
    commands = desk.services.conversations
    helped, gone, elsewhere = [await desk.start() for _ in range(3)]
    for talk in (helped, gone, elsewhere):
        await desk.needs_person(talk, "requested")
    desk.clock.advance(minutes=2)
    await desk.needs_person(helped, "mood")
    desk.clock.advance(minutes=4)
    await commands.take_over(helped, staff=DANA, name="Dana")
    await commands.take_over(helped, staff=LI, name="Li", from_colleague=True)
    await commands.close(gone, by="shopper")
    desk.clock.advance(minutes=4)
    await commands.take_over(elsewhere, staff=DANA, name="Dana")
    figures = Figures()
    async for _, event in desk.services.log.scan():
        figures.add(event)
    assert [wait for _, wait in figures.waits] == [timedelta(minutes=6), timedelta(minutes=10)]
    assert figures.median_wait() == timedelta(minutes=8)
    assert Figures().median_wait() is None


async def test_languages_and_this_months_spending_are_counted(desk: DeskServer) -> None:
    talk = await desk.start(language="en")
    await desk.asks(talk, "我的订单呢？", language="zh")
    await desk.start(language="en")
    await desk.tell(talk, desk.offer(ADA.id))
    desk.clock.advance(days=30)
    await desk.tell(talk, desk.offer(LIN.id).model_copy(update={"value": "12.90"}))
    figures = Figures()
    async for _, event in desk.services.log.scan():
        figures.add(event)
    assert dict(figures.languages()) == {"zh": 1, "en": 1}
    assert str(figures.spent(desk.clock())) == "12.90"


async def test_the_reader_reads_each_event_once_and_tells_who_listens(desk: DeskServer) -> None:
    heard: list[int] = []

    class Count:
        def __init__(self) -> None:
            self.seen: list[tuple[ConversationId, int]] = []

        def add(self, event: ev.Event) -> None:
            self.seen.append((event.conversation, event.seq))

    count = Count()
    reader = LogReader(desk.services.log, LocalBus(), [count])
    stop = reader.listen(lambda: heard.append(reader.position))
    await reader.catch_up()
    assert reader.caught_up
    talk = await desk.start()
    await reader.catch_up()
    await reader.catch_up()
    assert count.seen == [(talk, 1)]
    assert len(heard) == 2
    stop()
    await desk.asks(talk, "Hello")
    await reader.catch_up()
    assert len(heard) == 2
    assert len(count.seen) == len(await desk.events(talk))


def test_days_without_conversations_stand_in_the_chart_as_zero() -> None:
    options = charts.per_day([(date(2026, 6, 1), 2), (date(2026, 6, 3), 1)], "n")
    assert options["series"][0]["data"] == [2, 0, 1]
    assert charts.every_day({}) == []


def test_shares_are_named_in_the_readers_language() -> None:
    options = charts.shares([Share("mood", 3), Share("requested", 1)], ZH, "reason")
    assert options["yAxis"]["data"] == ["要求人工", "情绪不佳"]
