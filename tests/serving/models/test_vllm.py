"""The supervisor, over an engine that fails as it is told to. The real engine is started by
``tests.servers`` and used all over the suite."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
import psutil
import pytest

from serving.models.errors import GaveUp, NotEnoughMemory, PortTaken, StartFailed
from serving.models.vllm import PROGRAM, Speculation, StartProgress, VllmOptions, VllmServer
from tests.servers import ROOT, free_port

ENGINE = Path(__file__).with_name("fake_engine.py")
OPTIONS = VllmOptions(
    program=(sys.executable, str(ENGINE)),
    start_seconds=30,
    grace_seconds=5,
    health_seconds=0.1,
    health_misses=3,
    backoff_seconds=0.01,
)


class Machine:
    """A folder that tells the engine what to do, and servers in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    def tell(self, what: str) -> None:
        (self.folder / what).touch()

    def forget(self, what: str) -> None:
        (self.folder / what).unlink()

    def server(
        self,
        options: VllmOptions = OPTIONS,
        memory: int = 2**40,
        progress: Callable[[StartProgress], None] | None = None,
    ) -> VllmServer:
        return VllmServer(
            self.folder,
            "small",
            self.port,
            log=self.folder / "vllm.log",
            options=options,
            memory=lambda: memory,
            progress=progress,
            environ={**os.environ, "FAKE_ENGINE": str(self.folder)},
        )

    def starts(self) -> list[list[int]]:
        """Process ids of the engine and its child, for each start."""
        file = self.folder / "pids"
        if not file.exists():
            return []
        return [[int(pid) for pid in line.split()] for line in file.read_text().splitlines()]

    def alive(self) -> list[int]:
        """Engines and children of any start that still run."""
        return [pid for pids in self.starts() for pid in pids if running(pid)]


def running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  it is about another process
            await asyncio.sleep(0.02)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_a_started_server_serves_and_a_stopped_one_leaves_no_process(machine: Machine) -> None:
    states: list[str] = []
    async with machine.server() as server:
        states.append(server.state)
        assert await server.healthy()
        assert len(machine.alive()) == 2
    states.append(server.state)
    assert states == ["serving", "stopped"]
    assert machine.alive() == []
    await server.stop()


async def test_a_start_reports_what_the_engine_says(machine: Machine) -> None:
    seen: list[str] = []
    machine.tell("deaf")

    def hear(progress: StartProgress) -> None:
        seen.append(progress.said)
        if seen[-1] and machine.folder.joinpath("deaf").exists():
            machine.forget("deaf")

    async with machine.server(progress=hear):
        assert any("OSError: [Errno 24]" in said for said in seen)


async def test_an_engine_that_ends_while_starting_is_named_with_its_last_words(machine: Machine) -> None:
    machine.tell("dies")
    server = machine.server()
    with pytest.raises(StartFailed, match=r"status 3[\s\S]*RuntimeError: the weights are damaged") as caught:
        await server.start()
    assert "OSError" not in str(caught.value)
    assert server.state == "failed"
    assert machine.alive() == []
    await server.stop()


@pytest.mark.parametrize("fault", ["deaf", "dumb"])
async def test_an_engine_that_never_answers_is_not_started(machine: Machine, fault: str) -> None:
    machine.tell(fault)
    with pytest.raises(StartFailed, match="not ready after 2 s"):
        await machine.server(replace(OPTIONS, start_seconds=2)).start()
    assert machine.starts()
    assert machine.alive() == []


async def test_a_start_that_is_cancelled_leaves_no_process(machine: Machine) -> None:
    machine.tell("deaf")
    starting = asyncio.create_task(machine.server().start())
    await until(lambda: bool(machine.starts()))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert machine.alive() == []


async def test_a_taken_port_is_named_before_anything_starts(machine: Machine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", machine.port))
        other.listen()
        with pytest.raises(PortTaken, match=str(machine.port)):
            await machine.server().start()
    assert machine.starts() == []


async def test_too_little_memory_is_named_before_anything_starts(machine: Machine) -> None:
    options = replace(OPTIONS, memory_gib=4.0, kv_cache_gib=1.5)
    with pytest.raises(NotEnoughMemory, match=r"needs 6\.0 GiB of memory, 5\.0 GiB are available"):
        await machine.server(options, memory=5 * 2**30).start()
    assert machine.starts() == []


async def test_an_engine_that_dies_is_restarted_and_its_children_do_not_stay(machine: Machine) -> None:
    async with machine.server() as server:
        engine, child = machine.starts()[0]
        os.kill(engine, signal.SIGKILL)
        await until(lambda: len(machine.starts()) == 2 and server.state == "serving")
        assert await server.healthy()
        assert not running(child)
        assert sorted(machine.alive()) == sorted(machine.starts()[1])
    assert machine.alive() == []


async def test_an_engine_that_hangs_is_restarted(machine: Machine) -> None:
    async with machine.server() as server:
        machine.tell("deaf")
        await until(lambda: server.state == "restarting")
        machine.forget("deaf")
        await until(lambda: server.state == "serving")
        assert len(machine.starts()) >= 2


async def test_an_engine_that_dies_too_often_is_given_up(machine: Machine) -> None:
    server = machine.server(replace(OPTIONS, restarts=2))
    await server.start()
    machine.tell("dies")
    os.kill(machine.starts()[0][0], signal.SIGKILL)
    with pytest.raises(GaveUp, match="restarted 2 times"):
        await server.wait()
    assert server.state == "failed"
    assert len(machine.starts()) == 3
    await server.stop()
    assert server.state == "failed"
    assert machine.alive() == []


async def test_an_engine_that_ignores_the_signal_is_killed_with_its_children(machine: Machine) -> None:
    machine.tell("stubborn")
    async with machine.server(replace(OPTIONS, grace_seconds=0.3)):
        assert len(machine.alive()) == 2
    assert machine.alive() == []


async def test_nothing_stays_when_the_guard_is_killed(machine: Machine) -> None:
    async with machine.server() as server:
        engine = psutil.Process(machine.starts()[0][0])
        engine.parent().kill()
        await until(lambda: len(machine.starts()) == 2 and server.state == "serving")
        assert not running(engine.pid)


def test_nothing_stays_when_the_parent_is_killed(machine: Machine) -> None:
    program = f"""
        import asyncio
        from pathlib import Path
        from serving.models.vllm import VllmOptions, VllmServer

        async def main():
            options = VllmOptions(program={OPTIONS.program!r}, grace_seconds=5)
            folder = Path({str(machine.folder)!r})
            server = VllmServer(folder, "small", {machine.port}, log=folder / "log", options=options)
            await server.start()
            print("serving", flush=True)
            await server.wait()

        asyncio.run(main())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        env={**os.environ, "FAKE_ENGINE": str(machine.folder)},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"serving\n"
    assert len(machine.alive()) == 2
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while machine.alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert machine.alive() == []
    parent.stdout.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{machine.port}/health", trust_env=False)


def test_the_command_line_carries_the_options(tmp_path: Path) -> None:
    options = VllmOptions(max_model_len=2048, max_num_seqs=3, compiled=True, cache=tmp_path / "cache")
    server = VllmServer(tmp_path, "small", 1, log=tmp_path / "log", options=options, environ={"HOME": "/h"})
    command = server.command()
    assert tuple(command[: len(PROGRAM)]) == PROGRAM
    given = dict(pairwise(command))
    assert given["--max-model-len"] == "2048"
    assert given["--max-num-seqs"] == "3"
    assert given["--served-model-name"] == "small"
    assert given["--host"] == "127.0.0.1"
    assert json.loads(given["--speculative-config"])["method"] == "ngram"
    assert json.loads(given["--override-generation-config"]) == {"temperature": 0.0}
    assert "--enforce-eager" not in command
    environment = server.environment()
    assert environment["HOME"] == "/h"
    assert environment["HF_HUB_OFFLINE"] == environment["VLLM_NO_USAGE_STATS"] == "1"
    assert environment["VLLM_TARGET_DEVICE"] == "cpu"
    assert environment["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert Path(environment["VLLM_CACHE_ROOT"]).is_relative_to(tmp_path / "cache")


def test_where_cores_are_few_no_thread_is_pinned_unless_the_operator_says_where(tmp_path: Path) -> None:
    def bound(pinned: bool, **environ: str) -> str | None:
        options = VllmOptions(pinned=pinned)
        server = VllmServer(tmp_path, "small", 1, log=tmp_path / "log", options=options, environ=environ)
        return server.environment().get("VLLM_CPU_OMP_THREADS_BIND")

    assert bound(pinned=False) == "nobind"
    assert bound(pinned=True) is None
    assert bound(pinned=False, VLLM_CPU_OMP_THREADS_BIND="0-3") == "0-3"


def test_speculation_and_compiling_can_be_switched_off(tmp_path: Path) -> None:
    options = VllmOptions(speculation=None, compiled=False)
    command = VllmServer(tmp_path, "small", 1, log=tmp_path / "log", options=options).command()
    assert "--speculative-config" not in command
    assert "--enforce-eager" in command


def test_on_a_gpu_nothing_of_the_cpu_is_set(tmp_path: Path) -> None:
    options = VllmOptions(device="cuda", speculation=Speculation())
    server = VllmServer(tmp_path, "small", 1, log=tmp_path / "log", options=options, environ={})
    assert not [name for name in server.environment() if "CPU" in name or name == "VLLM_TARGET_DEVICE"]
