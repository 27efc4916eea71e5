"""Turn a model's GGUF file into the folder of safetensors, tokenizer and template vLLM loads."""

from __future__ import annotations

import logging
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.models.apart import apart
from serving.models.catalogue import CatalogueModel
from serving.models.errors import ConvertError
from serving.models.folders import ModelFolder, digest_of, full_disk_named, require_space

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
CONVERTERS = ("transformers", "torch", "gguf", "safetensors")
LAYOUT = 1
"""Raised when this module writes something else for the same input."""
BYTES_PER_PARAMETER = {"bfloat16": 2, "float16": 2, "float32": 4}


class Manifest(BaseModel):
    """What a converted folder was made from. A folder is made again when any of it changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source_sha256: str
    dtype: str
    end_tokens: tuple[str, ...]
    chat_template: str
    layout: int
    converters: dict[str, str]


def manifest_for(model: CatalogueModel) -> Manifest:
    """The manifest a conversion here and now would write; raises ``ConvertError`` when the
    libraries for it are not installed."""
    try:
        converters = {name: version(name) for name in CONVERTERS}
    except PackageNotFoundError as error:
        raise ConvertError(
            f"{error.name} is not installed; a machine that runs the model needs requirements/serve.txt"
        ) from None
    return Manifest(
        name=model.name,
        source_sha256=model.file.sha256,
        dtype=model.dtype,
        end_tokens=model.end_tokens,
        chat_template=model.chat_template,
        layout=LAYOUT,
        converters=converters,
    )


def read_manifest(served: Path) -> Manifest | None:
    """The manifest of a converted folder; ``None`` when there is none that can be read."""
    try:
        return Manifest.model_validate_json((served / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def converted(model: CatalogueModel, models: Path) -> Path | None:
    """The converted folder when it is there and made from the same things, else ``None``."""
    served = ModelFolder(models, model.name).served
    return served if read_manifest(served) == manifest_for(model) else None


def convert(model: CatalogueModel, models: Path) -> Path:
    """Return the converted folder, making it from the fetched file when it is missing or old.

    The work happens in a process of its own, so that torch does not stay in this one.

    Raises:
        ConvertError: The file is missing or cannot be read, or the process died.
        NotEnoughDisk: The folder would not fit.
    """
    if done := converted(model, models):
        return done
    folder = ModelFolder(models, model.name)
    with folder.work() as work:
        if done := converted(model, models):
            return done
        manifest = manifest_for(model)
        if not folder.file.exists():
            raise ConvertError(
                f"{model.name} is not here yet; fetch it first (amends model fetch {model.name})"
            )
        if digest_of(folder.file) != model.file.sha256:
            raise ConvertError(f"{folder.file} is damaged; run amends model fetch {model.name}")
        # A 4-bit file grows about fourfold at 2 bytes a weight.
        needed = model.file.bytes * 2 * BYTES_PER_PARAMETER[model.dtype]
        require_space(folder.root, needed)
        made = work / "served"
        with full_disk_named(folder.root, needed):
            apart(
                model.name, write_folder,
                folder.file, made, model.dtype, model.end_tokens, model.chat_template,
            )  # fmt: skip
            (made / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
            if folder.served.exists():
                folder.served.replace(work / "old")
            made.replace(folder.served)
    return folder.served


def write_folder(file: Path, made: Path, dtype: str, end_tokens: tuple[str, ...], chat_template: str) -> None:
    """Unpack a GGUF file's weights to ``dtype`` and save them with tokenizer and template.

    Raises ``ValueError`` when an end token or the template is missing, and whatever
    transformers raises for a file it cannot read.
    """
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error")
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    if chat_template:
        tokenizer.chat_template = chat_template
    if not tokenizer.chat_template:
        raise ValueError("the file carries no chat template and the catalogue gives none")
    vocabulary = tokenizer.get_vocab()
    if missing := [token for token in end_tokens if token not in vocabulary]:
        raise ValueError(f"the tokenizer does not know {missing}")
    ends = [vocabulary[token] for token in end_tokens]

    network: Any = transformers.AutoModelForCausalLM.from_pretrained(
        str(file.parent),
        gguf_file=file.name,
        dtype=getattr(torch, dtype),
        quantization_config=transformers.GgufConfig(dequantize=True),
    )
    # The weights are dense now, but the model still calls itself quantized and refuses to be saved.
    network.hf_quantizer = None
    if hasattr(network.config, "quantization_config"):
        del network.config.quantization_config
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[-1]
    network.config.eos_token_id = ends[0]
    network.config.pad_token_id = padding
    network.generation_config = transformers.GenerationConfig.from_dict(
        {
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": ends,
            "pad_token_id": padding,
            "do_sample": False,
        }
    )
    network.save_pretrained(str(made))
    tokenizer.eos_token = end_tokens[0]
    tokenizer.clean_up_tokenization_spaces = False
    tokenizer.save_pretrained(str(made))
