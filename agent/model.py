"""The language model as the turn sees it: the port. ``agent.model_langchain`` is the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Prompt:
    """One message of a prompt. Unchanging parts go first, so that the prefix cache works."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Piece:
    """A streamed piece of an answer. ``text`` pieces join to the whole answer."""

    text: str
    prompt_tokens: int | None = None
    """Set once, on the last piece, when the server reports usage."""
    completion_tokens: int | None = None


class LanguageModel(Protocol):
    """Turns a prompt into text."""

    @property
    def name(self) -> str:
        """The model's name as the server calls it."""

    @property
    def adapter(self) -> str:
        """The LoRA adapter in use, empty when there is none."""

    def stream(
        self, prompt: Sequence[Prompt], *, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Piece]:
        """Stream the answer; with a JSON ``schema`` it is JSON of that form, unless cut off.

        Raises ``ModelTimeout`` when no piece arrives in the first-token limit or the whole
        takes too long, ``ModelUnavailable`` when the server is away or breaks off,
        ``ModelRejected`` when the request is wrong. Closing the iterator frees the server's
        slot at once.
        """

    async def ready(self) -> None:
        """Raise ``ModelUnavailable`` unless the model can serve now."""
