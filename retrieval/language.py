"""Which language a text is in: what it says itself, then its path, then its script."""

from __future__ import annotations

import re

from retrieval.passages import Language

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_HAN_SHARE = 0.15
"""A Chinese text full of brand names still has this share of Han characters; an English one has none."""


def declared_language(tag: str | None) -> Language | None:
    """The language of a tag such as ``zh``, ``zh-CN``, ``en_GB``; ``None`` for any other."""
    match re.split(r"[-_]", (tag or "").strip().lower())[0]:
        case "en" | "english":
            return "en"
        case "zh" | "chinese" | "中文":
            return "zh"
        case _:
            return None


def path_language(source: str) -> Language | None:
    """The language named by the last telling part of a path: ``/zh/``, ``.zh.``, ``en.json``."""
    for part in reversed(source.split("/")):
        for piece in reversed(part.split(".")):
            if len(piece) <= 7 and (language := declared_language(piece)):
                return language
    return None


def script_language(text: str) -> Language:
    """Chinese when enough of the letters are Han characters, else English."""
    letters = len(_LETTER.findall(text))
    return "zh" if letters and len(_HAN.findall(text)) / letters >= _HAN_SHARE else "en"
