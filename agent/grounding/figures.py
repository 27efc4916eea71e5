"""Whether the figures of a claim stand in a source, and belong to the same thing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent import wording
from agent.grounding.clauses import AND, CLAUSE, SEGMENT
from agent.grounding.prepared import Prepared, SourceSentence
from agent.grounding.query import Query
from agent.quantities import Quantity


def _same_quantity(claim: Quantity, source: Quantity, currencies: str) -> bool:
    if claim.unit != source.unit:
        # A price column often leaves the currency to the text around it.
        bare_price = (
            not source.unit and claim.unit in ("EUR", "USD", "CNY", "GBP") and claim.unit in currencies
        )
        if not bare_price:
            return False
    if (claim.low, claim.high) == (source.low, source.high):
        return True
    # "within 4 days" follows from "2-4 days", "from 2 days" too; "2 days" does not.
    if source.is_range and not claim.is_range:
        return (claim.bound == "max" and claim.low == source.high) or (
            claim.bound == "min" and claim.low == source.low
        )
    return False


def _clashes(claim: Quantity, source: Quantity) -> bool:
    return {claim.bound, source.bound} == {"min", "max"} and not source.is_range


_SIZE = re.compile(r"(?<![A-Za-z0-9])(?:XXL|XL|XS|S|M|L|A|B|C)(?![A-Za-z0-9])")
_BEFORE = re.compile(r"\s*(?:\w+ )?(?:before|prior to|ahead of)\b|之?前", re.IGNORECASE)
_AFTER = re.compile(r"\s*(?:\w+ )?(?:after|from|since|following)\b|[之以]?后", re.IGNORECASE)


def _opposed(claim: str, mine: Quantity, source: str, theirs: Quantity) -> bool:
    """Whether one counts to a moment and the other from it: "2 days before" and "2 days after"."""
    pairs = ((_BEFORE, _AFTER), (_AFTER, _BEFORE))
    return any(one.match(claim, mine.end) and other.match(source, theirs.end) for one, other in pairs)


def _contexts(
    text: str, quantity: Quantity, quantities: Sequence[Quantity]
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Content around a figure: of its own piece, of what leads up to it, and of what follows.

    Sizes and figures of other units count as content: "6 hours with the 630 Wh battery".

    "The flysheet has a waterhead of 3,000 mm and the floor of 5,000 mm": the second figure's
    piece is the floor; the waterhead it shares with the first leads up to it.
    """
    low, high = 0, len(text)
    for match in SEGMENT.finditer(text):
        if match.end() <= quantity.start:
            low = match.end()
        elif match.start() >= quantity.end:
            high = match.start()
            break
    segment = text[low:high]
    near_low, near_high = low, high
    for pattern in (CLAUSE, AND):
        for match in pattern.finditer(segment):
            if low + match.end() <= quantity.start:
                near_low = max(near_low, low + match.end())
            elif low + match.start() >= quantity.end:
                near_high = min(near_high, low + match.start())

    def inside(start: int, end: int) -> frozenset[str]:
        others = {
            f"{q.low.normalize()} {q.unit}"
            for q in quantities
            if start <= q.start < end and q.unit != quantity.unit
        }
        return wording.content(text[start:end]) | set(_SIZE.findall(text[start:end])) | others

    own, before = inside(near_low, near_high), inside(low, near_low)
    return own, before - own, inside(near_high, high) - own - before


def figures_fail(query: Query, prepared: Prepared, first: int, last: int) -> str:
    """Reason code when a figure of the claim has no equal in the window or beside it."""
    near = prepared.sentences[max(0, first - 1) : last + 2]
    window = prepared.sentences[first : last + 1]
    currencies = " ".join(q.unit for s in prepared.sentences for q in s.figures.quantities)
    for date in query.figures.dates:
        if not any(date.agrees(other) for s in near for other in s.figures.dates):
            return "date_not_in_source"
    for time in query.figures.times:
        if not any(time in s.figures.times for s in near):
            return "number_not_in_source"
    for quantity in query.figures.quantities:
        title = any(_same_quantity(quantity, other, "") for other in prepared.title_figures.quantities)
        matches = [
            (s, other)
            for s in near
            for other in s.figures.quantities
            if _same_quantity(quantity, other, currencies)
        ]
        if not matches:
            if title:
                continue
            return "number_not_in_source"
        if all(
            _clashes(quantity, other) or _opposed(query.bare, quantity, s.bare, other) for s, other in matches
        ):
            return "comparison"
        if not title and _belongs_elsewhere(query, quantity, matches, near, window):
            return "number_of_something_else"
    return ""


def _belongs_elsewhere(
    query: Query,
    quantity: Quantity,
    matches: Sequence[tuple[SourceSentence, Quantity]],
    near: Sequence[SourceSentence],
    window: Sequence[SourceSentence],
) -> bool:
    """Whether the source ties what the claim is about to another figure of the same unit.

    A figure that the claim states as well is a rival only if the two would fit better the other way
    round: "2 years for headphones, 1 year for cables" has both.
    """
    own = max(_fit(query, quantity, s, other, window) for s, other in matches)
    matched = [other for _, other in matches]
    for s in near:
        for rival in s.figures.quantities:
            if rival.unit != quantity.unit or rival in matched:
                continue
            against = _fit(query, quantity, s, rival, window)
            if against <= own:
                continue
            taken = [q for q in query.all_quantities if q != quantity and _same_quantity(q, rival, "")]
            if not any(
                own + _fit(query, q, s, rival, window)
                >= against + max(_fit(query, q, place, other, window) for place, other in matches)
                for q in taken
            ):
                return True
    return False


def _fit(
    query: Query,
    quantity: Quantity,
    sentence: SourceSentence,
    other: Quantity,
    window: Sequence[SourceSentence],
) -> float:
    """How well a figure of the source stands where the claim's does."""
    narrow, before, _ = _contexts(query.bare, quantity, query.all_quantities)
    about = narrow if len(narrow) >= 2 else before | narrow
    own, lead, rest = _contexts(sentence.bare, other, sentence.figures.quantities)
    near = len(about & own) + 0.75 * len(about & lead) + 0.2 * len(about & rest)
    # "over 80" looks for a minimum; the window itself goes before its neighbours.
    alike = 2.0 if other.bound and other.bound == quantity.bound else 0.0
    return near + alike + (0.5 if sentence in window else 0.0)
