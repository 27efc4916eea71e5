"""Build a dataset: expand, drop what repeats or is judged on, split by family, say what is in it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from finetune.contamination import Seen
from finetune.example import Example, Part, Task, write
from finetune.split import TEST_SHOPS, part_of_dialogue, part_of_shop


@dataclass(frozen=True)
class Built:
    """What a build made, and what it left out."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    duplicates: int
    contaminated: tuple[str, ...]
    """Ids of examples that repeat an evaluation's text."""


def build(examples: Iterable[Example], seen: Seen, *, seed: int) -> Built:
    """Split and clean ``examples``.

    Args:
        examples: All there are.
        seen: What the model is judged on.
        seed: Of the order and the split.
    """
    kept: dict[tuple[str, ...], Example] = {}
    contaminated: list[str] = []
    total = 0
    for example in examples:
        total += 1
        if seen.holds(example.said) or any(seen.holds(source.text) for source in example.sources):
            contaminated.append(example.id)
            continue
        kept.setdefault((example.task, " ".join(example.said.lower().split()), example.target), example)
    parts: dict[Part, list[Example]] = {"train": [], "test": []}
    for example in kept.values():
        parts[_part(example, seed)].append(example)
    for chosen in parts.values():
        random.Random(seed).shuffle(chosen)  # noqa: S311 - an order, nothing secret
    return Built(
        tuple(parts["train"]),
        tuple(parts["test"]),
        total - len(kept) - len(contaminated),
        tuple(contaminated),
    )


def save(built: Built, folder: Path, *, seed: int, day: date) -> None:
    """Write ``train.jsonl``, ``test.jsonl`` and the data card ``README.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "train.jsonl", built.train)
    write(folder / "test.jsonl", built.test)
    (folder / "README.md").write_text(card(built, seed=seed, day=day), encoding="utf-8")


def card(built: Built, *, seed: int, day: date) -> str:
    """The data card: what is in it, where it is from, what it is for, what it is not."""
    rows = [
        f"| {task} | {language} | {origin} | {counts['train']} | {counts['test']} |"
        for (task, language, origin), counts in _counts(built).items()
    ]
    lines = [
        "# Data card",
        "",
        f"Built {day.isoformat()} with seed {seed} by `amends finetune build`.",
        "",
        "| task | language | origin | training | test |",
        "| --- | --- | --- | ---: | ---: |",
        *rows,
        "",
        "- Origin `shop`: hand-written passages, questions and answers of invented shops; `dialogue`: "
        "hand-written seed dialogues, filled with those shops' things by a seeded generator; `log`: "
        "conversations that people rated well or staff corrected, with consent, scrubbed of personal data.",
        f"- Split by family: all expansions of one dialogue are on one side; {', '.join(sorted(TEST_SHOPS))} "
        "is tested on alone.",
        f"- Left out: {built.duplicates} duplicates, {len(built.contaminated)} that repeat a text of the "
        "evaluations (a run of 8 words or 12 Han characters).",
        "- No refusals are among the targets: whether passages answer is decided outside the generator.",
        "- Licence: Apache-2.0, as the project. No personal data; names, numbers and addresses are invented.",
        "- Not for: judging a model on the same shops, or shops in other languages.",
    ]
    return "\n".join(lines) + "\n"


def _part(example: Example, seed: int) -> Part:
    if example.origin == "shop":
        return part_of_shop(example.family)
    return part_of_dialogue(example.family, seed=seed)


def _counts(built: Built) -> dict[tuple[str, str, str], Counter[str]]:
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for name, examples in (("train", built.train), ("test", built.test)):
        for example in examples:
            key = (example.task, example.language, example.origin)
            found.setdefault(key, Counter())[name] += 1
    return dict(sorted(found.items()))


def at_most(examples: Sequence[Example], most: Mapping[Task, int]) -> list[Example]:
    """The first so many of each task in each language; all of a task that is not named."""
    taken: Counter[tuple[str, str]] = Counter()
    kept = []
    for example in examples:
        key = (example.task, example.language)
        if taken[key] < most.get(example.task, len(examples)):
            taken[key] += 1
            kept.append(example)
    return kept
