"""An embedder that keeps the questions it embedded last: one turn asks for the same ones several times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from retrieval.passages import Embedder

_KEEP = 256
"""Questions kept, the latest used; their vectors take about 3 MB."""


class RememberingEmbedder:
    """``embedder``, but a question asked again costs nothing. May be used from several threads.

    Stored text is passed on as it is: it is embedded once anyway.
    """

    def __init__(self, embedder: Embedder, *, keep: int = _KEEP) -> None:
        self._embedder = embedder
        # What raises is not kept, and nobody waits while another question is embedded.
        self._query = lru_cache(maxsize=keep)(embedder.embed_query)

    @property
    def name(self) -> str:
        """Of the embedder behind: the vectors are its own."""
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._embedder.dimensions

    def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed stored text. Blocking."""
        return self._embedder.embed_passages(texts)

    def embed_query(self, text: str) -> list[float]:
        """Embed a question. Blocking when it is new."""
        return list(self._query(text))
