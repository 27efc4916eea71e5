"""The terminal shopper, as a program of its own over stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_socket

from agent import events as ev
from agent.events import for_shopper
from agent.ids import ConversationId, CustomerId, OfferId
from serving.terminal import SignedIn, TerminalShopper, View, is_near
from tests.serving.parts import ADA, Running, now, running

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "serving", "chat")


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as server:
        yield server


@asynccontextmanager
async def amends_chat(*arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def chat(*arguments: str, lines: str = "") -> tuple[int, list[dict[str, Any]], str]:
    """Run it to its end; return exit code, events and what it said on the side."""
    async with amends_chat(*arguments) as process:
        async with asyncio.timeout(60):
            out, err = await process.communicate(lines.encode())
        assert process.returncode is not None
        return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


async def visible(shop: Running, conversation: str) -> list[dict[str, Any]]:
    events = await shop.services.log.read(ConversationId(conversation))
    return [wire for event in events if (wire := for_shopper(event)) is not None]


def noted(err: str) -> tuple[str, str]:
    """Conversation and key, as they were printed."""
    notes = dict(line.split(": ", 1) for line in err.splitlines())
    return notes["conversation"], notes["key"]


async def test_each_answer_settles_before_the_next_line_and_out_come_the_stored_events(
    shop: Running,
) -> None:
    code, events, err = await chat(
        *("--url", shop.url, "--as", "Ada@example.com"), lines="Where is my order?\n\n//slash\n订单在哪里？"
    )
    assert code == 0, err
    assert events == await visible(shop, noted(err)[0])
    said = [event["text"] for event in events if event["type"] == "message.received"]
    assert said == ["Where is my order?", "/slash", "订单在哪里？"]
    turns = [e["type"] for e in events if e["type"] in {"message.received", "turn.completed"}]
    assert turns == ["message.received", "turn.completed"] * 3
    assert events[1]["customer"] == ADA.id
    assert "conversation.closed" not in {event["type"] for event in events}


async def test_a_proposal_is_confirmed_and_the_conversation_rated_and_closed(shop: Running) -> None:
    lines = "/yes\ncancel it\n/yes\n/no\n/rate 5 真的 很好\n/rate 9\n"
    code, events, err = await chat("--url", shop.url, "--as", "ada@example.com", "--close", lines=lines)
    assert code == 0, err
    types = [event["type"] for event in events]
    assert types[-6:] == [
        "action.confirmed",
        "turn.started",
        "action.done",
        "turn.completed",
        "conversation.rated",
        "conversation.closed",
    ]
    assert events[-2]["comment"] == "真的 很好"
    assert err.count("nothing waits for a yes or a no") == 2
    assert "usage: /rate" in err


async def test_no_leaves_everything_as_it_is_and_quit_ends_at_once(shop: Running) -> None:
    async with amends_chat("--url", shop.url, "--as", "ada@example.com") as process:
        assert process.stdin is not None
        process.stdin.write(b"cancel it\n/no\n/quit\nnever sent\n")
        async with asyncio.timeout(60):
            assert await process.wait() == 0  # with its stdin still open
        assert process.stdout is not None
        events = [json.loads(line) for line in (await process.stdout.read()).splitlines()]
    types = [event["type"] for event in events]
    assert types[-4:] == ["action.declined", "turn.started", "answer.sent", "turn.completed"]
    assert "action.done" not in types
    assert types.count("message.received") == 1


async def test_a_conversation_is_resumed_with_its_key_and_only_with_it(shop: Running) -> None:
    ada = ("--url", shop.url, "--as", "ada@example.com")
    _, first, err = await chat(*ada, lines="one\n")
    conversation, key = noted(err)
    after = str(first[-1]["seq"])
    again = ("--conversation", conversation, "--key", key)
    code, second, err = await chat(*ada, *again, "--after", after, lines="two\n")
    assert (code, err) == (0, "")
    assert first + second == await visible(shop, conversation)
    code, nothing, err = await chat("--url", shop.url, "--as", "lin@example.com", *again, lines="three\n")
    assert (code, nothing) == (2, [])
    assert "未找到该对话" in err
    other = shop.services.keys.sign(ConversationId("conv_0"))
    code, _, _ = await chat(*ada, "--conversation", conversation, "--key", other, lines="x\n")
    assert code == 2


async def test_a_person_ends_the_waiting_and_deltas_are_shown_when_asked_for(shop: Running) -> None:
    code, frames, err = await chat("--url", shop.url, "--deltas", lines="I am angry\n/person\nstill there?\n")
    assert code == 0, err
    events = [frame for frame in frames if "seq" in frame]
    assert [event["type"] for event in events].count("handoff.requested") == 1
    # The person has it: what is said then is theirs to answer, so nothing is waited for.
    assert events[-1]["type"] in {"message.received", "turn.started", "answer.sent", "turn.completed"}
    deltas = [frame for frame in frames if frame["type"] == "delta"]
    assert "".join(delta["text"] for delta in deltas if delta["turn"] == deltas[0]["turn"]) == (
        "You wrote: I am angry."
    )
    assert {"type": "typing", "who": "assistant"} in frames


async def test_its_exit_code_says_what_went_wrong(shop: Running, unused_tcp_port: int) -> None:
    nowhere = f"http://127.0.0.1:{unused_tcp_port}"
    cases = {
        ("--url", shop.url, "--as", "nobody@example.com"): 3,
        ("--url", nowhere, "--as", "ada@example.com"): 4,
        ("--url", nowhere, "--as", "visitor"): 4,
        ("--url", "127.0.0.1:8080"): 2,
        ("--url", shop.url, "--conversation", "conv_1"): 2,
        ("--url", shop.url, "--language", "fr"): 2,
        ("--url", shop.url, "--no-such-option"): 2,
        ("--url", shop.url, "--timeout", "0.5"): 5,
    }
    results = await asyncio.gather(*(chat(*arguments, lines="slowly\n") for arguments in cases))
    assert {arguments: code for arguments, (code, _, _) in zip(cases, results, strict=True)} == cases
    for code, _, err in results:
        assert "Traceback" not in err
        if code == 5:
            assert "no answer within 0.5 seconds" in err


async def test_it_survives_a_restart_of_the_server_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        port = first.server.port
        process = amends_chat("--url", first.url)
        chatting = await process.__aenter__()
        assert chatting.stdin is not None
        chatting.stdin.write("slowly 一\n".encode())
        await first.responder.paused.wait()
    async with running(tmp_path, port=port) as second:
        # What the turn engine does on a restart: the turn that died runs again.
        (conversation,) = await second.services.log.unsettled()
        second.responder.go.set()
        events = await second.services.log.read(conversation)
        said = next(event for event in events if isinstance(event.body, ev.MessageReceived))
        await second.responder.answer(conversation, said.seq, "slowly 一")
        async with asyncio.timeout(60):
            out, err = await chatting.communicate(b"two\n")
        assert chatting.returncode == 0, err
        events_out = [json.loads(line) for line in out.splitlines()]
        assert events_out == await visible(second, conversation)
        said_twice = [event["text"] for event in events_out if event["type"] == "message.received"]
        assert said_twice == ["slowly 一", "two"]
    await process.__aexit__(None, None, None)


async def shopper(shop: Running, seen: list[Any], **options: Any) -> TerminalShopper:
    async def visitor() -> SignedIn:
        return SignedIn(None, "en")

    return TerminalShopper(shop.url, sign_in=visitor, emit=seen.append, **options)


async def test_what_waits_for_a_person_settles_after_a_short_silence(shop: Running) -> None:
    seen: list[Any] = []
    async with await shopper(shop, seen, grace=0.2) as one:
        await one.do("/person")
        assert seen[-1]["type"] == "handoff.requested"
        await shop.responder.stop()
        shop.bus._listeners.clear()  # nobody answers any more
        assert await one.do("anybody?")
        assert seen[-1]["type"] == "message.received"


async def test_an_offer_is_taken(shop: Running) -> None:
    seen: list[Any] = []
    async with await shopper(shop, seen, grace=0.2) as one:
        await one.do("/offer yes")  # there is none: nothing happens
        await one.do("hello")
        conversation = next(iter(await shop.services.log.latest()))
        await shop.responder.append(
            conversation,
            ev.OfferMade(
                offer=OfferId("offer_1"),
                customer=CustomerId("cust_ada"),
                kind="voucher",
                value="10.00",
                text="Ten euros off",
                expires_at=now().replace(year=2099),
                policy="p1",
                propensity=0.9,
            ),
        )
        await one._until(lambda: seen[-1]["type"] == "offer.made")
        await one.do("/offer yes")
        assert (seen[-1]["type"], seen[-1]["taken"]) == ("offer.answered", True)


async def test_a_message_the_server_could_not_take_is_said_again_until_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that refuses once, drops the connection once, and then accepts."""
    monkeypatch.setattr("serving.terminal.AGAIN_SECONDS", 0.0)
    says: list[str] = []
    hellos: list[int] = []

    async def script(connection: ServerConnection) -> None:
        hello = json.loads(await connection.recv())
        hellos.append(hello["after"])
        if len(hellos) == 1:
            await connection.send(json.dumps({"type": "error", "code": "x", "message": "", "retry": True}))
            await connection.wait_closed()
            return
        await connection.send(json.dumps({"type": "welcome", "conversation": "c", "key": "k"}))
        started = {"seq": 1, "at": "", "type": "conversation.started"}
        await connection.send(json.dumps({"type": "event", "event": started}))
        await connection.send(json.dumps({"type": "caught_up", "seq": 1}))
        async for raw in connection:
            say = json.loads(raw)
            says.append(say["id"])
            if len(says) == 1:
                refusal = {"code": "protocol.too_fast", "message": "", "retry": True, "id": say["id"]}
                await connection.send(json.dumps({"type": "error", **refusal}))
            elif len(says) == 2:
                connection.transport.abort()
            else:
                for event in (
                    {"seq": 2, "type": "message.received", "message": say["id"], "text": say["text"]},
                    {"seq": 3, "type": "turn.started", "turn": "t", "upto": 2},
                    {"seq": 4, "type": "turn.completed", "turn": "t", "outcome": "answered"},
                ):
                    await connection.send(json.dumps({"type": "event", "event": event}))

    seen: list[Any] = []
    async with serve_socket(script, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        async def visitor() -> SignedIn:
            return SignedIn(None, "en")

        async with TerminalShopper(
            f"http://127.0.0.1:{port}", sign_in=visitor, emit=seen.append, timeout=20
        ) as one:
            await one.do("hello?")
    assert hellos == [0, 0, 1]
    assert len(says) == 3
    assert len(set(says)) == 1
    assert [event["seq"] for event in seen] == [1, 2, 3, 4]


async def test_a_reader_that_goes_away_ends_it_quietly(shop: Running) -> None:
    command = f"{' '.join(COMMAND)} --url {shop.url} | head -n 1"
    process = await asyncio.create_subprocess_shell(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(60):
        out, err = await process.communicate(b"one\ntwo\nthree\n")
    assert json.loads(out)["type"] == "conversation.started"
    assert sorted(line.split(":")[0] for line in err.decode().splitlines()) == ["conversation", "key"]


def test_a_server_on_this_machine_is_reached_without_a_proxy() -> None:
    near = ["http://127.0.0.1:8080", "http://localhost:8080", "https://[::1]"]
    far = ["https://shop.example", "http://127.0.0.1.shop.example", "http://10.0.0.1"]
    assert [is_near(url) for url in near + far] == [True] * 3 + [False] * 3


def test_an_answer_settles_with_a_turn_that_covers_it_a_person_or_the_end() -> None:
    def view(*events: dict[str, Any]) -> View:
        seen = View()
        for seq, event in enumerate(events, 1):
            seen.see({"seq": seq, **event})
        return seen

    said = {"type": "message.received", "message": "m1", "text": "x"}
    done = {"type": "turn.completed", "turn": "t"}
    assert not view(said).settled(1)
    assert not view(said).settled(None)
    assert view(said, {"type": "turn.started", "turn": "t", "upto": 1}, done).settled(1)
    # A turn that began before the message was heard answers it not.
    assert not view(said, {"type": "turn.started", "turn": "t", "upto": 0}, done).settled(1)
    interrupted = {"type": "turn.interrupted", "turn": "t", "by": "message"}
    assert not view(said, {"type": "turn.started", "turn": "t", "upto": 1}, interrupted).settled(1)
    assert view(said, {"type": "handoff.accepted", "name": "Dana"}).settled(1)
    assert view(said, {"type": "conversation.closed", "by": "idle"}).settled(1)
    assert not view({"type": "conversation.closed", "by": "idle"}, said).settled(2)
