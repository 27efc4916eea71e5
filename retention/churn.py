"""How likely a customer is to leave, and why: features, and a first scorer.

``LogisticChurn`` has not been fitted: its weights are set by hand. Habit comes first, recency
before frequency. The signals are scaled so that one thoroughly bad chat, with its cause, brings
even a loyal customer near even odds. It ranks customers and explains itself; its probabilities
are not calibrated. Once enough outcomes are known, a fitted scorer takes its
place behind ``ChurnScorer``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, get_args

from agent.events import ChurnReason, SignalKind
from agent.ids import CustomerId, Language
from agent.shop.port import Order
from retention.history import MadeOffer, Signal

HALF_LIFE_DAYS = 30.0
"""A signal counts half after this long, a quarter after twice as long. About the time between
two orders of a regular customer: one good order later, a bad chat weighs half. Hand-set."""
YEAR = timedelta(days=365)
HALF_YEAR = YEAR / 2
NOTICEABLE = 0.05
"""Contributions smaller than this (5 % of the odds) are not given as reasons."""
SIGNAL_KINDS: tuple[SignalKind, ...] = get_args(SignalKind)
MOST_SIGNALS = 3.0
"""Signals of one kind add up to this at most; after three bad chats a fourth tells little new."""


@dataclass(frozen=True)
class ChurnScore:
    """Probability that a customer is lost, 0 to 1, with what moved it, strongest first."""

    customer: CustomerId
    probability: float
    reasons: tuple[ChurnReason, ...]


@dataclass(frozen=True)
class Feature:
    """One input of the scorer.

    Attributes:
        weight: Change of the log-odds per unit, positive towards leaving.
        typical: Value of a typical customer, who scores ``TYPICAL_PROBABILITY``.
        why: Where the weight comes from.
        text: The reason in words; ``{value}`` is the raw figure.
    """

    weight: float
    typical: float
    why: str
    text: dict[Language, str]


TYPICAL_PROBABILITY = 0.2
"""Of a customer typical in every feature: roughly one in five does not come back in a year."""

FEATURES: dict[str, Feature] = {
    "recency": Feature(
        0.7,
        1.1,
        "ln(1 + months since the last order). The strongest single predictor in every "
        "recency-frequency-value study; two months is typical, the tenth month adds less than the second.",
        {"en": "Days since the last order: {value}", "zh": "距上次下单 {value} 天"},
    ),
    "frequency": Feature(
        -0.6,
        1.1,
        "ln(1 + orders in 12 months). Habit: the step from one order to two matters most; two is typical.",
        {"en": "Orders in the last 12 months: {value}", "zh": "近 12 个月下单 {value} 次"},
    ),
    "value": Feature(
        -0.1,
        1.3,
        "ln(1 + spent in 12 months / 100). Says little beyond frequency, so it counts little.",
        {"en": "Spent in the last 12 months: {value}", "zh": "近 12 个月消费：{value}"},
    ),
    "trend": Feature(
        -0.4,
        0.0,
        "Orders of the last six months against the six before, -1 to 1. Slowing down comes before stopping.",
        {
            "en": "Orders of the last 6 months compared with the 6 before: {value}",
            "zh": "近 6 个月的订单数与之前 6 个月相比：{value}",
        },
    ),
    "returns": Feature(
        0.8,
        0.1,
        "Share of items bought in 12 months that came back. A tenth is usual; half means it does not fit.",
        {"en": "Returned of what was bought in 12 months: {value}", "zh": "近 12 个月商品退货率：{value}"},
    ),
    "offers_taken": Feature(
        -0.6,
        0.0,
        "Offers taken, decayed like signals. Who takes an offer means to come back.",
        {"en": "Took an offer to stay", "zh": "接受过挽留优惠"},
    ),
    "negative_mood": Feature(
        1.6,
        0.0,
        "An angry shopper is the reason this product exists: full anger multiplies the odds by five.",
        {"en": "Was angry or disappointed in a chat", "zh": "咨询时情绪不满"},
    ),
    "repeated_question": Feature(
        0.7,
        0.0,
        "Having to ask twice is effort, and effort predicts leaving better than delight predicts staying.",
        {"en": "Had to ask the same thing again", "zh": "同一问题不得不重复询问"},
    ),
    "unresolved": Feature(
        1.3,
        0.0,
        "A problem left open weighs nearly as much as anger: nothing made it right.",
        {"en": "A problem was left unresolved", "zh": "有问题未得到解决"},
    ),
    "handoff": Feature(
        1.0,
        0.0,
        "A person was needed. Less than what caused it, which has its own signal.",
        {"en": "Needed a person to take over", "zh": "需要转接人工客服"},
    ),
    "delivery_problem": Feature(
        1.2,
        0.0,
        "Late or lost parcels are the commonest complaint of online shops.",
        {"en": "A parcel was late or had a problem", "zh": "包裹延误或异常"},
    ),
    "refund_problem": Feature(
        1.2,
        0.0,
        "Waiting for one's own money hurts trust more than waiting for goods.",
        {"en": "A refund was overdue", "zh": "退款逾期未到账"},
    ),
    "broken_promise": Feature(
        1.4, 0.0, "We said it and did not do it.", {"en": "A promise was not kept", "zh": "承诺未兑现"}
    ),
    "low_rating": Feature(
        1.2,
        0.0,
        "The shopper's own verdict on a chat.",
        {"en": "Gave a chat a low rating", "zh": "给出了低评分"},
    ),
    "abandoned": Feature(
        0.3,
        0.0,
        "Left in the middle. Often just an interruption, so it counts least.",
        {"en": "Left a chat in the middle", "zh": "咨询中途离开"},
    ),
    "leaving_threat": Feature(
        2.0,
        0.0,
        "Said so. The plainest evidence there is.",
        {"en": "Spoke of leaving", "zh": "表示不再光顾"},
    ),
}
"""Every feature of ``LogisticChurn``, in one table."""


@dataclass(frozen=True)
class Features:
    """A customer at one moment. ``None`` where nothing is known, which moves nothing.

    Attributes:
        days_since_order: Of the last order that was not cancelled.
        orders: Not cancelled, last 12 months.
        spent: On these, in the shop's currency.
        recent_change: Orders of the last six months minus those of the six before.
        trend: (orders of 6 months - orders of the 6 before) / (their sum + 1), -1 to 1.
        returns: Share of their items in a return, 0 to 1; ``None`` without any item.
        signals: Decayed strength by kind, 0 or more.
        offers_taken: Decayed count.
    """

    days_since_order: float | None
    orders: int
    spent: Decimal
    recent_change: int
    trend: float
    returns: float | None
    signals: dict[SignalKind, float]
    offers_taken: float


class ChurnScorer(Protocol):
    """Scores one customer; pure."""

    @property
    def name(self) -> str:
        """Name and version, stored with every score."""

    def score(self, customer: CustomerId, features: Features, language: Language) -> ChurnScore:
        """Return the score with its reasons in ``language``."""


def features(
    orders: Iterable[Order], signals: Iterable[Signal], offers: Iterable[MadeOffer], now: datetime
) -> Features:
    """Compute a customer's features as of ``now`` (UTC); later orders and signals do not count."""
    bought = [order for order in orders if order.state != "cancelled" and order.placed_at <= now]
    year = [order for order in bought if order.placed_at > now - YEAR]
    newer = sum(order.placed_at > now - HALF_YEAR for order in year)
    older = len(year) - newer
    lines = [line for order in year for line in order.lines]
    items = sum(line.quantity for line in lines)
    decayed: dict[SignalKind, float] = {}
    for signal in signals:
        if signal.at <= now:
            weight = decay(now - signal.at)
            decayed[signal.kind] = decayed.get(signal.kind, 0.0) + signal.strength * weight
    return Features(
        days_since_order=min(((now - order.placed_at) / timedelta(days=1) for order in bought), default=None),
        orders=len(year),
        spent=sum((order.total for order in year), start=Decimal(0)),
        recent_change=newer - older,
        trend=(newer - older) / (len(year) + 1),
        returns=sum(line.returned for line in lines) / items if items else None,
        signals=decayed,
        offers_taken=sum(decay(now - offer.at) for offer in offers if offer.taken and offer.at <= now),
    )


def decay(age: timedelta) -> float:
    """Return what is left of a signal of this age: 1 now, a half after the half-life."""
    return float(0.5 ** (age / timedelta(days=HALF_LIFE_DAYS)))


class LogisticChurn:
    """The first, hand-set scorer: log-odds = typical + sum of weight x (value - typical value)."""

    name = "logistic-hand-set/1"

    def score(self, customer: CustomerId, features: Features, language: Language) -> ChurnScore:
        """Score a customer; see ``ChurnScorer``. Every signal can only raise the probability."""
        moved = contributions(features)
        log_odds = math.log(TYPICAL_PROBABILITY / (1 - TYPICAL_PROBABILITY)) + sum(moved.values())
        shown = _figures(features)
        reasons = [
            ChurnReason(
                feature=name,
                text=FEATURES[name].text[language].format(value=shown.get(name, "")),
                contribution=round(contribution, 4),
            )
            for name, contribution in moved.items()
            if abs(contribution) >= NOTICEABLE
        ]
        reasons.sort(key=lambda reason: -abs(reason.contribution))
        return ChurnScore(customer, 1 / (1 + math.exp(-log_odds)), tuple(reasons))


def contributions(features: Features) -> dict[str, float]:
    """Return what each feature adds to a typical customer's log-odds."""
    values: dict[str, float] = {
        "frequency": math.log1p(features.orders),
        "value": math.log1p(float(features.spent) / 100),
        "trend": features.trend,
        "offers_taken": min(features.offers_taken, MOST_SIGNALS),
    }
    if features.days_since_order is not None:
        values["recency"] = math.log1p(features.days_since_order / 30)
    if features.returns is not None:
        values["returns"] = features.returns
    for kind in SIGNAL_KINDS:
        values[kind] = min(features.signals.get(kind, 0.0), MOST_SIGNALS)
    return {name: FEATURES[name].weight * (value - FEATURES[name].typical) for name, value in values.items()}


def _figures(features: Features) -> dict[str, str]:
    days = features.days_since_order
    return {
        "recency": "" if days is None else f"{days:.0f}",
        "frequency": str(features.orders),
        "value": f"{features.spent:.2f}",
        "trend": f"{features.recent_change:+d}",
        "returns": "" if features.returns is None else f"{features.returns:.0%}",
    }


def strongest(signals: Sequence[Signal], now: datetime, within: timedelta) -> Signal | None:
    """Return the strongest signal raised in the last ``within``; the latest of equals."""
    recent = [signal for signal in signals if now - within < signal.at <= now]
    return max(recent, key=lambda signal: (signal.strength, signal.at), default=None)
