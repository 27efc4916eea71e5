"""A clock that lives at another time: it starts at a given instant and goes on as fast as real time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class ShiftedClock:
    """Now, as seen from another day. For evaluations and replays, which need a fixed one."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        """The present instant of that time."""
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def advance(self, minutes: float) -> None:
        """Let time pass at once."""
        self._start += timedelta(minutes=minutes)
