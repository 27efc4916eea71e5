"""Which of the two languages a message is in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.ids import Language
from agent.understanding import Said

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]{2,}(?:['’][A-Za-z]+)?|\b[IiAa]\b")
# Say nothing about the language: addresses, order numbers, SKUs, sizes.
_NEUTRAL = re.compile(
    r"\S+@\S+|https?://\S+|\b[A-Za-z]+-?\d[\w-]*\b|\b(?:X{0,3}[SL]|M)\b|\b(?:ok(?:ay)?|hello|hi|bye|no"
    r"|yes)\b",
    re.IGNORECASE,
)
_HAN_PER_WORD = 1.5
"""Characters in an average Chinese word, so that letters are not counted against words."""
_SURE = 3
"""English words from which a message decides by itself; two may be a borrowed term."""


def _lean(text: str) -> Language | None:
    """The language a text shows clearly, or ``None`` for too little."""
    text = _NEUTRAL.sub(" ", text)
    chinese = len(_HAN.findall(text)) / _HAN_PER_WORD
    words = _LATIN.findall(text)
    # Beside Chinese, a capitalised word is a product's name ("Arbor 3 呢").
    english = len([word for word in words if word[0].islower()] if chinese else words)
    if chinese > 0 and chinese >= english * 0.75:
        return "zh"
    return "en" if english >= _SURE or (english > chinese > 0) else None


def detect(text: str, earlier: Sequence[Said] = (), default: Language = "en") -> Language:
    """The language of ``text``: by its words, else the conversation's, else ``default``.

    Mixed text goes to the language with more words ("我的 Arbor 2 tent 到哪了" is Chinese).
    Too little to tell ("ok", "FW-104233", "refund??") follows the latest clear line.
    """
    if (language := _lean(text)) is not None:
        return language
    for line in reversed(earlier):
        if (language := _lean(line.text)) is not None:
            return language
    if _HAN.search(text):
        return "zh"
    return "en" if _LATIN.search(_NEUTRAL.sub(" ", text)) else default
