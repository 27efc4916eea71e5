"""A model of a few thousand weights in a folder as served: the real format, at no cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HIDDEN, INNER = 32, 64


def tiny_model(folder: Path, name: str, *, seed: int = 0, hidden: int = HIDDEN) -> Path:
    """Write a Llama of two layers with drawn weights, under ``<folder>/<name>/served``."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=hidden,
        intermediate_size=INNER,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    )
    served = folder / name / "served"
    network: Any = LlamaForCausalLM(config)  # type: ignore[no-untyped-call]
    network.to(torch.bfloat16).save_pretrained(served)
    (served / "tokenizer.json").write_text("{}")
    (served / "chat_template.jinja").write_text("{{ messages }}")
    (served / "manifest.json").write_text(json.dumps({"name": name}))
    return served


def tensors(folder: Path, file: str = "model.safetensors") -> dict[str, Any]:
    """All of a file's tensors."""
    from safetensors.torch import load_file

    return load_file(folder / file)
