"""Whether one source supports a claim: a verdict for each of its sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent import wording
from agent.grounding.figures import figures_fail
from agent.grounding.names import stated
from agent.grounding.polarity import polarity_fails
from agent.grounding.prepared import Prepared, SourceSentence
from agent.grounding.query import Query
from agent.grounding.terms import EACH, UNIVERSAL

_PAIR_EXTRA = 0.2
"""Two sentences together hold words of two statements, so they must hold more of the claim's."""


CONTRADICTIONS = frozenset({"polarity", "comparison", "number_of_something_else"})
"""Reasons that a source speaks of the same and says otherwise."""


@dataclass(frozen=True)
class Verdict:
    """How one window of a source bears on a claim; an empty ``reason`` supports it."""

    reason: str
    overlap: float
    source: str = ""
    quote: str = ""
    width: int = 1


def judge(query: Query, prepared: Prepared) -> Iterable[Verdict]:
    """A verdict for every sentence of one source; for a claim of parts, also for every two in a row."""
    for width in (1, 2) if query.parts else (1,):
        for first in range(len(prepared.sentences) - width + 1):
            window = prepared.sentences[first : first + width]
            overlap = query.overlap(frozenset().union(*(s.words for s in window)), prepared.context)
            figured = query.figures.quantities and not query.words - prepared.context
            touches = figured or any(query.words & (s.subject or s.words) for s in window)
            if not touches or overlap < query.threshold + (_PAIR_EXTRA if width == 2 else 0.0):
                reason = "no_overlap"
            else:
                reason = failure(query, prepared, first, window)
            quote = prepared.source.text[window[0].start : window[-1].end]
            yield Verdict(reason, overlap, prepared.source.id, quote, width)


def failure(query: Query, prepared: Prepared, first: int, window: Sequence[SourceSentence]) -> str:
    """Why a window whose words fit does not support the claim, or nothing."""
    if polarity_fails(query, window):
        return "polarity"
    if any(code not in prepared.codes and code not in prepared.lowered for code in query.figures.codes):
        return "code_not_in_source"
    if reason := figures_fail(query, prepared, first, first + len(window) - 1):
        return reason
    said = " ".join([prepared.source.title, *(s.text for s in window)])
    nearest = max(window, key=lambda sentence: len(query.words & sentence.words)).text
    scopes = (UNIVERSAL, EACH)
    if not all(term.search(f"{prepared.source.title} {nearest}") for term in query.terms) or any(
        scope.search(query.text) and not scope.search(nearest) for scope in scopes
    ):
        return "term_not_in_source"
    if any(
        deed not in said and wording.stem(deed.lower()) not in wording.content(said) for deed in query.deeds
    ):
        return "action_not_done"
    named = f"{said} {prepared.siblings}".lower()
    if not all(stated(name, named) for name in query.names):
        return "name_not_in_source"
    return ""
