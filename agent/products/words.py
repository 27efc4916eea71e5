"""Words of a message or a title, with their places: Latin words, numbers, and runs of Han characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

_TOKEN = re.compile(
    r"[A-Za-z]+(?:['’][A-Za-z]+)?"
    r"|(?<![\d.,])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\d.,])-?\d+(?:\.\d+)?(?:k(?![A-Za-z]))?"
    r"|[\u3400-\u4dbf\u4e00-\u9fff]+"
)
SMALL_WORDS = frozenset({"a", "and", "as", "at", "by", "for", "in", "of", "the", "to", "up", "when", "with"})
"""Of titles and names of specifications: they tell no product from another."""
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")


@dataclass(frozen=True)
class Token:
    """A word, number or run of Han characters; ``word`` is in lower case, the singular where regular."""

    word: str
    start: int
    end: int
    kind: str
    """``word``, ``number`` or ``han``."""
    raw: str


def plain(text: str) -> str:
    """``text`` with full-width forms narrow and every kind of dash as ``-``."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES)


def tokens(text: str) -> list[Token]:
    """The tokens of a plain text, in order."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        raw = match.group()
        if "\u3400" <= raw[0] <= "\u9fff":
            kind, word = "han", raw
        elif raw[0].isdigit() or raw[0] == "-":
            kind, word = "number", raw.replace(",", "").lower()
        else:
            kind, word = "word", singular(raw.lower().replace("’", "'"))
        found.append(Token(word, match.start(), match.end(), kind, raw))
    return found


def singular(word: str) -> str:
    """``boots`` to ``boot``, ``batteries`` to ``battery``; possessives lose their ending."""
    word = word.removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and re.search(r"(?:[sxz]|ch|sh)es$", word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def one_slip(word: str, known: Collection[str]) -> str | None:
    """The only known word one slip of the finger away: two letters swapped, or one too many or few.

    Another letter in its place is no slip here: "weather" is not "heather". Neither is a letter at
    either end, unless it doubles the one beside it: "heart" is not "hearth", "squal" is "squall".
    """
    near = [other for other in known if other[:1] == word[:1] and _slips(word, other)]
    return near[0] if len(near) == 1 else None


def _slips(one: str, other: str) -> bool:
    if len(one) > len(other):
        one, other = other, one
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) == len(other):
        return (
            one != other and one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
        )
    inner = at < len(one) or other[-1:] == other[-2:-1]
    return len(other) == len(one) + 1 and inner and one[at:] == other[at + 1 :]
