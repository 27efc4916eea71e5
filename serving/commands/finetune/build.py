"""``amends finetune build``: make the dataset."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.errors import AmendsError
from agent.events import Event
from agent.ids import ConversationId
from agent.log_sql import SqlLog
from finetune import from_log
from finetune.build import Built, build, save
from finetune.contamination import Seen, evaluation_texts
from finetune.dialogues import read_dialogues
from finetune.example import Example
from finetune.expand import expand
from finetune.fits import ClosestAnswers
from finetune.shops import read_shops
from retrieval.errors import RetrievalError
from serving.commands.finetune.common import DATASET, fail, workshop
from serving.embedding import open_embedder
from serving.settings import ROOT, Settings, load
from serving.steps import steps

app = typer.Typer()

JUDGED_ON = (
    "evals/scenarios",
    "evals/data",
    "demo",
    "retrieval/data",
    "tests/agent/data",
    "examples/scenarios",
)
"""What the project is evaluated on, in the checkout; what training text may not repeat."""


@app.command("build")
def build_dataset(
    out: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    seed: Annotated[int, typer.Option(help="Of the expansion, the split and the order.")] = 7,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="More files or folders that training text may not repeat, such as benchmarks."),
    ] = None,
    consented: Annotated[
        Path | None,
        typer.Option(
            help="A file with one conversation id a line: whose shoppers agreed that we learn from them."
        ),
    ] = None,
) -> None:
    """Expand the shops and seed dialogues, add agreed conversations, split, check, and write.

    Exit codes: 0 written, 1 a source is missing or breaks its format.
    """
    settings = load()
    folder = out or workshop(settings) / DATASET
    console = Console(stderr=True)
    try:
        with steps(console) as shown:
            step = shown.begin("dataset")
            step.say("reading what must not be repeated")
            judged = [*(ROOT / name for name in JUDGED_ON), *(against or [])]
            seen = Seen(evaluation_texts(judged))
            step.say("expanding")
            closest = ClosestAnswers(open_embedder(settings.retrieval).embed_query)
            written = expand(read_shops(), read_dialogues(), fits=closest, seed=seed)
            agreed = list(_agreed(settings, consented)) if consented else []
            built = build(chain(written, agreed), seen, seed=seed)
            save(built, folder, seed=seed, day=datetime.now(UTC).date())
            step.finish(f"{len(built.train)} to learn from, {len(built.test)} to test on, in {folder}")
    except (AmendsError, RetrievalError, OSError) as error:
        fail(error)
    console.print(_table(built))


def _agreed(settings: Settings, path: Path) -> Iterator[Example]:
    ids = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for events in asyncio.run(_conversations(settings, ids)):
        yield from from_log.examples(events)


async def _conversations(settings: Settings, ids: list[str]) -> list[list[Event]]:
    log = SqlLog(settings.log_url, clock=lambda: datetime.now(UTC))
    try:
        return [await log.read(ConversationId(one)) for one in ids]
    finally:
        await log.close()


def _table(built: Built) -> Table:
    table = Table("task", "language", "to learn from", "to test on", box=None)
    for task in ("answer", "understand"):
        for language in ("en", "zh"):
            counts = [
                sum(example.task == task and example.language == language for example in examples)
                for examples in (built.train, built.test)
            ]
            table.add_row(task, language, *map(str, counts))
    table.caption = (
        f"left out: {built.duplicates} duplicates, {len(built.contaminated)} that repeat an evaluation's text"
    )
    return table
