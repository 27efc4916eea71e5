"""The first offer policy: a rule with limits, a hold-out and a little exploration."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Self, get_args

from agent.events import SignalKind
from agent.ids import Language
from retention.offers import Action, Decision, Offer, OfferContext, OfferKind, WithheldReason

STRONG = 0.5
"""Strength from which a signal is reason enough: likelier right than wrong."""
RECENT = timedelta(days=14)
"""How fresh a signal must be; an offer weeks later no longer answers it."""
VALID = timedelta(days=30)
"""How long an offer can be taken: about until a regular customer's next order."""
DEFAULT_CAP = 1
"""Offers per customer in 90 days. More would teach people to complain."""
DEFAULT_EXPLORATION = 0.05
"""Share of decisions drawn evenly from all allowed actions, so that every action keeps a
chance and other policies can be judged from this one's log."""

COST: dict[OfferKind, Decimal] = {
    "free_express_shipping": Decimal("12.90"),  # the demo shop's express price
    "voucher_10_percent": Decimal("20.00"),  # the most it can be: the text limits it
    "goodwill_credit": Decimal("10.00"),
}
"""The most each offer can cost. Budgets count this, so that they can't be overrun."""

ANSWERS: dict[SignalKind, OfferKind] = {
    "delivery_problem": "free_express_shipping",
    "refund_problem": "goodwill_credit",
    "broken_promise": "goodwill_credit",
    "unresolved": "goodwill_credit",
    "negative_mood": "goodwill_credit",
    "leaving_threat": "voucher_10_percent",
}
"""Which offer answers which signal; ``OTHERWISE`` the rest. What went wrong chooses: speed for
a late parcel, money for trouble with money or anger, a reason to return for who wants to go."""
OTHERWISE: OfferKind = "voucher_10_percent"

TEXTS: dict[OfferKind, dict[Language, str]] = {
    "free_express_shipping": {
        "en": "We're sorry about the trouble. Your next order ships by express for free.",
        "zh": "给您带来不便，我们深表歉意。您的下一单可免费升级加急配送。",
    },
    "voucher_10_percent": {
        "en": "We'd like to make it up to you: 10% off your next order, up to {value} {currency}.",
        "zh": "我们希望弥补您的不佳体验：下一单享九折优惠，最高减免 {value} {currency}。",
    },
    "goodwill_credit": {
        "en": "We're sorry about the trouble. Here is a credit of {value} {currency} for your next order.",
        "zh": "给您带来不便，我们深表歉意。赠送您 {value} {currency} 抵用金，可用于下一单。",
    },
}


@dataclass(frozen=True)
class ThresholdOffers:
    """Offers to customers likely to leave who were failed a short while ago.

    One is made when all of this holds: churn probability at ``threshold`` or above; a strong
    signal in the last 14 days; fewer than ``cap`` offers in 90 days; the offer fits into what
    is left of the month's ``budget``; the customer is not in this month's hold-out.

    The hold-out is a share of customers drawn anew every month by a keyed hash: nobody can
    guess it, and a customer stays in or out for the month. To the statistics it is part of the
    policy's own randomness, so propensities are taken over its draw, and a held-out customer's
    "none" has the probability that anybody in this context gets nothing.

    Attributes:
        secret: Key of the hashes.
        currency: The shop's, for the texts.
    """

    threshold: float
    budget: Decimal
    holdout: float
    secret: str
    cap: int = DEFAULT_CAP
    exploration: float = DEFAULT_EXPLORATION
    currency: str = "EUR"

    def __post_init__(self) -> None:
        if not (0 <= self.threshold <= 1 and 0 <= self.holdout < 1 and 0 <= self.exploration <= 1):
            raise ValueError("threshold and exploration lie in 0 to 1, the hold-out in 0 to below 1")
        if self.budget < 0 or self.cap < 0:
            raise ValueError("budget and cap cannot be negative")

    @classmethod
    def from_limits(
        cls, *, monthly_budget: float, threshold: float, holdout: float, secret: str, currency: str = "EUR"
    ) -> Self:
        """Make the policy from an operator's settings."""
        return cls(
            threshold=threshold,
            budget=Decimal(str(monthly_budget)),
            holdout=holdout,
            secret=secret,
            currency=currency,
        )

    @property
    def name(self) -> str:
        """See ``OfferPolicy``."""
        return "threshold/1"

    def probabilities(self, context: OfferContext) -> Mapping[Action, float]:
        """See ``OfferPolicy``."""
        chances: dict[Action, float] = dict.fromkeys(get_args(Action), 0.0)
        allowed, _ = self._allowed(context)
        if not allowed:
            chances["none"] = 1.0
            return chances
        actions: tuple[Action, ...] = ("none", *allowed)
        for action in actions:
            chances[action] = (1 - self.holdout) * self.exploration / len(actions)
        chances[allowed[0]] += (1 - self.holdout) * (1 - self.exploration)
        chances["none"] += self.holdout
        return chances

    def decide(self, context: OfferContext, *, key: str) -> Decision:
        """See ``OfferPolicy``."""
        allowed, refused = self._allowed(context)
        chances = self.probabilities(context)
        if not allowed:
            return Decision(None, refused, chances["none"])
        if self._draw("hold-out", context.customer, f"{context.now:%Y-%m}") < self.holdout:
            return Decision(None, "hold_out", chances["none"])
        action: Action = allowed[0]
        if self._draw("explore", key) < self.exploration:
            actions: tuple[Action, ...] = ("none", *allowed)
            action = actions[int(self._draw("action", key) * len(actions))]
        if action == "none":
            return Decision(None, "exploration", chances["none"])
        return Decision(self._offer(action, context), None, chances[action])

    def _allowed(self, context: OfferContext) -> tuple[tuple[OfferKind, ...], WithheldReason | None]:
        """Return the offers that may be made, the rule's choice first, or why there are none."""
        if context.churn < self.threshold:
            return (), "score"
        if context.signal is None or context.signal[1] < STRONG:
            return (), "no_signal"
        if context.recent >= self.cap:
            return (), "cap"
        left = self.budget - context.spent
        affordable = [kind for kind in COST if COST[kind] <= left]
        if not affordable:
            return (), "budget"
        wanted = ANSWERS.get(context.signal[0], OTHERWISE)
        # Where the fitting one is too dear for what is left, the cheapest has to do.
        affordable.sort(key=lambda kind: (kind != wanted, COST[kind]))
        return tuple(affordable), None

    def _offer(self, kind: OfferKind, context: OfferContext) -> Offer:
        words = TEXTS[kind][context.language].format(value=COST[kind], currency=self.currency)
        return Offer(kind=kind, value=COST[kind], text=words, expires_at=context.now + VALID)

    def _draw(self, *parts: str) -> float:
        """Return an even draw from [0, 1) that only the holder of the secret can foresee."""
        digest = hmac.digest(self.secret.encode(), "\x00".join(parts).encode(), hashlib.sha256)
        return int.from_bytes(digest[:6], "big") / 2**48
