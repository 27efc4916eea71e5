from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.events import ChurnReason, ChurnScored, Event, OfferWithheld
from agent.ids import ConversationId, CustomerId
from agent.log_sql import SqlLog
from agent.migrations import migrate
from evals.policy_value import (
    PropensityInvalid,
    action_means,
    clipped_ips,
    dr,
    effective_sample_size,
    importance_weights,
    ips,
    logged_decisions,
    offers_value,
    ordered_again,
    snips,
)
from retention.offers import Action, Decision, LoggedDecision, OfferContext
from retention.policy import ThresholdOffers
from retention.scoring import score_conversation
from tests.retention.stories import NOW, C, Records, closed, mood, numbered, opened, order, says, signed_in

Floats = NDArray[np.float64]

# Two kinds of context, three actions: the chance of a reward, and of each action under two policies.
REWARD = np.array([[0.1, 0.5, 0.3], [0.6, 0.2, 0.4]])
LOGGING = np.array([[0.7, 0.1, 0.2], [0.2, 0.6, 0.2]])
TARGET = np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])
TRUTH = float((TARGET * REWARD).sum(axis=1).mean())


@dataclass(frozen=True)
class Draw:
    kind: NDArray[np.int64]
    action: NDArray[np.int64]
    reward: Floats

    @property
    def weights(self) -> Floats:
        return importance_weights(TARGET[self.kind, self.action], LOGGING[self.kind, self.action])


def drawn(seed: int, n: int = 400) -> Draw:
    random = np.random.default_rng(seed)
    kind = random.integers(0, 2, n)
    action = (random.random((n, 1)) > LOGGING[kind].cumsum(axis=1)).sum(axis=1)
    return Draw(kind, action, (random.random(n) < REWARD[kind, action]).astype(float))


def test_estimators_are_unbiased_and_their_intervals_hold_the_truth() -> None:
    model = np.full((2, 3), 0.4)  # a wrong one: DR must not need a right one
    found = []
    for seed in range(150):
        log = drawn(seed)
        w, y = log.weights, log.reward
        base = (TARGET[log.kind] * model[log.kind]).sum(axis=1)
        found.append([ips(w, y), snips(w, y), dr(w, y, model[log.kind, log.action], base)])
    for estimates in zip(*found, strict=True):
        values = np.array([one.value for one in estimates])
        spread = values.std()
        assert abs(values.mean() - TRUTH) < 4 * spread / np.sqrt(len(values)), estimates[0].estimator
        assert np.mean([one.low <= TRUTH <= one.high for one in estimates]) > 0.88
        assert np.mean([one.standard_error for one in estimates]) == pytest.approx(spread, rel=0.2)
    naive = np.mean([drawn(seed).reward.mean() for seed in range(150)])
    assert abs(naive - TRUTH) > 0.2  # so that the estimators had something to mend


def test_clipping_lowers_the_estimate_and_its_error() -> None:
    log = drawn(1, 4000)
    free, held = ips(log.weights, log.reward), clipped_ips(log.weights, log.reward, most=2.0)
    assert held.value < free.value
    assert held.standard_error < free.standard_error
    assert held.effective_n > free.effective_n


def test_a_good_model_makes_the_doubly_robust_estimate_surer() -> None:
    log = drawn(2, 4000)
    base = (TARGET[log.kind] * REWARD[log.kind]).sum(axis=1)
    robust = dr(log.weights, log.reward, REWARD[log.kind, log.action], base)
    assert robust.standard_error < 0.9 * ips(log.weights, log.reward).standard_error
    assert robust.value == pytest.approx(TRUTH, abs=4 * robust.standard_error)


def test_self_normalising_keeps_a_constant_reward() -> None:
    log = drawn(3)
    one = snips(log.weights, np.full(400, 7.0))
    assert [one.value, one.standard_error] == pytest.approx([7.0, 0.0])
    assert ips(log.weights, np.full(400, 7.0)).value != pytest.approx(7.0, abs=0.01)


def test_effective_sample_size_counts_what_the_weights_leave() -> None:
    assert effective_sample_size(np.ones(50)) == 50
    assert effective_sample_size(np.array([1.0, 0, 0, 0])) == 1
    assert effective_sample_size(np.array([3.0, 1.0])) == pytest.approx(1.6)
    assert effective_sample_size(np.zeros(3)) == 0


@pytest.mark.parametrize("propensity", [0.0, float("nan"), -0.1, 1.5])
def test_a_propensity_that_is_none_is_an_error(propensity: float) -> None:
    with pytest.raises(PropensityInvalid, match="decision 1"):
        importance_weights([0.5, 0.5], [0.5, propensity])


def test_nothing_can_be_said_about_actions_never_taken() -> None:
    with pytest.raises(ValueError, match="cannot be judged"):
        snips(np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="target probability"):
        importance_weights([1.2], [0.5])
    with pytest.raises(ValueError, match="not a number"):
        ips(np.ones(2), [1.0, float("nan")])


def test_copies_of_a_decision_in_one_group_add_no_certainty() -> None:
    log = drawn(4)
    once = snips(log.weights, log.reward)
    groups = np.tile(np.arange(400), 4)
    four = snips(np.tile(log.weights, 4), np.tile(log.reward, 4), groups=groups)
    assert four.value == pytest.approx(once.value)
    assert four.standard_error == pytest.approx(once.standard_error)
    assert [four.low, four.high] == pytest.approx([once.low, once.high])
    blind = snips(np.tile(log.weights, 4), np.tile(log.reward, 4))
    assert blind.standard_error == pytest.approx(once.standard_error / 2)


def test_no_reward_is_predicted_from_itself() -> None:
    actions = np.arange(100) % 2
    rewards = np.zeros(100)
    rewards[7] = 1000.0
    predicted = action_means(actions, rewards, 2)
    assert predicted[7, 1] == 0
    assert predicted[:, 1].max() > 0


@dataclass(frozen=True)
class Always:
    """Does one thing, whatever the context."""

    action: Action
    name: str = "always/1"

    def probabilities(self, context: OfferContext) -> Mapping[Action, float]:
        chances: dict[Action, float] = {
            "none": 0.0,
            "free_express_shipping": 0.0,
            "voucher_10_percent": 0.0,
            "goodwill_credit": 0.0,
        }
        chances[self.action] = 1.0
        return chances

    def decide(self, context: OfferContext, *, key: str) -> Decision:
        raise NotImplementedError


def context(customer: str, churn: float = 0.8) -> OfferContext:
    return OfferContext(CustomerId(customer), "en", churn, ("negative_mood", 0.9), Decimal(0), 0, NOW)


def test_an_offer_policy_is_valued_at_what_it_earns() -> None:
    policy = ThresholdOffers(threshold=0.5, budget=Decimal(1000), holdout=0.3, secret="s", exploration=0.2)
    worth: dict[Action, float] = {
        "none": 0.3,
        "goodwill_credit": 0.6,
        "free_express_shipping": 0.4,
        "voucher_10_percent": 0.5,
    }
    random = np.random.default_rng(5)
    decisions = []
    for number in range(4000):
        seen = context(f"C{number}", churn=0.8 if number % 4 else 0.1)
        decision = policy.decide(seen, key=str(number))
        earned = float(random.random() < worth[decision.action])
        decisions.append(LoggedDecision(seen, decision.action, decision.propensity, earned, NOW, "t/1"))

    nobody = offers_value(decisions, Always("none"))
    for one in nobody.estimates.values():
        assert one.value == pytest.approx(0.3, abs=4 * one.standard_error)
        assert one.low < one.value < one.high
    assert nobody.mean_weight == pytest.approx(1, abs=0.1)
    assert nobody.unsupported == 0
    assert nobody.logged.value > nobody.estimates["dr"].high

    itself = offers_value(decisions, policy)
    assert itself.estimates["ips"].value == pytest.approx(itself.logged.value)
    assert itself.mean_weight == pytest.approx(1)

    # A quarter was below the threshold: an offer to them was never given a chance.
    everybody = offers_value(decisions, Always("goodwill_credit"))
    assert everybody.unsupported == pytest.approx(0.25)
    assert everybody.mean_weight == pytest.approx(0.75, abs=0.05)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqlLog]:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    migrate(url)
    opened_log = SqlLog(url, clock=lambda: NOW)
    yield opened_log
    await opened_log.close()


async def test_decisions_are_read_back_with_what_the_policy_looked_at(log: SqlLog) -> None:
    policy = ThresholdOffers(threshold=0.4, budget=Decimal(150), holdout=0.3, secret="s", exploration=0.6)
    customers = [CustomerId(f"C-{number % 24}") for number in range(30)]
    records = Records([order(customer=customer, days_ago=30) for customer in customers])
    for number, customer in enumerate(customers):
        anger = 0.1 if number % 3 == 0 else 0.95
        where = ConversationId(f"c_{number}")
        story = [opened("zh" if number % 2 else "en"), signed_in(customer), says(), mood(3, anger), closed()]
        await log.append(where, story, expected=0)
        assert await score_conversation(log, records, policy, lambda: NOW, where)

    events = [event async for _, event in log.scan()]
    decisions = logged_decisions(events, lambda customer, at: 1.0)
    assert len(decisions) == 30
    assert len({one.action for one in decisions}) >= 3
    assert {one.context.language for one in decisions} == {"en", "zh"}
    assert max(one.context.spent for one in decisions) > 60
    assert max(one.context.recent for one in decisions) == 1
    for one in decisions:
        assert policy.probabilities(one.context)[one.action] == pytest.approx(one.propensity)
    assert offers_value(decisions, policy).mean_weight == pytest.approx(1)


def withheld(propensity: float) -> list[Event]:
    scored = ChurnScored(
        customer=CustomerId("C-1"),
        before=0.2,
        probability=0.5,
        reasons=(ChurnReason(feature="recency", text="t", contribution=0.1),),
        scorer="t/1",
    )
    decided = OfferWithheld(
        customer=CustomerId("C-1"), reason="no_signal", policy="t/1", propensity=propensity
    )
    return numbered([opened(), signed_in(CustomerId("C-1")), closed(), scored, decided])


def test_a_logged_decision_without_a_propensity_is_named() -> None:
    with pytest.raises(PropensityInvalid, match=f"{C}, event 5"):
        logged_decisions(withheld(0.0), lambda customer, at: 1.0)
    (one,) = logged_decisions(withheld(1.0), lambda customer, at: 1.0)
    assert (one.action, one.context.churn, one.reward) == ("none", 0.5, 1.0)


def test_a_decision_without_a_score_cannot_be_read() -> None:
    events = [event for event in withheld(1.0) if not isinstance(event.body, ChurnScored)]
    with pytest.raises(ValueError, match="without a churn score"):
        logged_decisions(events, lambda customer, at: 1.0)


def test_an_outcome_counts_once_its_time_is_over() -> None:
    mia = CustomerId("C-1")
    later = replace(order(customer=mia), placed_at=NOW + timedelta(days=20))
    month = timedelta(days=30)

    def worth(*orders: object, until: datetime = NOW + month) -> float | None:
        return ordered_again({mia: orders}, within=month, known_until=until)(mia, NOW)  # type: ignore[dict-item]

    assert worth(later) == 1
    assert worth() == 0
    assert worth(replace(later, state="cancelled")) == 0
    assert worth(replace(later, placed_at=NOW - month)) == 0
    assert worth(replace(later, placed_at=NOW + 2 * month)) == 0
    assert worth(later, until=NOW + timedelta(days=29)) is None
    reward = ordered_again({mia: [later]}, within=month, known_until=NOW)
    assert logged_decisions(withheld(1.0), reward) == []
