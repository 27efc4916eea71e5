"""Recorded conversations: run one on from any turn, or make a scenario of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.errors import AmendsError
from agent.events import Event
from agent.ids import ConversationId
from agent.log_sql import SqlLog
from evals.importers.recorded import NothingRecorded, document, recorded
from evals.records import RunInvalid, log_url, open_log, read_run
from evals.replay import Moment, Replayed, ReplayInvalid, replay
from evals.scenario import PlantedDocument, Scenario, ScenarioInvalid, read_scenarios
from evals.world import ReferenceInvalid
from retrieval.errors import DocumentUnreadable, RetrievalError
from retrieval.readers import read as read_document
from serving.commands.eval.common import EXTRACTIVE, fail, paper, stage, start, version, with_model
from serving.embedding import open_embedder
from serving.settings import Settings, load
from serving.starting import start_index
from serving.steps import steps

app = typer.Typer(add_completion=False)

Log = Annotated[
    Path | None, typer.Option("--run", help="The run that holds it; the server's own log when not given.")
]


@app.command(name="replay")
def replay_conversation(
    conversation: Annotated[str, typer.Argument(help="Its id, or a scenario's id with --run.")],
    start_at: Annotated[
        int | None,
        typer.Option("--from", min=1, help="Run on from this event (seq); from the first message."),
    ] = None,
    run: Log = None,
    model: Annotated[str, typer.Option(help="Another model of the catalogue, or “extractive”.")] = "",
    model_url: Annotated[str, typer.Option(help="OpenAI-compatible server that serves it.")] = "",
    adapter: Annotated[str, typer.Option(help="Another adapter, or “none”.")] = "",
    policy: Annotated[
        Path | None, typer.Option(help="A Markdown document that takes the place of the one of its name.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder whose log gets the new conversation.")] = Path(
        "eval-replay"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run a conversation on from any turn, on another version, and show what differs.

    The shopper's later words and clicks are given again as they were. The shop is the
    scenario's, or else a copy of the shop as it is now; nothing real is changed.

    Exit codes: 0 replayed and nothing done or decided differs, 1 something could not be
    started, 2 no such conversation or turn, 4 something else was done or decided.
    """
    settings = with_model(load(), name=model, url=model_url, adapter=adapter)
    name = EXTRACTIVE if model == EXTRACTIVE else settings.model.name
    try:
        events, scenario = asyncio.run(find(settings, conversation, run))
        planted = () if policy is None else (replacement(policy),)
        console = Console(stderr=True)
        found = asyncio.run(
            _replay(
                settings,
                name,
                events,
                scenario,
                planted,
                start_at,
                live=run is None,
                out=out,
                console=console,
            )
        )
    except (RunInvalid, ReplayInvalid, ReferenceInvalid, DocumentUnreadable) as error:
        fail(error, 2)
    except (AmendsError, RetrievalError, OSError) as error:
        fail(error, 1)
    if as_json:
        plain = asdict(found) | {"acts": any(one.acts for one in found.differences)}
        typer.echo(json.dumps(plain, ensure_ascii=False, default=sorted))
    else:
        paper().print(side_by_side(found))
        acts = sum(one.acts for one in found.differences)
        facts = sum(one.facts for one in found.differences)
        typer.echo(
            f"{acts} moments with other actions, {facts} with other facts; now {found.conversation} in {out}"
        )
    raise typer.Exit(4 if any(one.acts for one in found.differences) else 0)


@app.command(name="import")
def import_conversation(
    conversation: Annotated[str, typer.Argument(help="Its id.")],
    out: Annotated[Path, typer.Option(help="YAML file to add it to.")],
    run: Log = None,
) -> None:
    """Make a scenario of a recorded conversation, personal data masked; correct it by hand.

    Exit codes: 0 written, 2 no such conversation, or nothing in it.
    """
    try:
        events, _ = asyncio.run(find(load(), conversation, run))
        made = document(recorded(events))
        if out.exists() and made["id"] in {one.id for one in read_scenarios([out])}:
            raise ScenarioInvalid(f"{out} has {made['id']} already")  # noqa: TRY301
        text = yaml.safe_dump(made, allow_unicode=True, sort_keys=False, width=100)
        with out.open("a", encoding="utf-8") as file:
            file.write(("---\n" if file.tell() else "") + text)
    except (RunInvalid, NothingRecorded, ScenarioInvalid, AmendsError, OSError) as error:
        fail(error, 2)
    typer.echo(f"{made['id']} in {out}: what must hold is a draft, read and correct it")


async def find(
    settings: Settings, conversation: str, run: Path | None
) -> tuple[list[Event], Scenario | None]:
    """The events of a conversation, and its scenario when it is of a run.

    Raises:
        RunInvalid: There is none of this name.
        LogUnavailable: The log can't be read.
    """
    scenario, url = None, settings.log_url
    if run is None and not settings.log.url and not (settings.data / "log.db").exists():
        raise RunInvalid(
            f"no server has a log in {settings.data}: give a run with --run, or the server's AMENDS_DATA"
        )
    if run is not None:
        url = log_url(run)
        kept = read_run(run)
        named = [a for a in kept.attempts if conversation in (a.conversation, a.scenario)]
        if not named:
            raise RunInvalid(
                f"{run} has no conversation or scenario {conversation}: its attempts.jsonl lists all"
            )
        attempt = next((a for a in named if a.conversation), named[0])
        if not attempt.conversation:
            raise RunInvalid(f"{conversation} was not held in {run}: {attempt.outcome}: {attempt.why}")
        conversation = attempt.conversation
        scenario = next(one for one in kept.scenarios if one.id == attempt.scenario)
    log = SqlLog(url, clock=lambda: datetime.now(UTC))
    try:
        events = await log.read(ConversationId(conversation))
    finally:
        await log.close()
    if not events:
        raise RunInvalid(
            f"there is no conversation {conversation} in the server's log: give its run with --run, "
            "or the server's settings (AMENDS_DATA, AMENDS_LOG__URL)"
        )
    return events, scenario


async def _replay(
    settings: Settings,
    model: str,
    events: list[Event],
    scenario: Scenario | None,
    planted: tuple[PlantedDocument, ...],
    start_at: int | None,
    *,
    live: bool,
    out: Path,
    console: Console,
) -> Replayed:
    await asyncio.to_thread(open_log, out)
    async with AsyncExitStack() as stack:
        with steps(console) as shown:
            index = await start_index(settings, shown, folder="evals")
            stack.callback(index.close)
            embedder = open_embedder(settings.retrieval)
            store = settings.data / "shop.db" if live else None
            shop = await stage(settings, stack, index=index, embedder=embedder, store=store)
            served = await start(settings, model, stack, shown)
        return await replay(
            events,
            start=start_at,
            stage=shop,
            version=version(settings, served, embedder),
            folder=out,
            scenario=scenario,
            planted=planted,
        )


def replacement(path: Path) -> PlantedDocument:
    """A Markdown file as the document that takes the place of the one of its name.

    Raises:
        OSError, UnicodeDecodeError: It can't be read.
    """
    read = read_document(path)[0]
    text = "\n\n".join(
        f"## {one.heading}\n\n{one.text}" if one.heading else one.text for one in read.sections
    )
    return PlantedDocument(
        id=f"{path.stem}-new",
        title=read.title,
        text=text,
        kind="policy",  # what a file outside of a shop's folders is can't be told from its place
        version=read.version,
        visibility=read.visibility,
        replaces=path.stem,
    )


def side_by_side(found: Replayed) -> Table:
    """Then and now, a row for each thing the shopper did."""
    shown = Table("shopper", "then", "now", "other facts", show_lines=True)
    for one in found.differences:
        only = [
            f"{sign} {figure}"
            for sign, mine, other in (("-", one.then, one.now), ("+", one.now, one.then))
            for figure in sorted(mine.figures - other.figures)
        ]
        style = "bold red" if one.acts else ""
        shown.add_row(
            Text(one.then.shopper[:200]),
            Text(_told(one.then), style),
            Text(_told(one.now), style),
            Text("\n".join(only)),
        )
    return shown


def _told(moment: Moment) -> str:
    return "\n".join([*(f"» {act}" for act in moment.did), moment.said[:300]])
