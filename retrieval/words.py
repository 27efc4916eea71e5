"""Words and sentences of English and Chinese text, for measuring overlap and for quoting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_WORD = re.compile(r"[a-z0-9]+(?:['’.-][a-z0-9]+)*")
_SENTENCE = re.compile(
    r"[^。！？!?\n]*?(?:[。！？]+[”’」』）]*|[.!?]+[\"'”’)\]]*(?=\s|$)|[!?]+|(?=\n)|$)", re.MULTILINE
)

STOP_WORDS = frozenset(
    """a about after again all also am an and any are aren't as at be because been before being both but by
    can can't cannot could did do does doesn't doing don't down during each else few for from further get
    gets getting go goes going got had has have having he hello help her here hers hi him his how i i'd i'll
    i'm i've if in into is isn't it it's its just know let like many me more most much my need no nor not now
    of off on once one only or other our ours out over own please same shall she should so some such tell than
    thank thanks that that's the their them then there these they this those through to too under until up
    us very want was we were what what's when where which while who whom why will with won't would you your
    yours""".split()  # noqa: SIM905 - a list of 180 strings is harder to read
)
"""Words that say nothing about what an English question is about."""

_ZH_STOP = re.compile(
    "请问|你好|您好|谢谢|怎么样|怎么办|怎么|怎样|如何|什么|为什么|多少|多久|哪些|哪个|哪里|哪种|是否|是不是|能不能|"
    "可不可以|可以|能否|有没有|我们|你们|他们|我的|你的|一下|这个|那个|这款|那款|如果|的话|时候|需要|想要|"
    "[我你您他她它们的了吗呢吧啊呀么嘛是在有和与或也都就还要会能想把被给让对从到很太个这那请几]"
)
"""Words and particles that say nothing about what a Chinese question is about."""


def content_words(text: str) -> set[str]:
    """What a text is about: English words without stop words and endings, Chinese character bigrams.

    A Chinese run of one character is kept as it is. Mixed text gives both.
    """
    text = text.lower()
    words = {_stem(word) for word in _WORD.findall(text) if word not in STOP_WORDS}
    for run in _HAN_RUN.findall(_ZH_STOP.sub(" ", text)):
        words.update(_bigrams(run))
    return words


def all_words(text: str) -> set[str]:
    """Every word of a stored text, in the same form; nothing is left out, so that bigrams stay whole."""
    text = text.lower()
    words = {_stem(word) for word in _WORD.findall(text)}
    for run in _HAN_RUN.findall(text):
        words.update(run)
        words.update(_bigrams(run))
    return words


def terms(text: str, *, asked: bool = False) -> list[str]:
    """The words of a text for search, repeats and all: stems, single Han characters and their pairs.

    Args:
        text: Any text.
        asked: Leave out what says nothing about the subject of a question.
    """
    text = text.lower()
    found = [_stem(word) for word in _WORD.findall(text) if not (asked and word in STOP_WORDS)]
    for run in _HAN_RUN.findall(_ZH_STOP.sub(" ", text) if asked else text):
        found += run
        found += _pairs(run)
    return found


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Sentences of a text with their offset; each is an exact substring. A line end ends a sentence too."""
    for match in _SENTENCE.finditer(text):
        raw = match.group()
        if sentence := raw.strip():
            yield match.start() + raw.index(sentence), sentence


def _bigrams(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    yield from _pairs(run)


def _pairs(run: str) -> Iterator[str]:
    return (first + second for first, second in pairwise(run))


def _stem(word: str) -> str:
    """Cut the commonest English endings, so that ``returns`` meets ``returned``."""
    word = word.removesuffix("'s").removesuffix("’s")
    for ending in ("ing", "ies", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            stem = word[: -len(ending)]
            return stem + "y" if ending == "ies" else stem
    return word
