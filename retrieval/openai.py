"""Embeddings from any server that speaks OpenAI's API, vLLM's included."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import openai
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from retrieval.errors import EmbedderUnavailable

T = TypeVar("T")

_E5 = re.compile(r"\be5\b(?!.*instruct)", re.IGNORECASE)


class OpenAIEmbedder:
    """Embeds over HTTP; vectors are brought to unit length here.

    Args:
        url: Base address, ending in ``/v1``.
        model: Model name as the server knows it.
        query_prefix: What the model wants before a question; ``query: `` for the E5 family unless given.
        passage_prefix: The same before stored text; ``passage: `` for the E5 family.
        timeout: Seconds for one request.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: SecretStr | None = None,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._model = model
        self._dimensions = 0
        e5 = bool(_E5.search(model))
        self._query_prefix = ("query: " if e5 else "") if query_prefix is None else query_prefix
        self._passage_prefix = ("passage: " if e5 else "") if passage_prefix is None else passage_prefix
        self._client = OpenAIEmbeddings(
            model=model,
            openai_api_base=url,
            openai_api_key=api_key or SecretStr("none"),
            request_timeout=timeout,
            max_retries=2,
            # Counting tokens here would fetch OpenAI's own tokenizer, and only its models use it.
            check_embedding_ctx_length=False,
        )

    @property
    def name(self) -> str:
        """Name and what changes its vectors; a change means the index must be built again."""
        return f"{self._model} ({self._query_prefix!r}, {self._passage_prefix!r})"

    @property
    def dimensions(self) -> int:
        """Length of a vector. Blocking the first time: the server is asked."""
        return self._dimensions or len(self.embed_query("length"))

    def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed stored text. Blocking.

        Raises:
            EmbedderUnavailable: The server does not answer, refuses, or gives vectors of another length.
        """
        prefixed = [self._passage_prefix + text for text in texts]
        return [self._unit(vector) for vector in self._call(lambda: self._client.embed_documents(prefixed))]

    def embed_query(self, text: str) -> list[float]:
        """Embed a question. Blocking.

        Raises:
            EmbedderUnavailable: The server does not answer, refuses, or gives vectors of another length.
        """
        return self._unit(self._call(lambda: self._client.embed_query(self._query_prefix + text)))

    def _call(self, embed: Callable[[], T]) -> T:
        try:
            return embed()
        except openai.OpenAIError as error:
            # Its message may hold the request; the type says what matters.
            raise EmbedderUnavailable(f"the embedding server failed ({type(error).__name__})") from None

    def _unit(self, vector: list[float]) -> list[float]:
        self._dimensions = self._dimensions or len(vector)
        if len(vector) != self._dimensions:
            raise EmbedderUnavailable(f"{self._model} gave vectors of {len(vector)} and {self._dimensions}")
        norm = math.sqrt(sum(value * value for value in vector)) or 1.0
        return [value / norm for value in vector]
