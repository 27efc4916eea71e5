"""Offers to stay: their types, and the port of what chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from agent.events import SignalKind
from agent.ids import CustomerId, Language

OfferKind = Literal["free_express_shipping", "voucher_10_percent", "goodwill_credit"]
Action = Literal["none", "free_express_shipping", "voucher_10_percent", "goodwill_credit"]
"""What can be done about a customer: one of the offers, or none."""
WithheldReason = Literal["score", "no_signal", "cap", "budget", "hold_out", "exploration"]


@dataclass(frozen=True)
class Offer:
    """Something offered to a customer.

    Attributes:
        value: The most it can cost the shop, in the shop's currency.
        text: For the shopper, in their language.
    """

    kind: OfferKind
    value: Decimal
    text: str
    expires_at: datetime


@dataclass(frozen=True)
class OfferContext:
    """What a policy may look at.

    Attributes:
        churn: The customer's churn probability now.
        signal: The strongest recent signal, with its strength; ``None`` when there is none.
        spent: What offers have cost this calendar month, over all customers.
        recent: Offers this customer got in the last 90 days.
        now: UTC.
    """

    customer: CustomerId
    language: Language
    churn: float
    signal: tuple[SignalKind, float] | None
    spent: Decimal
    recent: int
    now: datetime


@dataclass(frozen=True)
class Decision:
    """What a policy chose.

    Attributes:
        offer: ``None`` when nothing is offered; ``withheld`` then says why.
        propensity: Probability with which this policy takes this action in this context.
    """

    offer: Offer | None
    withheld: WithheldReason | None
    propensity: float

    @property
    def action(self) -> Action:
        """The action taken."""
        return self.offer.kind if self.offer else "none"


class OfferPolicy(Protocol):
    """Decides about one customer at a time; a rule, never the model."""

    @property
    def name(self) -> str:
        """Name and version, stored with every decision."""

    def probabilities(self, context: OfferContext) -> Mapping[Action, float]:
        """The probability of every action in this context; they sum to 1."""

    def decide(self, context: OfferContext, *, key: str) -> Decision:
        """Draw an action. ``key`` names the occasion: the same key draws the same again."""


@dataclass(frozen=True)
class LoggedDecision:
    """A past decision, as policy evaluation needs it.

    Raises ``ValueError`` for a propensity that is not in (0, 1]: an action whose probability
    is missing or zero can't be weighted, and an estimate without it would be biased.
    """

    context: OfferContext
    action: Action
    propensity: float
    reward: float
    at: datetime
    policy: str
    """Name and version."""

    def __post_init__(self) -> None:
        # Not "<= 0 or > 1": that would let NaN through.
        if not 0 < self.propensity <= 1:
            raise ValueError("a logged decision needs the propensity of its action, above 0 and at most 1")
