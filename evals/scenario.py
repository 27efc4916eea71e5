"""A scenario: who shops, what they say and know, what goes wrong, and what must hold at the end.

One scenario is one YAML document (``docs/evaluation.md`` explains every field by example);
the JSON Schema in ``evals/scenario.schema.json`` is generated from these types, so that an
editor can check a file while it is written. English and Chinese twins share ``pair``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.events import HandoffReason
from agent.ids import Language
from agent.shop.port import ActionKind
from retrieval.passages import Kind, Visibility

Area = Literal[
    "orders",
    "returns",
    "products",
    "policy",
    "multi",
    "bursts",
    "anger",
    "premise",
    "impersonation",
    "injection",
    "person",
    "off_topic",
    "long",
]
"""What a scenario is about; reports and gates slice by it."""

Temper = Literal["calm", "impatient", "angry", "sarcastic"]
MoodLabel = Literal["negative", "neutral", "positive"]
Topic = Literal["order", "email", "code", "items", "variant", "address", "reason", "name"]
"""What an assistant may ask a shopper for."""


class Record(BaseModel):
    """Base: a mistyped key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Say(Record):
    """The shopper writes; several texts are a burst, sent without waiting in between."""

    say: str | tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The messages of this step."""
        return (self.say,) if isinstance(self.say, str) else self.say


class Press(Record):
    """The shopper presses a button: of the open proposal, or "talk to a person"."""

    press: Literal["confirm", "decline", "person"]


class TypeCode(Record):
    """The shopper types the one-time code that came by mail (``wrong``: another one)."""

    code: Literal["right", "wrong"]


class Wait(Record):
    """Time passes."""

    wait_minutes: float = Field(gt=0)


class Staff(Record):
    """A person at the desk acts: takes over, writes, gives back."""

    staff: Literal["take_over", "hand_back"] | None = None
    reply: str = ""


Step = Say | Press | TypeCode | Wait | Staff


class Wish(Record):
    """One thing a simulated shopper wants.

    Attributes:
        say: Openings, best first; the next one is used when the first got nowhere.
        done: The change that fulfils it (``None``: an answer is wanted).
        told: Words, any of which in an answer fulfil it, when it is an answer.
        order: The order it is about; a proposal for another order or action is declined.
        shows, hides: Words that the proposal must hold, and must not, or it is declined: the
            items, the new size.
        knows: What they answer about this wish; goes before what the shopper knows.
        decline: Changes its mind: says no to the first proposal and drops the wish.
    """

    say: tuple[str, ...] = Field(min_length=1)
    done: ActionKind | None = None
    told: tuple[str, ...] = ()
    order: str | None = None
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    knows: dict[Topic, str] = Field(default_factory=dict)
    decline: bool = False


class Shopper(Record):
    """Who writes. With ``script`` the exact turns are given; with ``wishes`` they are simulated.

    Attributes:
        customer: A signed-in customer, or ``visitor``.
        goal: What they want, in a sentence; a strong model that plays the shopper reads it.
        knows: What they answer when asked, by topic. Nothing else is in their head.
        patience: Answers that do not help before they give up.
        typos: Share of words they mistype, 0 to 0.2.
    """

    customer: str = "visitor"
    goal: str
    temper: Temper = "calm"
    patience: int = Field(3, ge=1, le=10)
    knows: dict[Topic, str] = Field(default_factory=dict)
    typos: float = Field(0.0, ge=0, le=0.2)
    script: tuple[Step, ...] = ()
    wishes: tuple[Wish, ...] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Shopper:
        if bool(self.script) == bool(self.wishes):
            raise ValueError("give either script or wishes")
        return self


class PlantedDocument(Record):
    """A document that is there only in this scenario.

    Attributes:
        after_turn: It appears after so many shopper turns; 0 from the start.
        replaces: Name of a document (``returns`` for ``policies/en/returns.md``) whose place it takes.
    """

    id: str
    title: str
    text: str
    kind: Kind = "policy"
    version: str = ""
    visibility: Visibility = "public"
    replaces: str = ""
    after_turn: int = Field(0, ge=0)


class Faults(Record):
    """What goes wrong; turns are the shopper's, counted from 1.

    Attributes:
        model: ``down`` refuses, ``slow`` gives no token in time, ``breaks`` stops mid-sentence.
        shop_down: The turns in which the order system does not answer.
        index_down: The turns in which the documents cannot be searched.
    """

    model: Literal["", "down", "slow", "breaks"] = ""
    shop_down: tuple[int, ...] = ()
    index_down: tuple[int, ...] = ()
    documents: tuple[PlantedDocument, ...] = ()


class Change(Record):
    """A change to an order that must have been made, exactly once, and no other."""

    kind: ActionKind
    order: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Handoff(Record):
    """Whether a person must be brought in.

    Attributes:
        needed: ``never`` when bringing one in would be wrong, ``allowed`` when it is a matter of taste.
        by_turn: The shopper turn by whose end it must have happened.
        reasons: Any of these must be among its reasons.
        packet: Facts a person needs; each must be found in the packet.
    """

    needed: Literal["yes", "never", "allowed"] = "never"
    by_turn: int | None = None
    reasons: tuple[HandoffReason, ...] = ()
    packet: tuple[str, ...] = ()


class Expect(Record):
    """What must hold at the end.

    Attributes:
        changes: The reference solution: making these changes to a fresh copy of the shop gives
            the state that must be found. Empty: nothing may have changed.
        told: Facts that must have been told: for each, any one of its wordings.
        not_told: Words that must never be said.
        never: Changes that must not even be proposed.
        refusal: True when the documents hold no answer and the shopper must be told so; False
            when saying so is wrong; ``None`` where neither is judged.
        refusal_turn: The shopper turn it is about; the whole conversation when not given.
        promises: Words each of which must be in a promise; no promise is allowed when empty and
            ``no_promises`` is set.
        moods: Mood of shopper turns (from 1) where people would agree on it.
    """

    changes: tuple[Change, ...] = ()
    told: tuple[tuple[str, ...], ...] = ()
    not_told: tuple[str, ...] = ()
    never: tuple[ActionKind, ...] = ()
    refusal: bool | None = None
    refusal_turn: int | None = None
    handoff: Handoff = Handoff()
    promises: tuple[str, ...] = ()
    no_promises: bool = False
    moods: dict[int, MoodLabel] = Field(default_factory=dict)


class Scenario(Record):
    """One conversation to hold, and how to judge it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    pair: str = ""
    about: str
    area: Area
    language: Language
    shop: str = "fernway"
    now: datetime | None = None
    """The instant it begins; noon UTC of the shop's day when not given."""
    shopper: Shopper
    faults: Faults = Faults()
    expect: Expect

    @property
    def slices(self) -> tuple[str, ...]:
        """The named groups that it counts in."""
        return (
            "all",
            f"language:{self.language}",
            f"area:{self.area}",
            f"temper:{self.shopper.temper}",
            "shopper:scripted" if self.shopper.script else "shopper:simulated",
        )


class ScenarioInvalid(Exception):
    """A scenario file that cannot be used; the message names file, scenario and field."""


def read_scenarios(paths: Iterable[Path]) -> list[Scenario]:
    """Read scenario files, or all ``*.yaml`` under folders, ordered by id.

    Raises:
        ScenarioInvalid: A file is missing or broken, an id is used twice, or nothing was found.
    """
    found: dict[str, Scenario] = {}
    for file in _files(paths):
        for scenario in _documents(file):
            if scenario.id in found:
                raise ScenarioInvalid(f"{file}: the id {scenario.id} is used twice")
            found[scenario.id] = scenario
    if not found:
        raise ScenarioInvalid(f"no scenario in {', '.join(map(str, paths))}")
    return [found[name] for name in sorted(found)]


def schema() -> dict[str, Any]:
    """The JSON Schema of one scenario document."""
    return Scenario.model_json_schema()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.yaml"))
        elif path.is_file():
            yield path
        else:
            raise ScenarioInvalid(f"{path}: no such file or folder")


def _documents(file: Path) -> Iterator[Scenario]:
    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioInvalid(f"{file}: {error}") from error
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        name = (
            document.get("id", f"document {number}") if isinstance(document, dict) else f"document {number}"
        )
        try:
            yield Scenario.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ScenarioInvalid(f"{file}: {name}: {place}: {first['msg']}") from error
