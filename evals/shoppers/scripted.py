"""A shopper who takes the exact turns of a script, whatever comes back."""

from __future__ import annotations

from collections.abc import Sequence

from evals.records import Ended, SimulatorProblem
from evals.scenario import Scenario, Step
from evals.shoppers.port import Wire


class ScriptedShopper:
    """Plays ``scenario.shopper.script``."""

    def __init__(self, scenario: Scenario) -> None:
        self._steps = list(scenario.shopper.script)
        self.ended: Ended = ""
        self.problems: Sequence[SimulatorProblem] = ()

    async def act(self, heard: Sequence[Wire]) -> Step | None:
        """The next step of the script."""
        if self._steps:
            return self._steps.pop(0)
        self.ended = "script_over"
        return None
