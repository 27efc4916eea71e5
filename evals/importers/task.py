"""What an importer makes of one task of a public benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from evals.benchmarks.report import DataInvalid
from evals.scenario import Scenario
from evals.world import Snapshot

ANY_ANSWER = ("",)
"""What a wish is told by when nobody can say which words would fulfil it: the empty word is in every
answer, so that the shopper goes on to the next wish."""


class Shape(BaseModel):
    """Base of what is read of a set's file: fields that we don't need may stand beside."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True)
class Search:
    """Something that had to be looked up: the benchmark's tool and its arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class ImportedTask:
    """One task.

    Attributes:
        scenario: How it is held. Its ``expect.changes`` is the reference solution when that can be
            said with the product's four actions, else empty.
        expected_state: What the reference leaves behind, as ``snapshot()`` of the set's shop gives
            it, whether the product's actions can reach it or not.
        expressible: Whether they can. A task for which they can't is held all the same and counts
            as failed, never as left out.
        why_not: What stands in the way, empty when nothing does.
        searches: What had to be looked up.
        needs_image: The shopper sends a picture that the set does not include.
    """

    scenario: Scenario
    expected_state: Snapshot
    expressible: bool
    why_not: str = ""
    searches: tuple[Search, ...] = ()
    needs_image: bool = False


def differences(before: Snapshot, after: Snapshot) -> dict[str, dict[str, list[Any]]]:
    """What differs between two snapshots: ``{key: {field: [before, after]}}``."""
    found: dict[str, dict[str, list[Any]]] = {}
    for key in sorted({*before, *after}):
        one, other = before.get(key, {}), after.get(key, {})
        if one is other:
            continue
        fields = {
            name: [one.get(name), other.get(name)]
            for name in sorted({*one, *other})
            if one.get(name) != other.get(name)
        }
        if fields:
            found[key] = fields
    return found


def read_json(file: Path) -> Any:
    """A JSON file.

    Raises:
        DataInvalid: It cannot be read or is not JSON; the message names file, line and column.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataInvalid(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataInvalid(f"{file}: it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise DataInvalid(
            f"{file}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from None


def tasks_file(path: Path) -> Path:
    """The tasks: ``path`` itself, or the one ``tasks*.json`` of a folder that is not for training.

    Raises:
        DataInvalid: There is none, or it is open which is meant.
    """
    if not path.is_dir():
        return path
    every = sorted(path.glob("tasks*.json"))
    kept = [file for file in every if "train" not in file.stem] or every
    if not kept:
        raise DataInvalid(f"{path}: no tasks*.json file")
    if len(kept) > 1:
        names = ", ".join(file.name for file in kept)
        raise DataInvalid(f"{path}: several tasks files ({names}); name the one to measure on")
    return kept[0]


def invalid(file: Path, error: ValidationError, where: str = "") -> DataInvalid:
    """The message for values of the wrong shape: file, place and what is wrong with it."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join([*([where] if where else []), *(str(part) for part in first["loc"])])
    return DataInvalid(f"{file}, field {place}: {first['msg']}")
