"""Servers that tests share: one real vLLM with the small model for the whole run."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from anyio.from_thread import start_blocking_portal

from serving.models.catalogue import load
from serving.models.convert import convert, converted
from serving.models.fetch import fetch
from serving.models.vllm import VllmOptions, VllmServer

ROOT = Path(__file__).resolve().parent.parent
SMALL_MODEL = "smollm2-135m-instruct"


def data_folder() -> Path:
    """Where models are kept between runs."""
    return Path(os.environ.get("AMENDS_DATA", ROOT / ".amends"))


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def small_model_folder() -> Path:
    """The converted small model, fetched and converted when it is not there."""
    model, models = load().get(SMALL_MODEL), data_folder() / "models"
    if folder := converted(model, models):
        return folder
    fetch(model, models)
    return convert(model, models)


@contextmanager
def small_model_server() -> Iterator[str]:
    """Serve the small model by vLLM, in a loop of its own, and yield the API's base address."""
    model = load().get(SMALL_MODEL)
    server = VllmServer(
        small_model_folder(),
        SMALL_MODEL,
        free_port(),
        log=data_folder() / "vllm-tests.log",
        # Compiling takes longer than all tests together gain from it.
        options=VllmOptions(max_model_len=model.served_length, memory_gib=model.memory_gib, compiled=False),
    )
    before = set(psutil.Process().children(recursive=True))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):
        started = set(psutil.Process().children(recursive=True)) - before
        yield server.url
    left = [process for process in started if process.is_running()]
    assert not left, f"the model server left {left}"


@pytest.fixture(scope="session")
def vllm_url() -> Iterator[str]:
    """Base address of a real vLLM that serves ``SMALL_MODEL``, started once."""
    with small_model_server() as url:
        yield url
