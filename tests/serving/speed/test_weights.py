"""Bytes a token reads, counted on real safetensors files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from serving.speed.weights import bytes_per_token

TABLE, LAYER = np.zeros((100, 8), np.float16), np.zeros((8, 8), np.float16)


def folder(path: Path, **tensors: np.ndarray) -> Path:
    save_file(
        {name.replace("__", "."): tensor for name, tensor in tensors.items()}, path / "model.safetensors"
    )
    return path


def test_a_table_that_is_the_output_layer_too_is_read_whole(tmp_path: Path) -> None:
    served = folder(tmp_path, model__embed_tokens__weight=TABLE, model__layers__0__weight=LAYER)
    assert bytes_per_token(served) == 1600 + 128


def test_a_table_with_an_output_layer_of_its_own_is_not_counted(tmp_path: Path) -> None:
    served = folder(
        tmp_path, model__embed_tokens__weight=TABLE, model__layers__0__weight=LAYER, lm_head__weight=TABLE
    )
    assert bytes_per_token(served) == 1600 + 128


def test_weights_in_8_bits_count_half_and_their_scales_too(tmp_path: Path) -> None:
    served = folder(
        tmp_path,
        model__embed_tokens__weight=TABLE,
        model__layers__0__weight=LAYER.astype(np.int8),
        model__layers__0__weight_scale=np.zeros((8, 1), np.float16),
    )
    assert bytes_per_token(served) == 1600 + 64 + 16


def test_several_files_are_one_model(tmp_path: Path) -> None:
    save_file({"model.embed_tokens.weight": TABLE}, tmp_path / "model-1.safetensors")
    save_file({"model.layers.0.weight": LAYER}, tmp_path / "model-2.safetensors", {"format": "pt"})
    assert bytes_per_token(tmp_path) == 1600 + 128


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", b"\xff" * 64, (2).to_bytes(8, "little") + b"[]", b"\x09" + b"\0" * 7 + b'{"a": {}}'],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        bytes_per_token(tmp_path)


def test_no_file_and_no_known_table_are_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no safetensors file"):
        bytes_per_token(tmp_path)
    with pytest.raises(ValueError, match="embed_tokens"):
        bytes_per_token(folder(tmp_path, model__layers__0__weight=LAYER))
