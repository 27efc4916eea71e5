"""Identifiers, each its own type so that one cannot be passed for another."""

from __future__ import annotations

import secrets
from typing import Literal, NewType

ConversationId = NewType("ConversationId", str)
TurnId = NewType("TurnId", str)
CustomerId = NewType("CustomerId", str)
OrderId = NewType("OrderId", str)
"""The order number a shopper sees, for example ``FW-104233``."""
StaffId = NewType("StaffId", str)
ProposalId = NewType("ProposalId", str)
OfferId = NewType("OfferId", str)

Language = Literal["en", "zh"]
"""English or Simplified Chinese; the language of an answer is that of the question."""


def new_id(prefix: str) -> str:
    """Return ``prefix_`` and 20 random hex digits (80 bits from the system's generator)."""
    return f"{prefix}_{secrets.token_hex(10)}"
