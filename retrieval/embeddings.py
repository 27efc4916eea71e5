"""An :class:`Embedder` where LangChain wants its ``Embeddings``."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from retrieval.passages import Embedder


class EmbedderEmbeddings(Embeddings):
    """LangChain's interface over one of our embedders."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed stored text."""
        return self._embedder.embed_passages(texts)

    def embed_query(self, text: str) -> list[float]:
        """Embed a question."""
        return self._embedder.embed_query(text)
