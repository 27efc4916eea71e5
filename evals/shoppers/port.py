"""A shopper, as the conversation sees one: what they heard goes in, what they do next comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from evals.records import Ended, SimulatorProblem
from evals.scenario import Step

Wire = dict[str, Any]
"""An event as the shopper's own connection receives it (``agent.events.for_shopper``)."""


class Playing(Protocol):
    """One shopper in one conversation."""

    @property
    def ended(self) -> Ended:
        """Why they stopped; empty while they go on."""

    @property
    def problems(self) -> Sequence[SimulatorProblem]:
        """What they did that the scenario does not cover."""

    async def act(self, heard: Sequence[Wire]) -> Step | None:
        """What they do after hearing ``heard`` (what is new); ``None`` when they are done."""
