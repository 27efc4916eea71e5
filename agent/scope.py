"""Whose data a read may return.

A scope is made from a verified token or a completed order proof, never from what a
shopper or the model wrote. Every read of customer data takes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.ids import CustomerId, OrderId

IdentityLevel = Literal["visitor", "order", "customer"]


@dataclass(frozen=True)
class Scope:
    """What the shopper of one conversation has proven to be theirs.

    Attributes:
        customer: The signed-in customer; every order of theirs is in scope.
        orders: Single orders a visitor proved by number, e-mail and one-time code.
    """

    customer: CustomerId | None = None
    orders: frozenset[OrderId] = frozenset()

    @property
    def level(self) -> IdentityLevel:
        """The strongest proof given so far."""
        if self.customer is not None:
            return "customer"
        return "order" if self.orders else "visitor"

    def covers(self, *, order: OrderId, owner: CustomerId) -> bool:
        """Whether an order of ``owner`` may be read or changed under this scope."""
        return owner == self.customer or order in self.orders


VISITOR = Scope()
"""Nothing proven: public products and policies only."""
