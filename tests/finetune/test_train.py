"""Training goes on where it was killed and ends where it would have ended; on the smallest real model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import RunInvalid
from finetune.example import Example, Message
from finetune.run_config import RunConfig, read_config
from finetune.train import Step, train
from tests.finetune.tiny import tensors
from tests.servers import small_model_folder

RUNS = Path(__file__).resolve().parents[2] / "finetune" / "runs"


class Killed(BaseException):
    """The process ends here; nothing after it runs."""


def config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "name": "test", "base": "smollm2-135m-instruct", "rank": 4, "alpha": 8, "layers": 2, "batch": 4,
            "at_once": 2, "max_tokens": 96, "save_every": 1, "learning_rate": 1e-3, **changes,
        }
    )  # fmt: skip


def example(number: int, words: str = "It weighs 14 kg. [1]") -> Example:
    said = f"how heavy is lamp number {number}?"
    return Example(
        id=str(number), family=str(number), task="answer", origin="shop", language="en",
        messages=(Message(role="system", content="You answer."), Message(role="user", content=said)),
        target=words, said=said,
    )  # fmt: skip


EIGHT = [example(number, f"It weighs {number + 10} kg. [1]") for number in range(8)]


def killed_after_the_first_save(step: Step) -> None:
    if step.update == 2:
        raise Killed


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Step]]:
    """A run of two updates without a break; its folder, and what it told."""
    folder = tmp_path_factory.mktemp("straight")
    steps: list[Step] = []
    train(config(), small_model_folder(), EIGHT, folder, progress=steps.append)
    return folder, steps


def test_a_run_tells_how_far_it_is_and_notes_it(straight: tuple[Path, list[Step]]) -> None:
    folder, steps = straight
    assert [(step.update, step.updates) for step in steps] == [(1, 2), (2, 2)]
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in rows] == [round(step.loss, 4) for step in steps]


def test_only_the_chosen_layers_are_tuned(straight: tuple[Path, list[Step]]) -> None:
    weights = tensors(straight[0] / "adapter", "adapter_model.safetensors")
    assert {name.split(".layers.")[1].split(".")[0] for name in weights} == {"28", "29"}
    assert len(weights) == 2 * 7 * 2  # layers, projections, A and B
    assert any(weight.abs().sum() > 0 for name, weight in weights.items() if "lora_B" in name)


def test_a_run_killed_after_a_save_ends_as_if_it_had_not_been(
    straight: tuple[Path, list[Step]], tmp_path: Path
) -> None:
    import torch

    model = small_model_folder()
    with pytest.raises(Killed):
        train(config(), model, EIGHT, tmp_path, progress=killed_after_the_first_save)
    assert not (tmp_path / "adapter").exists()
    half = tmp_path / "points" / "checkpoint-9"  # killed while it was writing one
    half.mkdir()
    (half / "adapter_model.safetensors").write_bytes(b"half")
    steps: list[Step] = []
    train(config(), model, EIGHT, tmp_path, progress=steps.append)
    assert [step.update for step in steps] == [2]
    ours, theirs = (
        tensors(folder / "adapter", "adapter_model.safetensors") for folder in (tmp_path, straight[0])
    )
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name].float(), weight.float(), rtol=2**-7, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("changes", "examples"),
    [({}, EIGHT[:-1]), ({}, EIGHT[::-1]), ({"rank": 2}, EIGHT), ({"seed": 8}, EIGHT)],
    ids=["less data", "another order", "another rank", "another seed"],
)
def test_a_folder_with_another_run_is_refused(
    straight: tuple[Path, list[Step]], changes: dict[str, int], examples: Sequence[Example]
) -> None:
    with pytest.raises(RunInvalid, match="another configuration or other data"):
        train(config(**changes), small_model_folder(), examples, straight[0])


def test_what_is_too_long_is_left_out_never_cut(tmp_path: Path) -> None:
    long = [example(number, "word " * 200) for number in range(2)]
    with pytest.raises(RunInvalid, match="raise max_tokens"):
        train(config(), small_model_folder(), long, tmp_path)


@pytest.mark.parametrize("path", sorted(RUNS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_runs_that_come_along_can_be_read(path: Path) -> None:
    assert read_config(path).name == path.stem


@pytest.mark.parametrize(
    ("text", "why"),
    [("name: a\nbase: b\nrnk: 8", "Extra inputs"), ("name: a\nbase: b\nbatch: 6\nat_once: 4", "multiple"), ("a: [", "expected")],
)  # fmt: skip
def test_a_configuration_with_a_slip_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(RunInvalid, match=why):
        read_config(path)
