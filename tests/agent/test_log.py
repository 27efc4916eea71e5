"""The conformance suite of the conversation log, run against SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import builtins
import math
import signal
import sqlite3
import subprocess
import sys
import types
import typing
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NewType, get_args, get_origin

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from agent import log_tables
from agent.errors import LogUnavailable, SeqConflict
from agent.events import (
    ActionConfirmed,
    AnswerSent,
    ConversationClosed,
    ConversationRated,
    ConversationStarted,
    Event,
    EventBody,
    MessageReceived,
    MoodScored,
    MoodScores,
    Part,
    PromiseMade,
    ReplySent,
    TurnCompleted,
    TurnStarted,
)
from agent.ids import ConversationId, ProposalId, StaffId, TurnId
from agent.log import ConversationLog
from agent.log_faults import unavailable
from agent.log_sql import APPENDS, PAGE, SqlLog
from agent.log_tables import driver_url, metadata
from agent.migrations import migrate
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_url"]  # a fixture, found by its name

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
A, B = ConversationId("c_a"), ConversationId("c_b")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url: str = (
        f"sqlite:///{tmp_path / 'log.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    migrate(url)
    return url


@pytest.fixture
async def log(database: str, clock: Clock) -> AsyncIterator[SqlLog]:
    opened = SqlLog(database, clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
async def other_server(database: str, clock: Clock) -> AsyncIterator[SqlLog]:
    """A second process's view of the same database."""
    opened = SqlLog(database, clock=clock)
    yield opened
    await opened.close()


def says(text: str) -> MessageReceived:
    return MessageReceived(message=f"m-{text[:20]}", text=text)


async def append(log: ConversationLog, conversation: ConversationId, *bodies: EventBody) -> list[Event]:
    return await log.append(conversation, bodies, expected=await log.head(conversation))


async def test_what_is_appended_is_read_back_in_order_with_its_place_and_time(
    log: SqlLog, clock: Clock
) -> None:
    bodies: list[EventBody] = [ConversationStarted(shop="fernweh", language="zh"), says("Hello")]
    appended = await log.append(A, bodies, expected=0)
    clock.now += timedelta(seconds=3)
    appended += await log.append(A, [says("Anybody there?")], expected=2)

    assert await log.read(A) == appended
    assert [event.seq for event in appended] == [1, 2, 3]
    assert [event.at for event in appended] == [NOON, NOON, NOON + timedelta(seconds=3)]
    assert [event.body for event in appended[:2]] == bodies
    assert await log.head(A) == 3


async def test_reading_after_a_seq_gives_only_what_came_later(log: SqlLog) -> None:
    await append(log, A, says("one"), says("two"), says("three"))
    assert [event.seq for event in await log.read(A, after=2)] == [3]
    assert await log.read(A, after=3) == []


async def test_an_unknown_conversation_is_empty(log: SqlLog) -> None:
    assert await log.read(A) == []
    assert await log.head(A) == 0


async def test_appending_nothing_stores_nothing_whatever_was_expected(log: SqlLog) -> None:
    assert await log.append(A, [], expected=7) == []
    assert await log.latest() == []


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_a_conflict_is_an_error_that_names_the_head_and_stores_nothing(
    log: SqlLog, expected: int
) -> None:
    await append(log, A, says("one"), says("two"))
    with pytest.raises(SeqConflict) as caught:
        await log.append(A, [says("lost"), says("lost too")], expected=expected)
    assert caught.value.head == 2
    assert caught.value.expected == expected
    assert len(await log.read(A)) == 2


async def test_a_first_append_that_expects_more_than_nothing_is_a_conflict(log: SqlLog) -> None:
    with pytest.raises(SeqConflict) as caught:
        await log.append(A, [says("one")], expected=1)
    assert caught.value.head == 0
    assert await log.latest() == []


async def test_twenty_appenders_at_once_leave_no_gap_and_lose_nothing(
    log: SqlLog, other_server: SqlLog
) -> None:
    async def appender(name: int) -> None:
        for number in range(2):
            while True:
                try:
                    await append([log, other_server][name % 2], A, says(f"{name}/{number}"))
                except SeqConflict:
                    continue
                break

    await asyncio.gather(*(appender(name) for name in range(20)))
    events = await log.read(A)
    assert [event.seq for event in events] == list(range(1, 41))
    texts = [event.body.text for event in events if isinstance(event.body, MessageReceived)]
    assert sorted(texts) == sorted(f"{name}/{number}" for name in range(20) for number in range(2))
    for name in range(20):
        own = [text for text in texts if text.startswith(f"{name}/")]
        assert own == sorted(own)


async def test_of_two_appends_that_expect_the_same_seq_exactly_one_wins(
    log: SqlLog, other_server: SqlLog
) -> None:
    for head in range(10):
        outcomes = await asyncio.gather(
            log.append(A, [says("left")], expected=head),
            other_server.append(A, [says("right")], expected=head),
            return_exceptions=True,
        )
        assert {type(outcome) for outcome in outcomes} == {list, SeqConflict}
        assert await log.head(A) == head + 1


async def test_a_batch_with_a_body_that_cannot_be_stored_is_refused_whole_and_quotes_nothing(
    log: SqlLog,
) -> None:
    broken = MoodScored(
        turn=TurnId("t"),
        seq=1,
        scores=MoodScores(negative=math.nan, neutral=0, positive=0),
        reasons=("secret words",),
        scorer="test",
    )
    with pytest.raises(ValueError, match=r"mood\.scored") as caught:
        await log.append(A, [says("one"), broken], expected=0)
    assert "secret words" not in f"{caught.value!r}"
    assert await log.read(A) == []


async def test_a_batch_that_breaks_off_in_the_middle_is_undone(
    log: SqlLog, database: str, postgres_or_sqlite_trigger: str
) -> None:
    await append(log, A, says("before"))
    execute(database, *postgres_or_sqlite_trigger.split("--next--"))
    with pytest.raises(LogUnavailable):
        await append(log, A, says("one"), says("boom"), says("three"))
    assert [event.seq for event in await log.read(A)] == [1]
    await append(log, A, says("after"))
    assert [event.seq for event in await log.read(A)] == [1, 2]


@pytest.fixture
def postgres_or_sqlite_trigger(database: str) -> str:
    """A fault: the database refuses the row whose text is "boom", after its neighbours went in."""
    if database.startswith("sqlite"):
        return """CREATE TRIGGER fault BEFORE INSERT ON events WHEN NEW.body LIKE '%"boom"%'
            BEGIN SELECT RAISE(ABORT, 'injected'); END"""
    return """CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'injected'; END $$
            --next--CREATE TRIGGER fault BEFORE INSERT ON events FOR EACH ROW
            WHEN (strpos(NEW.body::text, '"boom"') > 0) EXECUTE FUNCTION fault()"""


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(driver_url(url, asynchronous=False))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


async def test_a_cancelled_append_stores_all_or_nothing_and_is_settled_when_the_caller_knows(
    log: SqlLog,
) -> None:
    stored = 0
    for attempt in range(20):
        before = await log.head(A)
        task = asyncio.create_task(log.append(A, [says("x"), says("y"), says("z")], expected=before))
        for _ in range(attempt):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        after = await log.head(A)
        assert after - before in (0, 3)
        stored += after - before
        # Settled: nothing of it comes in later, and the log goes on working.
        await log.append(A, [says("next")], expected=after)
        stored += 1
    assert [event.seq for event in await log.read(A)] == list(range(1, stored + 1))


async def test_the_newest_conversation_comes_first_even_when_the_clock_stands_still(log: SqlLog) -> None:
    c = ConversationId("c_c")
    for conversation in (A, B, c, A):
        await append(log, conversation, says("hi"))
    assert await log.latest() == [A, c, B]
    assert await log.latest(limit=2) == [A, c]


async def test_a_scan_gives_everything_once_and_resumes_after_a_position(log: SqlLog) -> None:
    await append(log, A, says("one"), says("two"))
    await append(log, B, says("three"))
    first = [pair async for pair in log.scan()]
    assert [(event.conversation, event.seq) for _, event in first] == [(A, 1), (A, 2), (B, 1)]
    positions = [position for position, _ in first]
    assert positions == sorted(set(positions))

    later = await append(log, A, says("four"))
    assert [event async for _, event in log.scan(after=positions[-1])] == later
    assert [event.seq async for _, event in log.scan(after=positions[0])] == [2, 1, 3]
    assert [pair async for pair in log.scan(after=positions[-1] + 1000)] == []


async def test_a_scan_goes_on_over_several_pages(log: SqlLog) -> None:
    await append(log, A, *(says(str(number)) for number in range(PAGE + 3)))
    assert [event.seq async for _, event in log.scan()] == list(range(1, PAGE + 4))


async def test_a_reader_that_stores_its_last_position_misses_nothing_while_others_append(
    log: SqlLog, other_server: SqlLog
) -> None:
    names = [ConversationId(f"c_{number}") for number in range(8)]
    done = False

    async def writer(conversation: ConversationId, through: SqlLog) -> None:
        for number in range(12):
            await through.append(conversation, [says("x")], expected=number)

    async def reader() -> list[tuple[str, int]]:
        seen: list[tuple[str, int]] = []
        last = 0
        while True:
            finished = done
            async for position, event in log.scan(after=last):
                assert position > last
                last = position
                seen.append((event.conversation, event.seq))
            if finished:
                return seen
            await asyncio.sleep(0)

    following = asyncio.create_task(reader())
    await asyncio.gather(*(writer(name, [log, other_server][index % 2]) for index, name in enumerate(names)))
    done = True
    seen = await following
    assert sorted(seen) == [(name, seq) for name in sorted(names) for seq in range(1, 13)]


def answer(turn: TurnId, text: str) -> AnswerSent:
    return AnswerSent(turn=turn, text=text, language="en", how="composed")


def promise(due: date | None) -> PromiseMade:
    return PromiseMade(by="assistant", text="We will.", due=due, source=1)


async def test_answers_come_from_conversations_that_are_recent_or_hold_a_promise_still_due(
    log: SqlLog, clock: Clock
) -> None:
    due, turn = date(2026, 11, 25), TurnId("t")
    await append(log, A, says("a"), answer(turn, "old"))
    await append(log, ConversationId("c_kept"), answer(turn, "kept"), promise(due - timedelta(days=1)))
    await append(log, ConversationId("c_undated"), answer(turn, "undated"), promise(None))
    await append(log, ConversationId("c_due"), answer(turn, "due"), promise(due), says("thanks"))
    clock.now += timedelta(days=2)
    since = clock.now
    assert [event.body async for event in log.answers(since=since, due=due)] == [answer(turn, "due")]

    await append(log, B, says("b"), answer(turn, "new"), answer(turn, "newer"))
    await append(log, A, says("again"))
    told = [event async for event in log.answers(since=since, due=due)]
    assert [(event.conversation, event.seq) for event in told] == [(A, 2), (B, 2), (B, 3), ("c_due", 1)]
    assert told[0].at == NOON
    assert [event async for event in log.answers(since=since, due=date.max)] == told[:3]


async def test_answers_go_on_over_several_pages(log: SqlLog) -> None:
    names = [ConversationId(f"c_{number:04}") for number in range(PAGE + 2)]
    for name in names:
        await log.append(name, [answer(TurnId("t"), "x")], expected=0)
    told = [event.conversation async for event in log.answers(since=NOON, due=NOON.date())]
    assert told == names


async def test_a_lease_is_exclusive_until_it_is_given_back(log: SqlLog, other_server: SqlLog) -> None:
    lease = await log.lease(A, holder="one", seconds=30)
    assert lease is not None
    assert await other_server.lease(A, holder="two", seconds=30) is None
    assert await other_server.lease(B, holder="two", seconds=30) is not None
    await log.release(lease)
    taken = await other_server.lease(A, holder="two", seconds=30)
    assert taken is not None
    assert taken.fence > lease.fence


async def test_of_many_that_want_a_lease_one_gets_it(log: SqlLog, other_server: SqlLog) -> None:
    leases = await asyncio.gather(
        *([log, other_server][number % 2].lease(A, holder=f"h{number}", seconds=30) for number in range(10))
    )
    assert sum(lease is not None for lease in leases) == 1


async def test_a_lease_renewed_in_time_stays_the_same_lease_and_lasts_longer(
    log: SqlLog, clock: Clock
) -> None:
    lease = await log.lease(A, holder="one", seconds=30)
    clock.now += timedelta(seconds=20)
    assert await log.lease(A, holder="one", seconds=30) == lease
    clock.now += timedelta(seconds=20)
    assert await log.lease(A, holder="two", seconds=30) is None


async def test_an_expired_lease_goes_to_the_next_and_the_fence_grows(log: SqlLog, clock: Clock) -> None:
    first = await log.lease(A, holder="one", seconds=30)
    clock.now += timedelta(seconds=30)
    second = await log.lease(A, holder="two", seconds=30)
    clock.now += timedelta(seconds=30)
    third = await log.lease(A, holder="two", seconds=30)
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.fence < second.fence < third.fence


async def test_giving_back_a_lease_that_was_taken_over_is_ignored(log: SqlLog, clock: Clock) -> None:
    old = await log.lease(A, holder="one", seconds=30)
    assert old is not None
    clock.now += timedelta(seconds=31)
    assert await log.lease(A, holder="two", seconds=30) is not None
    await log.release(old)
    assert await log.lease(A, holder="three", seconds=30) is None


T1, T2 = TurnId("t_1"), TurnId("t_2")


@pytest.mark.parametrize(
    ("bodies", "unsettled"),
    [
        pytest.param([says("hi")], True, id="a message nobody began to answer"),
        pytest.param([says("hi"), TurnStarted(turn=T1, upto=1)], True, id="a turn that died half way"),
        pytest.param(
            [says("hi"), TurnStarted(turn=T1, upto=1), TurnCompleted(turn=T1, outcome="answered")],
            False,
            id="an answered message",
        ),
        pytest.param(
            [
                says("hi"),
                TurnStarted(turn=T1, upto=1),
                says("and another thing"),
                TurnCompleted(turn=T1, outcome="answered"),
            ],
            True,
            id="a message during the turn, which that turn did not see",
        ),
        pytest.param(
            [
                says("hi"),
                TurnStarted(turn=T1, upto=1),
                TurnStarted(turn=T2, attempt=2, upto=1),
                TurnCompleted(turn=T2, outcome="answered"),
            ],
            False,
            id="answered at the second attempt",
        ),
        pytest.param(
            [
                says("cancel it"),
                TurnStarted(turn=T1, upto=1),
                TurnCompleted(turn=T1, outcome="proposed"),
                ActionConfirmed(proposal=ProposalId("p"), how="button"),
            ],
            True,
            id="a confirmed action that was not done",
        ),
        pytest.param([says("hi"), ConversationClosed(by="idle")], False, id="closed since"),
        pytest.param(
            [says("hi"), ConversationClosed(by="idle"), says("again")], True, id="opened again by a message"
        ),
        pytest.param([ConversationStarted(shop="s", language="en")], False, id="nothing was asked"),
    ],
)
async def test_unsettled_lists_what_no_completed_turn_covers(
    log: SqlLog, bodies: list[EventBody], unsettled: bool
) -> None:
    await append(log, A, *bodies)
    settled: list[EventBody] = [
        says("ok"),
        TurnStarted(turn=T1, upto=1),
        TurnCompleted(turn=T1, outcome="answered"),
    ]
    await append(log, B, *settled)
    assert await log.unsettled() == ([A] if unsettled else [])


async def test_a_log_that_can_be_read_and_written_is_ready_and_stays_as_it_was(log: SqlLog) -> None:
    await log.ready()
    await log.ready()
    assert await log.latest() == []
    assert await log.unsettled() == []


async def test_chinese_emoji_and_control_characters_come_back_as_they_were(log: SqlLog) -> None:
    text = "退货要多久？👍🏽 \x00 \u2028 \\u0000 \"quoted\" '单引号' 𠮷"
    await append(log, A, says(text), ReplySent(message="r", staff=StaffId("s"), name="王芳", text=text))
    message, reply = await log.read(A)
    assert isinstance(message.body, MessageReceived)
    assert isinstance(reply.body, ReplySent)
    assert (message.body.text, reply.body.text, reply.body.name) == (text, text, "王芳")
    # The null character must not break the queries that look into bodies, either.
    assert await log.unsettled() == [A]


JSON = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)
LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    date: st.dates(),
    datetime: st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),
    Any: JSON | st.lists(JSON, max_size=2),
}


def drawn_from(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type; optional ones are drawn too, unlike with ``st.builds`` alone."""
    if isinstance(annotation, NewType):
        return drawn_from(annotation.__supertype__)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return instances_of(annotation)
    arguments = get_args(annotation)
    match get_origin(annotation):
        case None:
            return LEAVES[annotation]
        case typing.Literal:
            return st.sampled_from(arguments)
        case typing.Union | types.UnionType:
            return st.one_of([st.none() if one is types.NoneType else drawn_from(one) for one in arguments])
        case builtins.tuple:
            return st.lists(drawn_from(arguments[0]), max_size=2).map(tuple)
        case builtins.dict:
            return st.dictionaries(drawn_from(arguments[0]), drawn_from(arguments[1]), max_size=2)
        case other:
            raise TypeError(f"no strategy for {other}")


def instances_of(model: type[Part]) -> st.SearchStrategy[Any]:
    fields = {
        name: drawn_from(field.annotation) for name, field in model.model_fields.items() if name != "type"
    }
    if model is ConversationRated:
        fields["score"] = st.integers(1, 5)
    return st.builds(model, **fields)


EVERY_TYPE: tuple[type[Part], ...] = get_args(get_args(EventBody)[0])


def test_the_union_of_events_has_every_type_once() -> None:
    names = [model.model_fields["type"].default for model in EVERY_TYPE]
    assert len(names) == len(set(names)) >= 30


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(bodies=st.tuples(*(instances_of(model) for model in EVERY_TYPE)))
async def test_every_event_type_comes_back_equal(log: SqlLog, bodies: tuple[EventBody, ...]) -> None:
    head = await log.head(A)
    appended = await log.append(A, bodies, expected=head)
    assert [event.body for event in appended] == list(bodies)
    assert await log.read(A, after=head) == appended


APPEND_FOR_EVER = """
import asyncio, sys
from datetime import UTC, datetime
from agent.events import MessageReceived
from agent.ids import ConversationId
from agent.log_sql import SqlLog

async def main():
    log, head = SqlLog(sys.argv[1], clock=lambda: datetime.now(UTC)), 0
    while True:
        batch = [MessageReceived(message=str(head + n), text="x" * 200) for n in (1, 2, 3)]
        head = (await log.append(ConversationId("c_a"), batch, expected=head))[-1].seq
        print(head, flush=True)

asyncio.run(main())
"""


async def test_a_writer_killed_in_the_middle_leaves_every_acknowledged_append_and_no_gap(
    log: SqlLog, database: str
) -> None:
    with subprocess.Popen(  # noqa: ASYNC220 - killed by its id, and nothing else runs meanwhile
        [sys.executable, "-c", APPEND_FOR_EVER, database], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL

    events = await log.read(A)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len(events) >= acknowledged[-1] >= 60
    assert len(events) % 3 == 0
    assert [event.body.message for event in events if isinstance(event.body, MessageReceived)] == [
        str(event.seq) for event in events
    ]
    await log.append(A, [says("going on")], expected=len(events))


# Faults. What is lost to the caller must be lost altogether, and the log must recover.


async def fill(log: SqlLog) -> LogUnavailable:
    """Append large events until the database has no room left."""
    for _ in range(200):
        try:
            await append(log, A, says("x" * 4000), says("y" * 4000))
        except LogUnavailable as error:
            return error
    raise AssertionError("the database never became full")


async def test_a_full_database_refuses_whole_appends_and_goes_on_when_there_is_room(
    tmp_path: Path, clock: Clock
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    migrate(url)

    def limit(connection: Any, _record: object) -> None:
        connection.cursor().execute("PRAGMA max_page_count = 60")

    sa.event.listen(sa.pool.Pool, "connect", limit)
    log = SqlLog(url, clock=clock)
    try:
        error = await fill(log)
    finally:
        sa.event.remove(sa.pool.Pool, "connect", limit)
    assert "full" in str(error)
    head = await log.head(A)
    assert head % 2 == 0
    assert [event.seq for event in await log.read(A)] == list(range(1, head + 1))
    await log.close()

    roomy = SqlLog(url, clock=clock)
    await append(roomy, A, says("x" * 4000))
    assert await roomy.head(A) == head + 1
    await roomy.close()


async def test_a_locked_database_is_reported_and_nothing_is_stored(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tables, "BUSY_SECONDS", 0.05)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    migrate(url)
    log = SqlLog(url, clock=clock)
    await append(log, A, says("one"))
    blocker = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable, match="locked"):
        await append(log, A, says("two"))
    with pytest.raises(LogUnavailable, match="locked"):
        await log.ready()
    assert await log.head(A) == 1  # reading goes on
    blocker.execute("ROLLBACK")
    blocker.close()
    await append(log, A, says("two"))
    assert await log.head(A) == 2
    await log.close()


async def test_a_read_only_database_can_be_read_and_says_why_it_cannot_be_written(
    tmp_path: Path, clock: Clock
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    migrate(url)
    writable = SqlLog(url, clock=clock)
    await append(writable, A, says("one"))
    await writable.close()
    # A connection that may only read: root ignores the permissions of files.
    log = SqlLog(f"sqlite:///file:{tmp_path / 'log.db'}?mode=ro&uri=true", clock=clock)
    assert len(await log.read(A)) == 1
    for refused in (append(log, A, says("two")), log.ready()):
        with pytest.raises(LogUnavailable, match="permissions"):
            await refused
    await log.close()


async def test_a_log_without_its_tables_says_that_the_migrations_are_missing(
    tmp_path: Path, clock: Clock
) -> None:
    log = SqlLog(f"sqlite:///{tmp_path / 'new.db'}", clock=clock)
    with pytest.raises(LogUnavailable, match="migrations"):
        await log.ready()
    await log.close()


@pytest.mark.postgres
async def test_a_stopped_postgresql_is_reported_and_found_again_when_it_is_back(
    postgres_url: str, clock: Clock
) -> None:
    server = postgres_server()
    assert server is not None
    migrate(postgres_url)
    log = SqlLog(postgres_url, clock=clock)
    await append(log, A, says("one"))
    server.stop()
    try:
        for refused in (log.append(A, [says("two")], expected=1), log.read(A), log.ready()):
            with pytest.raises(LogUnavailable, match="PostgreSQL"):
                await refused
    finally:
        server.start()
    await log.append(A, [says("two")], expected=1)
    assert [event.seq for event in await log.read(A)] == [1, 2]
    await log.close()


@pytest.mark.postgres
async def test_a_read_only_postgresql_is_reported(postgres_url: str, clock: Clock) -> None:
    server = postgres_server()
    assert server is not None
    migrate(postgres_url)
    name = postgres_url.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    log = SqlLog(postgres_url, clock=clock)
    for refused in (log.append(A, [says("one")], expected=0), log.ready()):
        with pytest.raises(LogUnavailable, match="read-only"):
            await refused
    assert await log.read(A) == []
    await log.close()


@pytest.mark.postgres
async def test_an_append_waits_for_the_one_that_came_before_it_in_another_conversation(
    postgres_url: str, clock: Clock
) -> None:
    """The order of positions is the order of commits: the heart of ``scan``."""
    migrate(postgres_url)
    log = SqlLog(postgres_url, clock=clock)
    async with await psycopg.AsyncConnection.connect(
        postgres_url.replace("postgresql+psycopg", "postgresql")
    ) as early:
        await early.execute("SELECT pg_advisory_xact_lock(%s)", [APPENDS])
        late = asyncio.create_task(log.append(B, [says("late")], expected=0))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with await psycopg.AsyncConnection.connect(
            postgres_url.replace("postgresql+psycopg", "postgresql"), autocommit=True
        ) as watcher:
            while (await (await watcher.execute(waiting)).fetchone()) != (1,):
                assert not late.done()
                await asyncio.sleep(0.01)
        assert [pair async for pair in log.scan()] == []
        await early.commit()
    assert [event.conversation for event in await late] == [B]
    await log.close()


def test_every_error_of_postgresql_becomes_a_sentence_without_its_details() -> None:
    errors = [error for error in vars(psycopg.errors).values() if getattr(error, "sqlstate", None)]
    assert len(errors) > 200
    for error in [psycopg.OperationalError, *errors]:
        told = str(unavailable(DBAPIError("INSERT …", {"text": "shopper"}, error("shopper's words"))))
        assert "PostgreSQL" in told or "log" in told
        assert "shopper" not in told


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "full"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "permissions"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "locked"),
        (sqlite3.SQLITE_CANTOPEN, "opened"),
        (sqlite3.SQLITE_CORRUPT, "backup"),
        (sqlite3.SQLITE_NOTADB, "not an SQLite database"),
        (sqlite3.SQLITE_INTERNAL, "SQLite failed"),
    ],
)
def test_every_error_of_sqlite_becomes_a_sentence_that_says_what_to_do(code: int, words: str) -> None:
    fault = sqlite3.OperationalError("shopper's words")
    fault.sqlite_errorcode = code
    told = unavailable(DBAPIError("INSERT …", {"text": "shopper"}, fault))
    assert words in str(told)
    assert "shopper" not in str(told)


# Migrations.


async def test_migrating_again_changes_nothing(log: SqlLog, database: str) -> None:
    appended = await append(log, A, says("one"))
    migrate(database)
    migrate(database)
    assert await log.read(A) == appended


def test_servers_that_start_together_migrate_once(database: str, tmp_path: Path) -> None:
    fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    if database.startswith("postgresql"):
        fresh = database
        execute(database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    script = (
        "import sys; from agent.migrations import migrate; print(flush=True); input(); migrate(sys.argv[1])"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", script, fresh],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(3)
    ]
    for process in starting:
        assert process.stdout is not None
        process.stdout.readline()
    for process in starting:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in starting:
        _, complaint = process.communicate()
        assert process.returncode == 0, complaint
    engine = sa.create_engine(driver_url(fresh, asynchronous=False))
    assert set(metadata.tables) < set(sa.inspect(engine).get_table_names())
    engine.dispose()


def test_the_migrations_make_exactly_the_tables_the_code_uses(database: str) -> None:
    engine = sa.create_engine(driver_url(database, asynchronous=False))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_log_made_by_a_newer_version_is_left_alone(database: str) -> None:
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LogUnavailable, match="newer version"):
        migrate(database)


def test_migrating_says_what_is_wrong_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="folder exists"):
        migrate(f"sqlite:///{tmp_path / 'missing' / 'log.db'}")
    (tmp_path / "text.db").write_text("this is no database, however long it may be " * 50)
    with pytest.raises(LogUnavailable, match="not an SQLite database"):
        migrate(f"sqlite:///{tmp_path / 'text.db'}")
    with pytest.raises(LogUnavailable, match="does not answer"):
        migrate("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/name", "nonsense"])
def test_a_database_that_cannot_hold_a_log_is_refused_by_its_address(url: str, clock: Clock) -> None:
    with pytest.raises(ValueError, match=r"SQLite file|sqlite:///FILE"):
        SqlLog(url, clock=clock)


def test_sqlite_commits_are_durable_and_readers_do_not_wait(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / 'log.db'}")
    connection = sqlite3.connect(tmp_path / "log.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
