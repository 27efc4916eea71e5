from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from serving.models import hardware
from serving.models.hardware import Gpu, Hardware, available_memory, detect, parse_gpus

GIB = 2**30


def cgroup(folder: Path, limit: str, used: int = 0, reclaimable: int = 0) -> Path:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {reclaimable}\n")
    return folder


def test_this_machine_is_seen() -> None:
    here = detect()
    assert here.cores >= 1
    assert 0 < here.memory_bytes <= psutil.virtual_memory().total
    assert str(here.cores) in here.described()


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "CGROUP", cgroup(tmp_path, str(GIB), used=GIB // 2, reclaimable=GIB // 4))
    assert detect().memory_bytes == GIB
    assert available_memory() == GIB - GIB // 4


def test_without_a_limit_the_machines_memory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (cgroup(tmp_path, "max"), tmp_path / "missing"):
        monkeypatch.setattr(hardware, "CGROUP", folder)
        assert detect().memory_bytes == psutil.virtual_memory().total
        assert available_memory() > 0


def test_gpus_are_read_from_the_drivers_list() -> None:
    assert parse_gpus("NVIDIA H100 80GB HBM3, 81559\nNVIDIA L4, 23034\n") == (
        Gpu("NVIDIA H100 80GB HBM3", 81559 * 2**20),
        Gpu("NVIDIA L4", 23034 * 2**20),
    )
    assert parse_gpus("NVIDIA-SMI has failed because it couldn't communicate with the driver\n") == ()


@pytest.mark.parametrize(
    ("script", "found"),
    [("echo 'NVIDIA L4, 23034'", (Gpu("NVIDIA L4", 23034 * 2**20),)), ("exit 9", ()), ("sleep 60", ())],
)
def test_a_driver_that_fails_counts_as_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: tuple[Gpu, ...]
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f'#!/bin/sh\nexec sh -c "{script}"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(hardware, "NVIDIA_SECONDS", 2.0)
    assert detect().gpus == found


def test_a_gpu_is_used_only_with_an_engine_built_for_it() -> None:
    gpus = (Gpu("NVIDIA L4", 23034 * 2**20),)
    assert Hardware(8, 64 * GIB, gpus, "cuda").device == "cuda"
    with_cpu_engine = Hardware(8, 64 * GIB, gpus, "cpu")
    assert with_cpu_engine.device == "cpu"
    assert "not used" in with_cpu_engine.described()
    assert Hardware(8, 64 * GIB, (), "cuda").device == "cpu"
