"""Eight-bit weights: close to what they were, in the form that vLLM's own reader takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.models.errors import ConvertError
from serving.models.quantize import quantize, rounded, scheme
from tests.finetune.tiny import tensors, tiny_model


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base"), "tiny")


def test_each_weight_is_within_half_a_step_of_what_it_was() -> None:
    import torch

    weight = torch.randn(16, 48, generator=torch.Generator().manual_seed(0))
    weight[3] *= 1000  # rows have scales of their own
    weight[4] = 0
    whole, scale = rounded(weight.to(torch.bfloat16))
    assert (whole.dtype, scale.dtype, tuple(scale.shape)) == (torch.int8, torch.float32, (16, 1))
    gone = (weight.to(torch.bfloat16).float() - whole.float() * scale).abs()
    assert bool((gone <= scale * 0.5001).all())
    assert int(whole.abs().amax()) == 127
    assert int(whole[4].abs().amax()) == 0


def test_linear_layers_are_rounded_and_nothing_else_is(served: Path, tmp_path: Path) -> None:
    import torch

    before, after = tensors(served), tensors(quantize(served, tmp_path / "tiny-int8"))
    for name, weight in before.items():
        if name.endswith("_proj.weight"):
            assert after[name].dtype == torch.int8
            torch.testing.assert_close(
                after[name] * after[f"{name}_scale"],
                weight.float(),
                rtol=0,
                atol=float(weight.abs().max()) / 250,
            )
        else:
            assert torch.equal(after[name], weight)
    assert {"lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"} <= before.keys()
    assert len(after) == len(before) + 2 * 7


def test_the_folder_has_the_rest_and_says_how_it_is_to_be_read(served: Path, tmp_path: Path) -> None:
    out = quantize(served, tmp_path / "tiny-int8")
    assert {path.name for path in out.iterdir()} == {path.name for path in served.iterdir()}
    assert (out / "tokenizer.json").read_bytes() == (served / "tokenizer.json").read_bytes()
    ours, theirs = (json.loads((folder / "config.json").read_text()) for folder in (out, served))
    assert ours.pop("quantization_config") == scheme()
    assert ours == theirs


def test_the_format_is_one_its_own_library_reads() -> None:
    from compressed_tensors.quantization import (  # type: ignore[import-untyped]
        QuantizationConfig,
        QuantizationStrategy,
    )

    read = QuantizationConfig.model_validate(scheme())
    group = read.config_groups["group_0"]
    assert group.weights.strategy == QuantizationStrategy.CHANNEL
    assert group.input_activations.strategy == QuantizationStrategy.TOKEN
    assert (group.weights.num_bits, group.weights.symmetric, group.input_activations.dynamic) == (
        8,
        True,
        True,
    )
    assert read.ignore == ["lm_head"]


def test_it_is_made_again_only_when_the_weights_changed(served: Path, tmp_path: Path) -> None:
    out = quantize(served, tmp_path / "int8")
    first = (out / "model.safetensors").stat().st_mtime_ns
    quantize(served, out)
    assert (out / "model.safetensors").stat().st_mtime_ns == first
    quantize(tiny_model(tmp_path, "tiny", seed=1), out)
    assert (out / "model.safetensors").stat().st_mtime_ns > first


def test_what_is_quantized_already_or_no_model_is_refused(served: Path, tmp_path: Path) -> None:
    out = quantize(served, tmp_path / "int8")
    with pytest.raises(ConvertError, match="quantized already"):
        quantize(out, tmp_path / "again")
    with pytest.raises(ConvertError, match=r"holds no model\.safetensors"):
        quantize(tmp_path, tmp_path / "again")
    assert not (tmp_path / "again").exists()
