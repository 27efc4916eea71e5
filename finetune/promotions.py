"""Which adapter is served: the last one that passed the gate. ``<data>/promoted.json`` is the list."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from evals.records import Manifest
from finetune.adapters import Adapter, present_prompts, tag
from finetune.errors import NotPromoted
from finetune.example import Line

FILE = "promoted.json"
REASONS = 3
"""Of the gate's, repeated in a refusal; the outcome's file has them all."""


class Passed(Line):
    """The outcome an adapter was promoted on: two runs, by name."""

    candidate: str
    base: str
    notes: tuple[str, ...] = ()


class Promotion(Line):
    """One adapter that was let in.

    Attributes:
        base: The model it is for.
        sha256: Of its weights.
        previous: Tag of what was served before; empty: the base alone.
    """

    name: str
    base: str
    sha256: str
    when: AwareDatetime
    gate: Passed
    previous: str = ""

    @property
    def tag(self) -> str:
        """As events call the adapter."""
        return tag(self.name, self.sha256)


class Withdrawn(Line):
    """A promotion that was taken back."""

    promotion: Promotion
    when: AwareDatetime


class Promotions(Line):
    """All promotions, oldest first; the last one counts."""

    promoted: tuple[Promotion, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()

    def current(self, base: str) -> Promotion | None:
        """What was promoted last for a base model."""
        own = [promotion for promotion in self.promoted if promotion.base == base]
        return own[-1] if own else None


def read_promotions(data: Path) -> Promotions:
    """What was promoted in a data folder.

    Raises:
        NotPromoted: The list cannot be read.
    """
    path = data / FILE
    try:
        return Promotions.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Promotions()
    except (OSError, ValidationError) as error:
        raise NotPromoted(f"{path} cannot be read: {error}") from None


def promote(data: Path, adapter: Adapter, outcome: Path, *, served: str, now: datetime) -> Promotion:
    """Let an adapter in.

    Args:
        data: The data folder.
        adapter: A checked one.
        outcome: What ``amends eval gate --json`` printed, in a file.
        served: Tag of what is served now; empty: the base alone.
        now: Aware.

    Raises:
        NotPromoted: The outcome does not let it in; the message says what to run.
    """
    promotions = read_promotions(data)
    gate = read_outcome(outcome)
    gate.allow(adapter, served)
    promotion = Promotion(
        name=adapter.name,
        base=adapter.about.base,
        sha256=adapter.about.sha256,
        when=now,
        gate=Passed(candidate=gate.candidate, base=gate.base, notes=tuple(line.text for line in gate.lines)),
        previous=served,
    )
    _write(data, Promotions(promoted=(*promotions.promoted, promotion), withdrawn=promotions.withdrawn))
    return promotion


def roll_back(data: Path, base: str, *, now: datetime) -> Promotion:
    """Take the last promotion for a base model back and return it; the one before it counts again.

    Raises:
        NotPromoted: Nothing was promoted.
    """
    promotions = read_promotions(data)
    last = promotions.current(base)
    if last is None:
        raise NotPromoted(f"no adapter was promoted for {base}: there is nothing to go back to")
    _write(
        data,
        Promotions(
            promoted=tuple(one for one in promotions.promoted if one is not last),
            withdrawn=(*promotions.withdrawn, Withdrawn(promotion=last, when=now)),
        ),
    )
    return last


class _Written(BaseModel):
    """Base of what the gate writes; what it writes besides is not looked at."""

    model_config = ConfigDict(frozen=True)


class Reason(_Written):
    """A line of the gate's."""

    level: Literal["blocked", "unsure", "note"]
    text: str


class Runs(_Written):
    """What was run."""

    base: Manifest
    candidate: Manifest


class Outcome(_Written):
    """What ``amends eval gate --json`` says."""

    level: Literal["passed", "blocked", "unsure"]
    candidate: str
    base: str
    lines: tuple[Reason, ...]
    runs: Runs

    def allow(self, adapter: Adapter, served: str) -> None:
        """Raise ``NotPromoted`` unless the very ``adapter`` passed against what is ``served``."""
        if self.level != "passed":
            reasons = [line.text for line in self.lines if line.level == self.level]
            more = f" and {len(reasons) - REASONS} more" if len(reasons) > REASONS else ""
            raise NotPromoted(
                f"the gate says {self.level.upper()}: {'; '.join(reasons[:REASONS])}{more}. "
                + (
                    "Find what got worse (amends eval compare, amends eval report) and tune again"
                    if self.level == "blocked"
                    else "Evaluate more: amends eval run with --repeat 4, both versions, then amends eval gate"
                )
            )
        for run, wanted, name in (
            (self.runs.candidate, adapter.tag, adapter.name),
            (self.runs.base, served, served.partition("@")[0] or "none"),
        ):
            held = f"{run.name} is a run of {run.model} with {run.adapter or 'no adapter'}"
            again = (
                f"run: amends eval run --adapter {name} --out <folder>, then amends eval gate <base> "
                "<candidate> --json"
            )
            if run.model != adapter.about.base or run.adapter != wanted:
                role = "what is to be promoted" if run is self.runs.candidate else "what is served now"
                with_ = wanted or "no adapter"
                raise NotPromoted(f"{held}; {role} is {adapter.about.base} with {with_}. Now {again}")
            if run.prompt != (present := present_prompts().answer):
                raise NotPromoted(
                    f"{run.name} was held with the prompt {run.prompt}, it is {present} now: {again}"
                )


def read_outcome(path: Path) -> Outcome:
    """Read an outcome.

    Raises:
        NotPromoted: It is none.
    """
    try:
        return Outcome.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotPromoted(f"{path} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise NotPromoted(
            f"{path} is no outcome of the gate ({where}: {first['msg']}); "
            "write one: amends eval gate <base> <candidate> --json > gate.json"
        ) from None


def _write(data: Path, promotions: Promotions) -> None:
    """The list whole, or the old one: a running server reads it at any time."""
    data.mkdir(parents=True, exist_ok=True)
    part = data / f"{FILE}.part"
    part.write_text(promotions.model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(data / FILE)
