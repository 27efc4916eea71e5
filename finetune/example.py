"""One thing to learn: a prompt as the model will see it, and what it should write."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.ids import Language
from agent.model import Prompt
from finetune.errors import DatasetInvalid

Task = Literal["answer", "understand"]
Part = Literal["train", "test"]


class Line(BaseModel):
    """Base of what the files hold: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Line):
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


class GivenSource(Line):
    """A passage of the prompt, for checking what an answer says."""

    id: str
    title: str
    text: str


class Example(Line):
    """A prompt and its target.

    Attributes:
        id: Unique in a dataset.
        family: What it was made from; a family is never split between training and test.
        origin: ``shop``, ``dialogue`` or ``log``.
        said: The shopper's own words in it, for finding duplicates and contamination.
        sources: Of an answer, in the prompt's order.
        right: Which source answers, counted from 0.
        upset: Whether the shopper is; the answer then begins with a word of regret.
    """

    id: str
    family: str
    task: Task
    origin: Literal["shop", "dialogue", "log"]
    language: Language
    messages: tuple[Message, ...]
    target: str
    said: str
    sources: tuple[GivenSource, ...] = ()
    right: int = -1
    upset: bool = False


def messages(prompt: Iterable[Prompt]) -> tuple[Message, ...]:
    """A prompt of the product as the messages of an example."""
    return tuple(Message(role=one.role, content=one.text) for one in prompt)


def write(path: Path, examples: Iterable[Example]) -> int:
    """Write one example a line; how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for example in examples:
            file.write(example.model_dump_json(exclude_defaults=True) + "\n")
            count += 1
    return count


def read(path: Path) -> Iterator[Example]:
    """Read what :func:`write` wrote.

    Raises:
        DatasetInvalid: A line is not an example; the message names file and line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield Example.model_validate_json(line)
                except ValidationError as error:
                    raise DatasetInvalid(
                        f"{path.name}, line {number}: {error.errors()[0]['msg']}; build the dataset again"
                    ) from None
    except OSError as error:
        raise DatasetInvalid(
            f"{path} cannot be read ({error.strerror}); run: amends finetune build"
        ) from error


def digest(examples: Iterable[Example], *, head: str = "") -> str:
    """SHA-256 over ``head`` and the examples, in order."""
    sha = hashlib.sha256(head.encode())
    for example in examples:
        sha.update(example.model_dump_json().encode())
    return sha.hexdigest()
