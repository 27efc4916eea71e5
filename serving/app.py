"""The web application: the shopper's socket and what is served over plain HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from serving import errors, pages, socket
from serving.headers import SecurityHeaders
from serving.metrics import Metrics
from serving.routes import demo, health, metrics, passages
from serving.services import Services


def create_app(services: Services) -> FastAPI:
    """Return the application over ``services``. Nothing runs before its lifespan begins.

    Routes and other routers find the services by :data:`serving.services.ServicesDep`.
    """
    app = FastAPI(title="Amends", version="1", docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.services = services
    app.state.metrics = Metrics()
    for part in (health, metrics, passages, demo, socket, pages):
        app.include_router(part.router)
    errors.install(app)
    # The last one added sees a request first.
    app.add_middleware(errors.LastResort)
    if services.settings.shop.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(services.settings.shop.origins), allow_methods=["GET"]
        )
    app.add_middleware(SecurityHeaders)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    counting = asyncio.create_task(app.state.metrics.follow(services.bus), name="metrics")
    async with AsyncExitStack() as stack:
        app.state.http = await stack.enter_async_context(httpx.AsyncClient(timeout=2.0))
        try:
            yield
        finally:
            counting.cancel()
            with suppress(asyncio.CancelledError):
                await counting
