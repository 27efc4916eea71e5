"""A whole server over a real log and real sockets, with doubles for what lies outside it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect

from agent import events as ev
from agent.conversations import Conversations
from agent.errors import SeqConflict
from agent.events import Event, EventBody
from agent.gate import WriteGate, arguments_hash
from agent.identity import ConversationKeys, CustomerTokens
from agent.ids import ConversationId, CustomerId, OrderId, ProposalId, StaffId, TurnId, new_id
from agent.live import Delta, LocalBus, Typing, Withdrawn
from agent.log import ConversationLog
from agent.log_live import LiveLog
from agent.log_sql import SqlLog
from agent.migrations import migrate
from agent.model import LanguageModel
from agent.scope import Scope
from agent.shop.port import Customer, Shop, ShopRecords
from retrieval.passages import Chunk, Retriever, Visibility
from serving.app import create_app
from serving.http import HttpServer, listen
from serving.mailbox import DemoMailbox
from serving.services import Services
from serving.settings import Settings, ShopSettings

SECRET = "a secret for tests, long enough for HS256"
ADA = Customer(CustomerId("cust_ada"), "ada@example.com", "Ada Berg", "en", date(2025, 1, 5), "DE")
LIN = Customer(CustomerId("cust_lin"), "lin@example.com", "林小雨", "zh", date(2025, 2, 6), "CN")


def now() -> datetime:
    return datetime.now(UTC)


class TwoCustomers:
    """A shop platform with two customers: its records, and what a conversation may reach."""

    async def customers(self) -> list[Customer]:
        return [ADA, LIN]

    async def customer_by_email(self, email: str) -> Customer | None:
        return next((one for one in (ADA, LIN) if one.email == email.casefold()), None)

    async def customer(self, scope: Scope) -> Customer | None:
        return next((one for one in (ADA, LIN) if one.id == scope.customer), None)


class Shelf:
    """Passages by id, each with who may read it."""

    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = {chunk.id: chunk for chunk in chunks}

    async def open(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        found = self._chunks.get(id)
        return found if found and found.visibility in visible_to else None


class Responder:
    """Answers every message as a turn would, piece by piece.

    Words in the message choose what happens: ``slowly`` waits for ``go`` in the middle of the
    answer, ``cancel`` proposes, ``person`` asks for one, ``angry`` lets staff take over.
    """

    def __init__(self, log: ConversationLog, bus: LocalBus) -> None:
        self._log = log
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()
        self.go = asyncio.Event()
        self.paused = asyncio.Event()
        bus.on_event(self._heard)

    def _heard(self, event: Event) -> None:
        work: Awaitable[None] | None = None
        if isinstance(event.body, ev.MessageReceived):
            work = self.answer(event.conversation, event.seq, event.body.text)
        elif isinstance(event.body, ev.ActionConfirmed):
            work = self.act(event.conversation, event.seq, event.body.proposal)
        elif isinstance(event.body, ev.ActionDeclined) and event.body.why == "shopper":
            work = self.answer(event.conversation, event.seq, "no")
        if work is not None:
            task = asyncio.ensure_future(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def append(self, conversation: ConversationId, *bodies: EventBody) -> list[Event]:
        while True:
            try:
                return await self._log.append(
                    conversation, bodies, expected=await self._log.head(conversation)
                )
            except SeqConflict:
                continue

    async def answer(self, conversation: ConversationId, seq: int, text: str) -> None:
        turn = TurnId(new_id("turn"))
        await self.append(conversation, ev.TurnStarted(turn=turn, upto=seq))
        self._bus.publish(Typing(conversation, "assistant"))
        await self.append(
            conversation,
            ev.MessageUnderstood(turn=turn, intents=("unclear",), confidence=0.5, language="en"),
            ev.MoodScored(
                turn=turn,
                seq=seq,
                scores=ev.MoodScores(negative=0.1, neutral=0.8, positive=0.1),
                scorer="test",
            ),
        )
        words = f"You wrote: {text}."
        sent = 0
        for piece in (words[:5], words[5:12], words[12:]):
            self._bus.publish(Delta(conversation, turn, sent, piece))
            sent += len(piece)
            await asyncio.sleep(0)
            if "slowly" in text and sent == 12:
                self.paused.set()
                await self.go.wait()
        if "wrong" in text:
            self._bus.publish(Withdrawn(conversation, turn, 10, "unsupported"))
            words = words[:10]
        bodies: list[EventBody] = [ev.AnswerSent(turn=turn, text=words, language="en", how="generated")]
        if "cancel" in text:
            bodies.append(self.proposal(turn))
        if "person" in text or "angry" in text:
            packet = ev.HandoffPacket(
                customer="", identity="visitor", wants="PACKET", suggested="PACKET next"
            )
            bodies.append(ev.HandoffRequested(turn=turn, reasons=("requested",), packet=packet))
        bodies.append(ev.TurnCompleted(turn=turn, outcome="answered"))
        bodies.append(ev.TurnMeasured(turn=turn, total=0.5))
        await self.append(conversation, *bodies)
        if "angry" in text:
            await self.append(conversation, ev.HandoffAccepted(staff=StaffId("dana"), name="Dana"))

    def proposal(self, turn: TurnId) -> ev.ActionProposed:
        action = ev.ProposedAction(kind="cancel", order=OrderId("FW-100001"), arguments={"reason": "late"})
        return ev.ActionProposed(
            proposal=ProposalId(new_id("prop")),
            turn=turn,
            action=action,
            arguments_hash=arguments_hash(action),
            policy_version="1",
            customer=ADA.id,
            summary="Cancel FW-100001",
            expires_at=now() + timedelta(minutes=15),
        )

    async def act(self, conversation: ConversationId, seq: int, proposal: ProposalId) -> None:
        turn = TurnId(new_id("turn"))
        await self.append(conversation, ev.TurnStarted(turn=turn, upto=seq))
        await self.append(
            conversation,
            ev.ActionDone(
                proposal=proposal,
                turn=turn,
                order=OrderId("FW-100001"),
                kind="cancel",
                reference="C-1",
                text="Cancelled.",
            ),
            ev.TurnCompleted(turn=turn, outcome="acted"),
        )

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass
class Running:
    """A server that answers on a free port."""

    server: HttpServer
    services: Services
    bus: LocalBus
    responder: Responder

    @property
    def url(self) -> str:
        return self.server.url

    def token(self, customer: Customer) -> str:
        return self.services.tokens.sign(customer.id, now=now())

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        address = self.url.replace("http", "ws") + "/v1/chat"
        async with connect(address, compression=None, proxy=None, close_timeout=0.5, **options) as connection:
            yield Client(connection)


def make_services(
    folder: Path, log: ConversationLog, bus: LocalBus, *, origins: tuple[str, ...] = (), **changes: Any
) -> Services:
    shop = TwoCustomers()
    settings = Settings(
        data=folder, shop=ShopSettings(origins=origins, token_secret=SecretStr(SECRET)), demo=True
    )
    services = Services(
        settings=settings,
        log=log,
        bus=bus,
        conversations=Conversations(log, WriteGate(now), now),
        tokens=CustomerTokens(SECRET),
        keys=ConversationKeys(SECRET),
        shop=cast("Shop", shop),
        records=cast("ShopRecords", shop),
        retriever=cast("Retriever", Shelf()),
        model=cast("LanguageModel", None),
        clock=now,
        shop_name={"en": "Fernway Outdoor", "zh": "远岭户外"},
        mailbox=DemoMailbox(folder / "mailbox.db", now),
        checks={"log": log.ready},
    )
    return replace(services, **changes)


@asynccontextmanager
async def running(
    folder: Path,
    *,
    capacity: int = 1024,
    port: int = 0,
    listening: socket.socket | None = None,
    wrap: Callable[[ConversationLog], ConversationLog] = lambda log: log,
    **changes: Any,
) -> AsyncIterator[Running]:
    """Run a server over the log in ``folder``; a second run there continues the first one's."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    url = f"sqlite:///{folder / 'log.db'}"
    await asyncio.to_thread(migrate, url)
    stored = SqlLog(url, clock=now)
    bus = LocalBus(capacity=capacity)
    log = LiveLog(wrap(stored), bus)
    services = make_services(folder, log, bus, **changes)
    responder = Responder(log, bus)
    server = HttpServer(create_app(services), listening or listen("127.0.0.1", port))
    await server.start()
    try:
        yield Running(server, services, bus, responder)
    finally:
        await server.stop()
        await responder.stop()
        await stored.close()


Frame = Mapping[str, Any]


class Client:
    """A client of the protocol, as thin as can be."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome: Frame = {}
        self.frames: list[Frame] = []

    async def send(self, type: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": type, **fields}, ensure_ascii=False))

    async def recv(self) -> Frame:
        async with asyncio.timeout(20):
            frame: Frame = json.loads(await self.connection.recv())
        self.frames.append(frame)
        return frame

    async def until(self, type: str) -> Frame:
        """Read up to a frame of this type, or an event of this type."""
        while True:
            frame = await self.recv()
            if frame["type"] == type or (frame["type"] == "event" and frame["event"]["type"] == type):
                return frame

    async def hello(self, **fields: Any) -> Frame:
        """Say hello and read up to the catching up."""
        await self.send("hello", **fields)
        self.welcome = await self.until("welcome")
        await self.until("caught_up")
        return self.welcome

    async def resume(self, other: Client, *, after: int | None = None, **fields: Any) -> Frame:
        """Continue another client's conversation where that one was."""
        known = {"conversation": other.welcome["conversation"], "key": other.welcome["key"]}
        self.welcome = other.welcome
        return await self.hello(**known, after=other.last if after is None else after, **fields)

    @property
    def events(self) -> list[Mapping[str, Any]]:
        return [frame["event"] for frame in self.frames if frame["type"] == "event"]

    @property
    def last(self) -> int:
        return max((event["seq"] for event in self.events), default=0)

    def provisional(self) -> str:
        """The text of the running turn, by the protocol's rules."""
        text = ""
        for frame in self.frames:
            match frame["type"]:
                case "delta":
                    text = text[: frame["offset"]] + frame["text"]
                case "withdrawn":
                    text = text[: frame["offset"]]
                case "event" if frame["event"]["type"] in {"turn.started", "turn.interrupted"}:
                    text = ""
        return text
