"""How a command with sub-commands ends when it cannot do what it was told."""

from __future__ import annotations

from typing import NoReturn

import typer
from rich.console import Console


def give_up(command: str, error: Exception, code: int) -> NoReturn:
    """Say what went wrong in the command's name and exit."""
    console = Console(stderr=True)
    console.print(f"{command}:", style="bold red", end=" ")
    console.print(str(error), markup=False, highlight=False)
    raise typer.Exit(code) from None
