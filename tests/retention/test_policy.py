from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import SignalKind
from agent.ids import CustomerId, Language, OfferId
from retention.budget import CAP_DAYS, recent_offers, spent_in_month
from retention.history import MadeOffer
from retention.offers import Action, OfferContext, OfferKind
from retention.policy import COST, TEXTS, ThresholdOffers
from tests.retention.stories import MIA, NOW

RULE = ThresholdOffers(threshold=0.5, budget=Decimal(500), holdout=0.0, secret="s", exploration=0.0)
FAILED = OfferContext(
    customer=MIA,
    language="en",
    churn=0.7,
    signal=("delivery_problem", 0.8),
    spent=Decimal(0),
    recent=0,
    now=NOW,
)
CONTEXTS = st.builds(
    OfferContext,
    customer=st.integers(1, 50).map(lambda number: CustomerId(f"cus_{number}")),
    language=st.sampled_from(["en", "zh"]),
    churn=st.floats(0, 1),
    signal=st.none() | st.tuples(st.sampled_from(get_args(SignalKind)), st.floats(0, 1)),
    spent=st.decimals(0, 600, places=2),
    recent=st.integers(0, 3),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(
        lambda at: at.replace(tzinfo=NOW.tzinfo)
    ),
)
POLICIES = st.builds(
    ThresholdOffers,
    threshold=st.floats(0, 1),
    budget=st.decimals(0, 500, places=2),
    holdout=st.floats(0, 0.99),
    secret=st.text(min_size=1),
    cap=st.integers(0, 3),
    exploration=st.floats(0, 1),
)


@pytest.mark.parametrize(
    ("signal", "kind"),
    [
        ("delivery_problem", "free_express_shipping"),
        ("refund_problem", "goodwill_credit"),
        ("negative_mood", "goodwill_credit"),
        ("leaving_threat", "voucher_10_percent"),
        ("low_rating", "voucher_10_percent"),
    ],
)
def test_what_went_wrong_chooses_the_offer(signal: SignalKind, kind: OfferKind) -> None:
    decision = RULE.decide(replace(FAILED, signal=(signal, 0.9)), key="k")
    assert decision.action == kind
    assert decision.propensity == 1.0
    assert decision.offer is not None
    assert decision.offer.value == COST[kind]
    assert decision.offer.expires_at == NOW + timedelta(days=30)


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (replace(FAILED, churn=0.49), "score"),
        (replace(FAILED, signal=None), "no_signal"),
        (replace(FAILED, signal=("handoff", 0.4)), "no_signal"),
        (replace(FAILED, recent=1), "cap"),
        (replace(FAILED, spent=Decimal("490.01")), "budget"),
    ],
)
def test_nothing_is_offered_when_a_condition_fails(context: OfferContext, reason: str) -> None:
    decision = RULE.decide(context, key="k")
    assert (decision.offer, decision.withheld, decision.propensity) == (None, reason, 1.0)


def test_when_the_fitting_offer_is_too_dear_the_cheapest_has_to_do() -> None:
    decision = RULE.decide(replace(FAILED, spent=Decimal("488")), key="k")
    assert decision.action == "goodwill_credit"


def test_offers_speak_both_languages_and_name_their_limit() -> None:
    assert set(TEXTS) == set(COST) == set(get_args(OfferKind))
    signals: tuple[SignalKind, ...] = ("delivery_problem", "refund_problem", "leaving_threat")
    for signal in signals:
        for language in get_args(Language):
            context = replace(FAILED, language=language, signal=(signal, 0.9))
            offer = RULE.decide(context, key="k").offer
            assert offer is not None
            assert "{" not in offer.text
            assert (str(offer.value) in offer.text) == (offer.kind != "free_express_shipping")


@given(POLICIES, CONTEXTS)
def test_the_probabilities_of_all_actions_sum_to_one(policy: ThresholdOffers, context: OfferContext) -> None:
    chances = policy.probabilities(context)
    assert set(chances) == set(get_args(Action))
    assert all(0 <= chance <= 1 for chance in chances.values())
    assert sum(chances.values()) == pytest.approx(1)


@given(POLICIES, CONTEXTS, st.text())
def test_the_propensity_is_the_probability_of_the_action_that_was_taken(
    policy: ThresholdOffers, context: OfferContext, key: str
) -> None:
    decision = policy.decide(context, key=key)
    assert decision.propensity == policy.probabilities(context)[decision.action] > 0
    assert (decision.offer is None) == (decision.withheld is not None)
    assert policy.decide(context, key=key) == decision


def test_actions_are_taken_as_often_as_their_propensities_say() -> None:
    policy = replace(RULE, holdout=0.2, exploration=0.4)
    total = 4000
    taken: Counter[Action] = Counter()
    for number in range(total):
        context = replace(FAILED, customer=CustomerId(f"cus_{number}"))
        taken[policy.decide(context, key=str(number)).action] += 1
    for action, chance in policy.probabilities(FAILED).items():
        # Four standard deviations; the draws are hashes, so this never changes from run to run.
        assert abs(taken[action] / total - chance) < 4 * (chance * (1 - chance) / total) ** 0.5


def test_inverse_propensity_weighting_recovers_the_value_of_another_policy() -> None:
    """The point of honest propensities: a known answer from this policy's log alone."""
    policy = replace(RULE, holdout=0.3, exploration=0.5)
    reward: dict[Action, float] = {
        "none": 0.1,
        "free_express_shipping": 0.2,
        "voucher_10_percent": 0.7,
        "goodwill_credit": 0.4,
    }
    total = 6000
    for target, value in reward.items():
        estimate = 0.0
        for number in range(total):
            context = replace(FAILED, customer=CustomerId(f"cus_{number}"))
            decision = policy.decide(context, key=str(number))
            if decision.action == target:
                estimate += reward[target] / decision.propensity / total
        assert estimate == pytest.approx(value, rel=0.15)


def test_the_hold_out_keeps_a_customer_for_the_month_and_is_drawn_anew() -> None:
    policy = replace(RULE, holdout=0.5)

    def held_out(customer: str, now: datetime, key: str) -> bool:
        context = replace(FAILED, customer=CustomerId(customer), now=now)
        return policy.decide(context, key=key).withheld == "hold_out"

    names = [f"cus_{number}" for number in range(100)]
    november = [held_out(name, NOW, "a") for name in names]
    assert november == [held_out(name, NOW - timedelta(days=20), "b") for name in names]
    assert november != [held_out(name, NOW + timedelta(days=20), "a") for name in names]
    assert 30 < sum(november) < 70
    other_key = replace(policy, secret="other")
    assert november != [
        other_key.decide(replace(FAILED, customer=CustomerId(name)), key="a").withheld == "hold_out"
        for name in names
    ]


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 20), st.sampled_from(get_args(SignalKind))), max_size=60
    ),
    st.integers(0, 120),
    st.integers(0, 2),
    st.floats(0, 1),
)
def test_budget_and_cap_hold_over_any_sequence_of_failures(
    visits: list[tuple[int, int, SignalKind]], budget: int, cap: int, exploration: float
) -> None:
    policy = ThresholdOffers(0.5, Decimal(budget), 0.0, "s", cap=cap, exploration=exploration)
    made: list[MadeOffer] = []
    now = NOW
    for number, (who, days, signal) in enumerate(visits):
        now += timedelta(days=days)
        customer = CustomerId(f"cus_{who}")
        context = replace(
            FAILED,
            customer=customer,
            signal=(signal, 0.9),
            spent=spent_in_month(made, now),
            recent=recent_offers((offer for offer in made if offer.customer == customer), now),
            now=now,
        )
        offer = policy.decide(context, key=str(number)).offer
        if offer is not None:
            made.append(MadeOffer(OfferId(str(number)), customer, offer.value, now))
    months = Counter[tuple[int, int]]()
    for one in made:
        months[one.at.year, one.at.month] += int(one.value * 100)
        window = [
            other
            for other in made
            if other.customer == one.customer and timedelta(0) <= one.at - other.at < timedelta(days=CAP_DAYS)
        ]
        assert len(window) <= cap
    assert all(cents <= budget * 100 for cents in months.values())


def test_the_budget_counts_the_calendar_month_and_the_cap_ninety_days() -> None:
    def made(days_ago: float, value: str = "10.00") -> MadeOffer:
        return MadeOffer(OfferId("o"), MIA, Decimal(value), NOW - timedelta(days=days_ago))

    offers = [made(0), made(21), made(22, "5.00"), made(89), made(90), made(365)]
    assert spent_in_month(offers, NOW) == Decimal("20.00")  # 22 and 1 November, not 31 October
    assert recent_offers(offers, NOW) == 4


@pytest.mark.parametrize(
    "wrong",
    [{"threshold": 1.1}, {"holdout": 1.0}, {"exploration": -0.1}, {"budget": Decimal(-1)}, {"cap": -1}],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"threshold|budget"):
        replace(RULE, **wrong)  # type: ignore[arg-type]


def test_the_policy_is_made_from_an_operators_settings() -> None:
    policy = ThresholdOffers.from_limits(monthly_budget=99.5, threshold=0.4, holdout=0.1, secret="s")
    assert (policy.budget, policy.threshold, policy.holdout) == (Decimal("99.5"), 0.4, 0.1)
