"""The shopper's socket: a real server, a real log, and a client of the ``websockets`` library."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agent import events as ev
from agent.errors import LogUnavailable
from agent.events import for_shopper
from agent.ids import ConversationId, CustomerId, OfferId, StaffId, TurnId
from agent.live import Delta, Withdrawn
from agent.log import ConversationLog
from serving import socket as socket_module
from serving.http import listen
from tests.serving.parts import ADA, LIN, Client, Running, now, running


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as server:
        yield server


async def visible(shop: Running, conversation: str) -> list[dict[str, Any]]:
    """What the log holds for the shopper's eyes."""
    events = await shop.services.log.read(ConversationId(conversation))
    return [wire for event in events if (wire := for_shopper(event)) is not None]


async def settled(client: Client, text: str, id: str = "m1") -> None:
    await client.send("say", id=id, text=text)
    await client.until("turn.completed")


async def closing_code(client: Client) -> int:
    try:
        while True:
            await client.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


async def test_a_visitor_is_welcomed_answered_and_sees_the_events_in_order(shop: Running) -> None:
    async with shop.client() as client:
        welcome = await client.hello(language="en", channel="api")
        assert welcome["mode"] == "assistant"
        assert welcome["customer"] is None
        assert (welcome["shop"], welcome["language"], welcome["protocol"]) == ("Fernway Outdoor", "en", 1)
        await settled(client, "Do you ship to Norway?")
        assert client.provisional() == "You wrote: Do you ship to Norway?."
        accepted = next(frame for frame in client.frames if frame["type"] == "accepted")
        assert accepted["id"] == "m1"
        assert [event["seq"] for event in client.events] == sorted({event["seq"] for event in client.events})
        assert client.events == await visible(shop, welcome["conversation"])
        said = next(event for event in client.events if event["type"] == "message.received")
        assert (said["seq"], said["text"]) == (accepted["seq"], "Do you ship to Norway?")


async def test_chinese_passes_unharmed_in_both_directions(shop: Running) -> None:
    async with shop.client() as client:
        welcome = await client.hello(token=shop.token(LIN), language="zh")
        assert (welcome["customer"], welcome["shop"], welcome["language"]) == ("林小雨", "远岭户外", "zh")
        await settled(client, "订单什么时候到？" + "远" * 3900)
        said, answer = (e for e in client.events if e["type"] in {"message.received", "answer.sent"})
        assert said["text"].startswith("订单什么时候到？远")
        assert answer["text"] == f"You wrote: {said['text']}."
        assert client.provisional() == answer["text"]
        await client.send("say", id="m2", text="")
        assert (await client.until("error"))["message"] == "无法识别这条消息。"


async def test_hidden_events_never_leave_and_what_is_staff_only_is_taken_out(shop: Running) -> None:
    async with shop.client() as client:
        welcome = await client.hello()
        await settled(client, "a person please")
        conversation = ConversationId(welcome["conversation"])
        await shop.responder.append(
            conversation,
            ev.NoteAdded(staff=StaffId("dana"), text="SECRET note"),
            ev.HandoffAccepted(staff=StaffId("dana"), name="Dana"),
            ev.HandoffReturned(staff=StaffId("dana"), note="SECRET return"),
        )
        await client.until("handoff.returned")
        async with shop.client() as late:
            await late.resume(client, after=0)
            assert late.events == client.events
        stored = await shop.services.log.read(conversation)
        hidden = {event.body.type for event in stored if event.body.audience == "staff"}
        assert hidden == {"message.understood", "mood.scored", "turn.measured", "note.added"}
        assert not hidden & {event["type"] for event in client.events}
        everything = json.dumps([client.frames, late.frames])
        assert "handoff.requested" in everything
        assert "SECRET" not in everything
        assert "PACKET" not in everything


async def test_resuming_after_any_event_gives_exactly_the_rest(shop: Running) -> None:
    async with shop.client() as client:
        welcome = await client.hello(token=shop.token(ADA))
        await settled(client, "one", "m1")
        await settled(client, "cancel it", "m2")
    whole = await visible(shop, welcome["conversation"])
    head = await shop.services.log.head(ConversationId(welcome["conversation"]))
    assert head > len(whole), "there are hidden events to pass over"
    for after in range(head + 3):
        async with shop.client() as again:
            await again.resume(client, after=after, token=shop.token(ADA))
            assert again.events == [event for event in whole if event["seq"] > after]
            assert again.frames[-1] == {"type": "caught_up", "seq": head}


@pytest.mark.parametrize("seed", range(4))
async def test_a_connection_killed_at_any_points_ends_with_the_logs_sequence(
    shop: Running, seed: int
) -> None:
    chance = random.Random(seed)
    seen: list[Any] = []
    first: Client | None = None
    texts = [f"message {n}" for n in range(4)]
    while not seen or seen[-1]["type"] != "turn.completed" or texts:
        async with shop.client() as client:
            if first is None:
                first = client
                await client.hello()
                seen += client.events
            else:
                await client.send(
                    "hello",
                    conversation=first.welcome["conversation"],
                    key=first.welcome["key"],
                    after=seen[-1]["seq"],
                )
            if texts:
                await client.send("say", id=texts[0], text=texts[0])
            for _ in range(chance.randint(1, 14)):
                try:
                    async with asyncio.timeout(0.2):
                        frame = await client.recv()
                except TimeoutError:
                    break
                if frame["type"] == "event":
                    seen.append(frame["event"])
                if frame["type"] == "accepted" and texts and frame["id"] == texts[0]:
                    texts.pop(0)
            client.connection.transport.abort()
    assert first is not None
    assert seen == (await visible(shop, first.welcome["conversation"]))[: len(seen)]
    said = [event["text"] for event in seen if event["type"] == "message.received"]
    assert said == [f"message {n}" for n in range(4)]


async def test_a_connection_killed_in_the_middle_of_an_answer_resumes_with_all_its_text(
    shop: Running,
) -> None:
    async with shop.client() as client:
        await client.hello()
        await client.send("say", id="m1", text="slowly please")
        await shop.responder.paused.wait()
        while client.provisional() != "You wrote: s":
            await client.recv()
        client.connection.transport.abort()
    async with shop.client() as again:
        await again.resume(client)
        delta = await again.until("delta")
        assert (delta["offset"], delta["text"]) == (0, "You wrote: s")
        shop.responder.go.set()
        answer = await again.until("answer.sent")
        assert again.provisional() == answer["event"]["text"] == "You wrote: slowly please."
        await again.until("turn.completed")
    whole = await visible(shop, client.welcome["conversation"])
    assert client.events + again.events == whole


async def test_a_server_that_restarts_continues_the_same_conversation(tmp_path: Path) -> None:
    async with running(tmp_path) as first, first.client() as client:
        await client.hello()
        await settled(client, "before")
        stopping = asyncio.create_task(first.server.stop())
        assert await closing_code(client) == 1012
        await stopping
    async with running(tmp_path) as second, second.client() as again:
        await again.resume(client)
        await settled(again, "after", "m2")
        assert client.events + again.events == await visible(second, client.welcome["conversation"])


async def test_withdrawn_text_is_taken_back_with_its_reason(shop: Running) -> None:
    async with shop.client() as client:
        await client.hello()
        await settled(client, "something wrong")
        back = next(frame for frame in client.frames if frame["type"] == "withdrawn")
        assert (back["offset"], back["reason"]) == (10, "unsupported")
        assert client.provisional() == "You wrote:"


async def test_text_of_a_settled_turn_is_not_streamed_again_to_one_who_joins(shop: Running) -> None:
    async with shop.client() as client:
        await client.hello()
        await settled(client, "hello")
        conversation = ConversationId(client.welcome["conversation"])
        turn = next(event["turn"] for event in client.events if event["type"] == "answer.sent")
        shop.bus.publish(Delta(conversation, TurnId(turn), 0, "stale"))
        shop.bus.publish(Withdrawn(conversation, TurnId(turn), 2, "stale"))
        async with shop.client() as late:
            await late.resume(client)
            for one in (client, late):
                before = len(one.frames)
                await one.send("ping")
                await one.until("pong")
                assert {frame["type"] for frame in one.frames[before:]} == {"pong"}


async def test_the_same_say_twice_is_one_message(shop: Running) -> None:
    async with shop.client() as client:
        await client.hello()
        for _ in range(3):
            await client.send("say", id="m1", text="only once")
        seqs = {(await client.until("accepted"))["seq"] for _ in range(3)}
        assert len(seqs) == 1
        async with shop.client() as again:
            await again.resume(client)
            await again.send("say", id="m1", text="only once")
            assert {(await again.until("accepted"))["seq"]} == seqs
        said = [e for e in await visible(shop, client.welcome["conversation"]) if "message" in e]
        assert [event["text"] for event in said] == ["only once"]


async def test_two_tabs_see_the_same(shop: Running) -> None:
    async with shop.client() as one, shop.client() as two:
        await one.hello()
        await two.resume(one)
        await one.send("say", id="a", text="from one")
        await two.send("say", id="b", text="from two")
        for tab in (one, two):
            for _ in range(2):
                await tab.until("turn.completed")
        assert one.events == (two.events if two.events[0]["seq"] == 1 else one.events[:1] + two.events)


async def test_another_customers_conversation_looks_exactly_like_a_missing_one(shop: Running) -> None:
    async with shop.client() as client:
        welcome = await client.hello(token=shop.token(ADA))
    keys = shop.services.keys
    missing = ConversationId("conv_0000")
    mine, other_key = welcome["conversation"], keys.sign(missing)
    attempts: list[dict[str, Any]] = [
        {"conversation": missing, "key": other_key},  # never existed
        {"conversation": mine, "key": welcome["key"]},  # another customer's, as a visitor
        {"conversation": mine, "key": welcome["key"], "token": shop.token(LIN)},  # as somebody else
        {"conversation": mine, "key": other_key, "token": shop.token(ADA)},  # with another key
        {"conversation": mine, "key": "nonsense", "token": shop.token(ADA)},
        {"conversation": mine, "key": shop.token(ADA), "token": shop.token(ADA)},  # a token is no key
        {"conversation": mine, "token": shop.token(ADA)},
        {"key": welcome["key"], "token": shop.token(ADA)},
    ]
    async with shop.client() as thief:
        answers = []
        for attempt in attempts:
            await thief.send("hello", **attempt)
            answers.append(await thief.recv())
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["code"] == "log.not_found"
        assert not answers[0]["retry"]
        # And then, on the same socket, a conversation of one's own.
        assert (await thief.hello())["conversation"] != mine
    before = await visible(shop, mine)
    async with shop.client() as owner:
        await owner.resume(client, after=0, token=shop.token(ADA))
        assert owner.events == before


async def test_a_visitor_who_signs_in_keeps_the_conversation_and_is_known(shop: Running) -> None:
    async with shop.client() as client:
        assert (await client.hello())["customer"] is None
    async with shop.client() as signed_in:
        welcome = await signed_in.resume(client, token=shop.token(ADA))
        assert welcome["customer"] == "Ada Berg"
        assert signed_in.events[-1]["type"] == "conversation.identified"
        assert signed_in.events[-1]["customer"] == ADA.id
    async with shop.client() as visitor:  # the key alone opens it no longer
        await visitor.send("hello", conversation=client.welcome["conversation"], key=client.welcome["key"])
        assert (await visitor.recv())["code"] == "log.not_found"


async def test_a_visitors_connection_ends_when_somebody_signs_in_on_another_one(shop: Running) -> None:
    async with shop.client() as visitor, shop.client() as owner:
        await visitor.hello()
        await owner.resume(visitor, token=shop.token(ADA))
        await owner.send("say", id="m1", text="my private question")
        assert await closing_code(visitor) == 1012
        assert visitor.frames[-1]["code"] == "log.not_found"
        assert "private" not in json.dumps(visitor.frames)
        assert ADA.id not in json.dumps(visitor.frames)
        await owner.until("turn.completed")


async def test_a_rejected_token_is_told_and_closed(shop: Running) -> None:
    key_as_token = shop.services.keys.sign(ConversationId("conv_1"))
    for token in ("nonsense", key_as_token, shop.token(ADA)[:-2]):
        async with shop.client() as client:
            await client.send("hello", token=token, language="zh")
            error = await client.recv()
            assert (error["code"], error["message"]) == (
                "identity.token_rejected",
                "您的登录已失效，请刷新页面。",
            )
            assert await closing_code(client) == 4401


async def test_a_client_that_says_no_hello_is_closed(shop: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "HELLO_SECONDS", 0.05)
    async with shop.client() as client:
        await client.send("ping")
        assert await closing_code(client) == 1008
        assert client.frames[0]["code"] == "protocol.bad_frame"


@pytest.mark.parametrize(
    ("raw", "id"),
    [
        ("not json", None),
        ("[]", None),
        ("null", None),
        ('{"type": "dance", "id": "x"}', "x"),
        ('{"type": "say", "id": "x"}', "x"),
        ('{"type": "say", "id": "x", "text": ""}', "x"),
        ('{"type": "say", "id": "x", "text": 7}', "x"),
        ('{"type": "say", "id": "", "text": "hi"}', None),
        ('{"type": "say", "id": "x", "text": "hi", "as": "staff"}', "x"),
        ('{"type": "say", "id": "x", "text": "\\ud800"}', "x"),
        (json.dumps({"type": "say", "id": "x", "text": "a" * 4001}), "x"),
        (json.dumps({"type": "rate", "id": "x", "score": 6}), "x"),
        (json.dumps({"type": "rate", "id": "x", "score": True}), "x"),
        (json.dumps({"type": "confirm", "id": "x", "proposal": "p", "answer": "maybe"}), "x"),
        ('{"type": "hello"}', None),
        ("[" * 5000, None),
        (b"\x00\x01", None),
        (json.dumps({"type": "say", "id": "x", "text": "a" * 17_000}), None),
        (json.dumps({"type": "say", "id": "x", "text": "远" * 5600}, ensure_ascii=False), None),
    ],
)
async def test_a_bad_frame_is_answered_and_the_connection_goes_on(
    shop: Running, raw: str | bytes, id: str | None
) -> None:
    async with shop.client() as client:
        await client.hello()
        await client.connection.send(raw)
        error = await client.until("error")
        assert (error["code"], error["retry"], error["id"]) == ("protocol.bad_frame", False, id)
        await settled(client, "still here")


async def test_more_than_thirty_frames_in_ten_seconds_are_too_fast(
    shop: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 1000.0
    monkeypatch.setattr(socket_module, "monotonic", lambda: seconds)
    async with shop.client() as client:
        await client.hello()  # the first
        for _ in range(29):
            await client.send("ping")
        await client.send("say", id="m1", text="one too many")
        error = await client.until("error")
        assert (error["code"], error["retry"], error["id"]) == ("protocol.too_fast", True, "m1")
        assert [frame["type"] for frame in client.frames].count("pong") == 29
        await client.connection.send("nonsense counts as well")
        assert (await client.until("error"))["code"] == "protocol.too_fast"
        seconds += 10
        await settled(client, "now it fits")


async def test_a_slow_reader_is_closed_and_resumes_where_it_was(tmp_path: Path) -> None:
    listening = listen("127.0.0.1", 0)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    async with running(tmp_path, capacity=4, listening=listening) as shop:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", shop.server.port))
        raw.setblocking(False)
        async with shop.client(sock=raw, max_queue=1) as client:
            await client.hello()
            conversation = ConversationId(client.welcome["conversation"])
            for n in range(12):
                reply = ev.ReplySent(
                    message=f"r{n}", staff=StaffId("dana"), name="Dana", text=f"{n} " + "x" * 60_000
                )
                await shop.responder.append(conversation, reply)
                await asyncio.sleep(0.01)
            assert await closing_code(client) == 4408
            assert 0 < len(client.events) < 13
        async with shop.client() as again:
            await again.resume(client)
            assert client.events + again.events == await visible(shop, conversation)


async def test_a_page_of_another_site_cannot_open_a_socket(tmp_path: Path) -> None:
    async with running(tmp_path, origins=("https://shop.example",)) as shop:
        here = f"http://127.0.0.1:{shop.server.port}"
        for good in (None, here, here.replace("http:", "https:"), "https://shop.example"):
            async with shop.client(origin=good) as client:
                assert (await client.hello())["protocol"] == 1
        for bad in ("https://evil.example", "http://shop.example", "null", "http://127.0.0.1", "*", "x:y:z"):
            with pytest.raises(InvalidStatus) as refused:
                async with shop.client(origin=bad):
                    pass
            assert refused.value.response.status_code == 403


async def test_a_proposal_is_confirmed_once_by_its_exact_arguments(shop: Running) -> None:
    async with shop.client() as client:
        await client.hello(token=shop.token(ADA))
        await settled(client, "cancel my order")
        proposed = next(event for event in client.events if event["type"] == "action.proposed")
        answer = {"proposal": proposed["proposal"], "answer": "yes"}
        await client.send("confirm", id="c0", arguments_hash="other", **answer)
        error = await client.until("error")
        assert (error["code"], error["id"]) == ("gate.confirmation_refused", "c0")
        for name in ("c1", "c2"):
            await client.send("confirm", id=name, arguments_hash=proposed["arguments_hash"], **answer)
        await client.until("action.done")
        await client.until("turn.completed")
        await client.send("confirm", id="c3", arguments_hash=proposed["arguments_hash"], **answer)
        await client.send("ping")
        await client.until("pong")
        types = [event["type"] for event in await visible(shop, client.welcome["conversation"])]
        assert types.count("action.confirmed") == 1
        assert types.count("action.done") == 1


async def test_person_rating_offer_and_closing_are_stored_and_a_message_opens_it_again(
    shop: Running,
) -> None:
    async with shop.client() as client:
        await client.hello(token=shop.token(ADA), language="zh")
        conversation = ConversationId(client.welcome["conversation"])
        offer = ev.OfferMade(
            offer=OfferId("offer_1"),
            customer=CustomerId(ADA.id),
            kind="voucher",
            value="10.00",
            text="Ten euros off",
            expires_at=now().replace(year=2099),
            policy="p1",
            propensity=0.9,
        )
        await shop.responder.append(conversation, offer)
        made = (await client.until("offer.made"))["event"]
        assert not {"propensity", "policy", "value"} & set(made)
        await client.send("offer", id="o1", offer="offer_1", taken=True)
        assert (await client.until("offer.answered"))["event"]["taken"] is True
        await client.send("offer", id="o2", offer="offer_9", taken=True)
        assert (await client.until("error"))["message"] == "此确认已失效，请重新提出。"
        await client.send("person", id="p1")
        assert (await client.until("handoff.requested"))["event"]["reasons"] == ["requested"]
        await client.send("rate", id="r1", score=2, comment="太慢了")
        assert (await client.until("conversation.rated"))["event"]["comment"] == "太慢了"
        await client.send("close", id="x1")
        assert (await client.until("conversation.closed"))["event"]["by"] == "shopper"
        async with shop.client() as again:
            assert (await again.resume(client, token=shop.token(ADA)))["mode"] == "closed"
            await settled(again, "one more thing")
        async with shop.client() as third:
            assert (await third.resume(client, token=shop.token(ADA)))["mode"] == "assistant"


async def test_staff_see_the_shopper_typing_and_the_shopper_does_not_see_it_back(shop: Running) -> None:
    async with shop.client() as client:
        await client.hello()
        with shop.bus.subscribe(ConversationId(client.welcome["conversation"])) as live:
            await client.send("typing")
            assert getattr(await anext(live), "who", None) == "shopper"
        await client.send("ping")
        assert (await client.recv())["type"] == "pong"


class Failing:
    """A log whose database goes away when told to."""

    def __init__(self, log: ConversationLog) -> None:
        self._log = log
        self.down = False

    def __getattr__(self, name: str) -> Any:
        if self.down and name in {"append", "read", "head"}:

            async def refuse(*_: Any, **__: Any) -> Any:
                raise LogUnavailable("the disk is full")

            return refuse
        return getattr(self._log, name)


async def test_a_log_that_is_away_is_said_and_the_same_message_can_be_sent_again(tmp_path: Path) -> None:
    failing: list[Failing] = []

    def wrap(log: ConversationLog) -> ConversationLog:
        failing.append(Failing(log))
        return failing[0]

    async with running(tmp_path, wrap=wrap) as shop, shop.client() as client:
        failing[0].down = True
        await client.send("hello")
        refused = await client.recv()
        assert (refused["code"], refused["retry"]) == ("log.unavailable", True)
        assert "disk" not in refused["message"]
        failing[0].down = False
        await client.hello()
        failing[0].down = True
        await client.send("say", id="m1", text="hello?")
        refused = await client.until("error")
        assert (refused["code"], refused["retry"], refused["id"]) == ("log.unavailable", True, "m1")
        failing[0].down = False
        await settled(client, "hello?")


async def test_an_unforeseen_failure_of_a_frame_shows_nothing_and_goes_on(
    shop: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, comment: str, **__: Any) -> None:
        raise ZeroDivisionError(comment)

    async with shop.client() as client:
        await client.hello()
        monkeypatch.setattr(shop.services.conversations, "rate", broken)
        await client.send("rate", id="r1", score=1, comment="my card is 4111")
        error = await client.until("error")
        assert (error["code"], error["id"], error["retry"]) == ("error", "r1", False)
        assert "4111" not in error["message"] + caplog.text
        assert "ZeroDivisionError" in caplog.text
        await settled(client, "still here")


async def test_no_task_is_left_when_a_client_goes(shop: Running) -> None:
    async with shop.client() as client:
        await client.hello()
        conversation = client.welcome["conversation"]
        working = {task for task in asyncio.all_tasks() if conversation in task.get_name()}
        assert {task.get_name() for task in working} == {f"read {conversation}", f"follow {conversation}"}
        client.connection.transport.abort()
    await asyncio.wait(working)
