"""Seed dialogues: what shoppers write, what they want by it, and how they feel. Written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import ConfigDict, Field, ValidationError, model_validator

from agent import understand_prompt
from agent.events import Intent
from agent.ids import Language
from finetune.errors import DatasetInvalid
from finetune.example import Line

FOLDER = Path(__file__).parent / "data" / "dialogues"

ARGUMENTS = frozenset(understand_prompt.ARGUMENTS) | {"email", "code"}
"""What a message may name: to the model, and what is read by rule alone."""
PLACEHOLDERS = frozenset(
    """order order2 product product2 variant variant2 name email code carrier day answer""".split()  # noqa: SIM905
)
PLACEHOLDER = re.compile(r"\{(\w+)\}")
Mood = Literal["negative", "neutral", "positive"]


class SeedTurn(Line):
    """A shopper's message and what it means.

    Attributes:
        say: As typed; ``{order}``, ``{product}`` … are filled in.
        want: Intents, the main one first.
        args: What the message itself says: arguments of the tool it asks for.
        topic: Of a question to the documents: a policy's topic, ``product`` or ``none``.
        mood: How the shopper feels about being treated as they are.
        risks: Topics that need a person: ``legal``, ``safety`` …
        then: What the assistant said next; ``{answer}`` stands for the topic's answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    say: str = Field(min_length=1)
    want: tuple[Intent, ...] = Field(min_length=1)
    args: Mapping[str, str] = Field(default_factory=dict)
    topic: str = ""
    mood: Mood
    risks: tuple[str, ...] = ()
    then: str = ""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := set(self.args) - ARGUMENTS:
            raise ValueError(f"unknown arguments {sorted(unknown)} in {self.say!r}")
        text = " ".join([self.say, self.then, *self.args.values()])
        if unknown := set(PLACEHOLDER.findall(text)) - PLACEHOLDERS:
            raise ValueError(f"unknown placeholders {sorted(unknown)} in {self.say!r}")
        return self


class SeedDialogue(Line):
    """A short conversation."""

    id: str = Field(pattern=r"^(en|zh)-[a-z]-\d{3}$")
    family: str
    temper: Literal["calm", "polite", "hurried", "chatty", "upset", "angry", "sarcastic"]
    traits: tuple[str, ...] = ()
    turns: tuple[SeedTurn, ...] = Field(min_length=1)

    @property
    def language(self) -> Language:
        """What it is written in."""
        return "zh" if self.id.startswith("zh") else "en"


def read_dialogues(folder: Path = FOLDER) -> list[SeedDialogue]:
    """All seed dialogues, by id.

    Raises:
        DatasetInvalid: A dialogue is not of the format, or an id occurs twice.
    """
    found: dict[str, SeedDialogue] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            rows = yaml.safe_load(path.read_text(encoding="utf-8"))
            dialogues = [SeedDialogue.model_validate(row) for row in rows]
        except (yaml.YAMLError, ValidationError) as error:
            raise DatasetInvalid(f"{path.name}: {error}") from None
        for dialogue in dialogues:
            if dialogue.id in found:
                raise DatasetInvalid(f"{path.name}: {dialogue.id} occurs twice")
            found[dialogue.id] = dialogue
    if not found:
        raise DatasetInvalid(f"{folder} holds no dialogues")
    return [dialogue for _, dialogue in sorted(found.items())]
