"""A shopper without a browser: the client's side of ``docs/protocol.md``.

It keeps one conversation over as many connections as that takes, sends one thing at a time,
and knows when the answer to it has settled.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from agent.conversation import MOVES, Mode
from agent.ids import Language, new_id

GRACE_SECONDS = 2.0
"""How long nothing happens before a message that waits for a person counts as settled: a turn
that is going to answer it has begun long before."""
OFFER_SECONDS = 10.0
"""How long an offer may take after a conversation was closed: scoring it comes first."""
AGAIN_SECONDS = 1.0
"""Before a frame is repeated that the server refused for the moment."""
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds between attempts to reconnect: doubled each time, up to the longest."""

VISITOR = "visitor"
"""Who signs in as nobody."""

Wire = Mapping[str, Any]
"""A frame or an event, as received."""


class ChatFailed(Exception):
    """The conversation could not go on. The message says why; ``exit_code`` is the command's."""

    exit_code = 5


class ServerUnreachable(ChatFailed):
    """Nothing answers there, or it is no Amends server."""

    exit_code = 4


class UnknownCustomer(ChatFailed):
    """The demo shop has no such customer."""

    exit_code = 3


class ConversationRefused(ChatFailed):
    """The conversation to resume is not there, or not this shopper's."""

    exit_code = 2


@dataclass(frozen=True)
class SignedIn:
    """Who the shopper is: a customer's token, ``None`` for a visitor, and their language."""

    token: str | None
    language: Language


async def sign_in(url: str, customer: str, language: Language | None) -> SignedIn:
    """Do for the terminal what the demo shop's page does: get a token for a customer.

    Raises:
        UnknownCustomer, ServerUnreachable: As they say.
    """
    if customer == VISITOR:
        return SignedIn(None, language or "en")
    try:
        async with httpx.AsyncClient(timeout=10.0, trust_env=not is_near(url)) as client:
            answer = await client.get(f"{url}/demo/token", params={"customer": customer})
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise UnknownCustomer("no such demo customer there (`amends shop customers` lists them)")
        signed_in = answer.raise_for_status().json()
        return SignedIn(signed_in["token"], language or signed_in["customer"]["language"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ServerUnreachable(f"no Amends server answers ({type(error).__name__})") from None


@dataclass
class View:
    """What a shopper knows of the conversation, folded from the events they are sent."""

    last: int = 0
    mode: Mode = "assistant"
    running: str | None = None
    running_upto: int = 0
    answered_upto: int = 0
    closed_seq: int = 0
    rated_seq: int = 0
    messages: dict[str, int] = field(default_factory=dict)
    """``seq`` of the shopper's messages by their ids."""
    answers: dict[str, int] = field(default_factory=dict)
    """``seq`` of what answered a proposal or an offer, by its id."""
    proposal: Wire | None = None
    offer: Wire | None = None

    def see(self, event: Wire) -> None:
        """Move over one event."""
        self.last = event["seq"]
        kind = event["type"]
        if kind in MOVES:
            self.mode = MOVES[kind].get(self.mode, self.mode)
        match kind:
            case "message.received":
                self.messages[event["message"]] = self.last
            case "turn.started":
                self.running, self.running_upto = event["turn"], event["upto"]
            case "turn.interrupted":
                self.running = None
            case "turn.completed":
                self.running = None
                self.answered_upto = max(self.answered_upto, self.running_upto)
            case "action.proposed":
                self.proposal = event
            case "action.confirmed" | "action.declined":
                self.answers[event["proposal"]] = self.last
                self.proposal = None
            case "offer.made":
                self.offer = event
            case "offer.answered":
                self.answers[event["offer"]] = self.last
                self.offer = None
            case "conversation.closed":
                self.closed_seq = self.last
            case "conversation.rated":
                self.rated_seq = self.last

    def settled(self, seq: int | None) -> bool:
        """Whether shopper input at ``seq`` (``None``: not stored yet) has had its answer.

        So it has when a turn over it completed, a person has the conversation, or it was closed.
        """
        return seq is not None and (
            self.answered_upto >= seq or self.mode == "staff" or self.closed_seq > seq
        )


class TerminalShopper:
    """One conversation with a server, as an asynchronous context manager.

    Args:
        url: The server's address, ``http`` or ``https``.
        sign_in: Says who we are; asked again when a token was rejected.
        emit: Gets every stored event once, in order.
        passing: Gets deltas, withdrawals and typing.
        notice: Gets a line for the person at the terminal.
        resume: Conversation and key to go on with.
        timeout: Seconds until an answer must have settled.
    """

    def __init__(
        self,
        url: str,
        *,
        sign_in: Callable[[], Awaitable[SignedIn]],
        emit: Callable[[Wire], None],
        passing: Callable[[Wire], None] = lambda _: None,
        notice: Callable[[str], None] = lambda _: None,
        resume: tuple[str, str] | None = None,
        timeout: float = 120.0,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._address = "ws" + url.removeprefix("http").rstrip("/") + "/v1/chat"
        self._near = is_near(url)
        self._sign_in = sign_in
        self._emit = emit
        self._passing = passing
        self._notice = notice
        self._conversation: str | None = resume[0] if resume else None
        self._key: str | None = resume[1] if resume else None
        self._timeout = timeout
        self._grace = grace
        self.view = View()
        self._connection: ClientConnection | None = None
        self._link: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._met = False
        """Whether the server has ever welcomed us."""
        self._caught_up = False
        self._outstanding: Wire | None = None
        self._handled = False
        """Whether the server has dealt with the outstanding frame."""
        self._again: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect and catch up."""
        self._link = asyncio.create_task(self._stay_connected(), name="link")
        try:
            await self._until(lambda: self._caught_up)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect; the conversation stays open."""
        await self._end()

    @property
    def conversation(self) -> str:
        """The conversation's id; empty before the server has welcomed us."""
        return self._conversation or ""

    async def do(self, line: str) -> bool:
        """Carry out one line of input and wait for its answer; false after ``/quit``.

        Raises:
            ChatFailed: No answer in time, or the server cannot be reached any more.
        """
        match line.split(maxsplit=2):
            case []:
                pass
            case ["/quit"]:
                return False
            case ["/yes" | "/no" as answer]:
                await self._confirm(answer.removeprefix("/"))
            case ["/person"]:
                await self._command({"type": "person"}, lambda: self.view.mode in {"waiting", "staff"})
            case ["/close"]:
                await self.close()
            case ["/offer", "yes" | "no" as answer]:
                await self._answer_offer(taken=answer == "yes")
            case ["/rate", ("1" | "2" | "3" | "4" | "5") as score, *comment]:
                await self._rate(int(score), *comment)
            case ["/offer" | "/rate", *_]:
                self._notice("usage: /rate 1…5 [comment], /offer yes|no")
            case _:
                await self._say(line[1:] if line.startswith("//") else line)
        return True

    async def close(self) -> None:
        """End the conversation."""
        await self._command({"type": "close"}, lambda: self.view.mode == "closed")

    # --- what a line does ---

    async def _say(self, text: str) -> None:
        message = new_id("msg")
        await self._carry(
            {"type": "say", "id": message, "text": text},
            done=lambda: self.view.settled(self.view.messages.get(message)),
            quiet=lambda: message in self.view.messages and self.view.mode == "waiting",
        )

    async def _confirm(self, answer: str) -> None:
        if (proposed := self.view.proposal) is None:
            self._notice("nothing waits for a yes or a no")
            return
        proposal, view = proposed["proposal"], self.view
        await self._carry(
            {
                "type": "confirm",
                "id": new_id("do"),
                "proposal": proposal,
                "arguments_hash": proposed["arguments_hash"],
                "answer": answer,
            },
            done=lambda: view.settled(view.answers.get(proposal)),
            quiet=lambda: view.mode == "waiting" if proposal in view.answers else self._handled,
        )

    async def _answer_offer(self, *, taken: bool) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(OFFER_SECONDS):
                while self.view.offer is None and self.view.mode == "closed":
                    await self._change(None)
        if (made := self.view.offer) is None:
            self._notice("there is no offer to answer")
            return
        await self._command(
            {"type": "offer", "offer": made["offer"], "taken": taken},
            lambda: made["offer"] in self.view.answers,
        )

    async def _rate(self, score: int, comment: str = "") -> None:
        before = self.view.rated_seq
        await self._command(
            {"type": "rate", "score": score, "comment": comment}, lambda: self.view.rated_seq > before
        )

    async def _command(self, frame: Wire, done: Callable[[], bool]) -> None:
        """Send what is answered by events alone. The server may find that nothing is to be done."""
        await self._carry({"id": new_id("do"), **frame}, done=done, quiet=lambda: self._handled)

    async def _carry(self, frame: Wire, *, done: Callable[[], bool], quiet: Callable[[], bool]) -> None:
        """Send a frame, again after every reconnect, until it is done.

        While ``quiet`` holds and no turn runs, the grace period is enough.
        """
        self._outstanding, self._handled = frame, False
        try:
            await self._send_outstanding()
            await self._until(
                lambda: self._outstanding is None or done(),
                quiet=lambda: quiet() and self.view.running is None,
            )
        finally:
            self._outstanding = None
            if self._again is not None:
                self._again.cancel()

    async def _until(self, done: Callable[[], bool], quiet: Callable[[], bool] = lambda: False) -> None:
        """Wait until ``done``, or until ``quiet`` and nothing comes for the grace period."""
        try:
            async with asyncio.timeout(self._timeout):
                while not done():
                    if not await self._change(self._grace if quiet() else None):
                        return
        except TimeoutError:
            raise ChatFailed(f"no answer within {self._timeout:g} seconds") from None

    async def _change(self, seconds: float | None) -> bool:
        """Wait for the next frame; false when none came in time."""
        assert self._link is not None  # noqa: S101
        self._changed.clear()
        waiting = asyncio.create_task(self._changed.wait(), name="change")
        try:
            done, _ = await asyncio.wait(
                {waiting, self._link}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        if self._link in done:
            self._link.result()  # raises why it ended
        return bool(done)

    async def _send_outstanding(self) -> None:
        if self._connection is None or self._outstanding is None or not self._caught_up:
            return
        with suppress(ConnectionClosed):  # the next connection repeats it
            await _send(self._connection, self._outstanding)
            if self._outstanding["type"] != "say":
                await _send(self._connection, {"type": "ping"})

    async def _send_again(self) -> None:
        await asyncio.sleep(AGAIN_SECONDS)
        await self._send_outstanding()

    # --- the connection ---

    async def _stay_connected(self) -> None:
        delay, who = FIRST_DELAY, await self._sign_in()
        rejected = False
        while True:
            self._caught_up = False
            try:
                # A conversation of long texts may come in large frames.
                async with connect(
                    self._address, max_size=None, close_timeout=1, proxy=None if self._near else True
                ) as connection:
                    self._connection = connection
                    await self._talk(connection, who)
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == 4401:
                    if rejected:
                        raise ChatFailed("the server rejects the token") from None
                    rejected, who = True, await self._sign_in()
            except (OSError, InvalidHandshake) as error:  # TimeoutError is an OSError
                if not self._met:
                    raise ServerUnreachable(f"no Amends server answers ({type(error).__name__})") from None
            finally:
                self._connection = None
            if self._caught_up:
                delay, rejected = FIRST_DELAY, False
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _talk(self, connection: ClientConnection, who: SignedIn) -> None:
        await _send(
            connection,
            {
                "type": "hello",
                "token": who.token,
                "conversation": self._conversation,
                "key": self._key,
                "after": self.view.last,
                "language": who.language,
                "channel": "terminal",
            },
        )
        frame = await _receive(connection)
        while frame["type"] == "error":
            if frame["code"] == "log.not_found":
                raise ConversationRefused(frame["message"])
            if frame["retry"]:
                return
            frame = await _receive(connection)
        self._welcomed(frame)
        while True:  # ends with ConnectionClosed
            await self._hear(await _receive(connection))
            self._changed.set()

    def _welcomed(self, frame: Wire) -> None:
        self._met = True
        if self._conversation is None:
            self._notice(f"conversation: {frame['conversation']}")
            self._notice(f"key: {frame['key']}")
        self._conversation, self._key = frame["conversation"], frame["key"]

    async def _hear(self, frame: Wire) -> None:
        match frame["type"]:
            case "event" if frame["event"]["seq"] > self.view.last:
                self.view.see(frame["event"])
                self._emit(frame["event"])
            case "caught_up":
                self._caught_up = True
                await self._send_outstanding()
            case "pong":
                self._handled = True
            case "error":
                self._refused(frame)
            case "delta" | "withdrawn" | "typing":
                self._passing(frame)

    def _refused(self, frame: Wire) -> None:
        mine = self._outstanding is not None and frame["id"] == self._outstanding["id"]
        if mine and frame["retry"]:
            self._again = asyncio.create_task(self._send_again(), name="send again")
            return
        self._notice(f"{frame['code']}: {frame['message']}")
        if mine:
            self._outstanding = None

    async def _end(self) -> None:
        if self._link is not None:
            self._link.cancel()
            with suppress(asyncio.CancelledError, ChatFailed):
                await self._link


def is_near(url: str) -> bool:
    """Whether a server runs on this machine, so that no proxy leads to it."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


async def _receive(connection: ClientConnection) -> dict[str, Any]:
    try:
        frame = json.loads(await connection.recv())
    except ValueError:
        frame = None
    if not isinstance(frame, dict) or "type" not in frame:
        raise ServerUnreachable("what answers there does not speak the protocol")
    return frame


async def _send(connection: ClientConnection, frame: Wire) -> None:
    await connection.send(json.dumps(frame, ensure_ascii=False))
