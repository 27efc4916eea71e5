"""How a fact is looked for in what was said."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_GAP = re.compile(r"\s+")
_HAN_FIGURES = "零一二三四五六七八九十百千两"


@lru_cache(maxsize=256)
def normal(text: str) -> str:
    """Lower case, one width of characters, single spaces. Kept, as many words are looked for in one text."""
    return _GAP.sub(" ", unicodedata.normalize("NFKC", text)).strip().lower().replace("’", "'")


def holds(text: str, wording: str) -> bool:
    """Whether ``wording`` stands in ``text``, spaces aside (``1,900 g`` is ``1,900g``).

    Its first word must begin a word, and a figure at its edge must not go on: ``30 days`` is not
    in "130 days" nor in "-30 days", ``4.9`` not in "4.90", 七天 not in 二十七天. Its last word may go
    on (``return`` is in "returns").
    """
    return _pattern(wording).search(normal(text)) is not None


@lru_cache(maxsize=4096)
def _pattern(wording: str) -> re.Pattern[str]:
    words = normal(wording).replace(" ", "")
    pattern = r"\s*".join(re.escape(char) for char in words)
    first, last = words[:1], words[-1:]
    if first.isdigit():
        pattern = r"(?<!\d)(?<!\d[.,])(?<!\s[-−])" + pattern
        if re.match(r"\d{3}(?!\d)", words):
            pattern = r"(?<!\d\s)" + pattern  # the end of 1 900
    elif "a" <= first <= "z":
        pattern = r"(?<![a-z])" + pattern
    elif first in _HAN_FIGURES:
        pattern = f"(?<![{_HAN_FIGURES}])" + pattern
    if last.isdigit():
        pattern += r"(?!\d|[.,]\d)"
    return re.compile(pattern)
