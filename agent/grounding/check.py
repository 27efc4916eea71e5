"""Judge the sentences of an answer against prepared sources."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from agent.grounding.claims import Claim, Kind, Source
from agent.grounding.entailment import entailed
from agent.grounding.evidence import Evidence, evidence
from agent.grounding.features import Known
from agent.grounding.kinds import BARE, BULLET, LEAD, MARKS, kind_of, stance
from agent.grounding.names import stated
from agent.grounding.prepared import Prepared
from agent.grounding.query import Query
from agent.grounding.support import CONTRADICTIONS, Verdict, judge
from agent.sentences import split_sentences
from retrieval.vectors import Vectors


class SourceSet:
    """Sources prepared once, for an answer checked sentence by sentence as it streams.

    Args:
        sources: What may be claimed.
        vectors: Embeds sentences, for the scorer; without them the rules and word overlap decide.
        context: What the shopper said, as far as it matters: names in it are not made up.
    """

    def __init__(
        self, sources: Sequence[Source], *, vectors: Vectors | None = None, context: str = ""
    ) -> None:
        # The facts of one order speak of one thing: a name may stand in another of them.
        orders: dict[str, str] = {}
        for source in sources:
            order, mark, _ = source.id.partition("#")
            if mark:
                orders[order] = f"{orders.get(order, '')} {source.text}"
        self._prepared = tuple(
            Prepared(source, orders.get(source.id.partition("#")[0], ""))
            for source in sources
            if source.text.strip()
        )
        self._passages = tuple(p for p in self._prepared if not _is_record(p))
        self._vectors = vectors
        self._context = context

    @cached_property
    def _known(self) -> Known:
        """For the scorer alone: gathered when it first has a say."""
        return Known.of(self._prepared, self._context)

    def check(self, sentence: str) -> Claim:
        """Judge one sentence. Never raises, whatever the text."""
        text = _cleaned(sentence)
        kind = kind_of(text)
        if kind == "talk":
            return Claim(sentence, kind, supported=True)
        if BARE.fullmatch(text):
            # Its meaning hangs on the question; the next sentence says it in words.
            return Claim(sentence, "claim", supported=False, reason="no_content")
        stripped = LEAD.sub("", text)
        if stripped != text and kind_of(stripped) == "talk":
            return Claim(sentence, "talk", supported=True)
        allowed = self._allowed(kind)
        if not allowed:
            reason = "action_not_done" if kind in ("action", "event") and self._prepared else "no_sources"
            return Claim(sentence, kind, supported=False, reason=reason)
        claim = Query(stripped)
        claim.stance = stance(text)
        probability: float | None = None
        # Deeds and live facts are worded by us: for them words decide, whoever embeds.
        verdict = self._best(claim, tuple(p for p in allowed if _is_record(p)) if self._vectors else allowed)
        if self._vectors and self._passages and kind not in ("action", "event") and verdict.reason:
            verdict, probability = self._entailed(claim, self._vectors)
        reason = verdict.reason
        if reason == "no_overlap" and kind in ("action", "event"):
            reason = "action_not_done"
        if reason:
            return Claim(sentence, kind, False, "", "", reason, verdict.overlap, probability)
        return Claim(sentence, kind, True, verdict.source, verdict.quote, "", verdict.overlap, probability)

    def measured(self, sentence: str) -> list[tuple[Query, list[Evidence]]]:
        """What the scorer weighs: each statement and its windows; nothing where it has no say."""
        text = _cleaned(sentence)
        stripped = LEAD.sub("", text)
        kinds = {kind_of(text), kind_of(stripped)}
        if kinds & {"talk", "action", "event"} or BARE.fullmatch(text) or not self._vectors:
            return []
        claim = Query(stripped)
        claim.stance = stance(text)
        if not claim.says_anything:
            return []
        about = _about(claim, self._passages)
        statements = claim.statements()
        found = evidence(claim, statements, about, self._known, self._vectors)
        return [(one, windows) for one, windows in zip(statements, found, strict=True) if windows]

    def _allowed(self, kind: Kind) -> tuple[Prepared, ...]:
        """A deed needs proof: the action itself, or, told of an order, its live facts."""
        if kind == "action":
            return tuple(p for p in self._prepared if p.source.id.startswith("action:"))
        if kind == "event":
            return tuple(p for p in self._prepared if _is_record(p))
        return self._prepared

    def _entailed(self, query: Query, vectors: Vectors) -> tuple[Verdict, float]:
        if not query.says_anything:
            return Verdict("no_content", 0.0), 0.0
        return entailed(query, _about(query, self._passages), self._known, vectors)

    @staticmethod
    def _best(query: Query, sources: Sequence[Prepared]) -> Verdict:
        if not query.says_anything:
            return Verdict("no_content", 0.0)
        sources = _about(query, sources)
        verdicts = [verdict for prepared in sources for verdict in judge(query, prepared)]
        if not verdicts:
            return Verdict("no_overlap", 0.0)
        best = max(verdicts, key=lambda v: (v.overlap, not v.reason, v.reason != "no_overlap", -v.width))
        supported = [v for v in verdicts if not v.reason]
        if not supported or (best.reason in CONTRADICTIONS and best.width == 1):
            return best
        # A sentence that says the opposite outweighs one that fits loosely and no better.
        loose = max(v.overlap for v in supported)
        for verdict in verdicts:
            if verdict.reason == "polarity" and verdict.width == 1 and loose <= verdict.overlap < 1:
                return verdict
        # Two sentences are worth quoting only when they hold clearly more than one.
        return max(supported, key=lambda v: v.overlap - 0.15 * (v.width - 1))


def _cleaned(sentence: str) -> str:
    return BULLET.sub("", MARKS.sub("", sentence)).strip().strip("*_ ")


def _is_record(prepared: Prepared) -> bool:
    """Whether it is an order's live fact or a deed of ours, rather than a passage."""
    return prepared.source.id.startswith("action:") or "#" in prepared.source.id


def _about(query: Query, sources: Sequence[Prepared]) -> Sequence[Prepared]:
    """What names a product is supported by that product's sources, not by one that mentions it."""
    return [
        p for p in sources if any(stated(name, p.source.title.lower()) for name in query.names)
    ] or sources


def check(
    answer: str | Sequence[str],
    sources: Sequence[Source],
    *,
    vectors: Vectors | None = None,
    context: str = "",
) -> list[Claim]:
    """Judge an answer: a text, which is split, or sentences already split. In order, one each."""
    sentences = split_sentences(answer) if isinstance(answer, str) else answer
    prepared = SourceSet(sources, vectors=vectors, context=context)
    return [prepared.check(sentence) for sentence in sentences]
