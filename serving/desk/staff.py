"""Who may sign in at the desk, and how often somebody may guess."""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr

from agent.ids import StaffId

TRIES = 5
"""Wrong passwords in a row, per name and address, before one has to wait."""
WAIT = timedelta(minutes=1)
"""How long then. With five tries a minute a password of eight letters outlives its owner."""
REMEMBERED = 10_000
"""Names and addresses with failures kept in memory; the oldest are forgotten first."""


@dataclass(frozen=True)
class Staff:
    """A signed-in person."""

    id: StaffId
    name: str
    """As colleagues and shoppers see it."""


class TooManyTries(Exception):
    """Wait before the next try."""


class Door:
    """Checks names and passwords."""

    def __init__(self, users: Mapping[str, SecretStr], clock: Callable[[], datetime]) -> None:
        self._users = {name.casefold(): password for name, password in users.items()}
        self._clock = clock
        self._failures: dict[tuple[str, str], deque[datetime]] = {}

    def staff(self, id: str) -> Staff | None:
        """The person with this id, unless they are no longer known here."""
        return Staff(StaffId(id), id.title()) if id in self._users else None

    def sign_in(self, name: str, password: str, *, address: str) -> Staff | None:
        """Return who it is, or ``None`` when name or password is wrong: which one is not said.

        Raises:
            TooManyTries: After five failures in a row for a minute, also for the right password.
        """
        who = name.strip().casefold()
        key = (who, address)
        now = self._clock()
        failures = self._failures.get(key, deque(maxlen=TRIES))
        if len(failures) == TRIES and failures[-1] > now - WAIT:
            raise TooManyTries
        known = self._users.get(who)
        # An unknown name takes as long as a wrong password.
        expected = known.get_secret_value() if known is not None else ""
        right = hmac.compare_digest(password.encode(), expected.encode())
        if known is not None and right and expected:
            self._failures.pop(key, None)
            return self.staff(who)
        failures.append(now)
        self._failures[key] = failures
        while len(self._failures) > REMEMBERED:
            del self._failures[next(iter(self._failures))]
        return None
