"""A shopper as a program: says one thing after the other and waits until each is settled.

    python examples/scripted_shopper.py http://127.0.0.1:8080 "How long can I return something?"

With ``SHOPPER_TOKEN`` (see ``sign_token.py``) the shopper is that customer, else a visitor. The
protocol is described in ``docs/protocol.md``; a client that must survive a lost connection says
``hello`` again with the last ``seq`` it saw, as ``serving/terminal.py`` does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect

Wire = dict[str, Any]
PATIENCE = 120.0
"""Seconds until an answer must have settled."""


class Refused(Exception):
    """The server refused a frame; the message is its own, safe to show."""


async def frames(socket: ClientConnection) -> AsyncIterator[Wire]:
    """Yield what the server sends; an error ends the program."""
    async for text in socket:
        frame: Wire = json.loads(text)
        if frame["type"] == "error":
            raise Refused(f"{frame['code']}: {frame['message']}")
        yield frame


async def say(socket: ClientConnection, text: str) -> AsyncIterator[Wire]:
    """Say something and yield the events it causes, until it is settled.

    It is settled when a turn over it completed, or when a person takes over or answers.
    """
    message, said, upto = str(uuid4()), 0, 0
    await socket.send(json.dumps({"type": "say", "id": message, "text": text}))
    async for frame in frames(socket):
        if frame["type"] != "event":
            continue  # deltas, typing: passing things, nothing here depends on them
        event = frame["event"]
        yield event
        match event["type"]:
            case "message.received" if event["message"] == message:
                said = event["seq"]
            case "turn.started":
                upto = event["upto"]
            case "turn.completed" if said and upto >= said:
                return
            case "handoff.accepted" | "reply.sent":
                return


def shown(event: Wire) -> str:
    """An event as a line or two for a reader, or nothing."""
    match event["type"]:
        case "answer.sent":
            sources = "".join(f"\n  [{one['ref']}] {one['title']}" for one in event["citations"])
            return f"assistant: {event['text']}{sources}"
        case "reply.sent":
            return f"{event['name']}: {event['text']}"
        case "action.proposed":
            return f"to confirm: {event['summary']}"
        case "handoff.requested":
            return "(a person has been asked to join)"
        case _:
            return ""


async def main(url: str, lines: list[str], token: str | None) -> None:
    """Hold one conversation and print it."""
    address = url.rstrip("/").replace("http", "ws", 1) + "/v1/chat"
    async with asyncio.timeout(PATIENCE * len(lines)), connect(address) as socket:
        hello = {"type": "hello", "token": token, "conversation": None, "key": None, "after": 0,
                 "language": "en", "channel": "api"}  # fmt: skip
        await socket.send(json.dumps(hello))
        async for frame in frames(socket):
            if frame["type"] == "caught_up":
                break
        for line in lines:
            print(f"shopper: {line}")
            async for event in say(socket, line):
                if words := shown(event):
                    print(words)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python examples/scripted_shopper.py URL TEXT...")
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2:], os.environ.get("SHOPPER_TOKEN")))
    except (Refused, OSError, TimeoutError) as error:
        sys.exit(f"it did not work: {error or type(error).__name__}")
