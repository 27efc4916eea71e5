from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import SignalKind
from agent.ids import OfferId
from retention.churn import (
    FEATURES,
    HALF_LIFE_DAYS,
    SIGNAL_KINDS,
    TYPICAL_PROBABILITY,
    ChurnScore,
    Features,
    LogisticChurn,
    contributions,
    decay,
    features,
    strongest,
)
from retention.history import MadeOffer, Signal
from tests.retention.stories import MIA, NOW, order

DAY = timedelta(days=1)
# log1p(x) of these is the typical value of the table.
TYPICAL = Features(
    days_since_order=30 * math.expm1(FEATURES["recency"].typical),
    orders=2,
    spent=Decimal(100 * math.expm1(FEATURES["value"].typical)),
    recent_change=0,
    trend=0.0,
    returns=FEATURES["returns"].typical,
    signals={},
    offers_taken=0.0,
)
FIGURES = st.builds(
    Features,
    days_since_order=st.none() | st.floats(0, 5000),
    orders=st.integers(0, 500),
    spent=st.decimals(0, 10**7, places=2),
    recent_change=st.integers(-50, 50),
    trend=st.floats(-1, 1),
    returns=st.none() | st.floats(0, 1),
    signals=st.dictionaries(st.sampled_from(SIGNAL_KINDS), st.floats(0, 50)),
    offers_taken=st.floats(0, 20),
)


def scored(figures: Features) -> ChurnScore:
    return LogisticChurn().score(MIA, figures, "en")


def test_a_typical_customer_scores_the_typical_probability_without_strong_reasons() -> None:
    assert scored(TYPICAL).probability == pytest.approx(TYPICAL_PROBABILITY, abs=0.01)
    assert scored(TYPICAL).reasons == ()


@given(FIGURES)
def test_a_probability_lies_between_nothing_and_one_and_is_made_of_its_contributions(
    figures: Features,
) -> None:
    probability = scored(figures).probability
    assert 0 <= probability <= 1
    base = math.log(TYPICAL_PROBABILITY / (1 - TYPICAL_PROBABILITY))
    log_odds = base + sum(contributions(figures).values())
    assert probability == pytest.approx((1 + math.tanh(log_odds / 2)) / 2)


@given(FIGURES, st.sampled_from(SIGNAL_KINDS), st.floats(0, 10))
def test_one_more_signal_never_lowers_the_score(figures: Features, kind: SignalKind, more: float) -> None:
    worse = replace(figures, signals={**figures.signals, kind: figures.signals.get(kind, 0.0) + more})
    assert scored(worse).probability >= scored(figures).probability


@given(FIGURES, st.sampled_from(SIGNAL_KINDS))
def test_a_first_strong_signal_of_any_kind_raises_the_score(figures: Features, kind: SignalKind) -> None:
    calm = replace(figures, signals=dict.fromkeys(SIGNAL_KINDS, 0.0))
    failed = replace(figures, signals={**calm.signals, kind: 1.0})
    assert scored(failed).probability > scored(calm).probability


@given(FIGURES, st.floats(0, 1000))
def test_a_longer_silence_never_lowers_the_score(figures: Features, days: float) -> None:
    silent = replace(figures, days_since_order=(figures.days_since_order or 0) + days)
    recent = replace(figures, days_since_order=figures.days_since_order or 0)
    assert scored(silent).probability >= scored(recent).probability


def test_one_thoroughly_bad_chat_moves_a_loyal_customer_near_even_odds() -> None:
    loyal = features([order(days_ago=days) for days in (5, 60, 120, 200, 300)], [], [], NOW)
    bad: list[Signal] = [
        Signal("negative_mood", 0.85, NOW),
        Signal("handoff", 0.6, NOW),
        Signal("delivery_problem", 0.9, NOW),
    ]
    failed = features([order(days_ago=days) for days in (5, 60, 120, 200, 300)], bad, [], NOW)
    assert scored(loyal).probability < 0.1
    assert 0.35 < scored(failed).probability < 0.65


def test_the_reasons_are_the_strongest_contributions_first_in_the_asked_language() -> None:
    figures = replace(TYPICAL, days_since_order=400.0, signals={"leaving_threat": 0.9, "abandoned": 0.01})
    reasons = LogisticChurn().score(MIA, figures, "zh").reasons
    assert [reason.feature for reason in reasons] == ["leaving_threat", "recency"]
    assert reasons[0].text == "表示不再光顾"
    assert reasons[1].text == "距上次下单 400 天"
    assert reasons[0].contribution == pytest.approx(1.8)


def test_every_feature_says_why_and_speaks_both_languages() -> None:
    assert set(SIGNAL_KINDS) < set(FEATURES)
    for feature in FEATURES.values():
        assert feature.why.endswith(".")
        assert set(feature.text) == {"en", "zh"}
        assert feature.text["en"].count("{value}") == feature.text["zh"].count("{value}")


def test_a_signal_counts_half_after_its_half_life() -> None:
    signals = [
        Signal("handoff", 0.8, NOW - HALF_LIFE_DAYS * DAY),
        Signal("handoff", 0.4, NOW),
        Signal("handoff", 0.9, NOW + DAY),
    ]
    assert features([], signals, [], NOW).signals == {"handoff": pytest.approx(0.8)}
    assert decay(timedelta(0)) == 1


def test_the_features_of_a_known_customer() -> None:
    orders = [
        order(days_ago=20, total="120.00", returned=1),
        order(days_ago=100, total="80.00"),
        order(days_ago=250, total="50.00"),
        order(days_ago=500, total="999.00", returned=2),
        order(days_ago=3, total="70.00", state="cancelled"),
    ]
    taken = MadeOffer(OfferId("o"), MIA, Decimal(10), NOW - HALF_LIFE_DAYS * DAY, taken=True)
    left = MadeOffer(OfferId("p"), MIA, Decimal(10), NOW, taken=False)
    assert features(orders, [], [taken, left], NOW) == Features(
        days_since_order=20.0,
        orders=3,
        spent=Decimal("250.00"),
        recent_change=1,
        trend=0.25,
        returns=1 / 6,
        signals={},
        offers_taken=0.5,
    )


def test_a_customer_without_orders_is_judged_by_what_is_known() -> None:
    empty = features([], [], [], NOW)
    assert empty.days_since_order is None
    assert empty.returns is None
    assert "recency" not in contributions(empty)
    assert scored(empty).probability > TYPICAL_PROBABILITY


def test_the_strongest_recent_signal_is_found() -> None:
    old = Signal("leaving_threat", 1.0, NOW - 15 * DAY)
    first, second = Signal("handoff", 0.7, NOW - 2 * DAY), Signal("negative_mood", 0.7, NOW - DAY)
    assert strongest([old, first, second], NOW, 14 * DAY) == second
    assert strongest([old], NOW, 14 * DAY) is None
