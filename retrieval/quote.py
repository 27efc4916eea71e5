"""Sentences of the sources that best match a question, for when nothing can phrase an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.passages import Language, Passage
from retrieval.words import all_words, content_words, sentences

_OPENING = 0.1
"""What coming first in its passage is worth, as a share of the question's words: shop texts state the
rule before its exceptions. Also decides when no sentence shares a word (another language)."""
_RANK = 0.15
"""What each place further down the list of passages costs; similarity saw more than words do."""


@dataclass(frozen=True)
class Quote:
    """A sentence, word for word: ``passage.chunk.text[start : start + len(text)] == text``."""

    passage: Passage
    text: str
    start: int


def best_sentences(
    question: str, passages: Sequence[Passage], language: Language, limit: int = 3
) -> list[Quote]:
    """At most ``limit`` sentences, best first, none twice.

    A sentence scores by the share of the question's content words in it or in its passage's
    title and heading, by standing first, and by its passage's rank. Passages in the question's
    language go first.
    """
    asked = content_words(question)
    scored: list[tuple[bool, float, int, Quote]] = []
    for rank, passage in enumerate(passages):
        chunk = passage.chunk
        topic = asked & all_words(f"{chunk.title} {chunk.heading}")
        for order, (start, text) in enumerate(sentences(chunk.text)):
            own = asked & all_words(text)
            # A word of the title is known to be meant; one in the sentence itself says more.
            share = (len(own) + 0.5 * len(topic - own)) / len(asked) if asked else 0.0
            score = share + (_OPENING if order == 0 else 0.0) - _RANK * rank
            scored.append((chunk.language != language, -score, len(scored), Quote(passage, text, start)))
    best: dict[str, Quote] = {}
    for *_, quote in sorted(scored, key=lambda item: item[:3]):
        if len(best) == limit:
            break
        best.setdefault(quote.text, quote)
    return list(best.values())
