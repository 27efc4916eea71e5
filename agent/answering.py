"""Generate an answer from passages, and let stand only what they support.

Text streams as it comes and is provisional. Each sentence is checked as soon as it is
complete; one without support is taken back visibly. What is left carries citations.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from agent.events import Citation
from agent.grounding import Claim, SentenceSplitter, Source, SourceSet
from agent.grounding.kinds import BULLET
from agent.ids import Language
from agent.prompts import answer_prompt
from agent.turn_run import Ports, TurnRun
from retrieval.passages import Chunk, Found, Passage
from retrieval.quote import Quote, best_sentences

MARK = re.compile(r"\s*\[\d{1,2}\]|^\s*(?:Answer|回答|答)\s*[:：]\s*")
"""Citation marks the model writes itself are dropped: ours come from the check."""
ENOUGH = 3
"""Sentences of an answer, those that follow it included."""
BEST = 2
"""Sentences of the sources that follow an answer beside the point. What a small model says is true but
often not what was asked."""


@dataclass
class Draft:
    """An answer in the making: the sentences that stand, what supports each, and who wrote it."""

    kept: list[Claim] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    model: str = ""
    adapter: str = ""

    @property
    def supported(self) -> list[Claim]:
        """The kept sentences that claim something."""
        return [claim for claim in self.kept if claim.needs_source]


async def generate(
    run: TurnRun,
    ports: Ports,
    question: str,
    passages: Sequence[Passage],
    language: Language,
    *,
    upset: bool = False,
) -> Draft:
    """Stream an answer and check it by sentence. ``upset``: the shopper is, and nobody has said sorry yet.

    Raises:
        ModelError: The model was away, slow or refused; what was streamed is taken back.
    """
    draft, splitter = Draft(), SentenceSplitter()
    sources = SourceSet(
        [
            Source(
                id=passage.chunk.id,
                text=passage.chunk.text,
                title=f"{passage.chunk.title} {passage.chunk.heading}".strip(),
            )
            for passage in passages
        ],
        vectors=ports.vectors,
        context=question,
    )
    base, shown, settled = run.offset, "", 0

    async def judge(sentences: Sequence[str]) -> None:
        nonlocal shown, settled
        for sentence in sentences:
            start = shown.index(sentence, settled)
            # Sentences may have to be embedded, which blocks.
            claim = await asyncio.to_thread(sources.check, sentence)
            repeated = any(claim.sentence == kept.sentence for kept in draft.kept)
            if claim.supported and not repeated:
                draft.kept.append(claim)
                settled = start + len(sentence)
                continue
            draft.withdrawn.append("repeated" if repeated else claim.reason)
            rest = shown[start + len(sentence) :]
            run.take_back(base + start, draft.withdrawn[-1])
            run.speak(rest)
            shown, settled = shown[:start] + rest, start

    run.meter.model_calls += 1
    # Another model may take over while this one answers: who writes is noted as it is asked.
    draft.model, draft.adapter = ports.model.name, ports.model.adapter
    stream = ports.model.stream(
        answer_prompt(question, passages, language, upset=upset), max_tokens=ports.max_tokens
    )
    try:
        async with aclosing(stream) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                run.meter.prompt_tokens = piece.prompt_tokens or run.meter.prompt_tokens
                run.meter.completion_tokens = piece.completion_tokens or run.meter.completion_tokens
                if piece.text:
                    run.speak(piece.text)
                    shown += piece.text
                    await judge(splitter.feed(piece.text))
        await judge(splitter.flush())
    except BaseException:
        if shown:
            run.take_back(base, "broken_off")
        raise
    return draft


def settle(
    draft: Draft, question: str, found: Found, language: Language, *, first: int = 1
) -> tuple[str, tuple[Citation, ...]]:
    """Join what stands, with ``[n]`` after each supported sentence, counting from ``first``.

    The sentences found that fit the question best follow, word for word, when the answer rests on
    others and is short.
    """
    chunks = {passage.chunk.id: passage.chunk for passage in found.passages}
    citations: dict[str, Citation] = {}
    words: list[str] = []
    for claim in draft.kept:
        sentence = MARK.sub("", claim.sentence).strip()
        if not sentence:
            continue
        if claim.needs_source:
            ref = _cite(citations, chunks[claim.source], claim.quote, first)
            sentence = f"{sentence} [{ref}]"
        words.append(sentence)
    lines = [" ".join(words)]
    left_out = _left_out(draft, question, found, language)
    lines += [_quoted(citations, one, first) for one in left_out]
    return "\n".join(lines), tuple(citations.values())


def _left_out(draft: Draft, question: str, found: Found, language: Language) -> list[Quote]:
    """The sentences that fit the question best, when the answer rests on another than the first of them."""
    best = best_sentences(question, found, language, limit=BEST)
    used = [claim.quote for claim in draft.supported if claim.quote]
    left = [quote for quote in best if not any(quote.text in one or one in quote.text for one in used)]
    if left[:1] != best[:1]:
        return []  # the answer rests on the first of them: it is to the point
    return left[: max(0, ENOUGH - len(used))]


def quote(
    question: str, found: Found, language: Language, *, first: int = 1
) -> tuple[str, tuple[Citation, ...]]:
    """The sentences found that fit the question best, word for word, with citations."""
    citations: dict[str, Citation] = {}
    lines = [_quoted(citations, one, first) for one in best_sentences(question, found, language)]
    return "\n".join(lines), tuple(citations.values())


def _quoted(citations: dict[str, Citation], one: Quote, first: int) -> str:
    """A sentence of a source as a line of an answer; its citation is added."""
    return f"- {BULLET.sub('', one.text)} [{_cite(citations, one.passage.chunk, one.text, first)}]"


def _cite(citations: dict[str, Citation], chunk: Chunk, quoted: str, first: int) -> str:
    """Add a citation of ``chunk`` unless it is cited already; its number."""
    known = citations.setdefault(
        chunk.id,
        Citation(
            ref=str(first + len(citations)),
            kind="passage",
            id=chunk.id,
            title=chunk.title,
            heading=chunk.heading,
            quote=quoted,
            version=chunk.version,
        ),
    )
    return known.ref
