"""How a fact is looked for in what was said."""

from __future__ import annotations

import re
import unicodedata

_GAP = re.compile(r"\s+")


def normal(text: str) -> str:
    """Lower case, one width of characters, single spaces."""
    return _GAP.sub(" ", unicodedata.normalize("NFKC", text)).strip().lower().replace("’", "'")


def holds(text: str, wording: str) -> bool:
    """Whether ``wording`` stands in ``text``, spaces aside (``1,900 g`` is ``1,900g``).

    A figure at its edge must not go on: ``30 days`` is not in "130 days", nor ``4.9`` in "4.90".
    """
    words = normal(wording).replace(" ", "")
    pattern = r"\s*".join(re.escape(char) for char in words)
    if words[:1].isdigit():
        pattern = r"(?<!\d)(?<!\d[.,])" + pattern
    if words[-1:].isdigit():
        pattern += r"(?![\d]|[.,]\d)"
    return re.search(pattern, normal(text)) is not None
