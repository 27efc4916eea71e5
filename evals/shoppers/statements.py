"""Whether a shopper stated something that is not in the scenario: the simulator's own error."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent import events as ev
from agent.events import Event, for_shopper
from evals.records import SimulatorProblem
from evals.scenario import Scenario
from evals.text import normal

STATEMENTS = re.compile(r"#?\b[A-Z]{1,3}-?\d{4,}\b|\b\d{5,}\b|[\w.+-]+@[\w-]+\.[\w.]+")
"""Order and other numbers, and e-mail addresses: what can't be said by chance."""


def stated_unknown(scenario: Scenario, events: Sequence[Event]) -> list[SimulatorProblem]:
    """Numbers and addresses a simulated shopper gave that they neither know nor were told.

    A one-time code comes by mail, so six digits are taken as known where a code was sent.
    """
    if scenario.shopper.script:
        return []
    known = normal(scenario.shopper.model_dump_json())
    found: list[SimulatorProblem] = []
    turn, mailed = 0, False
    for event in events:
        if isinstance(event.body, ev.CodeSent):
            mailed = True
        if isinstance(event.body, ev.MessageReceived):
            turn += 1
            found += [
                SimulatorProblem(kind="stated_unknown", detail=word, turn=turn)
                for word in STATEMENTS.findall(event.body.text)
                if normal(word) not in known and not (mailed and re.fullmatch(r"\d{6}", word))
            ]
        elif (wire := for_shopper(event)) is not None:
            known += normal(str(wire))
    return found
