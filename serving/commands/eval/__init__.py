"""``amends eval``: hold conversations, score them, compare two versions, block a bad one."""

from __future__ import annotations

import typer

from serving.commands.eval import judge, record, run

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def evaluate() -> None:
    """Offline conversation evaluations. docs/evaluation.md walks through the whole loop."""


for part in (run, judge, record):
    app.registered_commands += part.app.registered_commands
