"""What another offer policy would have earned, estimated from the decisions of the one that ran.

Every estimator takes importance weights: the probability of the logged action under the policy
asked about, over the probability it was logged with. None of them can say anything about an
action that was never given a chance; ``mean_weight`` (near 1 when all is well) and
``unsupported`` show where that is so.

Sources, by the name in :class:`Estimate`:

- ``ips``: Horvitz and Thompson (1952), J. Am. Stat. Assoc. 47, 663-685.
- ``clipped_ips``: Bottou et al. (2013), J. Mach. Learn. Res. 14, section 4.4. Biased downwards
  for rewards that are never negative.
- ``snips``: Swaminathan and Joachims (2015), NeurIPS 28, equation 8.
- ``dr``: Dudik, Langford and Li (2011), ICML, equation 2.
- Effective sample size: Kish (1965), Survey Sampling, section 11.7.
- Intervals: percentile bootstrap, Efron and Tibshirani (1993), chapter 13, whole groups drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agent import events as ev
from agent.events import Event
from agent.ids import ConversationId, CustomerId, Language
from agent.shop.port import Order
from retention.budget import recent_offers, spent_in_month
from retention.churn import strongest
from retention.history import History
from retention.offers import Action, LoggedDecision, OfferContext, OfferPolicy
from retention.policy import RECENT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLES = 1000
SEED = 20260301
LEVEL = 0.95
MOST_WEIGHT = 10.0
"""Where weights are clipped: no decision counts for more than ten. Hand-set."""
FOLDS = 5
"""A reward is never predicted by a model that has seen it."""
CELLS = 2_000_000
"""Numbers of one batch of draws: 16 MB."""


class PropensityInvalid(ValueError):
    """A logged decision has no usable propensity, so that no estimate can be right."""


@dataclass(frozen=True)
class Estimate:
    """An estimated mean reward per decision.

    Attributes:
        estimator: Its name, see the module.
        standard_error: From the influence function, groups taken as independent.
        low, high: 95 % bootstrap interval.
        n: Logged decisions.
        effective_n: How many decisions of the policy itself would say as much (Kish).
    """

    estimator: str
    value: float
    standard_error: float
    low: float
    high: float
    n: int
    effective_n: float


def importance_weights(target: ArrayLike, propensity: ArrayLike) -> Floats:
    """Return target / propensity per decision.

    Raises:
        PropensityInvalid: A propensity is missing (NaN), zero, negative or above 1.
        ValueError: A target probability is not in 0 to 1, or the lengths differ.
    """
    wanted, logged = np.asarray(target, np.float64), np.asarray(propensity, np.float64)
    if wanted.shape != logged.shape or wanted.ndim != 1:
        raise ValueError("one target probability and one propensity per decision are needed")
    # Not "<= 0 or > 1": that would let NaN through.
    bad = np.flatnonzero(~((logged > 0) & (logged <= 1)))
    if len(bad):
        raise PropensityInvalid(
            f"decision {bad[0]}: the propensity {logged[bad[0]]} is not above 0 and at most 1"
        )
    if not np.all((wanted >= 0) & (wanted <= 1)):
        raise ValueError("a target probability is not in 0 to 1")
    return wanted / logged


def effective_sample_size(weights: Floats) -> float:
    """Kish's (sum w)² / sum w²; 0 when no decision could have been the policy's."""
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares else 0.0


def ips(weights: Floats, rewards: ArrayLike, *, groups: ArrayLike | None = None) -> Estimate:
    """Inverse propensity scoring: mean of weight x reward. Unbiased; its variance can be large.

    Args:
        groups: Decisions that belong together (the same customer's), all independent if not given.
    """
    earned = weights * _rewards(rewards, weights)
    return _ratio("ips", earned, np.ones(len(weights)), weights, groups)


def clipped_ips(
    weights: Floats, rewards: ArrayLike, *, most: float = MOST_WEIGHT, groups: ArrayLike | None = None
) -> Estimate:
    """As :func:`ips` with no weight above ``most``: less variance, some bias."""
    return replace(ips(np.minimum(weights, most), rewards, groups=groups), estimator="clipped_ips")


def snips(weights: Floats, rewards: ArrayLike, *, groups: ArrayLike | None = None) -> Estimate:
    """Self-normalised: sum of weight x reward over the sum of weights. Never leaves the rewards' range.

    Raises ``ValueError`` when no logged action could have been the policy's.
    """
    if not np.any(weights > 0):
        raise ValueError(
            "the policy would have done nothing that was logged: it cannot be judged from this log"
        )
    return _ratio("snips", weights * _rewards(rewards, weights), weights, weights, groups)


def dr(
    weights: Floats,
    rewards: ArrayLike,
    predicted: ArrayLike,
    baseline: ArrayLike,
    *,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Doubly robust: the model's value, plus the weighted errors of the model on what was logged.

    Right when the propensities are, whatever the model; a good model lessens the variance.

    Args:
        predicted: The model's reward of the logged action.
        baseline: The model's reward of the policy: its actions' rewards by their probabilities.
    """
    errors = _rewards(rewards, weights) - np.asarray(predicted, np.float64)
    value = np.asarray(baseline, np.float64) + weights * errors
    return _ratio("dr", value, np.ones(len(weights)), weights, groups)


def action_means(
    actions: Ints, rewards: ArrayLike, count: int, *, groups: ArrayLike | None = None, seed: int = SEED
) -> Floats:
    """Predict the reward of every action, one row per decision, from the other folds alone.

    An action's mean is drawn towards the mean of all by as many made-up decisions as an action
    has on average, so that an action seen twice predicts hardly more than the mean.

    Args:
        actions: Numbers from 0 to ``count`` - 1.
        groups: Kept in one fold.
    """
    earned = np.asarray(rewards, np.float64)
    group = _groups(groups, len(earned))
    fold = np.random.default_rng(seed).integers(0, FOLDS, int(group.max(initial=0)) + 1)[group]
    predicted = np.empty((len(earned), count))
    for held in range(FOLDS):
        rest = fold != held
        if not rest.any():
            rest = np.ones(len(earned), bool)  # a single group has no others
        mean, strength = float(earned[rest].mean()), rest.sum() / count
        seen = np.bincount(actions[rest], minlength=count)
        total = np.bincount(actions[rest], weights=earned[rest], minlength=count)
        predicted[fold == held] = (total + strength * mean) / (seen + strength)
    return predicted


def percentile(values: ArrayLike) -> tuple[float, float]:
    """The 95 % interval of bootstrap draws."""
    edge = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(np.asarray(values, np.float64), [edge, 100 - edge])
    return float(low), float(high)


def _rewards(rewards: ArrayLike, weights: Floats) -> Floats:
    earned = np.asarray(rewards, np.float64)
    if earned.shape != weights.shape or not len(earned):
        raise ValueError("one reward per decision is needed, and at least one decision")
    if not np.all(np.isfinite(earned)):
        raise ValueError("a reward is not a number")
    return earned


def _groups(groups: ArrayLike | None, n: int) -> Ints:
    if groups is None:
        return np.arange(n)
    return np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)


def _ratio(name: str, above: Floats, below: Floats, weights: Floats, groups: ArrayLike | None) -> Estimate:
    """Sum of ``above`` over sum of ``below``, with both errors from whole groups."""
    group = _groups(groups, len(above))
    tops, bottoms = np.bincount(group, weights=above), np.bincount(group, weights=below)
    value = float(tops.sum() / bottoms.sum())
    influence = tops - value * bottoms
    error = float(np.sqrt(np.sum(influence**2)) / bottoms.sum())
    random = np.random.default_rng(SEED)
    drawn: list[Floats] = []
    size, left = len(tops), RESAMPLES
    while left:
        batch = min(left, max(1, CELLS // size))
        picked = random.integers(0, size, (batch, size), dtype=np.int32)
        under = bottoms[picked].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append(np.where(under > 0, tops[picked].sum(axis=1) / under, np.nan))
        left -= batch
    low, high = percentile(np.concatenate(drawn))
    return Estimate(name, value, error, low, high, len(above), effective_sample_size(weights))


# Offers of our own log.

ACTIONS: tuple[Action, ...] = get_args(Action)
Reward = Callable[[CustomerId, datetime], float | None]
"""What a customer was worth after a moment; ``None`` while it cannot be known yet."""


@dataclass(frozen=True)
class OffersValue:
    """What an offer policy would have earned per decision.

    Attributes:
        policy: Its name and version.
        logged: What the policies that ran did earn.
        estimates: By estimator: ``ips``, ``clipped_ips``, ``snips``, ``dr``.
        mean_weight: 1 but for chance when everything the policy does was given a chance.
        unsupported: Share of what the policy does that certainly had none: probability it gives
            to other actions where the logged one was certain. The estimates leave it out.
    """

    policy: str
    logged: Estimate
    estimates: Mapping[str, Estimate]
    mean_weight: float
    unsupported: float


def offers_value(decisions: Sequence[LoggedDecision], policy: OfferPolicy) -> OffersValue:
    """Judge ``policy`` by decisions that others made; a customer's decisions count as one group.

    Raises ``ValueError`` without decisions, or when the policy does nothing that was logged.
    """
    if not decisions:
        raise ValueError("there are no decisions whose outcome is known")
    chances = np.array(
        [[policy.probabilities(one.context)[action] for action in ACTIONS] for one in decisions]
    )
    actions = np.array([ACTIONS.index(one.action) for one in decisions])
    rewards = np.array([one.reward for one in decisions])
    propensity = np.array([one.propensity for one in decisions])
    customers = [one.context.customer for one in decisions]
    rows = np.arange(len(decisions))
    target = chances[rows, actions]
    weights = importance_weights(target, propensity)
    model = action_means(actions, rewards, len(ACTIONS), groups=customers)
    found = (
        ips(weights, rewards, groups=customers),
        clipped_ips(weights, rewards, groups=customers),
        snips(weights, rewards, groups=customers),
        dr(weights, rewards, model[rows, actions], (chances * model).sum(axis=1), groups=customers),
    )
    return OffersValue(
        policy=policy.name,
        logged=replace(ips(np.ones(len(rows)), rewards, groups=customers), estimator="logged"),
        estimates={one.estimator: one for one in found},
        mean_weight=float(weights.mean()),
        unsupported=float(np.where(propensity == 1, 1 - target, 0.0).mean()),
    )


def logged_decisions(events: Iterable[Event], reward: Reward) -> list[LoggedDecision]:
    """Read offers made and withheld back from the log, each with what the policy looked at.

    The context is folded from the events before the decision, as ``retention.scoring`` did it;
    only the churn probability is rounded (4 decimals), as it is stored. Decisions whose outcome
    cannot be known yet are left out.

    Args:
        events: The whole log in its order: budgets and caps reach over conversations.

    Raises:
        PropensityInvalid: Names the conversation and ``seq`` of a decision without a propensity.
        ValueError: A decision was made without a churn score, or about an unknown kind of offer.
    """
    history = History()
    churn: dict[tuple[ConversationId, CustomerId], float] = {}
    languages: dict[ConversationId, Language] = {}
    decisions: list[LoggedDecision] = []
    for event in events:
        match event.body:
            case ev.ConversationStarted(language=language) | ev.MessageUnderstood(language=language):
                languages[event.conversation] = language
            case ev.ChurnScored(customer=customer, probability=probability):
                churn[event.conversation, customer] = probability
            case ev.OfferMade() | ev.OfferWithheld() as decided:
                where = f"{event.conversation}, event {event.seq}"
                action: Action = "none"
                if isinstance(decided, ev.OfferMade):
                    known = next((one for one in ACTIONS if one == decided.kind), None)
                    if known is None:
                        raise ValueError(f"{where}: {decided.kind} is no offer that is known")
                    action = known
                score = churn.get((event.conversation, decided.customer))
                if score is None:
                    raise ValueError(f"{where}: an offer was decided without a churn score")
                worth = reward(decided.customer, event.at)
                if worth is not None:
                    context = _context(history, decided.customer, score, languages, event)
                    try:
                        decisions.append(
                            LoggedDecision(
                                context, action, decided.propensity, worth, event.at, decided.policy
                            )
                        )
                    except ValueError as error:
                        raise PropensityInvalid(f"{where}: {error}") from None
            case _:
                pass
        history.add(event)
    return decisions


def _context(
    history: History,
    customer: CustomerId,
    churn: float,
    languages: Mapping[ConversationId, Language],
    event: Event,
) -> OfferContext:
    worst = strongest(history.signals(customer), event.at, RECENT)
    return OfferContext(
        customer=customer,
        language=languages.get(event.conversation, "en"),
        churn=churn,
        signal=None if worst is None else (worst.kind, worst.strength),
        spent=spent_in_month(history.offers.values(), event.at),
        recent=recent_offers(history.offers_to(customer), event.at),
        now=event.at,
    )


def ordered_again(
    orders: Mapping[CustomerId, Sequence[Order]], *, within: timedelta, known_until: datetime
) -> Reward:
    """A reward of 1 for a customer who orders within this time after the decision, else 0.

    Args:
        known_until: Orders are complete up to here, UTC; later windows have no outcome yet.
    """

    def reward(customer: CustomerId, at: datetime) -> float | None:
        if at + within > known_until:
            return None
        bought = orders.get(customer, ())
        return float(any(at < one.placed_at <= at + within and one.state != "cancelled" for one in bought))

    return reward
