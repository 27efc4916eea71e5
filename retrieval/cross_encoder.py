"""A question and a passage read together, word beside word: does the passage answer it?

The vectors of :mod:`retrieval.e5` are made of each text alone, and a near miss is near: of a tent
whose weight is told, "does it come in red?" is as near as "how heavy is it?". Here the encoder sees
both texts at once. It is multilingual-e5-small with an adapter (LoRA) and a head over the two
halves' mean vectors, taught by ``tools/fit_cross_encoder.py`` on the training shops; the adapter is
``retrieval/data/cross_encoder.npz``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from retrieval.chunks import embedded_text
from retrieval.e5_encoder import E5Encoder, mean_of, tokens
from retrieval.e5_file import e5_file
from retrieval.passages import Chunk

LONGEST_QUESTION, LONGEST_PASSAGE = 96, 256
"""Tokens that are read of each; the training shops' longest passage has fewer."""
_LOADING = threading.Lock()
_KEEP = 4096
"""Pairs whose odds are kept, the latest used: a question is judged once among the passages of its own
language and again among all, and buttons ask the same ones."""


class CrossEncoder:
    """Reads pairs.

    Args:
        adapter: ``head`` (width) and ``bias``; for each tuned matrix its name with ``/up`` and ``/down``.
    """

    def __init__(self, adapter: Mapping[str, NDArray[np.float16]]) -> None:
        learnt = {name: adapter[name].astype(np.float32) for name in adapter}
        self._head, self._bias = learnt["head"], float(learnt["bias"])
        added = {
            name.removesuffix("/up"): up @ learnt[name.removesuffix("/up") + "/down"]
            for name, up in learnt.items()
            if name.endswith("/up")
        }
        self._encoder = E5Encoder(e5_file(), added)

    def __call__(self, question: str, passage: Chunk) -> float:
        """The log odds, uncalibrated, that the passage answers the question. Blocking, some 50 ms."""
        asked = asked_tokens(question)
        vectors = self._encoder([*asked, *passage_tokens(passage)])
        halves = mean_of(vectors[: len(asked)]) * mean_of(vectors[len(asked) :])
        return float(self._head @ halves) + self._bias


@lru_cache(maxsize=_KEEP)
def read_together(question: str, passage: Chunk) -> float:
    """What the shipped cross-encoder says of a pair. Blocking; a pair read lately costs nothing.

    Raises:
        EmbedderUnavailable: As :func:`cross_encoder` does.
    """
    return cross_encoder()(question, passage)


def cross_encoder() -> CrossEncoder:
    """The one that ships, read once, also when the passages of a first question ask for it together.

    From then on numpy multiplies in the thread that calls. With threads of its own, which spin while
    they wait for each other, a question takes seconds beside a language model on the same cores. It is
    for good and not for a call, since shoppers' questions overlap.

    Raises:
        EmbedderUnavailable: The package that holds the encoder is missing or of another make.
    """
    with _LOADING:
        return _shipped()


@cache
def _shipped() -> CrossEncoder:
    threadpool_limits(1, "blas")
    with files("retrieval").joinpath("data/cross_encoder.npz").open("rb") as file, np.load(file) as adapter:
        return CrossEncoder(dict(adapter))


def asked_tokens(question: str) -> list[int]:
    """The first half of a pair."""
    file = e5_file()
    return [file.start, *tokens("query: " + question)[:LONGEST_QUESTION], file.end]


def passage_tokens(passage: Chunk) -> list[int]:
    """The second half: title, heading and text, as they are embedded."""
    file = e5_file()
    return [file.end, *tokens("passage: " + embedded_text(passage))[:LONGEST_PASSAGE], file.end]
