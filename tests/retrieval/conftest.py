"""A real Chroma server, and chunks to put into an index."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from retrieval.chunks import checksum
from retrieval.passages import Chunk, Language, Visibility

MakeChunk = Callable[..., Chunk]


@pytest.fixture(scope="session")
def chroma_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Chroma server that runs for the whole test run."""
    folder = tmp_path_factory.mktemp("chroma-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chroma = Path(sys.executable).with_name("chroma")
    command = [str(chroma), "run", "--path", str(folder / "data"), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(f"http://127.0.0.1:{port}", server, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/api/v2/heartbeat", timeout=1).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    pytest.fail(f"the Chroma server did not start:\n{log.read_text()}")


@pytest.fixture
def make_chunk() -> MakeChunk:
    """Chunks that differ in what a test says."""
    return chunk_of


def chunk_of(
    id: str,
    text: str = "Tents can be returned within 30 days.",
    *,
    visibility: Visibility = "public",
    language: Language = "en",
    title: str = "Returns",
    heading: str = "How long",
    source: str = "shop/returns.md",
) -> Chunk:
    """A chunk with a true checksum."""
    chunk = Chunk(
        id=id,
        document=f"{source}@{language}",
        source=source,
        title=title,
        heading=heading,
        text=text,
        kind="policy",
        language=language,
        version="2026-03-01",
        visibility=visibility,
        checksum="",
        product="tent-1",
    )
    return replace(chunk, checksum=checksum(chunk))
