"""Figures for Prometheus, folded from what passes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from agent.events import Event, TurnCompleted, TurnInterrupted, TurnStarted
from agent.ids import ConversationId, TurnId
from agent.live import Bus, TooSlow

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts since the process began. ``follow`` feeds it; ``render`` writes it out."""

    def __init__(self) -> None:
        self._connections = 0
        self._events: Counter[str] = Counter()
        self._turns: dict[ConversationId, TurnId] = {}

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Count a connection as open."""
        self._connections += 1
        try:
            yield
        finally:
            self._connections -= 1

    def seen(self, event: Event) -> None:
        """Count one appended event."""
        self._events[event.body.type] += 1
        match event.body:
            case TurnStarted(turn=turn):
                self._turns[event.conversation] = turn
            case TurnCompleted() | TurnInterrupted():
                self._turns.pop(event.conversation, None)

    async def follow(self, bus: Bus) -> None:
        """Count every event of the bus until cancelled."""
        while True:
            try:
                with bus.subscribe() as live:
                    async for item in live:
                        if isinstance(item, Event):
                            self.seen(item)
            except TooSlow:
                # What was missed stays uncounted; the log has the exact figures.
                self._turns.clear()

    def render(self) -> str:
        """Return the figures in Prometheus' text format."""
        lines = [
            "# HELP amends_connections Open shopper connections.",
            "# TYPE amends_connections gauge",
            f"amends_connections {self._connections}",
            "# HELP amends_turns_running Turns at work.",
            "# TYPE amends_turns_running gauge",
            f"amends_turns_running {len(self._turns)}",
            "# HELP amends_events_total Events appended since the process began.",
            "# TYPE amends_events_total counter",
        ]
        lines += [f'amends_events_total{{type="{name}"}} {n}' for name, n in sorted(self._events.items())]
        return "\n".join(lines) + "\n"
