"""The encoder of multilingual-e5-small in numpy: a vector for every token of a text.

What the embedder's engine computes (:mod:`retrieval.e5`), for those who need more than its one
vector a text; slower than the engine, and without torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace

from retrieval.e5_file import E5File, Floats, e5_file

MATRICES = ("q", "k", "v", "ao", "fi", "fo")
"""Of one layer: query, key, value, what attention gives, and the two of the feed-forward part."""


@cache
def tokenizer() -> Tokenizer:
    """Cuts text into the file's word pieces."""
    file = e5_file()
    found = Tokenizer(Unigram(list(file.pieces), file.unknown, byte_fallback=False))
    found.pre_tokenizer = Metaspace()
    return found


def tokens(text: str) -> list[int]:
    """Ids of a text's word pieces, without the special ones."""
    written = re.sub(" {2,}", " ", text.translate(e5_file().written))
    found: list[int] = tokenizer().encode(written, add_special_tokens=False).ids
    return found


class E5Encoder:
    """Tokens in, their vectors out.

    Args:
        file: The weights.
        added: What is added to a layer's matrices, by their names in the file: what an adapter learned.
    """

    def __init__(self, file: E5File, added: Mapping[str, Floats] | None = None) -> None:
        self._file = file
        more = added or {}
        self._of = {
            # Transposed once and kept in one piece: every text is multiplied by it.
            name: np.ascontiguousarray((tensor + more[name] if name in more else tensor).T)
            if tensor.ndim == 2 and name != "emb.pos"
            else tensor
            for name, tensor in file.tensors.items()
        }

    def __call__(self, ids: Sequence[int]) -> Floats:
        """Vectors of the shape (tokens, width) of a text, given as ids with the special ones."""
        x: Floats = self._file.vectors(np.asarray(ids, np.int64)) + self._of["emb.pos"][: len(ids)]
        x = self._normed(x + self._of["emb.type"][: self._file.width], "emb.ln")
        for layer in range(self._file.layers):
            at = f"l{layer}."
            x = self._normed(x + self._linear(self._attended(x, at), at + "ao"), at + "aln")
            x = self._normed(x + self._linear(gelu(self._linear(x, at + "fi")), at + "fo"), at + "oln")
        return x

    def _attended(self, x: Floats, at: str) -> Floats:
        heads, width = self._file.heads, self._file.width
        # (heads, tokens, width of a head)
        query, key, value = (
            self._linear(x, at + name).reshape(-1, heads, width // heads).swapaxes(0, 1) for name in "qkv"
        )
        weights: Floats = query @ key.swapaxes(1, 2)
        weights /= math.sqrt(width / heads)
        np.exp(weights - weights.max(axis=-1, keepdims=True), out=weights)
        weights /= weights.sum(axis=-1, keepdims=True)
        found: Floats = (weights @ value).swapaxes(0, 1).reshape(-1, width)
        return found

    def _linear(self, x: Floats, name: str) -> Floats:
        found: Floats = x @ self._of[name + ".w"]
        found += self._of[name + ".b"]
        return found

    def _normed(self, x: Floats, name: str) -> Floats:
        x -= x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + self._file.epsilon)
        x *= self._of[name + ".w"]
        x += self._of[name + ".b"]
        return x


def gelu(x: Floats) -> Floats:
    """The tanh form of the Gaussian error unit (Hendrycks and Gimpel, 2016).

    The engine has the exact one, for which numpy lacks the error function; they differ by less than .001.
    """
    inner = x * x
    inner *= 0.044715
    inner += 1
    inner *= x
    inner *= math.sqrt(2 / math.pi)
    np.tanh(inner, out=inner)
    inner += 1
    inner *= x
    inner *= 0.5
    found: Floats = inner
    return found


def mean_of(vectors: NDArray[np.float32]) -> Floats:
    """The mean of tokens' vectors, of length one: what the engine gives for a text."""
    mean = vectors.mean(axis=0)
    found: Floats = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return found
