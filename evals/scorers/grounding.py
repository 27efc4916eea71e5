"""Is what was said supported: each settled claim against its sources, each citation against its quote.

Claims are judged by the rules and the scorer of ``agent.grounding`` over the *settled* text, whatever the
version under test checked while it spoke: a version that lets unsupported claims pass is
found out. How often these rules err is measured by ``amends bench groundedness``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, cached_property

from agent import events as ev
from agent.grounding import Source, SourceSet, Vectors
from agent.sentences import split_sentences
from agent.texts import templates
from evals.records import Score
from evals.scorers.trajectory import Trajectory
from evals.text import holds, normal
from retrieval.e5 import E5Embedder

BY = "grounding/2"

_MARK = re.compile(r"\[(\d{1,2})\]")
_BULLET = re.compile(r"^\s*[-•]\s*")


def grounding(held: Trajectory) -> Iterator[Score]:
    """Judge every answer's claims and citations."""
    claims = supported = cited = right = 0
    loose: list[tuple[int, str]] = []
    wrong: list[tuple[int, str]] = []
    passages: dict[str, ev.PassageRef] = {}
    facts: dict[str, ev.OrderFact | ev.ProductFact] = {}
    for event in held.events:
        match event.body:
            case ev.PassagesFound():
                passages |= {passage.id: passage for passage in event.body.passages}
            case ev.OrderFactsRead() | ev.ProductFactsRead():
                facts |= {fact.id: fact for fact in event.body.facts}
            case ev.AnswerSent():
                support = _Support(_sources(passages, facts))
                for sentence in _claims(event.body):
                    claims += 1
                    if support.of(sentence):
                        supported += 1
                    else:
                        loose.append((event.seq, sentence))
                for citation in event.body.citations:
                    cited += 1
                    if problem := _citation(event.body, citation, passages, facts):
                        wrong.append((event.seq, problem))
                    else:
                        right += 1
    if claims:
        why = "; ".join(f"unsupported: {sentence}" for _, sentence in loose)
        yield held.score("grounded", supported, claims, why=why, seqs=[seq for seq, _ in loose], by=BY)
    if cited:
        why = "; ".join(problem for _, problem in wrong)
        yield held.score("citations", right, cited, why=why, seqs=[seq for seq, _ in wrong], by=BY)


@cache
def _vectors() -> Vectors:
    """Sentence vectors of the product's own embedder, which is loaded only when words do not decide."""
    return Vectors(E5Embedder().embed_passages)


class _Support:
    """What sources say: by their words or, prepared only where those do not decide, by their meaning."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    @cached_property
    def _words(self) -> SourceSet:
        return SourceSet(self._sources)

    @cached_property
    def _meaning(self) -> SourceSet:
        return SourceSet(self._sources, vectors=_vectors())

    def of(self, sentence: str) -> bool:
        """Whether a source says it. Word for word is support whatever else the rules say."""
        return (
            any(holds(source.text, sentence) for source in self._sources)
            or self._words.check(sentence).supported
            or self._meaning.check(sentence).supported
        )


def _sources(
    passages: dict[str, ev.PassageRef], facts: dict[str, ev.OrderFact | ev.ProductFact]
) -> list[Source]:
    documents = [
        Source(id=passage.id, text=passage.text, title=f"{passage.title} {passage.heading}".strip())
        for passage in passages.values()
    ]
    return documents + [Source(id=fact.id, text=fact.text) for fact in facts.values()]


def _claims(answer: ev.AnswerSent) -> Iterator[str]:
    """Sentences that need support.

    In an answer of the model, or quoted, every sentence that claims anything does. In a composed
    one, those with a citation mark do; the rest are the product's own fixed sentences.
    """
    for line in answer.text.splitlines():
        for sentence in split_sentences(_BULLET.sub("", line)):
            bare = _BULLET.sub("", _MARK.sub("", sentence)).strip()
            if not bare or normal(bare).rstrip(":：") in fixed_sentences():
                continue
            if answer.how == "composed" or facts_line(answer, sentence):
                if _MARK.search(sentence):
                    yield bare
            elif SourceSet([]).check(bare).needs_source:
                yield bare


@cache
def fixed_sentences() -> frozenset[str]:
    """The product's own fixed sentences without anything filled in: they state no fact."""
    return frozenset(
        normal(sentence).rstrip(":：")
        for words in templates()
        for line in words.splitlines()
        for sentence in split_sentences(line)
        if "{" not in sentence
    )


def facts_line(answer: ev.AnswerSent, sentence: str) -> bool:
    """Whether the sentence cites facts alone, as composed parts of a mixed answer do."""
    refs = set(_MARK.findall(sentence))
    kinds = {citation.kind for citation in answer.citations if citation.ref in refs}
    return bool(kinds) and kinds <= {"order_fact", "product_fact"}


def _citation(
    answer: ev.AnswerSent,
    citation: ev.Citation,
    passages: dict[str, ev.PassageRef],
    facts: dict[str, ev.OrderFact | ev.ProductFact],
) -> str:
    """What is wrong with a citation; empty when it is right."""
    if f"[{citation.ref}]" not in answer.text:
        return f"[{citation.ref}] is not in the text"
    if citation.kind == "passage":
        passage = passages.get(citation.id)
        text = passage.text if passage else None
    else:
        fact = facts.get(citation.id)
        text = fact.text if fact else None
    if text is None:
        return f"[{citation.ref}] points to nothing that was read"
    if citation.quote and not holds(text, citation.quote):
        return f"[{citation.ref}] quotes what the source does not say"
    support = _Support(
        [Source(id=citation.id, text=text, title=f"{citation.title} {citation.heading}".strip())]
    )
    for line in answer.text.splitlines():
        for sentence in split_sentences(line):
            # A sentence that cites several sources stands on all of them: judged as a claim.
            if _MARK.findall(sentence) == [citation.ref]:
                bare = _BULLET.sub("", _MARK.sub("", sentence)).strip()
                if not support.of(bare):
                    return f"[{citation.ref}] does not support: {bare}"
    return ""
