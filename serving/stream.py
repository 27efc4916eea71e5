"""What one connection is sent, in which order: the protocol without its socket.

The log is the truth of what was stored, the bus's partial text the truth of what is
provisional. So whatever the bus carries is only a wake-up: events already sent are skipped,
a gap is filled from the log, and of the provisional text the difference is sent to what the
client has. A connection that joins late, or slowly, sees nothing twice and nothing stale.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.events import Event, TurnCompleted, TurnInterrupted, TurnStarted, for_shopper
from agent.ids import TurnId
from agent.live import Delta
from serving.frames import DeltaFrame, EventFrame, ServerFrame, WithdrawnFrame


class Stream:
    """Where one connection stands.

    Attributes:
        last: Highest ``seq`` the client is past, hidden events included.
    """

    def __init__(self, *, last: int = 0, running: TurnId | None = None) -> None:
        """Begin after event ``last``, at which ``running`` was the running turn."""
        self.last = last
        self._running = running
        self._shown = ""

    def events(self, events: Iterable[Event]) -> list[ServerFrame]:
        """Move over stored events, in order; what was passed before is skipped.

        Raises:
            Gap: An event is missing in between; nothing of the rest was passed.
        """
        frames: list[ServerFrame] = []
        for event in events:
            if event.seq <= self.last:
                continue
            if event.seq != self.last + 1:
                raise Gap(self.last)
            self.last = event.seq
            match event.body:
                case TurnStarted(turn=turn):
                    self._running, self._shown = turn, ""
                case TurnCompleted() | TurnInterrupted():
                    self._running, self._shown = None, ""
            if (wire := for_shopper(event)) is not None:
                frames.append(EventFrame(event=wire))
        return frames

    def provisional(self, now: Delta | None, *, reason: str = "") -> list[ServerFrame]:
        """Bring the client's provisional text to ``now``, all there is of the running turn.

        ``reason`` says why text was taken back, if some was.
        """
        if now is None or now.turn != self._running:
            return []
        keep = _common(self._shown, now.text)
        frames: list[ServerFrame] = []
        if keep < len(self._shown) and reason:
            frames.append(WithdrawnFrame(turn=now.turn, offset=keep, reason=reason))
        if keep < len(now.text) or (keep < len(self._shown) and not reason):
            frames.append(DeltaFrame(turn=now.turn, offset=keep, text=now.text[keep:]))
        self._shown = now.text
        return frames


def _common(one: str, other: str) -> int:
    """Length of the common beginning."""
    if other.startswith(one):
        return len(one)
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))


class Gap(Exception):
    """Events after ``last`` have to be read from the log."""

    def __init__(self, last: int) -> None:
        super().__init__(f"events after {last} are missing")
        self.last = last
