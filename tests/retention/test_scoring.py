from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agent import events as ev
from agent.errors import LogUnavailable
from agent.events import Event, EventBody
from agent.ids import ConversationId, CustomerId
from agent.log_sql import SqlLog
from agent.migrations import migrate
from agent.shop.port import Order
from retention import scoring
from retention.budget import spent_in_month
from retention.history import History
from retention.policy import ThresholdOffers
from retention.scoring import BUDGET, score_all, score_conversation
from tests.retention.stories import (
    MIA,
    NOW,
    ORDER,
    C,
    Records,
    answer,
    closed,
    facts_read,
    handed_over,
    mood,
    opened,
    order,
    parcel,
    says,
    signed_in,
    understood,
)

POLICY = ThresholdOffers(threshold=0.4, budget=Decimal(100), holdout=0.0, secret="s", exploration=0.0)
LATE = order(days_ago=20, state="shipped", shipments=(parcel(expected_days_ago=4),))
ANGRY: list[EventBody] = [
    opened(),
    signed_in(),
    says("Where is my parcel??"),
    mood(3, 0.9),
    understood("order_status", turn="1", order=ORDER),
    facts_read(),
    answer(turn="1"),
    handed_over("mood"),
    closed(),
]


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    migrate(url)
    return url


@pytest.fixture
async def log(database: str, clock: Clock) -> AsyncIterator[SqlLog]:
    opened_log = SqlLog(database, clock=clock)
    yield opened_log
    await opened_log.close()


async def append(log: SqlLog, bodies: Sequence[EventBody], conversation: ConversationId = C) -> None:
    await log.append(conversation, bodies, expected=await log.head(conversation))


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.body.kind for event in events if isinstance(event.body, ev.SignalRaised)]


def only(events: Sequence[Event], kind: type[ev.Body]) -> list[ev.Body]:
    return [event.body for event in events if isinstance(event.body, kind)]


async def test_an_angry_customer_with_a_late_parcel_gets_signals_a_higher_score_and_an_offer(
    log: SqlLog, clock: Clock
) -> None:
    await append(log, ANGRY)
    appended = await score_conversation(log, Records([LATE]), POLICY, clock, C)

    assert kinds(appended) == ["negative_mood", "handoff", "unresolved", "delivery_problem"]
    (scored,) = only(appended, ev.ChurnScored)
    (offer,) = only(appended, ev.OfferMade)
    assert isinstance(scored, ev.ChurnScored)
    assert isinstance(offer, ev.OfferMade)
    assert scored.before is not None
    assert scored.before + 0.3 < scored.probability <= 1
    assert scored.reasons[0].contribution > 0
    assert (scored.customer, offer.customer) == (MIA, MIA)
    assert (offer.kind, offer.value, offer.propensity) == ("goodwill_credit", "10.00", 1.0)
    assert offer.expires_at > NOW
    assert await log.read(C, after=len(ANGRY)) == appended


async def test_scoring_the_same_close_again_adds_nothing(log: SqlLog, clock: Clock) -> None:
    await append(log, ANGRY)
    await score_conversation(log, Records([LATE]), POLICY, clock, C)
    head = await log.head(C)
    clock.now += timedelta(days=30)
    assert await score_conversation(log, Records([LATE]), POLICY, clock, C) == []
    assert await log.head(C) == head


async def test_several_scorers_at_once_score_a_close_once(
    log: SqlLog, database: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "WAIT_SECONDS", 0.01)
    await append(log, ANGRY)
    other = SqlLog(database, clock=clock)
    results = await asyncio.gather(
        *(score_conversation(which, Records([LATE]), POLICY, clock, C) for which in (log, other) * 3)
    )
    assert sum(bool(appended) for appended in results) == 1
    assert len(only(await log.read(C), ev.OfferMade)) == 1
    await other.close()


async def test_a_content_customer_is_scored_and_gets_no_offer(log: SqlLog, clock: Clock) -> None:
    await append(log, [opened(), signed_in(), says(), mood(3, 0.1), answer(), closed()])
    appended = await score_conversation(log, Records([order(days_ago=10)]), POLICY, clock, C)
    scored, withheld = (event.body for event in appended)
    assert isinstance(scored, ev.ChurnScored)
    assert scored.before == scored.probability
    assert isinstance(withheld, ev.OfferWithheld)
    assert (withheld.reason, withheld.propensity) == ("score", 1.0)


async def test_a_visitor_gets_signals_alone_and_once(log: SqlLog, clock: Clock) -> None:
    await append(log, [opened(), says(), mood(2, 0.8), answer(), closed()])
    appended = await score_conversation(log, Records(), POLICY, clock, C)
    assert [event.body.type for event in appended] == ["signal.raised"]
    assert await score_conversation(log, Records(), POLICY, clock, C) == []


@pytest.mark.parametrize("bodies", [[], [opened(), signed_in(), says(), mood(3, 0.9)]])
async def test_an_unknown_or_open_conversation_is_left_alone(
    log: SqlLog, clock: Clock, bodies: list[EventBody]
) -> None:
    await append(log, bodies)
    assert await score_conversation(log, Records([LATE]), POLICY, clock, C) == []


async def test_a_rating_after_the_close_is_scored_too(log: SqlLog, clock: Clock) -> None:
    await append(log, [opened(), signed_in(), says(), answer(), closed()])
    records = Records([order(days_ago=10)])
    first = await score_conversation(log, records, POLICY, clock, C)
    await append(log, [ev.ConversationRated(score=1)])
    second = await score_conversation(log, records, POLICY, clock, C)
    assert kinds(second) == ["low_rating"]
    (before,), (after,) = only(first, ev.ChurnScored), only(second, ev.ChurnScored)
    assert isinstance(before, ev.ChurnScored)
    assert isinstance(after, ev.ChurnScored)
    assert after.before == before.probability < after.probability
    assert await score_conversation(log, records, POLICY, clock, C) == []


async def test_opened_and_closed_again_the_new_part_is_scored(log: SqlLog, clock: Clock) -> None:
    await append(log, ANGRY)
    await score_conversation(log, Records([LATE]), POLICY, clock, C)
    await append(log, [says("Still nothing!")])
    assert await score_conversation(log, Records([LATE]), POLICY, clock, C) == []
    seq = await log.head(C)
    await append(log, [mood(seq, 0.95), answer(), closed()])
    appended = await score_conversation(log, Records([LATE]), POLICY, clock, C)
    assert kinds(appended) == ["negative_mood"]
    (withheld,) = only(appended, ev.OfferWithheld)
    assert isinstance(withheld, ev.OfferWithheld)
    assert withheld.reason == "cap"


class BusyRecords(Records):
    """A shop during whose answer something else happens to the conversation."""

    meanwhile: Callable[[], object] | None = None

    async def orders_of(self, customer: CustomerId) -> list[Order]:
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            await happen()  # type: ignore[misc]
        return await super().orders_of(customer)


async def test_when_something_comes_in_between_it_looks_and_decides_again(log: SqlLog, clock: Clock) -> None:
    await append(log, ANGRY)
    records = BusyRecords([LATE])
    records.meanwhile = lambda: append(log, [ev.ConversationRated(score=1)])
    appended = await score_conversation(log, records, POLICY, clock, C)
    assert "low_rating" in kinds(appended)
    assert len(only(await log.read(C), ev.ChurnScored)) == 1


async def test_when_the_shopper_comes_back_in_between_nothing_is_scored_yet(
    log: SqlLog, clock: Clock
) -> None:
    await append(log, ANGRY)
    records = BusyRecords([LATE])
    records.meanwhile = lambda: append(log, [says("one more thing")])
    assert await score_conversation(log, records, POLICY, clock, C) == []
    assert await log.head(C) == len(ANGRY) + 1


async def test_signals_of_other_conversations_count_and_fade(log: SqlLog, clock: Clock) -> None:
    other = ConversationId("c_2")
    quiet: list[EventBody] = [opened(), signed_in(), says(), answer(), closed()]
    await append(log, ANGRY)
    await score_conversation(log, Records([LATE]), POLICY, clock, C)
    await append(log, quiet, other)
    (soon,) = only(await score_conversation(log, Records([LATE]), POLICY, clock, other), ev.ChurnScored)
    clock.now += timedelta(days=120)
    third = ConversationId("c_3")
    await append(log, quiet, third)
    bought = replace(LATE, placed_at=clock.now - timedelta(days=20))
    (later,) = only(await score_conversation(log, Records([bought]), POLICY, clock, third), ev.ChurnScored)
    assert isinstance(soon, ev.ChurnScored)
    assert isinstance(later, ev.ChurnScored)
    assert soon.probability > 0.4 > later.probability


async def test_the_budget_holds_over_scorers_of_several_processes_at_once(
    log: SqlLog, database: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "WAIT_SECONDS", 0.005)
    other = SqlLog(database, clock=clock)
    policy = replace(POLICY, budget=Decimal(35))  # three credits of 10
    customers = [CustomerId(f"cus_{number}") for number in range(8)]
    records = Records([replace(LATE, customer=customer) for customer in customers])
    for customer in customers:
        bodies = [signed_in(customer) if body == signed_in() else body for body in ANGRY]
        await append(log, bodies, ConversationId(f"c_{customer}"))
    kept = History()
    await asyncio.gather(
        *(
            score_conversation(
                [log, other][number % 2],
                records,
                policy,
                clock,
                ConversationId(f"c_{customer}"),
                history=kept if number % 2 else None,
            )
            for number, customer in enumerate(customers)
        )
    )
    history = History()
    await history.catch_up(log)
    assert spent_in_month(history.offers.values(), NOW) == Decimal(30)
    await other.close()


async def test_a_scorer_that_never_gets_its_turn_gives_up(
    log: SqlLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "WAIT_SECONDS", 10)
    monkeypatch.setattr(asyncio, "sleep", _no_time)
    await append(log, ANGRY)
    assert await log.lease(BUDGET, holder="somebody else", seconds=1000) is not None
    with pytest.raises(LogUnavailable):
        await score_conversation(log, Records([LATE]), POLICY, clock, C)
    assert await log.head(C) == len(ANGRY)


async def _no_time(_seconds: float) -> None:
    return


async def test_the_offer_and_the_reasons_speak_the_shoppers_language(log: SqlLog, clock: Clock) -> None:
    bodies = [
        understood("order_status", turn="1", order=ORDER, language="zh")
        if body.type == "message.understood"
        else body
        for body in ANGRY
    ]
    await append(log, bodies)
    appended = await score_conversation(log, Records([LATE]), POLICY, clock, C)
    (offer,), (scored,) = only(appended, ev.OfferMade), only(appended, ev.ChurnScored)
    assert isinstance(offer, ev.OfferMade)
    assert isinstance(scored, ev.ChurnScored)
    assert "抵用金" in offer.text
    assert any(reason.text == "咨询时情绪不满" for reason in scored.reasons)


async def test_every_customer_is_scored_likeliest_to_leave_first_and_nothing_is_stored(
    log: SqlLog, clock: Clock
) -> None:
    lost, loyal, new = CustomerId("cus_lost"), CustomerId("cus_loyal"), CustomerId("cus_new")
    records = Records(
        [
            order(customer=lost, days_ago=500),
            *(order(customer=loyal, days_ago=days) for days in (3, 50, 90)),
        ],
        [lost, loyal, new],
    )
    scores = await score_all(log, records, clock)
    assert [score.customer for score in scores] == [lost, new, loyal]
    assert await log.latest() == []


async def test_a_history_that_is_kept_equals_one_read_afresh(log: SqlLog, clock: Clock) -> None:
    kept = History()
    await append(log, ANGRY)
    await kept.catch_up(log)
    await score_conversation(log, Records([LATE]), POLICY, clock, C, history=kept)
    (made,) = only(await log.read(C), ev.OfferMade)
    assert isinstance(made, ev.OfferMade)
    await append(log, [ev.OfferAnswered(offer=made.offer, taken=True)])
    await kept.catch_up(log)
    fresh = History()
    await fresh.catch_up(log)
    assert kept == fresh
    assert [offer.taken for offer in fresh.offers_to(MIA)] == [True]
    assert len(fresh.signals(MIA)) == 4
