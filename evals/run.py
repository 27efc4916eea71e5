"""Hold the conversations of a suite: in parallel, seeded, resumable, each kept as its log."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from agent import events as ev
from agent.conversation import fold
from agent.errors import AmendsError
from agent.events import Event
from agent.texts import text
from evals.dialogue import hold
from evals.records import (
    Attempt,
    Manifest,
    Outcome,
    RunInvalid,
    SimulatorProblem,
    open_log,
    read_lines,
    read_manifest,
    write_lines,
)
from evals.scenario import Scenario
from evals.shoppers.port import Playing
from evals.shoppers.scripted import ScriptedShopper
from evals.shoppers.simulated import SimulatedShopper
from evals.shoppers.statements import stated_unknown
from evals.target import Encounter, Target
from evals.world import Stage

logger = logging.getLogger(__name__)

SAME = ("suite", "repeats", "seed", "target", "model", "adapter", "prompt", "shopper", "commit", "settings")
"""What must not have changed for a run to be taken up."""

Casting = Callable[[Scenario, int], Playing]
"""Who plays the shopper of a scenario, with a seed."""


def cast_shopper(scenario: Scenario, seed: int) -> Playing:
    """The exact turns of a script, or else the state machine."""
    return ScriptedShopper(scenario) if scenario.shopper.script else SimulatedShopper(scenario, seed=seed)


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes:
        repeats: Conversations per scenario (k).
        parallel: Conversations held side by side.
        expected: What each scenario's reference solution changes.
    """

    folder: Path
    scenarios: Sequence[Scenario]
    manifest: Manifest
    target: Target
    casting: Casting = cast_shopper
    repeats: int = 1
    parallel: int = 4
    expected: Mapping[str, dict[str, dict[str, list[Any]]]] = field(default_factory=dict)


async def references(
    scenarios: Sequence[Scenario], stages: Mapping[str, Stage]
) -> dict[str, dict[str, dict[str, list[Any]]]]:
    """Carry out every reference solution on a fresh shop.

    Raises:
        ReferenceInvalid: One is refused by the shop's own rules; a broken scenario must not
            look like a failing assistant.
    """
    return {scenario.id: await stages[scenario.shop].expected(scenario) for scenario in scenarios}


def prepare(plan: Plan, *, resume: bool) -> list[tuple[Scenario, int]]:
    """Make the run's folder, or take up one that was cut off; what is still to be held.

    Raises:
        RunInvalid: The folder holds another run, or one that may not be taken up.
    """
    todo = [(scenario, repeat) for repeat in range(1, plan.repeats + 1) for scenario in plan.scenarios]
    if (plan.folder / "run.json").exists():
        if not resume:
            raise RunInvalid(f"{plan.folder} holds a run already: choose another folder, or --resume")
        before = read_manifest(plan.folder)
        changed = [name for name in SAME if getattr(before, name) != getattr(plan.manifest, name)]
        if list(read_lines(plan.folder / "scenarios.jsonl", Scenario)) != list(plan.scenarios):
            changed.append("set of scenarios")
        if changed:
            raise RunInvalid(f"{plan.folder} was run with another {', '.join(changed)}: can't be resumed")
        kept = list(read_lines(plan.folder / "attempts.jsonl", Attempt))
        done = {(a.scenario, a.repeat) for a in kept if not _again(a)}
        write_lines(
            plan.folder / "attempts.jsonl", [a for a in kept if (a.scenario, a.repeat) in done]
        )  # without a line that was cut off, and without what is tried again
        return [(scenario, repeat) for scenario, repeat in todo if (scenario.id, repeat) not in done]
    open_log(plan.folder)
    write_lines(plan.folder / "scenarios.jsonl", plan.scenarios)
    (plan.folder / "attempts.jsonl").touch()
    (plan.folder / "run.json").write_text(plan.manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return todo


def _again(attempt: Attempt) -> bool:
    """Whether an attempt is tried again: broken from outside, and nothing bad seen in it."""
    return (
        attempt.outcome == "infrastructure_error"
        and not attempt.leaks
        and attempt.changes == attempt.confirmed
    )


async def run(
    plan: Plan, todo: Sequence[tuple[Scenario, int]], *, told: Callable[[Attempt], None] = lambda _: None
) -> None:
    """Hold the conversations in ``todo`` and append each attempt to the run when it has ended."""
    slots = asyncio.Semaphore(plan.parallel)
    with (plan.folder / "attempts.jsonl").open("a", encoding="utf-8") as file:

        async def one(scenario: Scenario, repeat: int) -> None:
            async with slots:
                attempt = await hold_one(plan, scenario, repeat)
            file.write(attempt.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
            told(attempt)

        async with asyncio.TaskGroup() as group:
            for scenario, repeat in todo:
                group.create_task(one(scenario, repeat))


async def hold_one(plan: Plan, scenario: Scenario, repeat: int) -> Attempt:
    """Hold one conversation. What breaks around it is an outcome, never an exception."""
    seed = seed_of(plan.manifest.seed, scenario.id, repeat)
    attempt = Attempt(
        scenario=scenario.id,
        repeat=repeat,
        seed=seed,
        outcome="infrastructure_error",
        expected=plan.expected.get(scenario.id, {}),
    )
    if why := plan.target.skips(scenario):
        return attempt.model_copy(update={"outcome": "skipped", "why": why})
    began = time.monotonic()
    playing = plan.casting(scenario, seed)
    try:
        async with plan.target.meet(scenario) as met:
            attempt = attempt.model_copy(update={"conversation": met.channel.conversation})
            try:
                turns = await hold(playing, met.channel)
                attempt = attempt.model_copy(update={"turns": turns, "ended": playing.ended or "limit"})
            finally:
                # Also of a conversation that broke off: a leak in it is a leak.
                events = await met.events()
                attempt = await _looked_at(attempt, met, events)
            problems = (*playing.problems, *stated_unknown(scenario, events))
            outcome, why = _outcome(scenario, events, problems)
            attempt = attempt.model_copy(update={"outcome": outcome, "why": why, "problems": problems})
    except (AmendsError, OSError, TimeoutError) as error:
        code = error.code if isinstance(error, AmendsError) else type(error).__name__
        attempt = _unless_held(attempt, f"{code}: {error}")
    except Exception as error:
        logger.exception("scenario %s", scenario.id)
        attempt = _unless_held(attempt, f"{type(error).__name__}: {error}")
    return attempt.model_copy(update={"seconds": round(time.monotonic() - began, 3)})


def _unless_held(attempt: Attempt, why: str) -> Attempt:
    """What broke while a finished conversation was put away does not undo it."""
    return attempt if attempt.outcome == "held" else attempt.model_copy(update={"why": why})


async def _looked_at(attempt: Attempt, met: Encounter, events: Sequence[Event]) -> Attempt:
    """The attempt with what the conversation did and gave away."""
    return attempt.model_copy(
        update={
            "changes": await met.changes(),
            "confirmed": await met.confirmed(events),
            "pressed": tuple(met.pressed),
            "leaks": met.leaks(events),
        }
    )


def _outcome(
    scenario: Scenario, events: Sequence[Event], problems: Sequence[SimulatorProblem]
) -> tuple[Outcome, str]:
    """Whether the conversation can be judged, and if not, why."""
    if not scenario.faults.model and not scenario.faults.index_down and any(map(_without_help, events)):
        return "infrastructure_error", "the model or the index did not answer"
    if problems:
        return "simulator_error", "; ".join(f"{problem.kind}: {problem.detail}" for problem in problems)
    state = fold(events[0].conversation, events)
    if state.pending:
        return "infrastructure_error", "a turn was still owed"
    return "held", ""


def _without_help(event: Event) -> bool:
    """Whether an answer had to do without model or index. A turn that failed by itself is judged."""
    answer = event.body
    return (
        isinstance(answer, ev.AnswerSent)
        and answer.degraded
        and answer.text != text("error", answer.language)
    )


def seed_of(seed: int, scenario: str, repeat: int) -> int:
    """A seed for one conversation that does not depend on what else is run."""
    return int.from_bytes(sha256(f"{seed}/{scenario}/{repeat}".encode()).digest()[:6])
