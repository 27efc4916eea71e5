"""The embedder that remembers: the same vectors, asked for once."""

from __future__ import annotations

import pytest

from retrieval.errors import EmbedderUnavailable
from retrieval.remembering import RememberingEmbedder
from tests.retrieval.hash_embedder import HashEmbedder


class Counting(HashEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.away = False

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        if self.away:
            raise EmbedderUnavailable("away")
        return super().embed_query(text)


def test_a_question_is_embedded_once_while_it_is_among_the_last() -> None:
    behind = Counting()
    embedder = RememberingEmbedder(behind, keep=2)
    assert (embedder.name, embedder.dimensions) == (behind.name, behind.dimensions)
    assert embedder.embed_passages(["tent"]) == HashEmbedder().embed_passages(["tent"])

    for _ in range(2):
        vector = embedder.embed_query("tent")
        assert vector == HashEmbedder().embed_query("tent")
        vector.clear()  # what a caller does with its vector is no other's business
    assert behind.asked == ["tent"]

    embedder.embed_query("stove")
    embedder.embed_query("tent")
    embedder.embed_query("boots")
    assert behind.asked == ["tent", "stove", "boots"]
    embedder.embed_query("tent")
    embedder.embed_query("stove")
    assert behind.asked == ["tent", "stove", "boots", "stove"]

    behind.away = True
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_query("lamp")
    behind.away = False
    assert embedder.embed_query("lamp") == HashEmbedder().embed_query("lamp")
