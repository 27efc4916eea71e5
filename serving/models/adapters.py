"""Which adapter is served, and its weights merged into the base's."""

from __future__ import annotations

import asyncio
from pathlib import Path

from finetune.adapters import Adapter, find, shipped_for
from finetune.errors import AdapterInvalid
from finetune.promotions import read_promotions
from serving.models.apart import apart
from serving.models.catalogue import CatalogueModel
from serving.models.folders import ModelFolder, full_disk_named, require_space
from serving.settings import NO_ADAPTER, Settings


def own_adapters(settings: Settings) -> Path:
    """Where one's own adapters lie."""
    return settings.data / "adapters"


def chosen(settings: Settings) -> Adapter | None:
    """The adapter to serve here: the one the settings name, else the promoted, else the shipped.

    Raises:
        FinetuneError: It is missing, damaged, or made for other prompts or another base.
    """
    name, base = settings.model.adapter, settings.model.name
    if name == NO_ADAPTER:
        return None
    if name:
        adapter = find(name, own_adapters(settings))
        if adapter.about.base != base:
            raise AdapterInvalid(f"{name} is for {adapter.about.base}, not for {base} (AMENDS_MODEL__NAME)")
        return adapter
    if promotion := read_promotions(settings.data).current(base):
        return find(promotion.name, own_adapters(settings), weights=promotion.sha256)
    return shipped_for(base)


def served_adapter(settings: Settings) -> str:
    """What the adapter to serve is called in events and runs; empty: the base alone.

    Raises:
        FinetuneError: See ``chosen``.
    """
    if settings.model.url:
        return "" if settings.model.adapter == NO_ADAPTER else settings.model.adapter
    adapter = chosen(settings)
    return adapter.tag if adapter else ""


def merged_folder(model: CatalogueModel, adapter: Adapter, models: Path) -> Path:
    """Where a model lies that an adapter is merged into."""
    return ModelFolder(models, model.name).root / "merged" / adapter.tag


async def merged(model: CatalogueModel, base: Path, adapter: Adapter, models: Path) -> Path:
    """The folder of a model with an adapter in its weights, made when it is not there.

    Raises:
        FinetuneError: The adapter does not fit the base.
        ConvertError: The process that makes it died.
        NotEnoughDisk: The folder would not fit.
    """
    out = merged_folder(model, adapter, models)
    await asyncio.to_thread(_made, base, adapter.folder, out)
    return out


def _made(base: Path, adapter: Path, out: Path) -> None:
    needed = sum(path.stat().st_size for path in base.iterdir())
    out.parent.mkdir(parents=True, exist_ok=True)
    if not out.exists():
        require_space(out.parent, needed)
    with full_disk_named(out.parent, needed):
        apart(out.name, _merge, base, adapter, out)


def _merge(base: Path, adapter: Path, out: Path) -> None:
    from finetune.merge import merge

    merge(base, adapter, out)
