"""Nothing lost, nothing twice: broken connections, reloads, tokens, refusals."""

from __future__ import annotations

import base64
import json

import pytest
from playwright.async_api import expect

from agent.events import ActionDeclined, HandoffPacket, HandoffRequested, MessageReceived, TurnStarted
from agent.ids import ProposalId
from tests.serving.widget.conftest import Chat, OpenChat
from tests.serving.widget.peer import TURN, Peer, answer, proposal

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def token(customer: str, version: str = "1") -> str:
    """What a shop's token looks like; the double does not verify it."""
    body = base64.urlsafe_b64encode(json.dumps({"sub": customer}).encode()).decode().rstrip("=")
    return f"{version}.{body}.x"


async def seqs(chat: Chat) -> list[str | None]:
    """The ``seq`` of everything stored in the view, as it stands there."""
    return [
        await node.get_attribute("data-seq")
        for node in await chat.page.locator("amends-chat [data-seq]").all()
    ]


async def test_after_a_broken_connection_everything_is_there_once(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await chat.say("First")
    await peer.got("say")
    await peer.emit(TurnStarted(turn=TURN, upto=1))
    await peer.stream({"type": "delta", "turn": TURN, "offset": 0, "text": "Half an ans"})
    await expect(chat.part("draft")).to_contain_text("Half an ans")
    peer.up = False
    await peer.drop()
    await expect(chat.part("banner")).to_contain_text("No connection.")
    await chat.say("Said while away")
    await expect(chat.part("message-shopper").last).to_contain_text("Waiting for the connection")
    conversation = peer.only
    await peer.emit(answer("The whole answer."), to=conversation)
    peer.up = True
    hello = (await peer.got("hello", 2))[1]
    assert (hello["conversation"], hello["key"], hello["after"]) == (conversation.id, conversation.key, 2)
    await expect(chat.part("message-assistant")).to_contain_text("The whole answer.")
    await expect(chat.part("banner")).to_be_hidden()
    await peer.got("say", 2)
    await expect(chat.part("message-shopper").last).to_have_attribute("data-seq", "4")
    await expect(chat.part("message-shopper").last).to_have_text("Said while away")
    await expect(chat.part("draft")).to_have_count(0)
    assert await seqs(chat) == ["1", "3", "4"]
    assert peer.said() == ["First", "Said while away"]


async def test_deltas_after_a_gap_wait_for_the_settled_answer(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.stream({"type": "delta", "turn": TURN, "offset": 0, "text": "Seen "})
    await peer.stream({"type": "delta", "turn": TURN, "offset": 9, "text": "lost"})
    await peer.stream({"type": "delta", "turn": TURN, "offset": 2, "text": "wrong"})
    await expect(chat.part("draft").locator(".text")).to_have_text("Seen")
    await peer.stream({"type": "delta", "turn": TURN, "offset": 0, "text": "From the start"})
    await expect(chat.part("draft").locator(".text")).to_have_text("From the start")


async def test_a_message_stored_just_before_the_connection_broke_is_not_stored_again(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit()
    peer.swallow_says = True
    await chat.say("Only once")
    await peer.got("hello", 2)
    await expect(chat.part("message-shopper")).to_have_attribute("data-seq", "1")
    await expect(chat.part("message-shopper")).to_have_count(1)
    assert peer.said() == ["Only once"]


async def test_a_reload_shows_the_same_conversation_from_the_log(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await chat.say("Hello")
    await peer.got("say")
    await peer.emit(
        answer("Good day."), proposal(), ActionDeclined(proposal=ProposalId("pr1"), why="expired")
    )
    await expect(chat.part("confirm")).to_contain_text("Expired. Nothing was changed.")
    before = await chat.part("log").inner_text()
    await chat.page.reload()
    hello = (await peer.got("hello", 2))[1]
    assert (hello["conversation"], hello["after"]) == (peer.only.id, 0)
    await expect(chat.part("panel")).to_be_visible()  # it was open
    await expect(chat.part("confirm")).to_contain_text("Expired. Nothing was changed.")
    assert await chat.part("log").inner_text() == before
    assert await seqs(chat) == ["1", "2", "3"]


async def test_a_message_that_was_never_accepted_survives_a_reload(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    peer.ignore_says = True
    await chat.say("Do not lose me")
    await chat.say("Nor me")
    first = (await peer.got("say"))[0]
    await chat.page.reload()
    await peer.got("hello", 2)
    peer.ignore_says = False
    await peer.got("say", 2)
    await chat.page.reload()
    says = await peer.got("say", 3)
    assert {say["id"] for say in says if say["text"] == "Do not lose me"} == {first["id"]}
    await expect(chat.part("message-shopper")).to_have_text(["Do not lose me", "Nor me"])
    assert peer.said() == ["Do not lose me", "Nor me"]


async def test_a_person_asked_for_without_a_connection_is_asked_for_later(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit()
    peer.up = False
    await peer.drop()
    await expect(chat.part("banner")).to_contain_text("No connection.")
    await chat.part("person").click()
    await expect(chat.part("person")).to_have_attribute("aria-disabled", "true")
    peer.up = True
    assert len(await peer.got("person")) == 1
    packet = HandoffPacket(customer="", identity="visitor", wants="", suggested="")
    await peer.emit(HandoffRequested(reasons=("requested",), packet=packet))
    await expect(chat.part("banner")).to_contain_text("A person will join you here.")


async def test_a_confirmation_lost_with_the_connection_can_be_given_again(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit()
    await peer.emit(proposal())
    await chat.part("confirm-yes").click()
    await peer.got("confirm")
    await expect(chat.part("confirm-yes")).to_be_disabled()
    await peer.drop()
    await peer.got("hello", 2)
    await expect(chat.part("confirm-yes")).to_be_enabled()


async def test_a_conversation_that_is_not_there_any_more_starts_afresh(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await chat.say("Hello")
    await expect(chat.part("message-shopper")).to_have_attribute("data-seq", "1")
    peer.conversations.clear()
    await chat.page.reload()
    hellos = await peer.got("hello", 3)
    assert hellos[1]["conversation"] is not None
    assert (hellos[2]["conversation"], hellos[2]["key"], hellos[2]["after"]) == (None, None, 0)
    await expect(chat.part("message-shopper")).to_have_count(0)
    await chat.say("Hello again")
    await peer.got("say", 2)
    assert peer.said() == ["Hello again"]


async def test_another_customer_gets_another_conversation_and_the_first_comes_back(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit(token=token("C-1"))
    await chat.say("I am one")
    await expect(chat.part("message-shopper")).to_have_attribute("data-seq", "1")
    element = chat.page.locator("amends-chat")
    await element.evaluate("(chat, token) => { chat.token = token; }", token("C-2"))
    second = (await peer.got("hello", 2))[1]
    assert (second["token"], second["conversation"]) == (token("C-2"), None)
    await expect(chat.part("message-shopper")).to_have_count(0)
    await element.evaluate("(chat) => { chat.token = null; }")
    assert (await peer.got("hello", 3))[2]["token"] is None
    await element.evaluate("(chat, token) => { chat.token = token; }", token("C-1", "2"))
    back = (await peer.got("hello", 4))[3]
    assert back["conversation"] == "cv1"
    await expect(chat.part("message-shopper")).to_have_text("I am one")


async def test_an_expired_token_is_asked_of_the_page_and_the_conversation_goes_on(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit(token=token("C-1"))
    await chat.say("Before")
    await expect(chat.part("message-shopper")).to_have_attribute("data-seq", "1")
    peer.refuse_tokens = {token("C-1")}
    asked = chat.page.evaluate(
        "new Promise((done) => document.addEventListener('amends-token-expired', () => done('asked')))"
    )
    await peer.drop()
    assert await asked == "asked"
    await expect(chat.part("banner")).to_have_text("Your sign-in has expired. Please reload the page.")
    await chat.page.locator("amends-chat").evaluate(
        "(chat, token) => { chat.token = token; }", token("C-1", "2")
    )
    assert (await peer.got("hello", 3))[2]["after"] == 1
    await expect(chat.part("banner")).to_be_hidden()


async def test_a_message_the_server_refuses_can_be_written_again(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    peer.answer_error = {
        "code": "protocol.bad_frame",
        "message": "This message could not be understood.",
        "retry": False,
    }
    await chat.say("Strange")
    await expect(chat.part("message-shopper")).to_contain_text(
        "Not sent. This message could not be understood."
    )
    peer.answer_error = None
    await chat.part("edit").click()
    await expect(chat.part("input")).to_have_value("Strange")
    await chat.part("send").click()
    await expect(chat.part("message-shopper")).to_have_attribute("data-seq", "1")
    assert peer.said() == ["Strange"]


async def test_a_message_the_server_cannot_store_yet_is_repeated_with_its_id(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit()
    peer.answer_error = {"code": "log.unavailable", "message": "Please wait.", "retry": True}
    await chat.say("Patience")
    await expect(chat.part("notice")).to_have_text("Please wait.")
    peer.answer_error = None
    says = await peer.got("say", 2)
    assert says[0] == says[1]
    await expect(chat.part("message-shopper")).to_have_attribute("data-seq", "1")


async def test_what_another_tab_says_appears_here_too(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.emit(MessageReceived(message="m-other-tab", text="From the other tab"))
    await expect(chat.part("message-shopper")).to_have_text("From the other tab")


async def test_nothing_is_opened_before_the_shopper_does(visit: OpenChat, peer: Peer) -> None:
    chat = await visit(opened=False)
    await expect(chat.part("launcher")).to_be_visible()
    await expect(chat.part("panel")).to_be_hidden()
    assert not peer.received
    assert not peer.conversations
