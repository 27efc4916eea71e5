"""A deterministic embedder for tests: fast, no weights, similar words give similar vectors."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from retrieval.words import all_words


class HashEmbedder:
    """Every word adds to one of the dimensions that its hash names. Counts what it embeds."""

    dimensions = 64

    def __init__(self, name: str = "hash-64") -> None:
        self.name = name
        self.embedded: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        self.embedded.extend(texts)
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._vector(text)

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word in all_words(text):
            vector[hashlib.sha256(word.encode()).digest()[0] % self.dimensions] += 1.0
        norm = math.sqrt(sum(value * value for value in vector))
        return [value / norm for value in vector] if norm else [1.0, *vector[1:]]
