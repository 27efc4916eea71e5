"""Sentences of English and Chinese text, whole or as it streams in.

Written for support answers: amounts (``4.90``), abbreviations (``e.g.``, ``No. 3``), list
numbers and citation marks (``[1]``) stay with their sentence; a line break always ends one.
"""

from __future__ import annotations

import re

_ABBREVIATIONS = frozenset(
    {"e.g", "i.e", "etc", "vs", "approx", "ca", "cf", "incl", "excl", "max", "min", "mr", "mrs", "ms", "dr"}
    | {"prof", "st", "co", "ltd", "inc", "fig", "tel", "nr", "est", "dept"}
)
# Ends a sentence only when what follows looks like a new one.
_EITHER_WAY = frozenset({"etc", "a.m", "p.m", "co", "ltd", "inc", "u.s", "u.k", "e.u"})
_ENDERS = ".!?。！？…"
_WIDE_ENDERS = "。！？"
_CLOSERS = "\"'”’」』）)】》*_"
_LAST_WORD = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]+\Z")
_MARK = re.compile(r"[ \t]*\[\d{1,2}\]")
_LIST_NUMBER = re.compile(r"\s*(?:[-*•]\s*)?\d{1,2}\Z")


def _is_han(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff"


def _dot_ends(text: str, start: int, at: int, following: str) -> bool:
    """Whether the full stop at ``at`` ends the sentence begun at ``start``."""
    before = text[start:at]
    if _LIST_NUMBER.fullmatch(before):
        return False
    match = _LAST_WORD.search(before)
    word = match.group().lower() if match else ""
    if word == "no":
        return not following.isdigit()
    if word in _EITHER_WAY:
        return following.isupper() or _is_han(following) or not following
    if word in _ABBREVIATIONS:
        return False
    # An initial (``J. Smith``), but not the pronoun or a size at the end of a sentence.
    return not (len(word) == 1 and before[-2:-1].isspace() and following.isupper() and word not in "ilmsx")


def _boundary(text: str, start: int, *, final: bool) -> int | None:
    """End of the sentence that begins at ``start``, or ``None`` while it may still go on."""
    at = start
    while at < len(text):
        char = text[at]
        if char == "\n":
            return at + 1
        if char not in _ENDERS:
            at += 1
            continue
        end = at + 1
        while end < len(text) and text[end] in _ENDERS:
            end += 1
        while end < len(text) and text[end] in _CLOSERS:
            end += 1
        # Citation marks after the stop belong to the sentence.
        while mark := _MARK.match(text, end):
            end = mark.end()
        rest = text[end:]
        ahead = rest.lstrip(" \t")
        if not final and (not ahead or re.match(r"\[\d{0,2}\Z", ahead)):
            return None  # the next character decides
        following = ahead[:1]
        spaced = rest[:1].isspace() or not rest
        wide = char in _WIDE_ENDERS or (char in "!?…" and (_is_han(text[at - 1 : at]) or _is_han(following)))
        ends = _dot_ends(text, start, at, following) if char == "." and spaced else wide or spaced
        if ends:
            return end
        at = end
    return None


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of ``text`` stand, as ``(start, end)`` without surrounding space."""
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = _boundary(text, start, final=True) or len(text)
        piece = text[start:end]
        stripped = piece.strip()
        if stripped:
            first = start + len(piece) - len(piece.lstrip())
            spans.append((first, first + len(stripped)))
        start = end
    return spans


def split_sentences(text: str) -> list[str]:
    """The sentences of ``text``, stripped; none is empty."""
    return [text[start:end] for start, end in sentence_spans(text)]


class SentenceSplitter:
    """Cuts streamed text into sentences as soon as each is certainly complete.

    What :meth:`feed` and :meth:`flush` return together equals :func:`split_sentences` of the
    whole text, however it was cut into deltas.
    """

    def __init__(self) -> None:
        self._pending = ""

    def feed(self, delta: str) -> list[str]:
        """Take a delta and return the sentences it completed, oldest first."""
        self._pending += delta
        done: list[str] = []
        while (end := _boundary(self._pending, 0, final=False)) is not None:
            sentence = self._pending[:end].strip()
            self._pending = self._pending[end:]
            if sentence:
                done.append(sentence)
        return done

    def flush(self) -> list[str]:
        """Return what is left when the stream has ended."""
        rest, self._pending = self._pending, ""
        return split_sentences(rest)
