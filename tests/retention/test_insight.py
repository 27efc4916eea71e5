from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events as ev
from agent.events import Event, EventBody
from agent.ids import ConversationId, CustomerId, OfferId
from retention.insight import InsightFold, Share, insight
from tests.retention.stories import (
    MIA,
    NOW,
    closed,
    handed_over,
    mood,
    numbered,
    opened,
    says,
    signed_in,
)

DAY = timedelta(days=1)
A, B, D = ConversationId("a"), ConversationId("b"), ConversationId("d")
PAUL = CustomerId("cus_paul")


def offer(name: str, value: str) -> EventBody:
    return ev.OfferMade(
        offer=OfferId(name),
        customer=MIA,
        kind="goodwill_credit",
        value=value,
        text="…",
        expires_at=NOW,
        policy="threshold/1",
        propensity=0.9,
    )


def withheld(reason: str) -> EventBody:
    return ev.OfferWithheld(customer=MIA, reason=reason, policy="threshold/1", propensity=1.0)


def churn(customer: CustomerId, probability: float) -> EventBody:
    return ev.ChurnScored(customer=customer, before=0.1, probability=probability, reasons=(), scorer="test")


def test_an_empty_log_gives_an_empty_page() -> None:
    page = insight([])
    assert page.conversations.total == 0
    assert page.ratings.mean is None
    assert (page.handoffs, page.signals, page.mood, page.customers) == ((), (), (), ())
    assert page.offers.cost_made == Decimal(0)


LOG: list[Event] = [
    *numbered(
        [
            opened(),
            signed_in(),
            says(),
            mood(3, 0.9),
            handed_over("requested", "mood"),
            handed_over("mood"),
            closed(),
            ev.SignalRaised(kind="handoff", strength=0.6, evidence=(5,)),
            churn(MIA, 0.6),
            offer("o1", "10.00"),
            ev.ConversationRated(score=2),
        ],
        conversation=A,
        at=NOW - DAY,
    ),
    *numbered([opened(), says(), mood(2, 0.5), mood(2, 0.1), says(), mood(5, 0.3)], conversation=B),
    *numbered(
        [
            opened(),
            signed_in(PAUL),
            says(),
            closed(),
            churn(PAUL, 0.8),
            churn(PAUL, 0.7),
            withheld("budget"),
            withheld("score"),
            withheld("score"),
            offer("o2", "12.90"),
            ev.OfferAnswered(offer=OfferId("o1"), taken=True),
            ev.OfferAnswered(offer=OfferId("o2"), taken=False),
            offer("o3", "20.00"),
            ev.ConversationRated(score=5),
        ],
        conversation=D,
    ),
]


def test_the_page_of_a_known_log() -> None:
    page = insight(LOG)
    conversations = page.conversations
    assert (conversations.total, conversations.open) == (3, 1)
    assert (conversations.handed_over, conversations.identified) == (1, 2)
    assert conversations.by_day == (((NOW - DAY).date(), 1), (NOW.date(), 2))
    assert page.handoffs == (Share("mood", 2), Share("requested", 1))
    assert page.signals == (Share("handoff", 1),)
    yesterday, today = page.mood
    assert (yesterday.messages, yesterday.negative) == (1, 0.9)
    assert today.messages == 2
    assert today.negative == pytest.approx(0.2)  # the message scored again counts by its last score
    assert today.neutral == pytest.approx(0.8)
    assert page.ratings.counts == (0, 1, 0, 0, 1)
    assert page.ratings.mean == 3.5
    assert [(one.customer, one.probability) for one in page.customers] == [(PAUL, 0.7), (MIA, 0.6)]
    assert (page.offers.made, page.offers.taken, page.offers.declined, page.offers.unanswered) == (3, 1, 1, 1)
    assert (page.offers.cost_made, page.offers.cost_taken) == (Decimal("42.90"), Decimal("10.00"))
    assert page.offers.withheld == (Share("score", 2), Share("budget", 1))


@given(st.integers(0, len(LOG)))
def test_looking_in_between_changes_nothing(split: int) -> None:
    fold = InsightFold()
    for event in LOG[:split]:
        fold.add(event)
    assert fold.result() == insight(LOG[:split])
    for event in LOG[split:]:
        fold.add(event)
    assert fold.result() == insight(LOG)
