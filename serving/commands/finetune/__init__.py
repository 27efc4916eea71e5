"""``amends finetune``: from written examples and agreed conversations to a promoted adapter."""

from __future__ import annotations

import typer

from serving.commands.finetune import build, evaluate, promote, train

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def finetune() -> None:
    """Build a dataset, train an adapter, evaluate it, promote it. docs/finetuning.md tells how."""


for part in (build, train, evaluate, promote):
    app.registered_commands += part.app.registered_commands
