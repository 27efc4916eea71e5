"""Progress of long work: bars in a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

QUIET_SECONDS = 10.0
"""Between two lines about the same step in a log."""


class Step:
    """One piece of work under way."""

    def __init__(self, steps: Steps, name: str) -> None:
        self._steps = steps
        self._name = name
        self._bar = steps.bars.add_task(name, total=None) if steps.bars else None
        self._last = 0.0
        self.say("")

    def say(self, doing: str, done: int | None = None, total: int | None = None) -> None:
        """Say what is being done, and how far it is."""
        line = f"{self._name}: {doing}" if doing else f"{self._name} …"
        if self._steps.bars is not None and self._bar is not None:
            self._steps.bars.update(self._bar, description=line, completed=done, total=total or None)
        elif time.monotonic() - self._last >= QUIET_SECONDS:
            self._last = time.monotonic()
            share = f" ({100 * done // total} %)" if done is not None and total else ""
            self._steps.console.print(line + share, highlight=False, markup=False)

    def finish(self, result: str) -> None:
        """Say what came of it."""
        line = f"{self._name}: {result}"
        if self._steps.bars is not None and self._bar is not None:
            self._steps.bars.update(self._bar, description=line, completed=1, total=1)
        else:
            self._steps.console.print(f"{line}", highlight=False, markup=False)


class Steps:
    """Several pieces of work side by side."""

    def __init__(self, console: Console, bars: Progress | None) -> None:
        self.console = console
        self.bars = bars

    def begin(self, name: str) -> Step:
        """Begin a piece of work."""
        return Step(self, name)


@contextmanager
def steps(console: Console) -> Iterator[Steps]:
    """Show progress on ``console`` while the block runs."""
    if not console.is_terminal:
        yield Steps(console, None)
        return
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield Steps(console, bars)
