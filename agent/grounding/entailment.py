"""Whether sources say a claim: exact rules and the scorer, statement by statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.grounding.evidence import Evidence, evidence
from agent.grounding.features import Known
from agent.grounding.prepared import Prepared
from agent.grounding.query import Query
from agent.grounding.scorer import Scorer, scorer
from agent.grounding.support import CONTRADICTIONS, Verdict, failure
from retrieval.vectors import Vectors

_SPACE = re.compile(r"\s+")
_QUOTED_SENTENCES = 3
"""What supports several statements is quoted as one piece while it is no longer than this."""


@dataclass(frozen=True)
class _Said:
    reason: str
    probability: float
    evidence: Evidence


def entailed(
    claim: Query, sources: Sequence[Prepared], known: Known, vectors: Vectors
) -> tuple[Verdict, float]:
    """The verdict on a claim with content, and the probability of its least likely statement.

    A statement is said when some window passes every exact rule and the scorer's threshold, and no
    sentence that comes nearer contradicts it; or when it stands in a source word for word.
    """
    judged = scorer("zh" if claim.chinese else "en")
    verbatim = _verbatim(claim, sources)
    if verbatim:
        return verbatim, 1.0
    statements = claim.statements()
    found = evidence(claim, statements, sources, known, vectors)
    if not all(found):
        return Verdict("no_overlap", 0.0), 0.0
    said = [_best(query, windows, judged) for query, windows in zip(statements, found, strict=True)]
    least = min(said, key=lambda one: (not one.reason, one.probability))
    probability = min(max(judged.probability(one.measured) for one in windows) for windows in found)
    if least.reason:
        return Verdict(least.reason, least.evidence.overlap), probability
    return _supported(said), probability


def chosen(windows: Sequence[Evidence], reasons: Sequence[str], probabilities: Sequence[float]) -> int | None:
    """Which window says a statement: the likeliest that passes the rules.

    ``None`` where none passes, or where a sentence that comes nearer contradicts the statement.
    """
    passing = [at for at, reason in enumerate(reasons) if not reason]
    if not passing:
        return None
    best = max(passing, key=lambda at: probabilities[at])
    against = [
        one.nearness
        for one, reason in zip(windows, reasons, strict=True)
        if reason in CONTRADICTIONS and len(one.window) == 1
    ]
    return None if against and max(against) > windows[best].nearness else best


def _best(query: Query, windows: Sequence[Evidence], judged: Scorer) -> _Said:
    probabilities = [judged.probability(one.measured) for one in windows]
    reasons = [failure(query, one.prepared, one.first, one.window) for one in windows]
    best = chosen(windows, reasons, probabilities)
    if best is None:
        nearest = max(range(len(windows)), key=lambda at: (bool(reasons[at]), windows[at].nearness))
        return _Said(reasons[nearest], probabilities[nearest], windows[nearest])
    reason = "" if probabilities[best] >= judged.threshold else "not_stated"
    return _Said(reason, probabilities[best], windows[best])


def _supported(said: Sequence[_Said]) -> Verdict:
    """The source that says most, quoted."""
    main = max(said, key=lambda one: one.probability).evidence
    same = [one.evidence for one in said if one.evidence.prepared is main.prepared]
    first = min(one.first for one in same)
    last = max(one.first + len(one.window) for one in same)
    if last - first > _QUOTED_SENTENCES:
        first, last = main.first, main.first + len(main.window)
    sentences = main.prepared.sentences[first:last]
    quote = main.prepared.source.text[sentences[0].start : sentences[-1].end]
    return Verdict("", min(one.evidence.overlap for one in said), main.prepared.source.id, quote)


def _verbatim(claim: Query, sources: Sequence[Prepared]) -> Verdict | None:
    asked = _plain(claim.text)
    for prepared in sources:
        for sentence in prepared.sentences:
            if asked == _plain(sentence.text):
                quote = prepared.source.text[sentence.start : sentence.end]
                return Verdict("", 1.0, prepared.source.id, quote)
    return None


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip(" .。!！;；,，").casefold()
