"""The shopper's WebSocket: ``docs/protocol.md`` over a live connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from time import monotonic
from typing import assert_never

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from agent.conversation import Conversation, fold
from agent.errors import AmendsError, ConversationNotFound, LogError, ShopError, TokenRejected
from agent.events import ConversationIdentified, Event
from agent.ids import ConversationId, CustomerId, Language
from agent.live import Live, TooSlow, Typing, Withdrawn
from agent.scope import Scope
from serving import frames as fr
from serving.errors import BAD_FRAME, TOO_FAST, error_frame, log_unforeseen, protocol_frame
from serving.headers import may_connect
from serving.metrics import Metrics
from serving.services import Services, services
from serving.stream import Gap, Stream

HELLO_SECONDS = 10.0
"""How long a client may take to say hello; in ``docs/protocol.md``."""

POLICY_VIOLATION = 1008
RESTART = 1012
TOKEN_REJECTED = 4401
TOO_SLOW = 4408

router = APIRouter()


@router.websocket("/v1/chat")
async def chat(websocket: WebSocket) -> None:
    """One shopper's connection, from its hello to its end."""
    parts = services(websocket)
    headers = websocket.headers
    if not may_connect(headers.get("origin"), headers.get("host"), parts.settings.shop.origins):
        await websocket.close()  # before accepting: the browser gets a 403
        return
    await websocket.accept()
    metrics: Metrics = websocket.app.state.metrics
    with metrics.connection():
        await Connection(websocket, parts).run()


class Connection:
    """One socket. Two tasks work on it: one reads frames, one follows the conversation."""

    def __init__(self, websocket: WebSocket, parts: Services) -> None:
        self._socket = websocket
        self._parts = parts
        self._limit = fr.RateLimit()
        self._language: Language = "en"
        self._customer: CustomerId | None = None

    async def run(self) -> None:
        """Serve until the client leaves, is too slow, or breaks the rules."""
        try:
            await self._run()
        except WebSocketDisconnect:
            pass  # gone; it resumes when it likes
        except Exception as error:
            log_unforeseen("a connection", error)
            await self._close(RESTART)

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(HELLO_SECONDS):
                    hello = await self._hello()
            except TimeoutError:
                await self._close(POLICY_VIOLATION)
                return
            self._language = hello.language
            try:
                self._customer = self._parts.tokens.verify(hello.token) if hello.token is not None else None
                conversation = await self._open(hello)
            except TokenRejected as error:
                await self._send(error_frame(error, self._language))
                await self._close(TOKEN_REJECTED)
                return
            except AmendsError as error:
                await self._send(error_frame(error, self._language))
            else:
                await self._serve(conversation, after=hello.after)
                return

    async def _hello(self) -> fr.Hello:
        while True:
            frame = await self._next()
            if isinstance(frame, fr.Hello):
                return frame
            await self._send(protocol_frame(BAD_FRAME, self._language, id=getattr(frame, "id", None)))

    async def _open(self, hello: fr.Hello) -> ConversationId:
        """Return the conversation to serve: a new one, or an old one that is this shopper's.

        Raises:
            ConversationNotFound: The key does not fit, or it is another customer's, or there
                is none; nobody can tell which.
        """
        conversations = self._parts.conversations
        if hello.conversation is None and hello.key is None:
            return await conversations.start(
                shop=self._parts.shop_name["en"],
                language=hello.language,
                channel=hello.channel,
                customer=self._customer,
            )
        try:
            conversation = self._parts.keys.verify(hello.key or "")
        except TokenRejected:
            raise ConversationNotFound from None
        if conversation != hello.conversation:
            raise ConversationNotFound
        owner = (await conversations.state(conversation)).customer
        self._must_be_ours(owner)
        if owner is None and self._customer is not None:
            await conversations.identify(conversation, self._customer)
        return conversation

    def _must_be_ours(self, owner: CustomerId | None) -> None:
        if owner is not None and owner != self._customer:
            raise ConversationNotFound

    async def _serve(self, conversation: ConversationId, *, after: int) -> None:
        # Listening begins before the log is read, so that nothing falls in between.
        with self._parts.bus.subscribe(conversation) as live:
            try:
                events = await self._parts.log.read(conversation)
                state = fold(conversation, events)
                self._must_be_ours(state.customer)
                await self._send(await self._welcome(state))
            except LogError as error:
                await self._send(error_frame(error, self._language))
                await self._close(RESTART)
                return
            missed = [event for event in events if event.seq > after]
            await self._until_first(
                asyncio.create_task(self._read(conversation), name=f"read {conversation}"),
                asyncio.create_task(self._follow(live, state, missed, after), name=f"follow {conversation}"),
            )

    async def _welcome(self, state: Conversation) -> fr.Welcome:
        try:
            customer = await self._parts.shop.customer(Scope(customer=state.customer))
        except ShopError:
            customer = None  # a name is a courtesy, no reason to turn anybody away
        return fr.Welcome(
            conversation=state.id,
            key=self._parts.keys.sign(state.id),
            head=state.head,
            mode=state.mode,
            customer=customer.name if customer else None,
            shop=self._parts.shop_name[self._language],
            language=state.language,
        )

    async def _until_first(self, *tasks: asyncio.Task[None]) -> None:
        """Wait until one task ends, end the others, and close by what happened."""
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            match outcome:
                case TooSlow():
                    await self._close(TOO_SLOW)
                case LogError():
                    await self._send(error_frame(outcome, self._language))
                    await self._close(RESTART)
                case None | asyncio.CancelledError() | WebSocketDisconnect():
                    continue
                case _:
                    raise outcome
            return

    # --- to the shopper ---

    async def _follow(
        self, live: AsyncIterator[Live], state: Conversation, missed: Sequence[Event], after: int
    ) -> None:
        bus, log = self._parts.bus, self._parts.log
        stream = Stream(last=min(after, state.head), running=state.running)
        await self._send(*stream.events(missed), fr.CaughtUp(seq=state.head))
        await self._send(*stream.provisional(bus.partial(state.id)))
        async for item in live:
            if isinstance(item, Event):
                try:
                    await self._pass_on(stream, [item])
                except Gap as gap:
                    await self._pass_on(stream, await log.read(state.id, after=gap.last))
                    await self._send(*stream.provisional(bus.partial(state.id)))
            elif isinstance(item, Typing):
                if item.who != "shopper":
                    await self._send(fr.TypingFrame(who=item.who))
            else:
                reason = item.reason if isinstance(item, Withdrawn) else ""
                await self._send(*stream.provisional(bus.partial(state.id), reason=reason))

    async def _pass_on(self, stream: Stream, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event.body, ConversationIdentified):
                # Somebody signed in on another connection: this one may no longer listen.
                self._must_be_ours(event.body.customer)
        await self._send(*stream.events(events))

    async def _send(self, *frames: fr.Frame) -> None:
        try:
            for frame in frames:
                await self._socket.send_text(fr.render(frame))
        except RuntimeError:  # how the libraries below say that it has been closed
            raise WebSocketDisconnect(1006) from None

    async def _close(self, code: int) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.close(code)

    # --- from the shopper ---

    async def _next(self) -> fr.ClientFrame:
        """The next frame that is well-formed and not too fast; others are answered here."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            fits = self._limit.allows(monotonic())
            try:
                frame = fr.parse(message.get("text"))
            except fr.BadFrame as bad:
                await self._send(protocol_frame(BAD_FRAME if fits else TOO_FAST, self._language, id=bad.id))
                continue
            if fits:
                return frame
            await self._send(protocol_frame(TOO_FAST, self._language, id=getattr(frame, "id", None)))

    async def _read(self, conversation: ConversationId) -> None:
        while True:
            frame = await self._next()
            try:
                await self._obey(conversation, frame)
            except WebSocketDisconnect:
                raise
            except Exception as error:  # one frame that fails must not end the conversation
                if not isinstance(error, AmendsError):
                    log_unforeseen(f"frame {frame.type}", error)
                await self._send(error_frame(error, self._language, id=getattr(frame, "id", None)))

    async def _obey(self, conversation: ConversationId, frame: fr.ClientFrame) -> None:
        do = self._parts.conversations
        match frame:
            case fr.Say():
                seq = await do.receive(conversation, message=frame.id, text=frame.text)
                await self._send(fr.Accepted(id=frame.id, seq=seq))
            case fr.Confirm():
                await do.confirm(
                    conversation,
                    frame.proposal,
                    arguments_hash=frame.arguments_hash,
                    yes=frame.answer == "yes",
                )
            case fr.Person():
                await do.request_person(conversation)
            case fr.Rate():
                await do.rate(conversation, score=frame.score, comment=frame.comment)
            case fr.Offer():
                await do.answer_offer(conversation, frame.offer, taken=frame.taken)
            case fr.Close():
                await do.close(conversation, by="shopper")
            case fr.ShopperTyping():
                self._parts.bus.publish(Typing(conversation, "shopper"))
            case fr.Ping():
                await self._send(fr.Pong())
            case fr.Hello():
                await self._send(protocol_frame(BAD_FRAME, self._language))
            case _:
                assert_never(frame)
