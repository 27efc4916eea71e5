"""Rows of JSON lines whose fields are checked when read, so that a bad file is named to the line."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.benchmarks.report import DataInvalid


@dataclass(frozen=True)
class Row:
    """One object of a file, or an object inside one; every getter raises ``DataInvalid``.

    Attributes:
        inside: Path of a nested object in its line (``candidates[3].``), empty for a whole line.
    """

    file: Path
    line: int
    values: Mapping[str, Any]
    inside: str = ""

    def text(self, field: str, *, empty: bool = True) -> str:
        """A string; ``empty`` says whether it may be one without a word."""
        value = self._value(field)
        if not isinstance(value, str):
            raise self.wrong(field, f"a string is needed, here is {_shown(value)}")
        if not empty and not value.strip():
            raise self.wrong(field, "it is empty")
        return value

    def optional_text(self, field: str) -> str:
        """A string, or nothing when the field is missing or null."""
        return "" if self.values.get(field) is None else self.text(field)

    def flag(self, field: str) -> bool:
        """True or false."""
        value = self._value(field)
        if not isinstance(value, bool):
            raise self.wrong(field, f"true or false is needed, here is {_shown(value)}")
        return value

    def whole(self, field: str, *, low: int = 0, high: int | None = None) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        value = self._value(field)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(field, f"a whole number is needed, here is {_shown(value)}")
        if value < low or (high is not None and value > high):
            limits = f"{low} or more" if high is None else f"{low} to {high}"
            raise self.wrong(field, f"{limits} is needed, here is {value}")
        return value

    def one_of(self, field: str, allowed: Collection[str]) -> str:
        """One of some words."""
        value = self.text(field)
        if value not in allowed:
            raise self.wrong(field, f"one of {', '.join(sorted(allowed))} is needed, here is {_shown(value)}")
        return value

    def rows(self, field: str) -> list[Row]:
        """A list of objects."""
        value = self._value(field)
        if not isinstance(value, list):
            raise self.wrong(field, f"a list is needed, here is {_shown(value)}")
        for place, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.wrong(f"{field}[{place}]", f"an object is needed, here is {_shown(item)}")
        return [
            Row(self.file, self.line, item, f"{self.inside}{field}[{place}].")
            for place, item in enumerate(value)
        ]

    def wrong(self, field: str, why: str) -> DataInvalid:
        """The error to raise about a field."""
        return DataInvalid(f"{self.file}, line {self.line}, field {self.inside}{field}: {why}")

    def _value(self, field: str) -> Any:
        if field not in self.values:
            raise self.wrong(field, "it is missing")
        return self.values[field]


def read_rows(file: Path) -> list[Row]:
    """All rows of a JSON-lines file; blank lines are passed over.

    Raises:
        DataInvalid: It cannot be read, is not JSON lines of objects, or holds none.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataInvalid(f"{file}: {why}") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataInvalid(f"{file}, line {number}: not JSON ({error})") from None
        if not isinstance(values, dict):
            raise DataInvalid(f"{file}, line {number}: an object is needed, here is {_shown(values)}")
        rows.append(Row(file, number, values))
    if not rows:
        raise DataInvalid(f"{file}: no rows")
    return rows


def data_files(path: Path) -> Sequence[Path]:
    """The files to measure on: ``path`` itself, or a folder's ``*.jsonl`` but those for training.

    Raises:
        DataInvalid: There is none.
    """
    if not path.is_dir():
        return (path,)
    every = sorted(path.glob("*.jsonl"))
    kept = [file for file in every if not is_training(file)]
    if not kept:
        raise DataInvalid(f"{path}: no *.jsonl file to measure on")
    return tuple(kept)


def is_training(file: Path) -> bool:
    """Whether a file is for fitting, by its name (``train.jsonl``, ``train_sgd.jsonl``)."""
    return file.name.startswith("train")


def read_all(path: Path) -> list[Row]:
    """The rows of all files to measure on."""
    return [row for file in data_files(path) for row in read_rows(file)]


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
