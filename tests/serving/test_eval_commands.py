"""``amends eval``: the whole loop from a suite to a verdict, as somebody types it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from evals.records import Attempt, Run, read_lines, read_run
from evals.scenario import read_scenarios
from serving.commands.eval import app
from tests.evals import runs
from tests.servers import SMALL_MODEL

SUITE = """
id: where.en
pair: where
about: Where a parcel is.
area: orders
language: en
shopper: {customer: C-10001, goal: "-", script: [{say: "Where is my order FW-100002?"}]}
expect: {told: [["17 June"]]}
---
id: where.zh
pair: where
about: 包裹到哪了。
area: orders
language: zh
shopper: {customer: C-10004, goal: "-", script: [{say: "FW-100032 什么时候到？"}]}
expect: {told: [["6月24日"]]}
---
id: days.en
about: How long something can go back, and a cancelled order.
area: returns
language: en
shopper:
  customer: C-10001
  goal: "-"
  script:
    - say: "How many days do I have to return an item?"
    - say: "Please cancel order FW-100001"
    - press: confirm
expect:
  told: [["30 days"]]
  changes: [{kind: cancel, order: FW-100001, arguments: {reason: ""}}]
"""
IDS = ("where.en", "where.zh", "days.en")


@dataclass(frozen=True)
class Desk:
    """A place to work: a data folder with an index, a suite, and a run of it."""

    folder: Path
    environ: Mapping[str, str]
    ran: Result

    @property
    def suite(self) -> str:
        return str(self.folder / "suite.yaml")

    @property
    def run(self) -> str:
        return str(self.folder / "run")

    def __call__(self, *arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(app, arguments, env={**self.environ, **environ})


def place(folder: Path, demo_index: Path) -> Desk:
    """A data folder whose index needs no embedding, and a small suite."""
    shutil.copytree(demo_index, folder / "data" / "evals")
    (folder / "suite.yaml").write_text(SUITE, encoding="utf-8")
    return Desk(
        folder,
        {"AMENDS_DATA": str(folder / "data"), "COLUMNS": "160"},
        Result(CliRunner(), b"", b"", b"", None, 0, None),
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, demo_index: Path) -> Desk:
    made = place(tmp_path_factory.mktemp("eval"), demo_index)
    ran = made("run", made.suite, "--model", "extractive", "--out", made.run, "--name", "base")
    return Desk(made.folder, made.environ, ran)


class TestCheck:
    def test_a_suite_that_can_be_used(self, desk: Desk) -> None:
        result = desk("check", desk.suite)
        assert result.exit_code == 0, result.output
        assert "3 scenarios can be used" in result.stdout

    def test_a_reference_that_the_shop_refuses_is_named(self, desk: Desk, tmp_path: Path) -> None:
        broken = tmp_path / "broken.yaml"
        broken.write_text(SUITE.replace("cancel, order: FW-100001", "cancel, order: FW-100003"))
        result = desk("check", str(broken))
        assert result.exit_code == 2
        assert "days.en" in result.stderr
        assert "FW-100003" in result.stderr

    @pytest.mark.parametrize(
        ("text", "says"),
        [("id: x\narea: orders\n", "x: about"), (SUITE + "---\n" + SUITE, "where.en is used twice")],
    )
    def test_a_file_that_is_no_suite_is_named_with_the_field(
        self, desk: Desk, tmp_path: Path, text: str, says: str
    ) -> None:
        broken = tmp_path / "broken.yaml"
        broken.write_text(text, encoding="utf-8")
        result = desk("check", str(broken))
        assert result.exit_code == 2
        assert "broken.yaml" in result.stderr
        assert says in result.stderr

    def test_a_missing_file_and_a_slice_nobody_is_in(self, desk: Desk) -> None:
        missing = desk("check", str(desk.folder / "none.yaml"))
        assert (missing.exit_code, "no such file" in missing.stderr) == (2, True)
        nobody = desk("run", desk.suite, "--only", "area:weather", "--out", str(desk.folder / "never"))
        assert (nobody.exit_code, "area:weather" in nobody.stderr) == (2, True)
        assert not (desk.folder / "never").exists()


class TestRun:
    def test_it_prints_figures_and_leaves_a_folder(self, desk: Desk) -> None:
        assert desk.ran.exit_code == 0, desk.ran.output
        assert re.search(r"resolved\W+1\.000", desk.ran.stdout)
        assert "3 of 3 conversations held" in desk.ran.stdout
        assert f"amends eval report {desk.run}" in desk.ran.stdout
        made = read_run(Path(desk.run))
        assert (made.manifest.name, made.manifest.model) == ("base", "extractive")
        assert sorted(one.scenario for one in made.attempts) == sorted(IDS)
        assert {path.name for path in Path(desk.run).iterdir()} >= {
            "run.json",
            "scenarios.jsonl",
            "attempts.jsonl",
            "scores.jsonl",
            "log.db",
        }

    def test_a_folder_that_holds_a_run_is_not_written_over(self, desk: Desk) -> None:
        before = (Path(desk.run) / "attempts.jsonl").read_bytes()
        result = desk("run", desk.suite, "--model", "extractive", "--out", desk.run)
        assert result.exit_code == 2
        assert "--resume" in result.stderr
        assert (Path(desk.run) / "attempts.jsonl").read_bytes() == before

    def test_another_model_can_not_take_up_a_run(self, desk: Desk) -> None:
        result = desk(
            "run", desk.suite, "--model", "extractive", "--seed", "2", "--out", desk.run, "--resume"
        )
        assert result.exit_code == 2
        assert "another seed" in result.stderr

    def test_a_model_that_is_not_there_holds_nothing_and_says_so(self, desk: Desk, tmp_path: Path) -> None:
        out = tmp_path / "run"
        result = desk(
            "run", desk.suite, "--model", "x", "--model-url", "http://127.0.0.1:9/v1", "--out", str(out)
        )
        assert result.exit_code == 1
        assert "amends eval:" in result.stderr
        assert not out.exists()

    def test_a_killed_run_is_finished_with_every_conversation_once(self, desk: Desk, tmp_path: Path) -> None:
        attempts = tmp_path / "run" / "attempts.jsonl"
        arguments = (
            *("run", desk.suite, "--only", "where", "--model", "extractive", "--parallel", "1"),
            *("--repeat", "6", "--out", str(tmp_path / "run")),
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", "eval", *arguments],
            env={**os.environ, **desk.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await_(lambda: attempts.exists() and attempts.read_bytes().count(b"\n") >= 2)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        before = list(read_lines(attempts, Attempt))
        assert 2 <= len(before) < 12
        result = desk(*arguments, "--resume")
        assert result.exit_code == 0, result.output
        assert "12 of 12 conversations held" in result.stdout
        after = read_run(tmp_path / "run")
        assert sorted((one.scenario, one.repeat) for one in after.attempts) == [
            (name, repeat) for name in ("where.en", "where.zh") for repeat in range(1, 7)
        ]
        assert after.attempts[: len(before)] == tuple(before)


def await_(done: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


class TestJudging:
    def test_scores_can_be_made_again(self, desk: Desk) -> None:
        scores = Path(desk.run) / "scores.jsonl"
        before = scores.read_text(encoding="utf-8")
        scores.write_text("", encoding="utf-8")
        result = desk("score", desk.run)
        assert result.exit_code == 0, result.output
        assert scores.read_text(encoding="utf-8") == before

    def test_figures_as_json(self, desk: Desk) -> None:
        result = desk("show", desk.run, "--json")
        assert result.exit_code == 0
        shown = json.loads(result.stdout)
        found = {(cell["metric"], cell["slice"]): cell["value"] for cell in shown["cells"]}
        assert found["resolved", "all"] == 1
        assert found["told", "language:zh"] == 1
        assert shown["mishaps"]["held"] == 3

    def test_two_runs_are_compared(self, tmp_path: Path, desk: Desk) -> None:
        base, worse = stored(tmp_path, "base"), stored(tmp_path, "worse", 0, 1, 2, 3)
        result = desk("compare", base, worse, "--json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        (row,) = [one for one in found["differences"] if (one["metric"], one["slice"]) == ("resolved", "all")]
        assert row["difference"] == pytest.approx(-4 / 130)
        flipped = {one["scenario"] for one in found["flips"] if one["metric"] == "resolved"}
        assert flipped == {"s000.en", "s000.zh", "s001.en", "s001.zh"}
        table = desk("compare", base, worse).stdout
        assert "now fails s000.en" in table
        assert "resolved" in table

    def test_the_gates_exit_code_is_its_verdict(self, tmp_path: Path, desk: Desk) -> None:
        base = stored(tmp_path, "base")
        equal = desk("gate", base, stored(tmp_path, "equal"))
        assert (equal.exit_code, equal.stdout.splitlines()[-1]) == (0, "PASSED: equal against base")
        worse = desk("gate", base, stored(tmp_path, "worse", *range(40)))
        assert (worse.exit_code, worse.stdout.splitlines()[-1]) == (1, "BLOCKED: worse against base")
        assert "resolved" in worse.stdout
        few = [
            stored(tmp_path, name, *misses, scenarios=4) for name, misses in (("few", ()), ("fewer", (1, 4)))
        ]
        unsure = desk("gate", *few, "--json")
        assert unsure.exit_code == 3
        assert json.loads(unsure.stdout)["level"] == "unsure"

    def test_the_report_is_one_file_that_needs_no_other(self, desk: Desk, tmp_path: Path) -> None:
        out = tmp_path / "report.html"
        result = desk("report", desk.run, "--against", desk.run, "--out", str(out))
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == str(out)
        page = out.read_text(encoding="utf-8")
        assert "Where is my order FW-100002?" in page
        assert not re.search(
            r"""(?:src|href|action)\s*=\s*["']?\s*(?:https?:)?//|@import|url\(\s*["']?http""", page
        )

    @pytest.mark.parametrize("command", ["score", "show", "report", "compare", "gate", "replay", "import"])
    def test_a_folder_that_is_no_run_is_named(self, desk: Desk, tmp_path: Path, command: str) -> None:
        none = str(tmp_path / "none")
        arguments: Mapping[str, Sequence[str]] = {
            "compare": (none, desk.run),
            "gate": (desk.run, none),
            "replay": ("where.en", "--run", none),
            "import": ("where.en", "--run", none, "--out", str(tmp_path / "made.yaml")),
        }
        result = desk(command, *arguments.get(command, (none,)))
        assert result.exit_code == 2
        assert none in result.stderr
        assert "Traceback" not in result.output
        assert not (tmp_path / "made.yaml").exists()


def stored(folder: Path, name: str, *misses: int, scenarios: int = 65) -> str:
    """A made-up run on disk in which ``resolved`` misses in these scenarios, by place."""
    metrics = dict.fromkeys(("scope", "confirmed_writes", "language", "told", "nothing_false"), runs.passes())
    made: Run = runs.run(
        runs.pairs(scenarios),
        {**metrics, "resolved": runs.passes(*misses)},
        name=name,
        folder=folder / name,
    )
    runs.write(made)
    return str(made.folder)


class TestRecorded:
    def test_on_the_same_version_nothing_differs(self, desk: Desk, tmp_path: Path) -> None:
        result = desk(
            *("replay", "days.en", "--run", desk.run, "--model", "extractive"),
            *("--out", str(tmp_path / "again")),
        )
        assert result.exit_code == 0, result.output
        assert "0 moments with other actions, 0 with other facts" in result.stdout
        assert "did cancel of FW-100001" in result.stdout

    def test_a_version_that_does_something_else_ends_with_four(self, desk: Desk, tmp_path: Path) -> None:
        result = desk(
            *("replay", "days.en", "--run", desk.run, "--model", "extractive", "--json"),
            *("--out", str(tmp_path / "again")),
            AMENDS_RETRIEVAL__ANSWERABLE="1",
        )
        assert result.exit_code == 4, result.output
        found = json.loads(result.stdout)
        assert found["acts"] is True
        first, *rest = found["differences"]
        assert "said that it does not know" in first["now"]["did"]
        assert first["then"]["did"] == []
        assert all(one["then"]["did"] == one["now"]["did"] for one in rest)

    def test_a_policy_of_another_figure_changes_what_is_told(self, desk: Desk, tmp_path: Path) -> None:
        policy = tmp_path / "returns.md"
        policy.write_text("# Returns\n\n## How long\n\nYou can return an item within 45 days.\n")
        result = desk(
            *("replay", "days.en", "--run", desk.run, "--model", "extractive", "--json"),
            *("--policy", str(policy), "--out", str(tmp_path / "again")),
        )
        assert result.exit_code == 0, result.output
        first, *_ = json.loads(result.stdout)["differences"]
        assert "45 days" in first["now"]["figures"]
        assert "45 days" not in first["then"]["figures"]

    def test_a_conversation_becomes_a_scenario_that_can_be_checked(self, desk: Desk, tmp_path: Path) -> None:
        file = tmp_path / "recorded.yaml"
        for name in ("days.en", "where.zh"):
            result = desk("import", name, "--run", desk.run, "--out", str(file))
            assert result.exit_code == 0, result.output
            assert "draft" in result.stdout
        made = {one.language: one for one in read_scenarios([file])}
        assert [change.order for change in made["en"].expect.changes] == ["FW-100001"]
        assert made["zh"].expect.changes == ()
        twice = desk("import", "days.en", "--run", desk.run, "--out", str(file))
        assert twice.exit_code == 2
        assert "already" in twice.stderr
        assert len(list(yaml.safe_load_all(file.read_text(encoding="utf-8")))) == 2

    def test_what_is_not_there_is_said_with_what_to_do(self, desk: Desk, tmp_path: Path) -> None:
        unknown = desk("replay", "nobody.en", "--run", desk.run)
        assert (unknown.exit_code, "attempts.jsonl" in unknown.stderr) == (2, True)
        no_log = desk("import", "conv_1", "--out", str(tmp_path / "made.yaml"))
        assert (no_log.exit_code, "--run" in no_log.stderr) == (2, True)
        assert not (tmp_path / "made.yaml").exists()
        assert not (desk.folder / "data" / "log.db").exists()
        no_policy = desk("replay", "days.en", "--run", desk.run, "--policy", str(tmp_path / "none.md"))
        assert (no_policy.exit_code, "none.md" in no_policy.stderr) == (2, True)


@pytest.mark.model
def test_a_real_model_is_run_and_named(vllm_url: str, desk: Desk, tmp_path: Path) -> None:
    suite = tmp_path / "documents.yaml"
    questions = {"en": "How many days do I have to return an item?", "zh": "退货需要在多少天之内？"}
    suite.write_text(
        "---\n".join(
            yaml.safe_dump(
                {
                    "id": f"days.{language}",
                    "about": "-",
                    "area": "returns",
                    "language": language,
                    "shopper": {"goal": "-", "script": [{"say": words}]},
                    "expect": {},
                }
            )
            for language, words in questions.items()
        )
    )
    out = tmp_path / "run"
    result = desk(
        *("run", str(suite), "--model", SMALL_MODEL, "--model-url", vllm_url, "--out", str(out)),
    )
    assert result.exit_code == 0, result.output
    made = read_run(out)
    assert made.manifest.model == SMALL_MODEL
    assert [one.outcome for one in made.attempts] == ["held", "held"]
    report = desk("report", str(out))
    assert report.exit_code == 0
    assert SMALL_MODEL in (out / "report.html").read_text(encoding="utf-8")
    waits = {
        (score.scenario, score.metric): score.value
        for score in made.scores
        if score.metric in {"first_token", "answer"}
    }
    assert len(waits) == 4
    for name in ("days.en", "days.zh"):
        assert 0 < waits[name, "first_token"] <= waits[name, "answer"]
