"""``amends finetune list``, ``promote``, ``rollback`` as an operator calls them, over the real gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent import prompts
from evals.metrics import METRICS
from finetune.adapters import read_adapter
from serving.commands.eval import app as eval_app
from serving.commands.finetune import app
from serving.models.adapters import chosen, served_adapter
from serving.settings import load
from tests.evals import runs
from tests.finetune.parts import adapter, ended_run
from tests.servers import SMALL_MODEL

Gate = Callable[[str, str], Path]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMENDS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AMENDS_MODEL__NAME", SMALL_MODEL)
    return tmp_path / "data"


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Holds a made-up run of one adapter against one of another, by the real gate, which passes."""

    def run(name: str, tag: str) -> str:
        share = {name for name, metric in METRICS.items() if metric.kind == "share"}
        made = runs.run(
            runs.pairs(65),
            dict.fromkeys(share, runs.passes()),
            name=name,
            folder=tmp_path / name,
            model=SMALL_MODEL,
            adapter=tag,
            prompt=prompts.VERSION,
        )
        runs.write(made)
        return str(made.folder)

    def held(base: str, candidate: str) -> Path:
        done = CliRunner().invoke(eval_app, ["gate", run("old", base), run("new", candidate), "--json"])
        assert done.exit_code == 0, done.output
        path = tmp_path / "gate.json"
        path.write_text(done.stdout)
        return path

    return held


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def listed() -> dict[str, tuple[bool, bool]]:
    """Tag → promoted, served."""
    done = call("list", "--json")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["tag"]: (row["promoted"], row["served"]) for row in rows if row["origin"] == "own"}


def test_an_adapter_goes_in_by_the_gate_and_out_by_one_command(data: Path, gate: Gate) -> None:
    first, second = adapter(data, "first", seed=1), adapter(data, "second", seed=2)
    assert listed() == {first.tag: (False, False), second.tag: (False, False)}

    done = call("promote", "first", "--gate", gate("", first.tag))
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    assert f"{first.tag} is promoted; before it: no adapter" in done.stdout
    assert "takes over" in done.stdout
    done = call("promote", "second", "--gate", gate(first.tag, second.tag))
    assert done.exit_code == 0, done.output
    assert listed() == {first.tag: (False, False), second.tag: (True, True)}
    assert served_adapter(load()) == second.tag

    done = call("rollback")
    assert (done.exit_code, done.stdout.splitlines()[:2]) == (
        0,
        [f"{second.tag} is withdrawn", f"from now on: {first.tag}"],
    )
    assert listed() == {first.tag: (True, True), second.tag: (False, False)}
    assert call("rollback").exit_code == 0
    assert chosen(load()) is None
    done = call("rollback")
    assert done.exit_code == 1
    assert "nothing to go back to" in " ".join(done.stderr.split())


def test_a_gate_against_something_else_than_what_is_served_is_refused(data: Path, gate: Gate) -> None:
    first, second = adapter(data, "first", seed=1), adapter(data, "second", seed=2)
    assert call("promote", "first", "--gate", gate("", first.tag)).exit_code == 0
    done = call("promote", "second", "--gate", gate("", second.tag))
    assert done.exit_code == 1
    said = " ".join(done.stderr.split())
    assert f"what is served now is {SMALL_MODEL} with {first.tag}" in said
    assert "amends eval run --adapter first" in said
    assert served_adapter(load()) == first.tag


def test_an_adapter_that_is_not_here_is_refused(data: Path, gate: Gate) -> None:
    done = call("promote", "none-such", "--gate", gate("", "none-such@01234567"))
    assert done.exit_code == 1
    assert "amends finetune list" in done.stderr


def test_what_the_settings_name_counts_more(data: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = adapter(data, "first", seed=1), adapter(data, "second", seed=2)
    done = call("promote", "first", "--gate", gate("", first.tag))
    monkeypatch.setenv("AMENDS_MODEL__ADAPTER", "second")
    assert served_adapter(load()) == second.tag
    monkeypatch.setenv("AMENDS_MODEL__ADAPTER", "none")
    assert served_adapter(load()) == ""
    assert listed()[first.tag] == (True, False)
    done = call("rollback")
    assert "AMENDS_MODEL__ADAPTER" in done.stdout
    monkeypatch.setenv("AMENDS_MODEL__URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("AMENDS_MODEL__ADAPTER", "theirs")
    assert served_adapter(load()) == "theirs"


def test_an_adapter_of_another_base_is_neither_promoted_for_this_one_nor_named(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter(data, "other", base="another")
    monkeypatch.setenv("AMENDS_MODEL__ADAPTER", "other")
    done = call("list")
    assert done.exit_code == 1
    assert f"other is for another, not for {SMALL_MODEL}" in " ".join(done.stderr.split())


def test_a_damaged_adapter_is_listed_with_what_is_wrong(data: Path) -> None:
    made = adapter(data, "first")
    (made.folder / "adapter_model.safetensors").write_bytes(b"cut off")
    (row,) = [json.loads(line) for line in call("list", "--json").stdout.splitlines() if "first" in line]
    assert "damaged" in row["problem"]
    assert "served:" in call("list").stdout


def test_a_promoted_adapter_that_was_replaced_is_not_served(data: Path, gate: Gate) -> None:
    first = adapter(data, "first", seed=1)
    assert call("promote", "first", "--gate", gate("", first.tag)).exit_code == 0
    for path in first.folder.iterdir():
        path.unlink()
    first.folder.rmdir()
    adapter(data, "first", seed=2)
    done = call("list")
    assert done.exit_code == 1
    assert f"there is no adapter {first.tag}" in " ".join(done.stderr.split())


def test_a_run_that_ended_becomes_an_adapter_without_training_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finetune.example import Example, Message, write
    from finetune.run_config import RunConfig
    from finetune.train import fingerprint

    said = (Message(role="system", content=prompts.SYSTEM["en"]), Message(role="user", content="hello"))
    example = Example(
        id="e", family="f", task="answer", origin="shop", language="en", messages=said, target="t", said="s"
    )
    folder = data / "finetune"
    run = ended_run(folder / "runs" / "first", "first")
    kept = json.loads((run / "run.json").read_text())
    kept.pop("fingerprint")
    config = RunConfig.model_validate(kept)
    (run / "run.json").write_text(json.dumps({"fingerprint": fingerprint(config, [example]), **kept}))
    (folder / "dataset").mkdir()
    write(folder / "dataset" / "train.jsonl", [example])
    (tmp_path / "first.yaml").write_text(json.dumps(kept))
    done = call("train", tmp_path / "first.yaml")
    assert done.exit_code == 0, done.output
    made = read_adapter(data / "adapters" / "first")
    assert done.stdout.strip() == str(made.folder)
    assert made.about.command.startswith("amends finetune train ")

    (run / "trained.json").unlink()  # as if it had to be trained: the name is taken by then
    done = call("train", tmp_path / "first.yaml")
    assert done.exit_code == 1
    assert "give this run another name" in " ".join(done.stderr.split())
