"""``amends bench``: measure a running server."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from evals.latency import Question, Wait, read_questions, summary
from serving.settings import ROOT
from serving.terminal import ChatFailed, TerminalShopper, Wire, sign_in

app = typer.Typer(no_args_is_help=True, add_completion=False)
TYPICAL = ROOT / "evals" / "data" / "typical.yaml"


@app.callback()
def bench() -> None:
    """Measure a running server and write a report."""


@app.command()
def chat(
    url: Annotated[str, typer.Option(help="Address of a running server.")] = "http://127.0.0.1:8080",
    data: Annotated[
        Path, typer.Option(help="Questions: a YAML list of id, language, customer, text.")
    ] = TYPICAL,
    out: Annotated[Path | None, typer.Option(help="Write a JSON report here.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Ask everything this often.")] = 1,
) -> None:
    """How long shoppers wait for first words and whole answers, one shopper at a time.

    Exit codes: 0 measured, 2 the questions cannot be read, 4 server not reachable, 5 no answer.
    """
    console = Console(stderr=True)
    try:
        questions = read_questions(data)
    except (ValueError, OSError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    try:
        waits = [
            asyncio.run(ask(url.rstrip("/"), question))
            for question in track(questions * repeat, "asking", console=console)
        ]
    except ChatFailed as failed:
        console.print(str(failed), style="red", markup=False)
        raise typer.Exit(failed.exit_code) from None
    table = Table("question", "first words, s", "whole, s", "how", "taken back")
    table.add_column("answer")
    for wait in waits:
        first = f"{wait.first:.1f}" if wait.first is not None else "-"
        table.add_row(
            wait.question.id,
            first,
            f"{wait.whole:.1f}",
            wait.how,
            str(wait.withdrawn),
            " ".join(wait.text[:60].split()),
        )
    Console().print(table, markup=False)
    totals = summary(waits)
    typer.echo(json.dumps(totals))
    if out is not None:
        report = {"summary": totals, "waits": [asdict(wait) for wait in waits]}
        out.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


async def ask(url: str, question: Question) -> Wait:
    """Ask one question in a conversation of its own.

    Raises:
        ChatFailed: The server cannot be reached, or nothing settled in time.
    """
    answer: list[Wire] = []
    first: list[float] = []
    began = 0.0

    def see(event: Wire) -> None:
        if event["type"] == "answer.sent":
            answer.append(event)

    def passing(frame: Wire) -> None:
        if frame["type"] == "delta" and not first:
            first.append(time.monotonic() - began)

    async with TerminalShopper(
        url,
        sign_in=lambda: sign_in(url, question.customer, "zh" if question.language == "zh" else "en"),
        emit=see,
        passing=passing,
    ) as shopper:
        began = time.monotonic()
        await shopper.do(question.text)
        whole = time.monotonic() - began
        await shopper.close()
    return Wait(
        question=question,
        first=round(first[0], 3) if first else None,
        whole=round(whole, 3),
        how=answer[-1]["how"] if answer else "none",
        withdrawn=len(answer[-1]["withdrawn"]) if answer else 0,
        text=answer[-1]["text"] if answer else "",
    )
