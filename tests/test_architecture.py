"""The tree keeps its promises: imports, exports, generated pages, declared dependencies."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("agent", "retrieval", "retention", "serving", "finetune", "evals")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_resolves_to_this_repository(package: str) -> None:
    """Generic top-level names could be shadowed by an installed distribution."""
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)


def test_generated_pages_are_what_the_code_says() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        make_docs = importlib.import_module("make_docs")
    finally:
        sys.path.remove(str(ROOT / "tools"))
    events = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    operating = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert events == make_docs.events_page(), "run: python tools/make_docs.py"
    assert operating == make_docs.with_settings(operating), "run: python tools/make_docs.py"


def test_every_dependency_says_why_it_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    declared = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        declared += extra
    names = {item.split(">")[0].split("=")[0].split("[")[0].strip() for item in declared}
    assert len(names) > 30
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_lock_covers_what_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = (ROOT / "requirements" / "base.txt").read_text()
    missing = []
    for item in project["dependencies"]:
        name = item.split(">")[0].split("=")[0].split("[")[0].strip().lower()
        if f"\n{name}==" not in base:
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("module", ["agent.graph", "agent.turns", "retrieval.retriever", "serving.cli"])
def test_importing_opens_nothing_and_starts_nothing(module: str) -> None:
    """No client, thread, socket or settings at import."""
    program = (
        "import sys, threading, socket\n"
        "opened = []\n"
        "sys.addaudithook(lambda name, args: opened.append(name) if name in"
        " ('socket.connect', 'subprocess.Popen') else None)\n"
        f"import {module}\n"
        "print(opened, threading.active_count())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[] 1")


def test_an_api_machine_needs_neither_torch_nor_vllm() -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'vllm', 'transformers', 'trl', 'peft'): sys.modules[name] = None\n"
        "import serving.wiring, serving.commands.up\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
