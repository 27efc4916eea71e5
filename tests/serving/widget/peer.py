"""A double of the server for the widget's tests: the wire protocol, with the faults on order.

It reads and writes the server's own frame and event types, so that it cannot drift from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, HTTPException, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse
from pydantic import Field, TypeAdapter

from agent.events import (
    ActionProposed,
    AnswerSent,
    Citation,
    Event,
    EventBody,
    MessageReceived,
    ProposedAction,
    for_shopper,
)
from agent.ids import ConversationId, ProposalId, TurnId
from serving import pages
from serving.frames import BadFrame, ServerFrame, parse, render
from serving.settings import Settings

Frame = dict[str, Any]
_SERVER: TypeAdapter[ServerFrame] = TypeAdapter(Annotated[ServerFrame, Field(discriminator="type")])

HOST = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>A shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<script src="/widget.js" data-token="{token}" data-language="{lang}" data-accent="{accent}" defer></script></head>
<body><h1>A shop</h1><button id="before">Before</button></body></html>"""


class Conversation:
    """The log of one conversation and the connections that follow it."""

    def __init__(self, id: str) -> None:
        self.id = ConversationId(id)
        self.key = f"key-{id}"
        self.log: list[Event] = []
        self.followers: set[WebSocket] = set()


class Peer:
    """Speaks docs/protocol.md; the test plays the assistant and the staff."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.received: list[Frame] = []
        self.bad: list[str] = []
        """What the real server would not have understood."""
        self.sockets: set[WebSocket] = set()
        self.passages: dict[str, dict[str, str]] = {}
        self.mode = "assistant"
        self.refuse_tokens: set[str] = set()
        self.swallow_says = False
        """Store what is said, but never answer: as when the connection breaks right then."""
        self.ignore_says = False
        self.answer_error: Frame | None = None
        """Answers the next frames with this error instead of doing what they ask."""
        self.up = True
        self.port = 0
        self._changed = asyncio.Condition()

    # ------------------------------------------------------------------ what tests do

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def host(self, *, lang: str = "en", token: str = "", accent: str = "#2f5d50") -> str:
        return f"{self.url}/host?lang={lang}&token={token}&accent={accent.replace('#', '%23')}"

    @property
    def only(self) -> Conversation:
        (conversation,) = self.conversations.values()
        return conversation

    async def emit(self, *bodies: EventBody, to: Conversation | None = None) -> list[Event]:
        """Append events and send them to whoever follows the conversation."""
        conversation = to or self.only
        events = [
            Event(conversation=conversation.id, seq=seq, at=datetime.now(UTC), body=body)
            for seq, body in enumerate(bodies, len(conversation.log) + 1)
        ]
        conversation.log += events
        for event in events:
            for socket in list(conversation.followers):
                await self._send(socket, for_shopper(event))
        return events

    async def stream(self, *frames: Frame) -> None:
        """Send passing frames to every connection."""
        for socket in list(self.sockets):
            for frame in frames:
                await self._put(socket, frame)

    async def drop(self, code: int = 1012) -> None:
        """Break every connection."""
        for socket in list(self.sockets):
            await socket.close(code)
        self.sockets.clear()

    async def got(self, type: str, count: int = 1) -> list[Frame]:
        """Wait until ``count`` frames of a type have arrived, and return them."""

        def there() -> bool:
            return len(self.frames(type)) >= count

        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(there), 20)
        return self.frames(type)

    def frames(self, type: str) -> list[Frame]:
        return [frame for frame in self.received if frame["type"] == type]

    def said(self, conversation: Conversation | None = None) -> list[str]:
        """The shopper's messages as they stand in the log."""
        return [e.body.text for e in (conversation or self.only).log if isinstance(e.body, MessageReceived)]

    # ------------------------------------------------------------------ the server's side

    async def _put(self, socket: WebSocket, frame: Frame) -> None:
        await socket.send_text(render(_SERVER.validate_python(frame)))

    async def _send(self, socket: WebSocket, event: dict[str, Any] | None) -> None:
        if event is not None:
            await self._put(socket, {"type": "event", "event": event})

    async def serve(self, socket: WebSocket) -> None:
        if not self.up:
            await socket.close()
            return
        await socket.accept()
        self.sockets.add(socket)
        conversation: Conversation | None = None
        try:
            while True:
                raw = await socket.receive_text()
                try:
                    frame = parse(raw).model_dump()
                except BadFrame:
                    self.bad.append(raw)
                    continue
                async with self._changed:
                    self.received.append(frame)
                    self._changed.notify_all()
                if frame["type"] == "hello":
                    conversation = await self._hello(socket, frame)
                elif conversation and self.answer_error and frame["type"] != "typing":
                    await self._put(socket, self.answer_error | {"type": "error", "id": frame["id"]})
                elif conversation and frame["type"] == "say" and not self.ignore_says:
                    await self._say(socket, conversation, frame)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.sockets.discard(socket)
            for known in self.conversations.values():
                known.followers.discard(socket)

    async def _hello(self, socket: WebSocket, frame: Frame) -> Conversation | None:
        if frame["token"] in self.refuse_tokens:
            await self._put(
                socket,
                {"type": "error", "code": "identity.token_rejected", "message": "Expired.", "retry": False},
            )
            await socket.close(4401)
            return None
        if frame["conversation"] is None:
            conversation = Conversation(f"cv{len(self.conversations) + 1}")
            self.conversations[conversation.id] = conversation
        else:
            found = self.conversations.get(frame["conversation"])
            if found is None or found.key != frame["key"]:
                await self._put(
                    socket,
                    {"type": "error", "code": "log.not_found", "message": "Not found.", "retry": False},
                )
                return None
            conversation = found
        head = len(conversation.log)
        await self._put(socket,
            {"type": "welcome", "conversation": conversation.id, "key": conversation.key, "head": head, "mode": self.mode,
             "customer": "Hannah" if frame["token"] else None, "shop": "Fernway Outdoor", "language": frame["language"], "protocol": 1}
        )  # fmt: skip
        for event in conversation.log[frame["after"] :]:
            await self._send(socket, for_shopper(event))
        conversation.followers.add(socket)
        await self._put(socket, {"type": "caught_up", "seq": head})
        return conversation

    async def _say(self, socket: WebSocket, conversation: Conversation, frame: Frame) -> None:
        seqs = [
            e.seq
            for e in conversation.log
            if isinstance(e.body, MessageReceived) and e.body.message == frame["id"]
        ]
        if self.swallow_says:
            conversation.followers.clear()
        if not seqs:
            seqs = [
                e.seq
                for e in await self.emit(
                    MessageReceived(message=frame["id"], text=frame["text"]), to=conversation
                )
            ]
        if self.swallow_says:
            self.swallow_says = False
            await socket.close(1012)
        else:
            await self._put(socket, {"type": "accepted", "id": frame["id"], "seq": seqs[0]})

    def app(self, settings: Settings) -> FastAPI:
        app = FastAPI()
        app.include_router(pages.router)
        app.dependency_overrides[pages.settings] = lambda: settings

        @app.websocket("/v1/chat")
        async def chat(socket: WebSocket) -> None:
            await self.serve(socket)

        @app.get("/v1/passages/{id:path}")
        def passage(id: str) -> dict[str, str]:
            if id not in self.passages:
                raise HTTPException(404)
            return {"id": id, **self.passages[id]}

        @app.get("/host")
        def host(lang: str, token: str, accent: str) -> Response:
            headers = {
                "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; style-src 'none'; require-trusted-types-for 'script'"
            }
            return HTMLResponse(HOST.format(lang=lang, token=token, accent=accent), headers=headers)

        return app


@asynccontextmanager
async def serving(
    settings: Settings, change: Callable[[FastAPI], None] = lambda app: None
) -> AsyncIterator[Peer]:
    """A running peer on a free port."""
    peer = Peer()
    app = peer.app(settings)
    change(app)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
    )
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by this flag alone
        await asyncio.sleep(0.01)
    peer.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.should_exit = True
        await task


# ---------------------------------------------------------------------- events by short names

TURN = TurnId("t1")


def answer(text: str, *citations: Citation, turn: str = TURN, **more: Any) -> AnswerSent:
    fields: dict[str, Any] = {"language": "en", "how": "generated", "citations": citations} | more
    return AnswerSent(turn=TurnId(turn), text=text, **fields)


def cite(ref: str, **more: Any) -> Citation:
    fields: dict[str, Any] = {
        "kind": "passage",
        "id": f"p{ref}",
        "title": "Returns policy",
        "heading": "How long",
    } | more
    return Citation(ref=ref, **fields)


def proposal(id: str = "pr1", *, minutes: float = 10, **more: Any) -> ActionProposed:
    fields: dict[str, Any] = {
        "turn": TURN,
        "action": ProposedAction(kind="cancel", order="FW-100001", arguments={"reason": "changed_mind"}),
        "arguments_hash": "sha256:5f2c",
        "policy_version": "2026-03-01",
        "customer": None,
        "summary": "Cancel order FW-100001. 249.00 EUR go back to your card.",
        "expires_at": datetime.now(UTC) + timedelta(minutes=minutes),
    }  # fmt: skip
    return ActionProposed(proposal=ProposalId(id), **(fields | more))
