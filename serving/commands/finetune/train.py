"""``amends finetune train``: train an adapter."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.errors import AmendsError
from finetune.adapters import finish, require_present_prompts
from finetune.build import at_most
from finetune.errors import RunInvalid
from finetune.example import read
from finetune.run_config import read_config
from finetune.train import Step, Trained, ended, train
from serving.commands.finetune.common import DATASET, RUNS, base_folder, counting, fail, workshop
from serving.models.adapters import own_adapters
from serving.settings import load

app = typer.Typer()

QUIET_SECONDS = 30.0
"""Between two lines about the loss where no bar can be shown."""


@app.command("train")
def train_adapter(
    config: Annotated[Path, typer.Argument(help="Configuration of the run (finetune/runs/*.yaml).")],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; started again, it goes on.")] = None,
) -> None:
    """Train the adapter a configuration describes, on the CPU or on a GPU when there is one.

    A run that ended is not trained again. Prints the adapter's folder.

    Exit codes: 0 trained, 1 it could not be for the reason printed.
    """
    settings = load()
    try:
        run = read_config(config)
        folder = out or workshop(settings) / RUNS / run.name
        dataset = read((data or workshop(settings) / DATASET) / "train.jsonl")
        examples = at_most(list(dataset), run.most)
        require_present_prompts(examples)
        own = own_adapters(settings)
        if not ended(run, examples, folder):
            if (own / run.name).exists():  # said before hours are spent on it
                raise RunInvalid(
                    f"{own / run.name} is there already; remove it, or give this run another name"
                )
            model = asyncio.run(base_folder(settings, run.base))
            with _Bar(Console(stderr=True), run.name) as bar:
                trained = train(run, model, examples, folder, progress=bar.show)
            _write(folder / "trained.json", trained)
        adapter = finish(folder, own, command=f"amends finetune train {config}", now=datetime.now(UTC))
    except (AmendsError, OSError) as error:
        fail(error)
    typer.echo(adapter.folder)


def _write(path: Path, trained: Trained) -> None:
    facts = {**asdict(trained), "adapter": trained.adapter.name}
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


class _Bar:
    """Loss and time left: a bar in a terminal, a line now and then in a log."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._last = 0.0
        self._bars = counting(console)
        self._task = self._bars.add_task(name, total=None)

    def __enter__(self) -> _Bar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, step: Step) -> None:
        """Show how far the run is."""
        line = f"{self._name} · loss {step.loss:.3f}"
        self._bars.update(self._task, description=line, completed=step.update, total=step.updates)
        if not self._console.is_terminal and time.monotonic() - self._last > QUIET_SECONDS:
            self._last = time.monotonic()
            self._console.print(
                f"{line} · update {step.update} of {step.updates}", highlight=False, markup=False
            )
