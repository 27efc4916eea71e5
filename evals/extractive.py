"""A stand-in for a language model that repeats the best sentences of its sources.

It is the baseline a model must beat to be worth its electricity, and lets a suite run in
seconds where no model is at hand: ``amends eval run --model extractive``.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from agent.model import Piece, Prompt
from agent.sentences import split_sentences
from retrieval.words import content_words

SENTENCES = 2
"""Said at most."""

_SOURCE = re.compile(r"^(?:Source|资料) \d+: .*$", re.MULTILINE)
_QUESTION = re.compile(r"\n\n(?:(?:Upset s|S)hopper: |(?:不满的)?顾客：)(.*)\Z", re.DOTALL)


class ExtractiveModel:
    """Answers with the source sentences that share most content words with the question."""

    name = "extractive"
    adapter = ""

    async def stream(
        self, prompt: Sequence[Prompt], *, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Piece]:
        """Stream the answer as one piece; see the port."""
        text = prompt[-1].text
        asked = _QUESTION.search(text)
        question = asked[1] if asked else text
        sources = text[: asked.start()] if asked else ""
        sentences = [
            sentence.strip()
            for line in _SOURCE.sub("\n", sources).splitlines()
            if not line.lstrip().startswith("|")
            for sentence in split_sentences(line)
            if sentence.strip()
        ]
        wanted = content_words(question)
        ranked = sorted(
            range(len(sentences)),
            key=lambda place: (-len(wanted & content_words(sentences[place])), place),
        )
        best = [sentences[place] for place in sorted(ranked[:SENTENCES])]
        yield Piece(" ".join(best))
        yield Piece("", prompt_tokens=len(text), completion_tokens=sum(map(len, best)))

    async def ready(self) -> None:
        """Always."""
