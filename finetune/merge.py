"""Put a LoRA adapter into its base model's weights, as one folder that vLLM loads.

A live adapter costs several times the speed on a CPU; merged it costs nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finetune.errors import AdapterInvalid
from finetune.folders import MANIFEST, Origin, model_name, name_of, sha256, whole

LAYOUT = 1
LIBRARIES = ("peft", "torch", "transformers", "safetensors")
SETTINGS, ADAPTER = "adapter_config.json", "adapter_model.safetensors"
WEIGHTS = "*.safetensors*"
"""Weights and their index: what is not copied from the base."""


def merge(base: Path, adapter: Path, out: Path) -> Path:
    """Make ``out`` from the folders of a base model and of an adapter for it.

    Nothing is done when ``out`` is there and made from the same bytes by the same libraries. The
    sum is made in 32 bits and rounded to 16 once.

    Raises:
        AdapterInvalid: The adapter is incomplete, or was made for another base or another shape.
    """
    check(base, adapter)
    weights = sorted(base.glob("*.safetensors"))
    inputs = {f"base/{path.name}": sha256(path) for path in [base / "config.json", *weights]}
    inputs |= {f"adapter/{name}": sha256(adapter / name) for name in (SETTINGS, ADAPTER)}
    origin = Origin(
        name=model_name(str(out.absolute())),
        made="merged",
        layout=LAYOUT,
        inputs=inputs,
        versions={name: version(name) for name in LIBRARIES},
    )
    with whole(out, origin) as work:
        if work is not None:
            _write(base, adapter, work)
    return out


def check(base: Path, adapter: Path) -> None:
    """Raise ``AdapterInvalid`` unless ``adapter`` says that it was made for the model in ``base``."""
    if missing := [name for name in (SETTINGS, ADAPTER) if not (adapter / name).is_file()]:
        raise AdapterInvalid(f"{adapter} is no adapter: it has no {' and no '.join(missing)}")
    settings = json.loads((adapter / SETTINGS).read_text(encoding="utf-8"))
    made_for, name = model_name(settings.get("base_model_name_or_path") or ""), name_of(base)
    if made_for != name:
        raise AdapterInvalid(f"{adapter} was made for {made_for or 'no named model'}, not for {name}")


def _write(base: Path, adapter: Path, work: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    try:
        tuned: Any = PeftModel.from_pretrained(network, adapter)
    except (RuntimeError, ValueError) as error:
        why = str(error).strip().splitlines()[-1].strip()
        raise AdapterInvalid(f"{adapter} does not fit {name_of(base)}: {why}") from error
    merged = tuned.merge_and_unload(safe_merge=True).to(torch.bfloat16)
    merged.save_pretrained(work, max_shard_size="100GB")
    ours = {path for pattern in (WEIGHTS, MANIFEST) for path in base.glob(pattern)}
    for path in base.iterdir():  # the base's own configuration, tokenizer and template, to the byte
        if path.is_file() and path not in ours:
            shutil.copy2(path, work / path.name)
