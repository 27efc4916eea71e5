"""What a benchmark returns: figures with intervals, beside what others published or measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Anchor:
    """A figure to hold ours against.

    Attributes:
        source: Who measured it, on what; enough to judge whether it compares.
    """

    value: float
    source: str


@dataclass(frozen=True)
class Figure:
    """One figure of ours.

    Attributes:
        slice: The part of the data it is about, empty for all of it.
        low, high: 95 % interval; equal to ``value`` where there is none to give.
        n: What it was computed over.
        better: ``higher``, ``lower``, or empty for a plain count.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    slice: str = ""
    anchors: tuple[Anchor, ...] = ()
    better: str = "higher"


@dataclass(frozen=True)
class BenchmarkReport:
    """All figures of one benchmark on one path."""

    benchmark: str
    data: str
    method: str
    """What of ours was measured, in a sentence (names and versions of models included)."""
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know not to be misled."""
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)


class DataInvalid(Exception):
    """The path does not hold the benchmark's format; the message names file, line and field."""


class Progress(Protocol):
    """Shows how far a long loop is (``rich.progress.track`` is one, ``silent`` another)."""

    def __call__(self, items: Iterable[T], description: str, total: int) -> Iterable[T]:
        """Yield the items."""


def silent(items: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Show nothing."""
    return items


Benchmark = Callable[[Path, Progress], BenchmarkReport]
"""``path`` is a data file, or a folder in the layout of the set's README."""

BENCHMARKS: Mapping[str, str] = {
    "product_qa": "Product questions: find the passage that answers, know when none does",
    "shop_questions": "A shop's own questions: find the passage in its documents, know when there is none",
    "groundedness": "Tell answers that their knowledge supports from made-up ones",
    "injection": "Tell attacks in messages and documents from harmless text",
    "intents": "Read what a message asks for",
    "satisfaction": "Read a shopper's satisfaction turn by turn",
    "pii": "Find personal data in text",
    "churn": "Foresee who leaves, and how much the others buy",
    "bandit": "Estimate what another offer policy would have earned",
    "retail_tasks": "Hold tau2-bench's retail conversations to their end state",
    "ecom_zh": "Hold ECom-Bench's Chinese shop conversations to their end state",
}
"""Name and one line; the module ``evals.benchmarks.{name}`` has a function ``run``."""


CONVERSATIONS = frozenset({"retail_tasks", "ecom_zh"})
"""Those that hold conversations; their modules have a function ``measure`` that takes a version."""


def load_conversations(name: str) -> Callable[..., BenchmarkReport]:
    """``measure(path, progress, version=…, repeats=…)`` of a benchmark of conversations."""
    measure: Callable[..., BenchmarkReport] = import_module(f"evals.benchmarks.{name}").measure
    return measure


def load(name: str) -> Benchmark:
    """The benchmark of this name; raises ``KeyError`` when there is none."""
    if name not in BENCHMARKS:
        raise KeyError(name)
    run: Benchmark = import_module(f"evals.benchmarks.{name}").run
    return run
