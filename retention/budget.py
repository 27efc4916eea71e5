"""What offers have cost so far, folded from the offers in the log."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from retention.history import MadeOffer

CAP_DAYS = 90
"""Over how long a customer's offers are counted against the cap."""


def spent_in_month(offers: Iterable[MadeOffer], now: datetime) -> Decimal:
    """Return the cost of all offers made in the calendar month (UTC) of ``now``.

    Every offer made counts in full, taken or not: it can be taken until it expires.
    """
    return sum(
        (offer.value for offer in offers if (offer.at.year, offer.at.month) == (now.year, now.month)),
        start=Decimal(0),
    )


def recent_offers(offers: Iterable[MadeOffer], now: datetime) -> int:
    """Return how many of ``offers`` were made in the last 90 days."""
    return sum(offer.at > now - timedelta(days=CAP_DAYS) for offer in offers)
