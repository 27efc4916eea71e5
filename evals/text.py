"""How a fact is looked for in what was said."""

from __future__ import annotations

import re
import unicodedata

_GAP = re.compile(r"[\s\u00a0\u2009\u202f]+")


def normal(text: str) -> str:
    """Lower case, one width, no spaces: ``"1,900 G "`` and ``"1,900g"`` are the same."""
    return _GAP.sub("", unicodedata.normalize("NFKC", text)).lower().replace("’", "'")


def holds(text: str, wording: str) -> bool:
    """Whether ``wording`` stands in ``text``; a figure must not go on into another figure."""
    pattern = re.escape(normal(wording))
    if wording[:1].isdigit():
        pattern = r"(?<![\d.,])" + pattern
    if wording[-1:].isdigit():
        pattern += r"(?![\d]|[.,]\d)"
    return re.search(pattern, normal(text)) is not None
