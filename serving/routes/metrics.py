"""Prometheus: our figures, then the model server's."""

from __future__ import annotations

import httpx
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse

from serving.metrics import CONTENT_TYPE
from serving.services import ServicesDep

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request, services: ServicesDep) -> PlainTextResponse:
    """Figures in Prometheus' text format."""
    text = request.app.state.metrics.render()
    if url := services.model_metrics():
        passed = await _passed_through(request.app.state.http, url)
        text += (
            "# HELP amends_model_metrics_up Whether the model server's own figures follow.\n"
            "# TYPE amends_model_metrics_up gauge\n"
            f"amends_model_metrics_up {int(passed is not None)}\n"
        ) + (passed or "")
    return PlainTextResponse(text, media_type=CONTENT_TYPE)


async def _passed_through(client: httpx.AsyncClient, url: str) -> str | None:
    try:
        answer = await client.get(url)
    except httpx.HTTPError:
        return None
    plain = answer.headers.get("content-type", "").startswith("text/plain")
    return answer.text if answer.status_code == httpx.codes.OK and plain else None
