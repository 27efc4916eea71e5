"""Typing mistakes as people make them, never in a number, an address or a name."""

from __future__ import annotations

import re
from random import Random

_WORD = re.compile(r"(?<![A-Za-z])[a-z]{4,}")
_SOUND_ALIKE = {
    "的": "得",
    "在": "再",
    "做": "作",
    "吗": "嘛",
    "那": "哪",
    "已": "以",
    "像": "象",
    "账": "帐",
}
"""Characters that input methods mix up."""


def mistype(text: str, share: float, random: Random) -> str:
    """Mistype about ``share`` of the words of ``text``.

    English: two neighbouring letters are swapped, or one is dropped, in lower-case words of at
    least four letters. Chinese: a character becomes one that sounds alike.
    """

    def slip(match: re.Match[str]) -> str:
        word = match[0]
        touches = {text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]}
        if random.random() >= share or touches & set("@.-_0123456789"):
            return word
        at = random.randrange(1, len(word) - 1)
        if random.random() < 0.5:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return word[:at] + word[at + 1 :]

    text = _WORD.sub(slip, text)
    return "".join(
        _SOUND_ALIKE[char] if char in _SOUND_ALIKE and random.random() < share else char for char in text
    )
