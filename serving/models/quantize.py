"""Write a served folder again with its weights in 8 bits, in the form vLLM reads.

W8A8 of compressed-tensors: each row of a linear layer's matrix becomes whole numbers from -127
to 127 and one scale, rounded to the nearest (symmetric, per output channel); activations are
rounded by the engine as it runs, per token. That needs no calibration data. Embeddings, norms,
biases and the output layer stay as they are: they are few, or lose most.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finetune.folders import MANIFEST, Origin, model_name, sha256, whole
from serving.models.apart import apart
from serving.models.errors import ConvertError
from serving.models.folders import full_disk_named, require_space

LAYOUT = 1
WEIGHTS = "model.safetensors"
LINEAR = "_proj.weight"
"""How the names of a block's linear layers end, in Qwen, Gemma and Llama models."""
STEPS = 127
"""Largest whole number of a weight; -128 is not used, so that both signs reach as far."""


def beside(served: Path) -> Path:
    """Where the copy of a served folder with weights in 8 bits lies."""
    return served.with_name(f"{served.name}-int8")


def quantize(served: Path, out: Path) -> Path:
    """Make ``out`` from the folder ``served``, unless it is there and made from the same weights.

    Blocking; the work happens in a process of its own.

    Raises:
        ConvertError: ``served`` is not a folder of this form, or is quantized already.
        NotEnoughDisk: ``out`` would not fit.
    """
    config = _config(served)
    inputs = {name: sha256(served / name) for name in ("config.json", WEIGHTS)}
    origin = Origin(
        name=model_name(str(out.absolute())),
        made="int8",
        layout=LAYOUT,
        inputs=inputs,
        versions={name: version(name) for name in ("torch", "safetensors")},
    )
    with whole(out, origin) as work:
        if work is not None:
            needed = (served / WEIGHTS).stat().st_size
            require_space(work, needed)
            with full_disk_named(work, needed):
                apart(out.name, _write, served, work, config)
    return out


def _config(served: Path) -> dict[str, Any]:
    """The model's configuration, if it can be quantized."""
    if not (served / WEIGHTS).is_file():
        raise ConvertError(f"{served} holds no {WEIGHTS}; convert or merge the model first")
    config: dict[str, Any] = json.loads((served / "config.json").read_text(encoding="utf-8"))
    if "quantization_config" in config:
        raise ConvertError(f"{served} is quantized already; give the folder it was made from")
    return config


def _write(served: Path, work: Path, config: dict[str, Any]) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    with safe_open(served / WEIGHTS, "pt") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            tensor = file.get_tensor(name)
            if not name.endswith(LINEAR):
                tensors[name] = tensor
                continue
            tensors[name], tensors[f"{name}_scale"] = rounded(tensor)
    if not any(name.endswith("_scale") for name in tensors):
        raise ConvertError(f"{served}: no linear layers with names this module knows ({LINEAR})")
    save_file(tensors, work / WEIGHTS, {"format": "pt"})
    config["quantization_config"] = scheme()
    (work / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for path in served.iterdir():
        if path.is_file() and path.name not in (WEIGHTS, "config.json", MANIFEST):
            shutil.copy2(path, work / path.name)


def rounded(weight: Any) -> tuple[Any, Any]:
    """A matrix as whole numbers and the scale of each row (a column of 32-bit floats)."""
    import torch

    wide = weight.to(torch.float32)
    scale = (wide.abs().amax(dim=1, keepdim=True) / STEPS).clamp_min(torch.finfo(torch.float32).tiny)
    return (wide / scale).round().clamp(-STEPS, STEPS).to(torch.int8), scale


def scheme() -> dict[str, Any]:
    """The ``quantization_config`` of the compressed-tensors format."""
    shared = {"num_bits": 8, "type": "int", "symmetric": True}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {**shared, "strategy": "channel", "dynamic": False},
                "input_activations": {**shared, "strategy": "token", "dynamic": True},
            }
        },
    }
