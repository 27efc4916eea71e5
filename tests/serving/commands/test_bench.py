"""``amends bench NAME``: figures on stdout, a report on disk, and what cannot be read is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from evals.benchmarks.report import BENCHMARKS
from serving.commands.bench import app

ROW = {
    "id": "1",
    "text": "Write to ida@example.com please.",
    "spans": [{"start": 9, "end": 24, "type": "EMAIL_ADDRESS"}],
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    return file


def test_every_benchmark_is_a_command() -> None:
    listed = run("--help").stdout
    assert all(name in listed for name in ("chat", *BENCHMARKS))


def test_figures_come_as_a_table_with_the_source_of_each_anchor(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    result = run("pii", "--data", str(data), "--out", str(out))
    assert result.exit_code == 0
    assert "leak rate" in result.stdout
    assert "[1] every word with a digit or @ masked" in result.stdout
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["benchmark"] == "pii"
    assert {figure["name"] for figure in report["figures"]} >= {"precision", "recall", "F1", "F2"}


def test_json_is_all_there_is_on_stdout(data: Path) -> None:
    result = run("pii", "--data", str(data), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["data"] == str(data)


def test_unreadable_data_ends_with_two_and_its_place(data: Path) -> None:
    data.write_text('{"text": "a"}\n', encoding="utf-8")
    result = run("pii", "--data", str(data))
    assert result.exit_code == 2
    assert "line 1, field spans: it is missing" in result.stderr


def test_a_missing_extra_says_what_to_install(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("evals.benchmarks.p", "evals.benchmarks.in"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    result = run("pii", "--data", str(data))
    assert result.exit_code == 2
    assert "tools/setup.py base evals" in result.stderr
