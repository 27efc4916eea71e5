"""Listening, starting and stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from serving.http import CannotListen, HttpServer, PortTaken, StartFailed, listen, serve


@asynccontextmanager
async def failing(_: FastAPI) -> AsyncIterator[None]:
    raise ZeroDivisionError
    yield


async def test_a_taken_port_is_said_before_anything_else_is_done() -> None:
    server = await serve(FastAPI(), "127.0.0.1", 0)
    try:
        with pytest.raises(PortTaken, match=rf"port {server.port} on 127.0.0.1 is taken.*AMENDS_PORT"):
            listen("127.0.0.1", server.port)
    finally:
        await server.stop()
    listen("127.0.0.1", server.port).close()  # free again


def test_a_port_is_ours_from_the_moment_we_listen() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(PortTaken):
        listen("127.0.0.1", first.getsockname()[1])


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_not_ours_is_said(host: str) -> None:
    with pytest.raises(CannotListen, match="AMENDS_HOST"):
        listen(host, 0)


async def test_it_answers_after_start_and_no_more_after_stop() -> None:
    server = await serve(FastAPI(), "127.0.0.1", 0)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{server.url}/openapi.json")).status_code == 200
        await server.stop()
        with pytest.raises(httpx.TransportError):
            await client.get(server.url)
    await asyncio.wait_for(server.wait(), 5)


async def test_an_application_that_does_not_start_is_an_error_and_frees_the_port() -> None:
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    with pytest.raises(StartFailed):
        await HttpServer(FastAPI(lifespan=failing), listening).start()
    listen("127.0.0.1", port).close()


async def test_a_server_that_never_started_can_be_stopped() -> None:
    listening = listen("127.0.0.1", 0)
    await HttpServer(FastAPI(), listening).stop()
    assert listening.fileno() == -1
