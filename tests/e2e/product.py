"""The whole product as an operator runs it: ``amends up`` in its own process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent.parent


class RunningProduct:
    """``amends up`` on a data folder of its own; killed and started again at will."""

    def __init__(self, data: Path, model_url: str, model_name: str, environ: Mapping[str, str] = {}) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environ = {
            **os.environ,
            "AMENDS_DATA": str(data),
            "AMENDS_PORT": str(self.port),
            "AMENDS_MODEL__URL": model_url,
            "AMENDS_MODEL__NAME": model_name,
            **environ,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it can serve."""
        log = (self.data / "up.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "serving", "up", "--no-reindex"],
            cwd=self.data,
            env=self._environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"amends up did not get ready:\n{self.said()}")

    def kill(self) -> None:
        """End it without a chance to clean up."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does, and return its exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(60)

    def said(self) -> str:
        """The end of what it printed."""
        return (self.data / "up.log").read_text(encoding="utf-8", errors="replace")[-4000:]


def copy_index(source: Path, data: Path) -> None:
    """Give ``data`` an index that was built before."""
    shutil.copytree(source, data / "chroma", ignore=shutil.ignore_patterns("*.lock", ".lock"))
