"""CSV files, plain or gzipped, read into columns of words and checked, so that a bad field is named."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from evals.benchmarks.report import DataInvalid, Figure

Floats = NDArray[np.float64]
MOST_LEVELS = 100
"""A column of words with more different ones tells rows apart and not kinds of customers; trees
of scikit-learn take at most 255."""


Measured = tuple[list[Figure], list[str], dict[str, Any]]
"""Figures, notes and details of one file."""


@dataclass(frozen=True)
class Table:
    """A file's columns, every value as written; row ``i`` is line ``i + 2`` of a plain file."""

    file: Path
    columns: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def name(self) -> str:
        """The file's name without its endings."""
        return self.file.name.removesuffix(".gz").removesuffix(".csv")

    def has(self, *names: str) -> bool:
        """Whether all these columns are there."""
        return all(name in self.columns for name in names)

    def numbers(self, name: str, *, low: float = -math.inf, high: float = math.inf) -> Floats:
        """A column of numbers, none missing, each in ``low`` to ``high``."""
        values = np.empty(len(self))
        for row, text in enumerate(self.columns[name]):
            try:
                values[row] = float(text)
            except ValueError:
                raise self.wrong(row, name, f"{text!r} is not a number") from None
            # Not "< low or > high": that would let NaN through.
            if not (low <= values[row] <= high and math.isfinite(values[row])):
                raise self.wrong(row, name, f"{text} is out of range")
        return values

    def wrong(self, row: int, name: str, why: str) -> DataInvalid:
        """The error to raise about a field."""
        return DataInvalid(f"{self.file}, line {row + 2}, field {name}: {why}")


@dataclass(frozen=True)
class Matrix:
    """Columns as numbers for a model: words are coded by level, missing numbers are NaN.

    Attributes:
        categorical: Which columns are codes.
    """

    values: Floats
    names: tuple[str, ...]
    categorical: tuple[bool, ...]

    def where(self, categorical: bool) -> list[int]:
        """The places of the columns of one sort."""
        return [place for place, flag in enumerate(self.categorical) if flag is categorical]


def read_table(file: Path) -> Table:
    """Read a CSV file with a header line; an unnamed first column (a row number) is passed over.

    Raises ``DataInvalid`` when it cannot be read, is ragged, or has no rows.
    """
    try:
        raw = file.read_bytes()
        # By content: a gzipped file may have any name.
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataInvalid(f"{file}: it cannot be read as text ({error})") from None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise DataInvalid(f"{file}: not CSV ({error})") from None
    if len(rows) < 2:
        raise DataInvalid(f"{file}: no rows")
    header, *body = rows
    for line, row in enumerate(body, 2):
        if len(row) != len(header):
            raise DataInvalid(f"{file}, line {line}: {len(row)} fields, the header has {len(header)}")
    names = [name.strip() for name in header]
    if len(set(names)) != len(names):
        raise DataInvalid(f"{file}, line 1: a column is named twice")
    columns = {name: values for name, values in zip(names, zip(*body, strict=True), strict=True) if name}
    if not columns:
        raise DataInvalid(f"{file}, line 1: no column has a name")
    return Table(file, columns)


def read_tables(path: Path) -> list[Table]:
    """The file at ``path``, whatever its name, or every ``*.csv`` and ``*.csv.gz`` below a folder."""
    if not path.is_dir():
        return [read_table(path)]
    files = sorted(file for ending in ("*.csv", "*.csv.gz") for file in path.rglob(ending))
    if not files:
        raise DataInvalid(f"{path}: no *.csv or *.csv.gz file")
    return [read_table(file) for file in files]


def matrix(table: Table, leave_out: Collection[str] = ()) -> tuple[Matrix, tuple[str, ...]]:
    """Turn columns into numbers; empty fields are missing.

    Returns:
        The matrix, and the names of columns of words that are too varied to use.
    """
    columns: list[Floats] = []
    names: list[str] = []
    categorical: list[bool] = []
    passed_over: list[str] = []
    for name, texts in table.columns.items():
        if name in leave_out:
            continue
        words = [text.strip() for text in texts]
        numbers = _numbers(words)
        if numbers is None:
            levels = {level: code for code, level in enumerate(sorted(set(words)))}
            if len(levels) > MOST_LEVELS:
                passed_over.append(name)
                continue
            numbers = np.array([levels[word] for word in words], np.float64)
            categorical.append(True)
        else:
            categorical.append(False)
        columns.append(numbers)
        names.append(name)
    if not columns:
        raise DataInvalid(f"{table.file}: no column to predict from")
    return Matrix(np.column_stack(columns), tuple(names), tuple(categorical)), tuple(passed_over)


def _numbers(words: Sequence[str]) -> Floats | None:
    """The column as numbers, ``None`` if it is one of words."""
    try:
        values = np.array([float(word) if word else math.nan for word in words])
    except ValueError:
        return None
    return None if np.isnan(values).all() or np.isinf(values).any() else values


def foretell(model: Any, seen: Floats, truth: NDArray[np.bool_], new: Floats) -> Floats:
    """Fit a scikit-learn classifier and return the probability of each new row, all on one thread.

    Several are hardly faster on tables of this size, and many times slower on a busy machine.
    """
    with threadpool_limits(1):
        model.fit(seen, truth)
        return np.asarray(model.predict_proba(new)[:, 1])
