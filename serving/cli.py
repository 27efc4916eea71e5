"""The ``amends`` command. Each sub-command is a module of ``serving.commands``.

Exit codes: 0 done, 1 failed for the reason printed, 2 wrong arguments or settings, others
as each command's ``--help`` says.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "up": "Start everything: model, index, server.",
    "model": "List, fetch, convert and serve language models.",
    "index": "Read documents into the index.",
    "chat": "Talk to a running server as a shopper.",
    "shop": "List the demo shop's customers and orders.",
    "retention": "Score customers.",
    "eval": "Hold test conversations, score them, compare versions, block a bad one.",
    "finetune": "Tune the model: build a dataset, train, evaluate, promote.",
    "bench": "Measure a running server, or our parts on public data.",
}


class LazyGroup(TyperGroup):
    """Imports a command only when it is called, so that ``amends --help`` is instant."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"serving.commands.{cmd_name}")
        if (several := getattr(module, "app", None)) is None:
            several = typer.Typer(add_completion=False)
            several.command()(getattr(module, cmd_name))
        command = typer.main.get_command(several)
        command.name = cmd_name
        command.short_help = COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def amends() -> None:
    """Customer service that notices when it is failing a shopper, and makes it right."""


def main() -> None:
    """Entry point."""
    from serving.settings import SettingsInvalid

    try:
        app()
    except SettingsInvalid as error:
        sys.stderr.write(f"amends: {error}\n")
        sys.exit(2)
