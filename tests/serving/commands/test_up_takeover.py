"""``amends up`` notices a promotion while it serves, and stops every model server at its end."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from io import StringIO
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from serving.commands.up import serve
from serving.settings import Settings
from tests.finetune.parts import adapter
from tests.servers import free_port
from tests.serving.models.test_takeover import SCRIPTED, Machine
from tests.serving.models.test_vllm import running, until


async def test_a_running_server_takes_a_promoted_adapter_over(
    tmp_path: Path, demo_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ENGINE", str(tmp_path))
    monkeypatch.setattr("serving.starting.options_for", lambda model, settings: SCRIPTED)
    monkeypatch.setattr("serving.models.takeover.LOOK_SECONDS", 0.1)

    async def merged(*_: object) -> Path:
        return tmp_path

    monkeypatch.setattr("serving.hosting.merged", merged)
    machine = Machine(tmp_path / "data", SCRIPTED)
    data = machine.settings.data
    shutil.copytree(demo_index, data / "chroma")
    settings = Settings(data=data, port=free_port(), model=machine.settings.model)
    console = Console(file=StringIO(), width=200)

    def said() -> str:
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    up = asyncio.create_task(serve(settings, console, reindex=False))
    try:
        await until(lambda: up.done() or "Amends is ready" in said(), seconds=240)
        mine = adapter(data)
        machine.promote(mine)
        await until(lambda: up.done() or "answers now" in said(), seconds=120)
        assert f"{mine.tag} answers now" in said()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", trust_env=False) as client:
            assert (await client.get("/readyz")).status_code == 200
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(up, 60)
    pids = [int(pid) for pid in re.findall(r"\d+", (tmp_path / "pids").read_text())]
    assert len(pids) == 4
    assert [pid for pid in pids if running(pid)] == []
