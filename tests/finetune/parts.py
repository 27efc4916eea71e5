"""A run that ended, as ``amends finetune train`` leaves it, with real LoRA weights of one layer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from finetune.adapters import Adapter, finish
from finetune.run_config import RunConfig
from tests.servers import SMALL_MODEL

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
WIDTH, INNER, LAYER = 576, 1536, 29
"""Of SmolLM2 135M: its hidden and inner width, and its last layer."""


def ended_run(folder: Path, name: str = "kind-words", *, base: str = SMALL_MODEL, seed: int = 1) -> Path:
    """A run's folder; another ``seed`` gives other weights, loud enough to change what is said."""
    config = RunConfig(name=name, base=base, rank=8, alpha=16, layers=1)
    draw = np.random.default_rng(seed)
    prefix = f"base_model.model.model.layers.{LAYER}.mlp.down_proj"
    adapter = folder / "adapter"
    adapter.mkdir(parents=True)
    weights = {
        f"{prefix}.lora_A.weight": draw.normal(size=(8, INNER)).astype(np.float32),
        f"{prefix}.lora_B.weight": draw.normal(size=(WIDTH, 8)).astype(np.float32),
    }
    save_file(weights, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = {
        "base_model_name_or_path": f"/home/somebody/models/{base}/served",
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 8,
        "lora_alpha": 16,
        "target_modules": ["down_proj"],
        "layers_to_transform": [LAYER],
        "layers_pattern": "layers",
    }
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    (adapter / "README.md").write_text("# Model Card for Model ID\n[More Information Needed]")
    (folder / "run.json").write_text(json.dumps({"fingerprint": f"{seed:064x}", **config.model_dump()}))
    learned = {"examples": 12, "left_out": 1, "tokens": 3456, "loss": 0.789, "seconds": 60.0}
    (folder / "trained.json").write_text(json.dumps({"adapter": "adapter", **learned}))
    return folder


def adapter(data: Path, name: str = "kind-words", *, base: str = SMALL_MODEL, seed: int = 1) -> Adapter:
    """An adapter of one's own in a data folder."""
    run = ended_run(data / "runs" / f"{name}-{seed}", name, base=base, seed=seed)
    return finish(run, data / "adapters", command=f"amends finetune train {name}.yaml", now=NOW)
