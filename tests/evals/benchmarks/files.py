"""Small example files in the formats of the sets, in our own words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evals.benchmarks.report import BenchmarkReport, Figure


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def figure(report: BenchmarkReport, name: str, part: str = "") -> Figure:
    (found,) = [one for one in report.figures if one.name == name and one.slice == part]
    return found


def names(report: BenchmarkReport) -> set[str]:
    return {one.name for one in report.figures}
