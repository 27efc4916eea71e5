"""What a run leaves behind, as types and as files.

A run is a folder::

    run.json         manifest: what was run, with which versions and settings
    scenarios.jsonl  the scenarios as they were
    log.db           a conversation log like any other: every trajectory, every event
    attempts.jsonl   one line for each conversation held
    scores.jsonl     one line for each judged thing; can be made again from the rest
    report.html

Running and scoring are separate steps: ``amends eval score`` judges an old run anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from agent.migrations import migrate
from evals.scenario import Record, Scenario

VERSION = 1
"""Of the folder's format."""


Outcome = Literal["held", "simulator_error", "infrastructure_error", "skipped"]
"""``held``: the conversation took place and is judged. The others are counted and shown
beside the scores, never as a zero inside them."""

Ended = Literal["script_over", "satisfied", "handed_over", "gave_up", "limit", ""]
"""Why the shopper stopped."""


class SimulatorProblem(Record):
    """Something the shopper did that its scenario does not cover."""

    kind: Literal["stated_unknown", "ended_early"]
    detail: str
    turn: int


class Leak(Record):
    """A word of somebody else that turned up in event ``seq`` (0: read from the shop, shown nowhere)."""

    seq: int
    word: str
    owner: str


class Attempt(Record):
    """One conversation of one scenario.

    Attributes:
        repeat: 1 to k.
        conversation: Its id in ``log.db``; empty when none was opened.
        turns: ``seq`` of the first message of each shopper turn; a burst is one turn.
        changes: Orders whose state differs from before, with the fields that do, as
            ``{order: {field: [before, after]}}``.
        expected: The same for the reference solution on a fresh copy of the shop.
        confirmed: The same for exactly the changes that the shopper confirmed.
        pressed: Proposals whose button the shopper pressed, by the shopper's own account.
        leaks: Words of somebody else that were read or shown.
        seconds: Wall time of the conversation.
    """

    scenario: str
    repeat: int = Field(ge=1)
    seed: int
    outcome: Outcome
    conversation: str = ""
    ended: Ended = ""
    turns: tuple[int, ...] = ()
    problems: tuple[SimulatorProblem, ...] = ()
    changes: dict[str, dict[str, list[Any]]] = Field(default_factory=dict)
    expected: dict[str, dict[str, list[Any]]] = Field(default_factory=dict)
    confirmed: dict[str, dict[str, list[Any]]] = Field(default_factory=dict)
    pressed: tuple[str, ...] = ()
    leaks: tuple[Leak, ...] = ()
    seconds: float = 0.0
    why: str = ""
    """For ``simulator_error``, ``infrastructure_error`` and ``skipped``."""


class Score(Record):
    """One judged thing about one attempt: ``hits`` of ``of``.

    A yes-or-no judgement is 1 of 1 or 0 of 1; a share over claims is hits of claims; a
    measurement (seconds, turns) is ``hits`` = value, ``of`` = 1. What does not apply to an
    attempt has no score.

    Attributes:
        metric: A name from ``evals.metrics.METRICS``.
        why: For a reader: what was found or missed.
        seqs: Events of the conversation that show it.
        scorer: Name and version of what judged.
    """

    scenario: str
    repeat: int
    metric: str
    hits: float
    of: float = Field(gt=0)
    why: str = ""
    seqs: tuple[int, ...] = ()
    scorer: str = ""

    @property
    def value(self) -> float:
        """``hits / of``."""
        return self.hits / self.of


class Manifest(Record):
    """What was run."""

    version: int = VERSION
    name: str
    """What people call it, for example ``base`` or a commit."""
    suite: str
    scenarios: int
    repeats: int
    seed: int
    target: str
    """``in-process`` or an address."""
    model: str
    adapter: str = ""
    prompt: str = ""
    shopper: str = "scripted and simulated"
    """Who played the shoppers; a strong model's name when one did."""
    commit: str = ""
    started: str
    machine: str = ""
    settings: Mapping[str, Any] = Field(default_factory=dict)


class Run(Record):
    """A whole run, read back."""

    folder: Path
    manifest: Manifest
    scenarios: tuple[Scenario, ...]
    attempts: tuple[Attempt, ...]
    scores: tuple[Score, ...]

    @property
    def log_url(self) -> str:
        """The run's conversation log."""
        return log_url(self.folder)


class RunInvalid(Exception):
    """A folder that holds no usable run; the message says what is wrong with which file."""


def log_url(folder: Path) -> str:
    """SQLAlchemy address of a run's conversation log."""
    return f"sqlite+aiosqlite:///{(folder / 'log.db').absolute()}"


def open_log(folder: Path) -> None:
    """Make a folder with an empty conversation log in it, or bring an old one up to date."""
    folder.mkdir(parents=True, exist_ok=True)
    migrate(log_url(folder))


def read_run(folder: Path) -> Run:
    """Read a run.

    Raises:
        RunInvalid: Not a run, of another format, or a broken file.
    """
    manifest = read_manifest(folder)
    return Run(
        folder=folder,
        manifest=manifest,
        scenarios=tuple(read_lines(folder / "scenarios.jsonl", Scenario)),
        attempts=tuple(read_lines(folder / "attempts.jsonl", Attempt)),
        scores=tuple(read_lines(folder / "scores.jsonl", Score)),
    )


def read_manifest(folder: Path) -> Manifest:
    """Read ``run.json``; raises ``RunInvalid``."""
    path = folder / "run.json"
    try:
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunInvalid(f"{folder} is not a run: it has no run.json") from None
    except (OSError, ValidationError) as error:
        raise RunInvalid(f"{path}: {error}") from error
    if manifest.version != VERSION:
        raise RunInvalid(f"{path}: format {manifest.version}, this release reads {VERSION}")
    return manifest


R = TypeVar("R", bound=BaseModel)


def read_lines(path: Path, type_: type[R]) -> Iterator[R]:
    """Read a JSONL file; a last line that was cut off by a killed process is left out.

    Raises:
        RunInvalid: The file is missing, or another line than the last is broken.
    """
    try:
        # Not splitlines(): JSON leaves other line separators of Unicode as they are.
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except FileNotFoundError:
        raise RunInvalid(f"{path} is missing") from None
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            yield type_.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines):
                return
            raise RunInvalid(f"{path}: line {number}: {error}") from error


def write_lines(path: Path, records: Iterable[BaseModel]) -> None:
    """Write a JSONL file whole, or leave the old one."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(record.model_dump_json() + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
