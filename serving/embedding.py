"""Which embedder the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.settings import RetrievalSettings

if TYPE_CHECKING:
    from retrieval.passages import Embedder


def open_embedder(settings: RetrievalSettings) -> Embedder:
    """The embedder that the settings name: an endpoint's, or E5 in this process.

    Reader, mood and index ask it for the same message, so it remembers.

    Raises:
        ValueError: An endpoint without a model name.
    """
    from retrieval.remembering import RememberingEmbedder

    return RememberingEmbedder(_named(settings))


def _named(settings: RetrievalSettings) -> Embedder:
    if not settings.embeddings_url:
        from retrieval.e5 import E5Embedder

        return E5Embedder()
    if not settings.embeddings_model:
        raise ValueError("retrieval.embeddings_url is set, so retrieval.embeddings_model must be too")
    from retrieval.openai import OpenAIEmbedder

    return OpenAIEmbedder(settings.embeddings_url, settings.embeddings_model)
