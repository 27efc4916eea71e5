"""A merged folder is the base plus the adapter, is whole, and is of the right base."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from finetune import merge as module
from finetune.errors import AdapterInvalid
from finetune.folders import Origin, name_of, origin_of, whole
from finetune.merge import merge
from tests.finetune.tiny import HIDDEN, tensors, tiny_model

RANK, ALPHA = 4, 8
TUNED = "model.layers.1.self_attn.o_proj.weight"
ORIGIN = Origin(name="x", made="merged", layout=1, inputs={"a": "b"}, versions={})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base"), "tiny")


def tuned(folder: Path, made_for: str = "tiny", *, hidden: int = HIDDEN, seed: int = 1) -> Path:
    """An adapter of one layer, as PEFT writes it."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(seed)
    prefix = f"base_model.model.{TUNED.removesuffix('.weight')}"
    weights = {
        f"{prefix}.lora_A.weight": torch.randn(RANK, hidden, generator=draw),
        f"{prefix}.lora_B.weight": torch.randn(hidden, RANK, generator=draw),
    }
    save_file(weights, folder / "adapter_model.safetensors")
    settings = {
        "base_model_name_or_path": made_for,
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": ALPHA,
        "target_modules": ["o_proj"],
        "layers_to_transform": [1],
        "layers_pattern": "layers",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def test_the_tuned_layer_is_the_sum_and_all_else_is_the_base(base: Path, tmp_path: Path) -> None:
    import torch

    adapter = tuned(tmp_path / "adapter")
    out = merge(base, adapter, tmp_path / "out")
    before, after = tensors(base), tensors(out)
    lora = {
        name.split(".")[-2]: weight for name, weight in tensors(adapter, "adapter_model.safetensors").items()
    }
    wanted = before[TUNED].float() + ALPHA / RANK * (lora["lora_B"] @ lora["lora_A"])
    assert after[TUNED].dtype == torch.bfloat16
    # 16 bits keep 8 of a number: half a step in the last is 1 part in 256.
    torch.testing.assert_close(after[TUNED].float(), wanted, rtol=2**-8, atol=1e-6)
    assert before.keys() == after.keys()
    assert [name for name in before if name != TUNED and not torch.equal(before[name], after[name])] == []


def test_the_folder_has_everything_the_base_has(base: Path, tmp_path: Path) -> None:
    out = merge(base, tuned(tmp_path / "adapter"), tmp_path / "good" / "served")
    assert {path.name for path in out.iterdir()} == {path.name for path in base.iterdir()}
    for name in ("config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja"):
        assert (out / name).read_bytes() == (base / name).read_bytes()
    assert name_of(out) == "good"


def test_it_is_made_again_only_when_something_changed(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    write: Any = module._write

    def counted(base: Path, adapter: Path, work: Path) -> None:
        made.append(adapter)
        write(base, adapter, work)

    monkeypatch.setattr(module, "_write", counted)
    first, out = tuned(tmp_path / "one"), tmp_path / "out"
    merge(base, first, out)
    merge(base, first, out)
    assert made == [first]
    merge(base, second := tuned(tmp_path / "two", seed=2), out)
    assert made == [first, second]
    monkeypatch.setattr(module, "LAYOUT", module.LAYOUT + 1)
    merge(base, second, out)
    assert made == [first, second, second]


@pytest.mark.parametrize("made_for", ["tiny", "/home/somebody/models/tiny/served", "models/tiny"])
def test_the_base_is_known_by_name_wherever_it_lay(base: Path, tmp_path: Path, made_for: str) -> None:
    merge(base, tuned(tmp_path / "adapter", made_for), tmp_path / "out")


@pytest.mark.parametrize("made_for", ["small", "/models/small/served", "/models/tiny/other", ""])
def test_an_adapter_for_another_base_is_refused(base: Path, tmp_path: Path, made_for: str) -> None:
    with pytest.raises(AdapterInvalid, match="not for tiny"):
        merge(base, tuned(tmp_path / "adapter", made_for), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_shape_is_refused_and_leaves_what_stood(base: Path, tmp_path: Path) -> None:
    out = merge(base, tuned(tmp_path / "good"), tmp_path / "out")
    before = origin_of(out)
    with pytest.raises(AdapterInvalid, match="does not fit tiny"):
        merge(base, tuned(tmp_path / "wide", hidden=2 * HIDDEN), out)
    assert origin_of(out) == before is not None
    assert not (tmp_path / ".out.work").exists()


def test_a_folder_that_is_no_adapter_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterInvalid, match=r"adapter_config\.json and no adapter_model\.safetensors"):
        merge(base, tmp_path, tmp_path / "out")


def test_a_maker_that_died_leaves_nothing_half_made(tmp_path: Path) -> None:
    out = tmp_path / "out"
    if (child := os.fork()) == 0:
        with whole(out, ORIGIN) as work:
            (work / "model").write_text("half")  # type: ignore[operator]
            os._exit(9)
    os.waitpid(child, 0)
    assert not out.exists()
    with whole(out, ORIGIN) as work:
        assert work is not None
        assert list(work.iterdir()) == []
        (work / "model").write_text("whole")
    assert (out / "model").read_text() == "whole"
    with whole(out, ORIGIN) as work:
        assert work is None
