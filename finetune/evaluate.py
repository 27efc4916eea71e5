"""Measure a served model on a dataset's test part, and compare such measurements.

Understanding is asked for as JSON of a fixed schema, answers as text; each is judged by
``finetune.scores``. The reader that needs no model reads the same messages, so that the two ways
of understanding stand side by side. A request that fails counts as wrong, and is counted.
"""

from __future__ import annotations

import asyncio
import re
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import ceil, floor, sqrt
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import ValidationError

from agent.errors import ModelError
from agent.grounding import Vectors
from agent.ids import Language
from agent.model import LanguageModel, Prompt
from agent.prompts import VERSION as ANSWERING
from agent.understand_prompt import ARGUMENTS, schema
from agent.understand_prompt import VERSION as UNDERSTANDING
from agent.understanding import Reader, Said
from evals.stats import ratio_interval
from finetune.errors import DatasetInvalid
from finetune.example import Example, Line, Task
from finetune.scores import Answered, Understood, Wanted, answered, understood

MAX_TOKENS: Mapping[Task, int] = {"answer": 160, "understand": 128}
"""Twice what the longest targets have (76 and 72 tokens of Qwen's)."""
_EARLIER = re.compile(r"^(Shopper|Shop): ", re.MULTILINE)
_LAST = "Last message: "


class Measure(Line):
    """A figure, its 95 % interval, and over how many examples."""

    value: float
    low: float
    high: float
    n: int


class Row(Line):
    """What one way of doing a task measured in one language.

    Attributes:
        who: ``model``, or the name of a reader.
        measures: By name. Shares are 0 to 1, times in seconds a request.
        failed: Requests without an answer.
    """

    who: str
    task: Task
    language: Language
    examples: int
    failed: int
    measures: dict[str, Measure]


class Output(Line):
    """What was said to one example, for reading."""

    id: str
    who: str
    text: str
    seconds: float


class Report(Line):
    """One evaluation.

    Attributes:
        label: What to call it in a table.
        model, adapter: As the server calls them.
        prompts: Versions of the prompts asked with.
        dataset: SHA-256 of the examples asked.
        at_once: Requests in flight; times of reports with different ones do not compare.
    """

    label: str
    model: str
    adapter: str
    prompts: dict[Task, str]
    dataset: str
    at_once: int
    rows: tuple[Row, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class Asked:
    """What came back for one example; ``first`` and ``seconds`` count from the request."""

    example: Example
    text: str
    first: float
    seconds: float
    failed: bool = False


async def ask(model: LanguageModel, example: Example) -> Asked:
    """Put an example's prompt to the model. A failure is an empty text."""
    prompt = [Prompt(message.role, message.content) for message in example.messages]
    form = schema() if example.task == "understand" else None
    began, first, text = perf_counter(), 0.0, ""
    stream = model.stream(prompt, max_tokens=MAX_TOKENS[example.task], schema=form)
    try:
        async with aclosing(stream) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                if piece.text and not text:
                    first = perf_counter() - began
                text += piece.text
    except ModelError:
        return Asked(example, "", 0.0, perf_counter() - began, failed=True)
    return Asked(example, text, first, perf_counter() - began)


async def ask_all(model: LanguageModel, examples: Sequence[Example], *, at_once: int) -> AsyncIterator[Asked]:
    """Put every example to the model, ``at_once`` of them at a time; answers as they come."""
    waiting = list(reversed(examples))
    running: set[asyncio.Task[Asked]] = set()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.add(asyncio.create_task(ask(model, waiting.pop())))
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()


def model_rows(asked: Sequence[Asked], vectors: Vectors | None = None) -> list[Row]:
    """Judge what a model said, by task and language."""
    rows = []
    for (task, language), group in _groups(asked).items():
        if task == "understand":
            judged = [understood(Wanted.read(one.text), _target(one.example)) for one in group]
            measures = understanding(judged)
        else:
            measures = answering([answered(one.text, one.example, vectors) for one in group])
        came = [one for one in group if not one.failed]
        measures |= {
            "first_token": median([one.first for one in came]),
            "seconds": median([one.seconds for one in came]),
        }
        rows.append(
            Row(
                who="model",
                task=task,
                language=language,
                examples=len(group),
                failed=len(group) - len(came),
                measures={name: found for name, found in measures.items() if found is not None},
            )
        )
    return rows


async def read_with(
    reader: Reader, examples: Iterable[Example], *, progress: Callable[[], None] = lambda: None
) -> tuple[list[Row], list[Output]]:
    """Let a reader without a model read the understanding examples, and judge it."""
    judged: dict[Language, list[tuple[Understood, float]]] = {}
    outputs = []
    for example in examples:
        if example.task != "understand":
            continue
        began = perf_counter()
        found = await reader.understand(example.said, earlier=earlier(example))
        seconds = perf_counter() - began
        args = {name: value for name, value in found.slots.items() if name in ARGUMENTS}
        if found.order:
            args["order"] = found.order
        read = Wanted(intents=found.intents, language=found.language, args=args)
        judged.setdefault(example.language, []).append((understood(read, _target(example)), seconds))
        outputs.append(
            Output(id=example.id, who=reader.name, text=read.model_dump_json(), seconds=round(seconds, 4))
        )
        progress()
    rows = []
    for language, group in sorted(judged.items()):
        measures = understanding([one for one, _ in group])
        measures["seconds"] = median([seconds for _, seconds in group])
        rows.append(
            Row(
                who=reader.name,
                task="understand",
                language=language,
                examples=len(group),
                failed=0,
                measures={name: found for name, found in measures.items() if found is not None},
            )
        )
    return rows, outputs


def report(
    label: str,
    model: LanguageModel,
    asked: Sequence[Asked],
    *,
    at_once: int,
    dataset: str,
    vectors: Vectors | None = None,
    read: tuple[Sequence[Row], Sequence[Output]] = ((), ()),
) -> Report:
    """Put together what was measured; ``read`` is what :func:`read_with` gave."""
    outputs = [
        Output(id=one.example.id, who="model", text=one.text, seconds=round(one.seconds, 3))
        for one in sorted(asked, key=lambda one: one.example.id)
    ]
    return Report(
        label=label,
        model=model.name,
        adapter=model.adapter,
        prompts={"answer": ANSWERING, "understand": UNDERSTANDING},
        dataset=dataset,
        at_once=at_once,
        rows=(*model_rows(asked, vectors), *read[0]),
        outputs=(*outputs, *read[1]),
    )


def read_report(path: Path) -> Report:
    """Read a report's file.

    Raises:
        DatasetInvalid: It is no report.
    """
    try:
        return Report.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetInvalid(f"{path} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise DatasetInvalid(f"{path.name} is no report of amends finetune evaluate") from error


def compare(reports: Sequence[Report]) -> tuple[list[str], list[tuple[str, str, str, list[Measure | None]]]]:
    """Reports side by side: the columns, and rows of task, language, measure and a cell a column.

    A reader without a model has one column, whichever report it is in.

    Raises:
        DatasetInvalid: They did not ask the same examples.
    """
    if len({one.dataset for one in reports}) > 1:
        raise DatasetInvalid("the reports are not about the same examples; evaluate again")
    columns: dict[str, dict[tuple[str, str], Row]] = {}
    for one in reports:
        for row in one.rows:
            name = one.label if row.who == "model" else row.who
            columns.setdefault(name, {}).setdefault((row.task, row.language), row)
    lines = []
    for task, language in sorted({place for rows in columns.values() for place in rows}):
        found = [rows.get((task, language)) for rows in columns.values()]
        names = dict.fromkeys(name for row in found if row is not None for name in row.measures)
        for name in names:
            cells = [row.measures.get(name) if row is not None else None for row in found]
            lines.append((task, language, name, cells))
    return list(columns), lines


def understanding(judged: Sequence[Understood]) -> dict[str, Measure | None]:
    """Shares over messages, and F1 over the arguments in them, together and by name."""
    found: dict[str, Measure | None] = {
        "main_intent": share([one.main for one in judged]),
        "intents": share([one.intents for one in judged]),
        "language": share([one.language for one in judged]),
        "arguments": share([one.arguments for one in judged]),
        "arguments_where_any": share([one.arguments for one in judged if one.wanted]),
        "argument_f1": f1(judged, None),
        "json_valid": share([one.valid for one in judged]),
    }
    named = Counter(name for one in judged for name in one.wanted)
    return found | {f"f1_{name}": f1(judged, name) for name in ARGUMENTS if named[name]}


def answering(judged: Sequence[Answered]) -> dict[str, Measure | None]:
    """Shares over answers, and over what is in them."""
    return {
        "grounded": share([one.grounded for one in judged]),
        "claims_supported": ratio([(one.supported, one.claims) for one in judged]),
        "right_mark": share([one.cited for one in judged]),
        "language": share([one.language for one in judged]),
        "apology_when_upset": share([one.apologises for one in judged if one.upset]),
        "none_when_not": share([not one.apologises for one in judged if not one.upset]),
        "figures_right": ratio([(one.figures_right, one.figures) for one in judged]),
        "figures_found": ratio([(one.needed_found, one.needed) for one in judged]),
        "overlap": ratio([(one.overlap, 1) for one in judged]),
        "sentences": ratio([(one.sentences, 1) for one in judged], share=False),
    }


def share(hits: Sequence[bool]) -> Measure | None:
    """Of independent examples, with Wilson's interval."""
    return ratio([(hit, 1) for hit in hits])


def f1(judged: Sequence[Understood], name: str | None) -> Measure | None:
    """F1 over the arguments of one name, or of all: twice the right ones by those given and wanted."""

    def count(names: frozenset[str]) -> int:
        return len(names) if name is None else int(name in names)

    found = ratio([(2 * count(one.right), count(one.given) + count(one.wanted)) for one in judged])
    return found and found.model_copy(update={"n": sum(count(one.wanted) for one in judged)})


def ratio(parts: Sequence[tuple[float, float]], *, share: bool = True) -> Measure | None:
    """Sum of the firsts by sum of the seconds, examples resampled whole; ``None`` over nothing."""
    hits, of = (
        (np.array(column, np.float64) for column in zip(*parts, strict=True)) if parts else (None, None)
    )
    if hits is None or of is None or not of.sum():
        return None
    found = ratio_interval(hits, of, share=share)
    return Measure(value=float(hits.sum() / of.sum()), low=found.low, high=found.high, n=int((of > 0).sum()))


def median(values: Sequence[float]) -> Measure | None:
    """With the interval between order statistics (Conover 1999, Practical Nonparametric
    Statistics, section 3.2, the normal approximation of the ranks)."""
    if not values:
        return None
    ordered, n = sorted(values), len(values)
    half = 1.96 * sqrt(n) / 2
    low, high = max(0, floor(n / 2 - half)), min(n - 1, ceil(n / 2 + half))
    return Measure(value=statistics.median(ordered), low=ordered[low], high=ordered[high], n=n)


def earlier(example: Example) -> list[Said]:
    """The lines before the message, as its prompt shows them to a model."""
    text = example.messages[-1].content
    before = text[: len(text) - len(_LAST) - len(example.said)]
    parts = _EARLIER.split(before)[1:]
    return [
        Said("shopper" if who == "Shopper" else "assistant", line.strip())
        for who, line in zip(parts[::2], parts[1::2], strict=True)
    ]


def _target(example: Example) -> Wanted:
    found = Wanted.read(example.target)
    if found is None:
        raise DatasetInvalid(f"{example.id}: its target is not of the form; build the dataset again")
    return found


def _groups(asked: Iterable[Asked]) -> dict[tuple[Task, Language], list[Asked]]:
    groups: dict[tuple[Any, Any], list[Asked]] = {}
    for one in asked:
        groups.setdefault((one.example.task, one.example.language), []).append(one)
    return dict(sorted(groups.items()))
