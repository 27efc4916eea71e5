"""Embeddings of sentences, each text embedded once: a shop's sentences come up turn after turn."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts to vectors, such as ``E5Embedder.embed_passages``: stored texts and claims are compared as equals."""

_KEEP = 8192
"""Vectors kept, the latest used: at 384 floats of 8 bytes about 25 MB."""


class Vectors:
    """Unit vectors of texts, remembered. Made once for the process; may be used from several threads."""

    def __init__(self, embed: Embed, *, keep: int = _KEEP) -> None:
        self._embed = embed
        self._keep = keep
        self._known: OrderedDict[str, Floats] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, texts: Sequence[str]) -> Floats:
        """One row a text. Blocking while texts that are new get embedded."""
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            rows = np.asarray(self._embed(new), np.float64)
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            found |= dict(zip(new, rows, strict=True))
        with self._lock:
            for text in texts:
                self._known[text] = found[text]
                self._known.move_to_end(text)
            while len(self._known) > self._keep:
                self._known.popitem(last=False)
        return np.array([found[text] for text in texts])

    def nearness(self, question: Sequence[float], texts: Sequence[str]) -> list[float]:
        """The cosine of each text to a question's vector. Blocking like :meth:`of`."""
        if not texts:
            return []
        asked = np.asarray(question, np.float64)
        return [float(cosine) for cosine in self.of(texts) @ asked / max(float(np.linalg.norm(asked)), 1e-12)]
