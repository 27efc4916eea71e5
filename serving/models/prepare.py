"""A model's folder, ready to be served: fetched and converted first where that is not done yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from serving.models.catalogue import CatalogueModel
from serving.models.convert import convert, converted
from serving.models.fetch import fetch

Say = Callable[..., None]
"""Takes what is being done, and where it is known how much of how much is done."""


def unheard(doing: str, done: int | None = None, total: int | None = None) -> None:
    """Takes no notice."""


async def prepared(model: CatalogueModel, models: Path, *, say: Say = unheard) -> Path:
    """The model's folder under ``models``, fetched and converted when it is not here yet.

    Each of the two is done in a thread of its own, so that a caller who is cancelled while the
    model is fetched does not wait for its conversion, too.

    Raises:
        ModelSetupError: It cannot be fetched or converted.
    """
    if folder := converted(model, models):
        return folder
    fetching = f"fetching {model.name}"
    await asyncio.to_thread(fetch, model, models, progress=lambda done, total: say(fetching, done, total))
    say(f"converting {model.name} (about a minute)")
    return await asyncio.to_thread(convert, model, models)
