"""Is it alive, and can it serve?"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from pydantic import BaseModel

from agent.errors import AmendsError
from retrieval.errors import RetrievalError
from serving.errors import log_unforeseen
from serving.services import Check, ServicesDep

CHECK_SECONDS = 2.0

router = APIRouter(tags=["health"])


class Missing(BaseModel):
    """A part that cannot serve."""

    part: str
    why: str


class Readiness(BaseModel):
    """Whether every part can serve."""

    ready: bool
    missing: list[Missing]


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 while the process lives."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(services: ServicesDep, response: Response) -> Readiness:
    """200 when every part can serve, else 503 and what is missing."""
    found = await asyncio.gather(*(_ask(part, check) for part, check in services.checks.items()))
    missing = [item for item in found if item is not None]
    response.status_code = 503 if missing else 200
    response.headers["Cache-Control"] = "no-store"
    return Readiness(ready=not missing, missing=missing)


async def _ask(part: str, check: Check) -> Missing | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return Missing(part=part, why=f"did not answer within {CHECK_SECONDS:g} seconds")
    except (AmendsError, RetrievalError) as error:
        return Missing(part=part, why=str(error) or error.code)
    except Exception as error:
        log_unforeseen(f"the check of {part}", error)
        return Missing(part=part, why=f"failed unexpectedly ({type(error).__name__})")
    return None
