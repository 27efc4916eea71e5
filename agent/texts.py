"""Fixed sentences, in both languages, from ``agent/data/texts.yaml``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, cast

import yaml

from agent.ids import Language


@cache
def _texts() -> dict[str, dict[Language, str]]:
    raw = (files("agent") / "data" / "texts.yaml").read_text(encoding="utf-8")
    return cast("dict[str, dict[Language, str]]", yaml.safe_load(raw))


def text(name: str, language: Language, /, **values: Any) -> str:
    """Return the sentence ``name`` with ``values`` filled in.

    Raises:
        KeyError: No such sentence, or a value is missing.
    """
    return _texts()[name][language].format(**values)


def names() -> frozenset[str]:
    """All sentence names."""
    return frozenset(_texts())


def templates() -> list[str]:
    """All sentences of both languages as they stand in the file, with ``{names}`` unfilled."""
    return [words for both in _texts().values() for words in both.values()]
