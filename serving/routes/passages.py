"""Source passages: where a citation leads."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from retrieval.passages import Kind, Language
from serving.errors import NotFound
from serving.services import ServicesDep

router = APIRouter(tags=["passages"])


class SourcePassage(BaseModel):
    """A piece of a shop's document, as it was indexed."""

    id: str
    title: str
    heading: str
    text: str
    source: str
    version: str
    language: Language
    kind: Kind


@router.get("/v1/passages/{id:path}")
async def passage(id: str, services: ServicesDep) -> SourcePassage:
    """Return a public passage; 404 when missing and equally when not public."""
    chunk = await services.retriever.open(id, visible_to=frozenset({"public"}))
    if chunk is None:
        raise NotFound("no such passage")
    return SourcePassage.model_validate(chunk, from_attributes=True)
