"""A shopper who takes the exact turns of a script, whatever comes back."""

from __future__ import annotations

from collections.abc import Sequence

from evals.records import Ended, SimulatorProblem
from evals.scenario import Press, Scenario, Step
from evals.shoppers.port import Wire


class ScriptedShopper:
    """Plays ``scenario.shopper.script``.

    They read before they press: "confirm" becomes "decline" when what is proposed is not one of
    the changes the scenario expects.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._steps = list(scenario.shopper.script)
        self._wanted = {(change.kind, change.order) for change in scenario.expect.changes}
        self._proposed: tuple[str, str] | None = None
        self.ended: Ended = ""
        self.problems: Sequence[SimulatorProblem] = ()

    async def act(self, heard: Sequence[Wire]) -> Step | None:
        """The next step of the script."""
        for event in heard:
            if event["type"] == "action.proposed":
                self._proposed = (event["action"]["kind"], event["action"]["order"])
        if not self._steps:
            self.ended = "script_over"
            return None
        step = self._steps.pop(0)
        if step == Press(press="confirm") and self._wanted and self._proposed not in self._wanted:
            return Press(press="decline")
        return step
