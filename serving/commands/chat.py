"""``amends chat``: a shopper in a terminal."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, cast
from urllib.parse import urlsplit

import typer

from agent.ids import Language
from serving.terminal import (
    VISITOR,
    ChatFailed,
    TerminalShopper,
    Wire,
    sign_in,
)


class OutputClosed(ChatFailed):
    """Whoever read our output went away: nothing is left to do."""

    exit_code = 0


def chat(
    customer: Annotated[
        str, typer.Option("--as", metavar="CUSTOMER", help="E-mail of a demo customer, or `visitor`.")
    ] = VISITOR,
    url: Annotated[str, typer.Option(help="Address of a running server.")] = "http://127.0.0.1:8080",
    language: Annotated[
        str, typer.Option(help="`en` or `zh`; the customer's own when left out.", metavar="LANGUAGE")
    ] = "",
    conversation: Annotated[str, typer.Option(help="Go on with this conversation; needs --key.")] = "",
    key: Annotated[str, typer.Option(help="Key of that conversation, as printed when it began.")] = "",
    after: Annotated[int, typer.Option(help="Print events after this seq alone.", min=0)] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds until an answer must have settled.", min=0.1)] = 120,
    deltas: Annotated[bool, typer.Option("--deltas", help="Print passing frames as well.")] = False,
    close: Annotated[bool, typer.Option("--close", help="Close the conversation at the end.")] = False,
) -> None:
    """Chat as a shopper: one message a line in, one JSON event a line out.

    Each answer settles before the next line is sent. /yes and /no answer what waits for a
    confirmation, /person asks for one, /rate N COMMENT, /offer yes|no, /close, /quit;
    a line that begins with // is text with one slash. Conversation and key go to stderr.

    Exit codes: 0 fine, 2 bad arguments or not your conversation, 3 unknown customer, 4 server
    not reachable, 5 no answer in time.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise typer.BadParameter("an address like http://127.0.0.1:8080", param_hint="--url")
    if language not in {"", "en", "zh"}:
        raise typer.BadParameter("en or zh", param_hint="--language")
    if bool(conversation) != bool(key):
        raise typer.BadParameter("--conversation and --key go together", param_hint="--key")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]

    def write(wire: Wire) -> None:
        if wire.get("seq", after + 1) > after:
            try:
                sys.stdout.write(json.dumps(wire, ensure_ascii=False) + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                raise OutputClosed from None

    async def run() -> None:
        shopper = TerminalShopper(
            url.rstrip("/"),
            sign_in=lambda: sign_in(url.rstrip("/"), customer, cast("Language | None", language or None)),
            emit=write,
            passing=write if deltas else lambda _: None,
            notice=lambda line: typer.echo(line, err=True),
            resume=(conversation, key) if conversation else None,
            timeout=timeout,
        )
        async with shopper:
            async for line in _lines():
                if not await shopper.do(line):
                    return
            if close:
                await shopper.close()

    try:
        asyncio.run(run())
    except OutputClosed:
        sys.stderr.close()  # else the interpreter complains about the pipe on its way out
        raise typer.Exit(0) from None
    except ChatFailed as failed:
        typer.echo(str(failed), err=True)
        raise typer.Exit(failed.exit_code) from None


async def _lines() -> AsyncIterator[str]:
    """Lines of stdin as they come.

    A thread reads, because a file cannot be polled; a daemon, because a read that never
    returns must not keep the program from ending; unbuffered, because a buffer's lock held by
    that read would stop the interpreter on its way out.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        with suppress(RuntimeError), open(0, "rb", buffering=0, closefd=False) as stdin:
            for line in stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace").rstrip("\r\n"))
            loop.call_soon_threadsafe(lines.put_nowait, None)  # RuntimeError: the loop has ended

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line
