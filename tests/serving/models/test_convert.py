"""Conversion. The real one, of the small model, is made once for all tests by ``tests.servers``."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from serving.models import convert as converting
from serving.models.catalogue import load
from serving.models.convert import MANIFEST, convert, converted, manifest_for, read_manifest
from serving.models.errors import ConvertError, NotEnoughDisk
from serving.models.folders import ModelFolder
from tests.servers import SMALL_MODEL, small_model_folder
from tests.serving.models.small import WHOLE, entry, sha

# The faults below run in the converting process, which imports them from here.


def write_little(file: Path, made: Path, dtype: str, ends: tuple[str, ...], template: str) -> None:
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"dtype": dtype, "ends": ends, "pid": os.getpid()}))


def killed(file: Path, made: Path, *_: object) -> None:
    made.mkdir()
    os.kill(os.getpid(), signal.SIGKILL)


def disk_full(file: Path, made: Path, *_: object) -> None:
    made.mkdir()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def disk_full_in_the_writer(file: Path, made: Path, *_: object) -> None:
    raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    folder = ModelFolder(tmp_path / "models", "tiny")
    folder.root.mkdir(parents=True)
    folder.file.write_bytes(WHOLE)
    return folder


def left(folder: ModelFolder) -> set[str]:
    return {path.name for path in folder.root.iterdir()} - {".lock"}


def test_a_folder_appears_whole_with_its_manifest(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "write_folder", write_little)
    assert converted(entry(), folder.models) is None
    served = convert(entry(), folder.models)
    assert served == folder.served == converted(entry(), folder.models)
    assert json.loads((served / "config.json").read_text())["pid"] != os.getpid()
    manifest = read_manifest(served)
    assert manifest == manifest_for(entry())
    assert manifest is not None
    assert manifest.source_sha256 == sha(WHOLE)
    assert set(manifest.converters) == {"transformers", "torch", "gguf", "safetensors"}
    assert left(folder) == {"model.gguf", "served"}


def test_a_folder_made_from_the_same_things_is_not_made_again(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "write_folder", write_little)
    made = (convert(entry(), folder.models) / "config.json").read_text()
    folder.file.unlink()
    assert (convert(entry(), folder.models) / "config.json").read_text() == made


def test_a_folder_made_by_another_version_is_made_again(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "write_folder", write_little)
    served = convert(entry(), folder.models)
    old = json.loads((served / MANIFEST).read_text())
    old["converters"]["transformers"] = "4.0"
    (served / MANIFEST).write_text(json.dumps(old))
    assert converted(entry(), folder.models) is None
    convert(entry(), folder.models)
    assert read_manifest(served) == manifest_for(entry())
    assert left(folder) == {"model.gguf", "served"}


def test_a_folder_with_a_damaged_manifest_does_not_count(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "write_folder", write_little)
    (convert(entry(), folder.models) / MANIFEST).write_text("{")
    assert converted(entry(), folder.models) is None


def test_a_killed_process_is_named_and_nothing_stays(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "write_folder", killed)
    with pytest.raises(ConvertError, match="memory"):
        convert(entry(), folder.models)
    assert left(folder) == {"model.gguf"}


@pytest.mark.parametrize("fault", [disk_full, disk_full_in_the_writer])
def test_a_disk_that_fills_up_is_named_and_nothing_stays(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch, fault: object
) -> None:
    monkeypatch.setattr(converting, "write_folder", fault)
    with pytest.raises(NotEnoughDisk):
        convert(entry(), folder.models)
    assert left(folder) == {"model.gguf"}


@pytest.mark.model
def test_a_file_that_is_no_model_is_named_and_nothing_stays(folder: ModelFolder) -> None:
    with pytest.raises(ConvertError, match="tiny"):
        convert(entry(), folder.models)
    assert left(folder) == {"model.gguf"}


def test_a_missing_or_damaged_file_says_to_fetch_it(folder: ModelFolder) -> None:
    folder.file.write_bytes(b"other")
    with pytest.raises(ConvertError, match="amends model fetch tiny"):
        convert(entry(), folder.models)
    folder.file.unlink()
    with pytest.raises(ConvertError, match="amends model fetch tiny"):
        convert(entry(), folder.models)


@pytest.mark.model
def test_the_converted_small_model_is_dense_and_knows_its_template_and_its_end() -> None:
    served = small_model_folder()
    config = json.loads((served / "config.json").read_text())
    assert config["dtype"] == "bfloat16"
    assert "quantization_config" not in config
    generation = json.loads((served / "generation_config.json").read_text())
    tokenizer = json.loads((served / "tokenizer.json").read_text())
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    assert generation["eos_token_id"] == [ids[token] for token in load().get(SMALL_MODEL).end_tokens]
    assert generation["do_sample"] is False
    assert "<|im_start|>" in (served / "chat_template.jinja").read_text()
    assert sum(path.stat().st_size for path in served.glob("*.safetensors")) > 2 * 134_000_000
