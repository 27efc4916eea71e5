"""Whether training text was taken from what the model is judged on.

Two texts count as the same when they share a run of eight English words or twelve Han
characters (the 8-gram rule of the FLAN and PaLM reports, characters for Chinese), or are equal
when shorter. What a whole trade says alike ("where is my order") is shorter than that, and
is not told apart from chance: only equal messages of at least five words count there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from finetune.errors import DatasetInvalid

WORDS, CHARACTERS = 8, 12
_SHORTEST = 5
_TOKEN = re.compile(r"[\u3400-\u9fff]|[a-z0-9]+(?:['’.-][a-z0-9]+)*")


class Seen:
    """Texts of the evaluations, to compare with."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._runs: set[tuple[str, ...]] = set()
        self._whole: set[tuple[str, ...]] = set()
        for text in texts:
            tokens = _tokens(text)
            self._runs.update(_runs(tokens))
            if len(tokens) >= _SHORTEST:
                self._whole.add(tuple(tokens))

    def holds(self, text: str) -> bool:
        """Whether ``text`` repeats one of them."""
        tokens = _tokens(text)
        return tuple(tokens) in self._whole or any(run in self._runs for run in _runs(tokens))


def evaluation_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Every string of YAML, JSON, JSONL, Markdown and XML files, folders searched through.

    Raises:
        DatasetInvalid: A file cannot be read.
    """
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.suffix in (".yaml", ".json", ".jsonl", ".md", ".xml") and file.is_file():
                yield from _strings_of(file)


def _strings_of(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
        match path.suffix:
            case ".yaml":
                for document in yaml.safe_load_all(text):
                    yield from _strings(document)
            case ".json":
                yield from _strings(json.loads(text))
            case ".jsonl":
                for line in text.splitlines():
                    yield from _strings(json.loads(line))
            case _:
                yield from (re.sub(r"<[^>]*>", " ", line) for line in text.splitlines() if line.strip())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DatasetInvalid(f"{path.name} cannot be compared with: {error}") from error


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _runs(tokens: list[str]) -> Iterator[tuple[str, ...]]:
    """Runs long enough to be no chance; a run with Han characters must be the longer."""
    for start in range(len(tokens) - WORDS + 1):
        run = tuple(tokens[start : start + WORDS])
        if any("\u3400" <= token[0] <= "\u9fff" for token in run):
            run = tuple(tokens[start : start + CHARACTERS])
            if len(run) < CHARACTERS:
                continue
        yield run
