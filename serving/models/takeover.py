"""One model takes over from another while shoppers chat.

New answers go to the new model from one moment on; the old one finishes what it began and is
then let go. When the new one cannot be made ready, the old one goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import AmendsError
from agent.model import LanguageModel, Piece, Prompt
from finetune.adapters import Adapter
from serving.models.errors import NotEnoughMemory

logger = logging.getLogger(__name__)

LOOK_SECONDS = 3.0
"""Between two looks at what is promoted."""


@dataclass(eq=False)
class Served:
    """A model that can be asked, and how it is let go."""

    model: LanguageModel
    stop: Callable[[], Awaitable[None]]
    metrics: str = ""
    """Address of its server's Prometheus page."""
    running: int = 0
    """Answers under way."""
    _idle: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def began(self) -> None:
        """Count an answer."""
        self.running += 1
        self._idle.clear()

    def ended(self) -> None:
        """Count it no more."""
        self.running -= 1
        if not self.running:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no answer is under way."""
        if self.running:
            await self._idle.wait()


class SwitchingModel:
    """The language model of the moment; implements ``LanguageModel``.

    ``stream`` settles which model answers when it is called, not when the first piece is asked
    for: name and adapter read just before are the ones that answer.
    """

    def __init__(self, first: Served) -> None:
        self._now = first

    @property
    def name(self) -> str:
        """The present model's name."""
        return self._now.model.name

    @property
    def adapter(self) -> str:
        """The present model's adapter."""
        return self._now.model.adapter

    @property
    def served(self) -> Served:
        """The present model."""
        return self._now

    def stream(
        self, prompt: Sequence[Prompt], *, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Piece]:
        """See the port."""
        return _counted(self._now, prompt, max_tokens, schema)

    async def ready(self) -> None:
        """See the port."""
        await self._now.model.ready()

    def switch(self, new: Served) -> Served:
        """Let ``new`` answer from now on; return the one before, whose answers still run."""
        old, self._now = self._now, new
        return old


async def _counted(
    served: Served, prompt: Sequence[Prompt], max_tokens: int, schema: Mapping[str, Any] | None
) -> AsyncIterator[Piece]:
    served.began()
    try:
        stream = served.model.stream(prompt, max_tokens=max_tokens, schema=schema)
        async with aclosing(stream) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                yield piece
    finally:
        served.ended()


class Takeover:
    """Watches what is promoted, and lets it take over.

    Args:
        model: What answers.
        serve: Makes a model with an adapter (``None``: the base alone) ready beside the present one.
        wanted: What is to be served now.
        promoted: The file that changes when something else is.
        say: Tells the operator.
    """

    def __init__(
        self,
        model: SwitchingModel,
        *,
        serve: Callable[[Adapter | None], Awaitable[Served]],
        wanted: Callable[[], Adapter | None],
        promoted: Path,
        say: Callable[[str], None],
    ) -> None:
        self._model = model
        self._serve = serve
        self._wanted = wanted
        self._promoted = promoted
        self._say = say

    async def watch(self) -> None:
        """Look every few seconds until cancelled. What failed is tried again when the file changes."""
        seen: bytes | None = None
        first = True  # something may have been promoted while the first model was started
        while True:
            now = await asyncio.to_thread(_content, self._promoted)
            if first or now != seen:
                first, seen = False, now
                await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Let what is promoted take over, if it is not served already."""
        here = _called(self._model.adapter)
        there = "the promoted adapter"
        try:
            adapter = await asyncio.to_thread(self._wanted)
            there = _called(adapter.tag if adapter else "")
            if there == here:
                return
            self._say(f"{there} takes over from {here}: making it ready")
            new = await self._serve(adapter)
        except NotEnoughMemory as error:
            self._fail(
                f"{there} cannot take over while {here} answers: there is no memory for both ({error}) "
                f"{here} goes on; restart amends up to switch"
            )
        except (AmendsError, OSError) as error:
            self._fail(f"{there} cannot take over, {here} goes on: {error}")
        except Exception:
            logger.exception("take-over failed")
            self._fail(f"{there} cannot take over for a reason nobody foresaw, {here} goes on; see the log")
        else:
            old = self._model.switch(new)
            self._say(f"{there} answers now; {here} finishes {old.running} answers")
            await old.idle()
            try:
                await old.stop()
            except Exception:
                logger.exception("%s answers no more, but could not be stopped", here)

    def _fail(self, line: str) -> None:
        logger.error(line)
        self._say(line)


def _called(tag: str) -> str:
    return tag or "the model without an adapter"


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
