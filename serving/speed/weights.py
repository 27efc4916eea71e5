"""Bytes of weights that are read to generate one token, by the files' own headers."""

from __future__ import annotations

import json
from pathlib import Path

EMBEDDING = "embed_tokens.weight"
"""How the table of the input tokens ends its name in the models of the catalogue."""
OUTPUT = "lm_head.weight"


def bytes_per_token(folder: Path) -> int:
    """Bytes of weights that one step of a dense model reads.

    Every weight once, but one copy only of a table that serves as output layer too. An embedding
    table with an output layer of its own is left out: a token reads one row of it. What a step reads
    besides (the keys and values of the conversation) is about a hundredth at our prompts' lengths.

    Raises:
        ValueError: The folder holds no safetensors file, or one that cannot be read.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder}: there is no safetensors file")
    sizes = {name: size for file in files for name, size in _sizes(file).items()}
    embedding = [name for name in sizes if name.endswith(EMBEDDING)]
    if not embedding:
        raise ValueError(f"{folder}: no tensor is called …{EMBEDDING}")
    total = sum(sizes.values())
    separate = any(name.endswith(OUTPUT) for name in sizes)
    return total - sum(sizes[name] for name in embedding) if separate else total


def _sizes(file: Path) -> dict[str, int]:
    """Name → bytes of each tensor. The format: https://github.com/huggingface/safetensors#format"""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length))
        return {
            name: tensor["data_offsets"][1] - tensor["data_offsets"][0]
            for name, tensor in header.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, MemoryError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: not a safetensors file ({type(error).__name__})") from None
