"""The encoder of multilingual-e5-small in torch, with adapters to tune it by.

The same arithmetic as ``retrieval/e5_encoder.py``, which serves what is learnt here. Only the upper
layers are tuned; the lower ones run once a text, and what they give is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from retrieval.e5_encoder import MATRICES
from retrieval.e5_file import E5File


class TunedE5(nn.Module):
    """Low-rank adapters (LoRA: Hu et al., 2021) on every matrix of the layers from ``first`` on.

    Args:
        file: The weights, which stay as they are.
        first: The first layer that is tuned.
        rank: Of an adapter; what it gives is added as it is (alpha equal to the rank).
    """

    def __init__(self, file: E5File, *, first: int, rank: int) -> None:
        super().__init__()
        self.file, self.first = file, first
        self.fixed = {
            name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in file.tensors.items()
        }
        tuned = [f"l{layer}.{name}" for layer in range(first, file.layers) for name in MATRICES]
        sizes = {name: self.fixed[name + ".w"].shape for name in tuned}
        self.down = nn.ParameterDict(
            {
                _key(name): nn.Parameter(torch.randn(rank, wide) / math.sqrt(wide))
                for name, (_, wide) in sizes.items()
            }
        )
        self.up = nn.ParameterDict(
            {_key(name): nn.Parameter(torch.zeros(out, rank)) for name, (out, _) in sizes.items()}
        )

    def lower(self, texts: Sequence[Sequence[int]]) -> list[Tensor]:
        """What the untuned layers give for texts of ids: (tokens, width) each, in half precision."""
        ids = [np.asarray(text, np.int64) for text in texts]
        x = nn.utils.rnn.pad_sequence(
            [torch.from_numpy(self.file.vectors(text)) for text in ids], batch_first=True
        )
        x = x + self.fixed["emb.pos"][: x.shape[1]] + self.fixed["emb.type"][: self.file.width]
        x = self._normed(x, "emb.ln")
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            x = self._through(x, mask_of([len(text) for text in ids]), range(self.first))
        return [one[: len(text)].half() for one, text in zip(x, ids, strict=True)]

    def upper(self, states: Sequence[Tensor]) -> Tensor:
        """From :meth:`lower` to the last layer: (texts, tokens of the longest, width)."""
        x = nn.utils.rnn.pad_sequence([one.float() for one in states], batch_first=True)
        with torch.autocast("cpu", torch.bfloat16):
            x = self._through(x, mask_of([len(one) for one in states]), range(self.first, self.file.layers))
        return x.float()

    def added(self) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """The adapters by the names of their matrices in the file: up (out, rank), down (rank, in)."""
        return {
            name.replace("_", ".") + ".w": (up.detach().numpy(), self.down[name].detach().numpy())
            for name, up in self.up.items()
        }

    def _through(self, x: Tensor, mask: Tensor, layers: range) -> Tensor:
        texts, tokens, width = x.shape
        heads = self.file.heads
        for layer in layers:
            at = f"l{layer}."
            q, k, v = (
                self._linear(x, at + name).view(texts, tokens, heads, width // heads).transpose(1, 2)
                for name in "qkv"
            )
            seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(x.shape)
            x = self._normed(x + self._linear(seen, at + "ao"), at + "aln")
            inner = F.gelu(self._linear(x, at + "fi"), approximate="tanh")
            x = self._normed(x + self._linear(inner, at + "fo"), at + "oln")
        return x

    def _linear(self, x: Tensor, name: str) -> Tensor:
        found = F.linear(x, self.fixed[name + ".w"], self.fixed[name + ".b"])
        key = _key(name)
        if key in self.up:
            found = found + F.linear(F.linear(x, self.down[key]), self.up[key])
        return found

    def _normed(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(
            x.float(), (self.file.width,), self.fixed[name + ".w"], self.fixed[name + ".b"], self.file.epsilon
        )


def mask_of(lengths: Sequence[int]) -> Tensor:
    """Which tokens are there, (texts, 1, 1, tokens of the longest)."""
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])[:, None, None]


def _key(name: str) -> str:
    """A parameter's name may hold no dot."""
    return name.replace(".", "_")
