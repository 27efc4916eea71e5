"""The time the shop lives in: the present, or that of a day the settings name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time

from agent.clock import ShiftedClock
from serving.settings import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, aware, UTC."""
    return datetime.now(UTC)


def shop_now(settings: Settings) -> datetime:
    """The present in the shop, which may live on another day; it is noon there."""
    if settings.shop.day is None:
        return utc_now()
    return datetime.combine(settings.shop.day, time(12), tzinfo=UTC)


def shop_clock(settings: Settings) -> Clock:
    """The time the shop lives in: the real one, or from noon of the day the settings name."""
    return utc_now if settings.shop.day is None else ShiftedClock(shop_now(settings))
