"""What happens to a closed conversation: its signals, the customer's score, perhaps an offer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from agent import events as ev
from agent.errors import LogUnavailable, SeqConflict
from agent.events import Event, EventBody
from agent.ids import ConversationId, CustomerId, Language, OfferId, new_id
from agent.log import ConversationLog
from agent.shop.port import Order, ShopRecords
from retention.budget import recent_offers, spent_in_month
from retention.churn import ChurnScore, ChurnScorer, LogisticChurn, features, strongest
from retention.history import History, Signal
from retention.offers import OfferContext, OfferPolicy
from retention.policy import RECENT
from retention.signals import missing_signals

Clock = Callable[[], datetime]

ATTEMPTS = 20
"""Conflicts in a row before giving up; each one means somebody else made progress."""
BUDGET = ConversationId("retention.budget")
"""The lease that offers are decided under; no conversation has this id."""
LEASE_SECONDS = 30.0
WAIT_SECONDS = 0.2


async def score_conversation(
    log: ConversationLog,
    records: ShopRecords,
    policy: OfferPolicy,
    clock: Clock,
    conversation: ConversationId,
    *,
    history: History | None = None,
    scorer: ChurnScorer | None = None,
) -> list[Event]:
    """Append what a closed conversation shows: signals, and for a signed-in customer the new
    churn score and the decision about an offer.

    Does nothing for a conversation that is open, unknown, or already scored since it was closed
    (or rated, which often comes after). When something was appended meanwhile it looks again.

    Args:
        history: Kept between calls, it saves reading the whole log each time.
        scorer: ``LogisticChurn`` when not given.

    Returns:
        The events appended.

    Raises:
        SeqConflict: Others kept appending all the time.
        LogUnavailable, ShopUnavailable: Nothing was appended.
    """
    scorer = scorer or LogisticChurn()
    history = history or History()
    for _ in range(ATTEMPTS):
        events = await log.read(conversation)
        if not _due(events):
            return []
        customer = customer_of(events)
        try:
            if customer is None:
                signals = missing_signals(events, clock())
                return await log.append(conversation, signals, expected=events[-1].seq)
            orders = await records.orders_of(customer)
            async with _one_at_a_time(log):
                await history.catch_up(log)
                bodies = _decide(events, customer, orders, history, scorer, policy, clock())
                return await log.append(conversation, bodies, expected=events[-1].seq)
        except SeqConflict as conflict:
            last = conflict
    raise last


async def score_all(
    log: ConversationLog,
    records: ShopRecords,
    clock: Clock,
    *,
    language: Language = "en",
    scorer: ChurnScorer | None = None,
) -> list[ChurnScore]:
    """Score every customer as of now, likeliest to leave first. Appends nothing."""
    scorer = scorer or LogisticChurn()
    history = History()
    await history.catch_up(log)
    orders: dict[CustomerId, list[Order]] = {customer.id: [] for customer in await records.customers()}
    async for order in records.all_orders():
        orders.setdefault(order.customer, []).append(order)
    now = clock()
    scores = [
        scorer.score(
            customer,
            features(theirs, history.signals(customer), history.offers_to(customer), now),
            language,
        )
        for customer, theirs in orders.items()
    ]
    return sorted(scores, key=lambda score: (-score.probability, score.customer))


def customer_of(events: Sequence[Event]) -> CustomerId | None:
    """The signed-in customer of a conversation, ``None`` for a visitor."""
    for event in reversed(events):
        if isinstance(event.body, ev.ConversationIdentified) and event.body.customer is not None:
            return event.body.customer
    return None


def _due(events: Sequence[Event]) -> bool:
    """Whether the conversation is closed and was closed or rated after it was last scored."""
    closed, reason, scored = False, 0, 0
    for event in events:
        match event.body:
            case ev.MessageReceived():
                closed = False
            case ev.ConversationClosed():
                closed, reason = True, event.seq
            case ev.ConversationRated():
                reason = event.seq
            case ev.ChurnScored():
                scored = event.seq
            case _:
                pass
    return closed and reason > scored


def _decide(
    events: Sequence[Event],
    customer: CustomerId,
    orders: Sequence[Order],
    history: History,
    scorer: ChurnScorer,
    policy: OfferPolicy,
    now: datetime,
) -> list[EventBody]:
    language = _language(events)
    earlier, offers = history.signals(customer), history.offers_to(customer)
    missing = missing_signals(events, now, orders)
    signals = [*earlier, *(Signal(signal.kind, signal.strength, now) for signal in missing)]
    # Both at this moment, so that the difference is this conversation's and not the calendar's.
    before = scorer.score(customer, features(orders, earlier, offers, now), language)
    after = scorer.score(customer, features(orders, signals, offers, now), language)
    worst = strongest(signals, now, RECENT)
    decision = policy.decide(
        OfferContext(
            customer=customer,
            language=language,
            churn=after.probability,
            signal=None if worst is None else (worst.kind, worst.strength),
            spent=spent_in_month(history.offers.values(), now),
            recent=recent_offers(offers, now),
            now=now,
        ),
        key=f"{events[-1].conversation}#{events[-1].seq}",
    )
    scored = ev.ChurnScored(
        customer=customer,
        before=round(before.probability, 4),
        probability=round(after.probability, 4),
        reasons=after.reasons,
        scorer=scorer.name,
    )
    if decision.offer is None:
        return [
            *missing,
            scored,
            ev.OfferWithheld(
                customer=customer,
                reason=decision.withheld or "",
                policy=policy.name,
                propensity=decision.propensity,
            ),
        ]
    return [
        *missing,
        scored,
        ev.OfferMade(
            offer=OfferId(new_id("offer")),
            customer=customer,
            kind=decision.offer.kind,
            value=str(decision.offer.value),
            text=decision.offer.text,
            expires_at=decision.offer.expires_at,
            policy=policy.name,
            propensity=decision.propensity,
        ),
    ]


def _language(events: Sequence[Event]) -> Language:
    """The language the shopper wrote last, or opened the conversation in."""
    for event in reversed(events):
        if isinstance(event.body, ev.MessageUnderstood | ev.ConversationStarted):
            return event.body.language
    return "en"


@asynccontextmanager
async def _one_at_a_time(log: ConversationLog) -> AsyncIterator[None]:
    """Let one process decide about offers at a time, or two could spend the same money.

    Raises ``LogUnavailable`` when another holds the lease for longer than it lasts.
    """
    holder = new_id("scorer")
    for _ in range(int(LEASE_SECONDS / WAIT_SECONDS) + 1):
        lease = await log.lease(BUDGET, holder=holder, seconds=LEASE_SECONDS)
        if lease is not None:
            break
        await asyncio.sleep(WAIT_SECONDS)
    else:
        raise LogUnavailable("another process has been deciding about offers for too long")
    try:
        yield
    finally:
        await log.release(lease)
