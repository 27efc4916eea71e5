"""What is measured of a statement beside a window of a source, for the scorer to weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np

from agent import wording
from agent.grounding.figures import figures_fail
from agent.grounding.names import stated
from agent.grounding.polarity import polarity_fails
from agent.grounding.prepared import Prepared, SourceSentence
from agent.grounding.query import Query
from agent.grounding.terms import ADDED, EACH, UNIVERSAL
from retrieval.vectors import Floats

FEATURES = (
    "cosine",
    "cosine of the whole claim",
    "overlap",
    "overlap with the passage",
    "overlap of the weakest clause",
    "share of new words",
    "new words",
    "share of words of the conversation alone",
    "new names",
    "names of the conversation alone",
    "figures fail",
    "figures agree",
    "polarity fails",
    "denials apart",
    "weighty terms missing",
    "scope wider",
    "words that extend",
    "length",
    "clauses",
    "share of the window told",
    "yes before a denial",
    "no before no denial",
)
"""In the order of :func:`features`. "New" is what neither a source nor the conversation says."""


@dataclass(frozen=True)
class Known:
    """What all sources and the conversation before the claim say, together."""

    words: frozenset[str]
    text: str
    context_words: frozenset[str]
    context: str

    @classmethod
    def of(cls, sources: Sequence[Prepared], context: str) -> Known:
        """Gather it once for an answer."""
        words = frozenset().union(
            *(s.words for p in sources for s in p.sentences), *(p.context for p in sources)
        )
        text = " ".join(f"{p.lowered} {p.siblings.lower()}" for p in sources)
        return cls(words, text, wording.content(context), context.lower())


def features(
    query: Query,
    known: Known,
    prepared: Prepared,
    first: int,
    window: Sequence[SourceSentence],
    cosines: tuple[float, float],
    claim: Query,
) -> Floats:
    """A row of :data:`FEATURES`. ``cosines``: of the statement and of the claim it is one of."""
    here = frozenset[str]().union(*(s.words for s in window))
    near = prepared.sentences[max(0, first - 1) : first + len(window) + 1]
    nearby = frozenset[str]().union(prepared.context, *(s.words for s in near))
    passage = frozenset[str]().union(prepared.context, *(s.words for s in prepared.sentences))
    in_sources, asked = query.found(known.words)
    in_all, _ = query.found(known.words | known.context_words)
    strange = [name for name in query.names if not stated(name, known.text)]
    told = [name for name in strange if stated(name, known.context)]
    figured = query.figures
    failing = bool(figures_fail(query, prepared, first, first + len(window) - 1)) or any(
        code not in prepared.codes and code not in prepared.lowered for code in figured.codes
    )
    has_figures = bool(figured.quantities or figured.dates or figured.codes or figured.times)
    nearest = max(window, key=lambda sentence: len(query.words & sentence.words)).text
    titled = f"{prepared.source.title} {nearest}"
    shares = [
        len(clause.words & (nearby | known.context_words)) / len(clause.words)
        for clause in query.clauses
        if clause.words
    ]
    touched = [c for s in window for c in s.clauses if c.words & query.words]
    denials = sum(c.negative for c in touched) - sum(c.negative for c in query.clauses)
    denied = any(clause.negative for clause in claim.clauses)
    return np.array(
        [
            *cosines,
            query.overlap(here, prepared.context),
            query.overlap(passage, frozenset()),
            min(shares, default=1.0),
            (asked - in_all) / max(1, asked),
            log1p((asked - in_all) / 2),
            (in_all - in_sources) / max(1, asked),
            log1p(len(strange) - len(told)),
            log1p(len(told)),
            float(failing),
            float(has_figures and not failing),
            float(polarity_fails(query, window)),
            min(2, abs(denials)),
            float(sum(not term.search(titled) for term in query.terms)),
            float(sum(bool(s.search(query.text)) and not s.search(nearest) for s in (UNIVERSAL, EACH))),
            float(bool(ADDED.search(query.text)) and not ADDED.search(nearest)),
            log1p(asked / 2),
            float(min(4, len(claim.clauses) - 1)),
            len(query.words & here) / max(1, len(here)),
            float(claim.stance == "yes" and denied),
            float(claim.stance == "no" and not denied),
        ]
    )
