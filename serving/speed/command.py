"""``amends bench serving``: from settings and a model's name to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.latency import Question
from serving.commands.model import options_for
from serving.models.adapters import chosen, merged
from serving.models.catalogue import CatalogueModel
from serving.models.catalogue import load as load_catalogue
from serving.models.convert import converted
from serving.models.hardware import detect
from serving.models.quantize import beside
from serving.settings import Settings
from serving.settings import load as load_settings
from serving.speed.measure import measure
from serving.speed.prompts import prompts
from serving.speed.report import report
from serving.speed.ways import Unmeasured, Way, bandwidth, load, ways
from serving.speed.weights import bytes_per_token
from serving.steps import steps


async def run(
    model: str, names: Sequence[str], questions: Sequence[Question], rounds: int, console: Console
) -> dict[str, Any]:
    """Measure a model in the named ways (none named: in all there are) and return the report.

    Raises:
        AmendsError, RetrievalError: Why it cannot be measured.
    """
    settings = load_settings()
    busy = load()
    model = model or settings.model.name
    settings.model.name = model
    hardware = detect()
    entry = load_catalogue().get(model)
    base = here(entry, settings)
    adapter = None if settings.model.url else chosen(settings)
    folder = base
    if adapter is not None:
        folder = await merged(entry, base, adapter, settings.data / "models")
    named = choose(
        names,
        ways(
            entry.name,
            base,
            folder,
            beside(folder),
            adapter,
            options_for(entry, settings),
            settings.data,
        ),
    )
    try:
        weights = {way.name: bytes_per_token(way.folder) for way in named}
    except ValueError as error:
        raise Unmeasured(str(error)) from None
    with steps(console) as shown:
        asked = await prompts(questions, settings, shown)
        step = shown.begin(f"measuring {model}")
        measured = await measure(
            named,
            [one.prompt for one in asked],
            partial(bandwidth, hardware.device, settings.data / "bench-serving.log"),
            rounds=rounds,
            max_tokens=settings.model.max_tokens,
            progress=step.say,
        )
        step.finish("done")
    return report(
        f"{model} with {adapter.tag}" if adapter else model,
        named,
        weights,
        measured,
        hardware,
        questions=[one.id for one in asked],
        max_tokens=settings.model.max_tokens,
        load=busy,
    )


def here(entry: CatalogueModel, settings: Settings) -> Path:
    """The model's converted folder.

    Raises:
        Unmeasured: It is not here.
    """
    folder = converted(entry, settings.data / "models")
    if folder is None:
        raise Unmeasured(
            f"{entry.name} is not here yet; "
            f"run amends model fetch {entry.name}, then amends model convert {entry.name}"
        )
    return folder


def choose(names: Sequence[str], known: Mapping[str, Way]) -> list[Way]:
    """The ways that are named, in that order; of none, all whose weights are here.

    Raises:
        Unmeasured: A name is none of ours, or its weights are not here.
    """
    if unknown := [name for name in names if name not in known]:
        raise Unmeasured(f"no configuration is called {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names:
        if not known[name].folder.is_dir():
            raise Unmeasured(f"{name}: {known[name].folder} is missing")
    return [known[name] for name in dict.fromkeys(names)] or [
        way for way in known.values() if way.folder.is_dir()
    ]
