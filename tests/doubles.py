"""Doubles for what lies outside, for faults and timing that the real thing cannot be made to show.

``ScriptedModel`` passes the conformance suite of the language model (tests/agent/test_model.py)
beside the real one, so that it cannot drift from it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.errors import ModelRejected, ModelTimeout, ModelUnavailable
from agent.model import Piece, Prompt

Answer = str | Callable[[Sequence[Prompt]], str]


@dataclass
class ScriptedModel:
    """A language model that says what it was told to, and fails as it was told to.

    Pieces are words with the space before them, Chinese characters one by one; each counts
    as a token. All faults can be switched while it runs.
    """

    answer: Answer = "You may return unused goods within 30 days."
    name: str = "scripted"
    adapter: str = ""
    first_token_seconds: float = 20.0
    total_seconds: float = 60.0
    first_token_delay: float = 0.0
    piece_delay: float = 0.0
    stall_after: int | None = None
    """Say nothing more after this many pieces, until the limit."""
    break_after: int | None = None
    """Break off after this many pieces; 0 before the first."""
    down: bool = False
    """Not reachable."""
    known: bool = True
    """Whether the server serves a model of this name."""
    context_tokens: int = 4096

    prompts: list[list[Prompt]] = field(default_factory=list)
    """Every prompt it was asked with."""
    running: int = 0
    """Answers being generated now."""
    generated: int = 0
    """Tokens generated, ever."""

    async def stream(
        self, prompt: Sequence[Prompt], *, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Piece]:
        """Stream the scripted answer; see ``LanguageModel.stream``."""
        self.prompts.append(list(prompt))
        self._reachable()
        asked = sum(len(split(one.text)) for one in prompt)
        if not self.known or asked + max_tokens > self.context_tokens:
            raise ModelRejected("scripted: refused")
        text = self.answer if isinstance(self.answer, str) else self.answer(prompt)
        words = split(text)[:max_tokens]
        loop = asyncio.get_running_loop()
        end = loop.time() + self.total_seconds
        limit = min(end, loop.time() + self.first_token_seconds)
        self.running += 1
        said = 0
        try:
            for word in words:
                try:
                    async with asyncio.timeout_at(limit):
                        await self._until_said(said)
                except TimeoutError:
                    raise ModelTimeout("scripted: too slow") from None
                limit = end
                said += 1
                self.generated += 1
                yield Piece(word)
            yield Piece("", prompt_tokens=asked, completion_tokens=len(words))
        finally:
            self.running -= 1

    async def ready(self) -> None:
        """Raise ``ModelUnavailable`` when scripted to be away or not to know the model."""
        self._reachable()
        if not self.known:
            raise ModelUnavailable("scripted: unknown model")

    def _reachable(self) -> None:
        if self.down:
            raise ModelUnavailable("scripted: down")

    async def _until_said(self, said: int) -> None:
        if self.break_after is not None and said >= self.break_after:
            raise ModelUnavailable("scripted: broke off")
        if self.stall_after is not None and said >= self.stall_after:
            await asyncio.Event().wait()
        # A real network always lets others run in between, at 0 s too.
        await asyncio.sleep(self.first_token_delay if said == 0 else self.piece_delay)


def split(text: str) -> list[str]:
    """The pieces of a text; they join to it."""
    return re.findall(r"\s*[\u4e00-\u9fff]|\s*[^\s\u4e00-\u9fff]+|\s+$", text)
