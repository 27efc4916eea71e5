"""A proxy in front of the real model that slows its stream: a fault injected, not a model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from serving.http import HttpServer, listen


@dataclass
class SlowModel:
    """Address of the proxy; ``delay`` seconds pass before every streamed piece."""

    url: str
    delay: float = 0.0
    broken: bool = False
    """Answers 503 instead of asking the model."""


@contextmanager
def slow_model(upstream: str) -> Iterator[SlowModel]:
    """Serve a proxy for the OpenAI API at ``upstream`` (``http://host:port/v1``) in a thread."""
    proxy = SlowModel(url="")
    app = FastAPI()
    base = upstream.removesuffix("/v1")

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def forward(path: str, request: Request) -> Response:
        if proxy.broken:
            return Response(status_code=503)
        body = await request.body()
        client = httpx.AsyncClient(base_url=base, timeout=120, trust_env=False)
        sent = client.build_request(
            request.method, f"/{path}", content=body, headers={"content-type": "application/json"}
        )
        answer = await client.send(sent, stream=True)

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        await asyncio.sleep(proxy.delay)
                    yield f"{line}\n".encode()
            finally:
                await answer.aclose()
                await client.aclose()

        return StreamingResponse(
            pieces(), status_code=answer.status_code, media_type=answer.headers.get("content-type")
        )

    listening = listen("127.0.0.1", 0)
    started, loop = threading.Event(), asyncio.new_event_loop()
    server = HttpServer(app, listening)

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.start())
        started.set()
        loop.run_until_complete(server.wait())

    thread = threading.Thread(target=run, name="slow-model", daemon=True)
    thread.start()
    started.wait(10)
    proxy.url = f"{server.url}/v1"
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(15)
        thread.join(15)
