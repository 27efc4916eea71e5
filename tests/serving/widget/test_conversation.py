"""What a shopper sees and does in the widget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from agent.events import (
    ActionConfirmed,
    ActionDeclined,
    ActionDone,
    ActionFailed,
    ConversationClosed,
    ConversationRated,
    HandoffAccepted,
    HandoffPacket,
    HandoffRequested,
    HandoffReturned,
    OfferAnswered,
    OfferMade,
    ReplySent,
    TurnCompleted,
    TurnInterrupted,
    TurnStarted,
)
from agent.ids import CustomerId, OfferId, OrderId, ProposalId, StaffId
from tests.serving.widget.conftest import OpenChat
from tests.serving.widget.peer import TURN, Peer, answer, cite, proposal

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WAITS = HandoffRequested(
    reasons=("requested",), packet=HandoffPacket(customer="", identity="visitor", wants="", suggested="")
)
DANA = HandoffAccepted(staff=StaffId("dana"), name="Dana")
OFFER = OfferMade(
    offer=OfferId("of1"), customer=CustomerId("C-1"), kind="voucher", value="10.00", text="10 EUR off your next order.",
    expires_at=datetime.now(UTC) + timedelta(days=30), policy="threshold 1", propensity=1.0,
)  # fmt: skip


def delta(text: str, offset: int = 0, turn: str = TURN) -> dict[str, object]:
    return {"type": "delta", "turn": turn, "offset": offset, "text": text}


async def test_streamed_text_is_provisional_until_the_settled_answer_replaces_it(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit()
    await chat.say("How long can I return?")
    await peer.got("say")
    await peer.emit(TurnStarted(turn=TURN, upto=1))
    await expect(chat.part("typing")).to_be_visible()
    await peer.stream(delta("You can return it "), delta("within 30 days.", 18))
    await expect(chat.part("draft")).to_contain_text("You can return it within 30 days.")
    await expect(chat.part("draft")).to_contain_text("Checking against the sources…")
    await expect(chat.part("typing")).to_have_count(0)
    await expect(chat.part("message-assistant")).to_have_count(0)
    await peer.emit(answer("Within **30 days** of delivery."), TurnCompleted(turn=TURN, outcome="answered"))
    await expect(chat.part("draft")).to_have_count(0)
    await expect(chat.part("message-assistant")).to_contain_text("Within 30 days of delivery.")
    await expect(chat.part("message-assistant")).to_have_attribute("data-seq", "3")
    await expect(chat.part("message-shopper")).to_have_attribute("data-seq", "1")
    await peer.stream(delta(" late", 15))
    await expect(chat.part("message-assistant").locator("strong")).to_have_text("30 days")
    await expect(chat.part("draft")).to_have_count(0)


async def test_offsets_count_characters_as_the_server_does(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.stream(delta("😀帐篷 tent"), delta("!", 3))
    await expect(chat.part("draft").locator(".text")).to_have_text("😀帐篷!")


async def test_withdrawn_text_is_struck_and_said_to_be_taken_back(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.stream(
        delta("Thirty days. Shipping is free."),
        {"type": "withdrawn", "turn": TURN, "offset": 12, "reason": "unsupported"},
    )
    await expect(chat.part("struck")).to_have_text(" Shipping is free.")
    await expect(chat.part("withdrawn")).to_have_text("I took back a sentence I could not support.")
    await peer.stream(delta(" Ask us.", 12))
    await expect(chat.part("struck")).to_have_count(0)
    await peer.emit(answer("Thirty days.", withdrawn=("unsupported",)))
    await expect(chat.part("message-assistant").get_by_test_id("text")).to_have_text("Thirty days.")
    await expect(chat.part("withdrawn")).to_have_text("I took back a sentence I could not support.")


async def test_an_interrupted_or_repeated_turn_voids_what_it_streamed(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.emit(TurnStarted(turn=TURN, upto=1))
    await peer.stream(delta("First try"))
    await expect(chat.part("draft")).to_contain_text("First try")
    await peer.emit(TurnStarted(turn=TURN, attempt=2, upto=1))
    await expect(chat.part("draft")).to_have_count(0)
    await expect(chat.part("typing")).to_be_visible()
    await peer.stream(delta("Second"))
    await expect(chat.part("draft")).to_contain_text("Second")
    await peer.emit(TurnInterrupted(turn=TURN, by="message"))
    await expect(chat.part("draft")).to_have_count(0)
    await expect(chat.part("typing")).to_have_count(0)


async def test_a_citation_opens_the_passage_with_the_quoted_words_marked(visit: OpenChat, peer: Peer) -> None:
    peer.passages["a/b#1"] = {"title": "Returns policy", "heading": "Deadline", "version": "2026-03-01", "language": "en",
        "text": "You can return it\nwithin **30 days**.\n\n- Unused\n- With tags", "source": "x", "kind": "policy"}  # fmt: skip
    chat = await visit()
    await peer.emit(answer("Within 30 days [1].", cite("1", id="a/b#1", quote="it\nwithin **30 days**")))
    button = chat.part("citation")
    await expect(button).to_have_accessible_name("Source 1: Returns policy")
    await button.click()
    dialog = chat.page.get_by_role("dialog", name="Returns policy")
    await expect(dialog).to_be_visible()
    await expect(chat.part("passage-heading")).to_have_text("Deadline")
    await expect(chat.part("passage-version")).to_have_text("Version 2026-03-01")
    await expect(chat.part("passage-text").locator("li")).to_have_text(["Unused", "With tags"])
    await expect(chat.part("passage-text").locator("mark")).to_have_text(["it", "within 30 days"])
    await chat.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(button).to_be_focused()
    await expect(chat.part("panel")).to_be_visible()


async def test_a_source_that_is_gone_still_shows_the_words_the_answer_relied_on(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit()
    await peer.emit(answer("Within 30 days [1].", cite("1", id="gone", quote="within 30 days of delivery")))
    await chat.part("citation").click()
    await expect(chat.part("passage-text")).to_contain_text("can no longer be opened")
    await expect(chat.part("passage-text").locator("blockquote")).to_have_text("within 30 days of delivery")


async def test_an_order_fact_shows_its_quote_without_asking_the_server(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    fact = cite(
        "1", kind="order_fact", id="FW-1#state", title="Order FW-1", heading="", quote="Shipped on 12 May."
    )
    await peer.emit(answer("It is on its way.", fact))
    await expect(chat.part("citation")).to_have_count(1)  # no marker in the text: the list opens it
    await chat.part("citation").click()
    await expect(chat.part("passage-text").locator("blockquote")).to_have_text("Shipped on 12 May.")


async def test_quick_replies_are_said_and_then_gone(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await expect(chat.part("quick-reply")).to_have_count(3)
    await peer.emit(answer("Return or exchange?", quick_replies=("Return it", "Exchange it")))
    await expect(chat.part("quick-reply")).to_have_text(["Return it", "Exchange it"])
    await chat.part("quick-reply").last.click()
    assert (await peer.got("say"))[0]["text"] == "Exchange it"
    await expect(chat.part("quick-reply")).to_have_count(0)


async def test_the_confirm_button_sends_the_exact_hash_once(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.emit(proposal())
    card = chat.part("confirm")
    await expect(card).to_contain_text("Cancel order FW-100001. 249.00 EUR go back to your card.")
    await expect(card.locator("dd")).to_have_text(["Cancel the order", "FW-100001", "changed_mind"])
    await expect(chat.part("expiry")).to_have_text("Expires in 10 minutes")
    await chat.part("confirm-yes").click()
    (frame,) = await peer.got("confirm")
    assert frame | {"id": ""} == {
        "type": "confirm",
        "id": "",
        "proposal": "pr1",
        "arguments_hash": "sha256:5f2c",
        "answer": "yes",
    }
    await expect(chat.part("confirm-yes")).to_be_disabled()
    await expect(chat.part("confirm-no")).to_be_disabled()
    await peer.emit(ActionConfirmed(proposal=ProposalId("pr1"), how="button"))
    await expect(card).to_contain_text("Confirmed. Working on it…")
    done = ActionDone(
        proposal=ProposalId("pr1"),
        turn=TURN,
        order=OrderId("FW-100001"),
        kind="cancel",
        reference="CXL-7",
        text="It is cancelled.",
    )
    await peer.emit(done)
    await expect(card).to_contain_text("✓ Done. It is cancelled.")
    await expect(card).to_contain_text("Reference: CXL-7")
    await expect(chat.part("confirm-yes")).to_be_disabled()
    assert len(peer.frames("confirm")) == 1


async def test_keeping_it_as_it_is_answers_no(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.emit(proposal())
    await chat.part("confirm-no").click()
    assert (await peer.got("confirm"))[0]["answer"] == "no"
    await peer.emit(ActionDeclined(proposal=ProposalId("pr1"), why="shopper"))
    await expect(chat.part("confirm")).to_contain_text("Kept as it is. Nothing was changed.")


async def test_a_proposal_that_is_void_cannot_be_confirmed(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.emit(
        proposal("late", minutes=-1),
        proposal("old"),
        ActionDeclined(proposal=ProposalId("old"), why="superseded"),
    )
    await expect(chat.part("confirm").first).to_contain_text("Expired. Please ask again")
    await expect(chat.part("confirm").last).to_contain_text("something newer came first")
    for button in await chat.part("confirm-yes").all():
        await expect(button).to_be_disabled()


async def test_a_refused_confirmation_says_why_and_stays_closed(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.emit(proposal())
    peer.answer_error = {
        "code": "gate.confirmation_refused",
        "message": "This confirmation is no longer valid.",
        "retry": False,
    }
    await chat.part("confirm-yes").click()
    await expect(chat.part("confirm")).to_contain_text("This confirmation is no longer valid.")
    await expect(chat.part("confirm-yes")).to_be_disabled()


async def test_an_action_of_unknown_outcome_is_not_called_failed(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.emit(proposal(), ActionConfirmed(proposal=ProposalId("pr1"), how="button"))
    await peer.emit(
        ActionFailed(proposal=ProposalId("pr1"), turn=TURN, code="shop.unavailable", unknown=True)
    )
    await expect(chat.part("confirm")).to_contain_text("A person will check whether this went through")


async def test_a_person_can_be_asked_for_and_joins_and_leaves(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await expect(chat.part("person")).to_have_accessible_name("Talk to a person")
    await chat.part("person").click()
    await peer.got("person")
    await chat.part("person").dispatch_event("click")
    await peer.emit(WAITS)
    await expect(chat.part("banner")).to_have_text("A person will join you here. You can go on writing.")
    await expect(chat.part("person")).to_have_attribute("aria-disabled", "true")
    await peer.emit(TurnStarted(turn=TURN, upto=1))
    await peer.stream(delta("I am the assi"))
    await expect(chat.part("draft")).to_be_visible()
    await peer.emit(DANA)
    await expect(chat.part("banner")).to_have_text("You are talking with Dana.")
    await expect(chat.part("draft")).to_have_count(0)
    await peer.stream(delta("stant", 13), {"type": "typing", "who": "staff"})
    await expect(chat.part("typing")).to_have_text("Dana is typing…")
    await peer.emit(ReplySent(message="r1", staff=StaffId("dana"), name="Dana", text="Hello, Dana here."))
    await expect(chat.part("message-staff")).to_contain_text("Hello, Dana here.")
    await expect(chat.part("draft")).to_have_count(0)
    await peer.emit(HandoffReturned(staff=StaffId("dana")))
    await expect(chat.part("banner")).to_be_hidden()
    await expect(chat.part("person")).to_have_attribute("aria-disabled", "false")
    assert len(peer.frames("person")) == 1


async def test_a_closed_conversation_is_rated_and_a_message_opens_it_again(
    visit: OpenChat, peer: Peer
) -> None:
    chat = await visit()
    await chat.part("menu").click()
    await chat.part("end").click()
    await peer.got("close")
    await peer.emit(ConversationClosed(by="shopper"))
    await expect(chat.part("csat")).to_be_visible()
    await chat.part("csat-4").check()
    await chat.part("csat-comment").fill("Quick, thanks")
    await chat.part("csat-send").click()
    (frame,) = await peer.got("rate")
    assert (frame["score"], frame["comment"]) == (4, "Quick, thanks")
    await peer.emit(ConversationRated(score=4, comment="Quick, thanks"))
    await expect(chat.part("csat")).to_contain_text("Thank you for your rating.")
    await expect(chat.part("csat-send")).to_have_count(0)
    await chat.say("One more thing")
    await expect(chat.part("message-shopper")).to_have_attribute("data-seq", "3")
    await chat.part("menu").click()
    await expect(chat.part("end")).to_be_visible()


async def test_a_new_conversation_can_be_started_after_the_end(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await chat.say("Hello")
    await peer.got("say")
    await peer.emit(ConversationClosed(by="idle"))
    await chat.part("csat-fresh").click()
    hellos = await peer.got("hello", 2)
    assert hellos[1]["conversation"] is None
    await expect(chat.part("message-shopper")).to_have_count(0)
    assert len(peer.conversations) == 2


async def test_an_offer_is_taken_once(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await peer.emit(OFFER)
    await expect(chat.part("offer")).to_contain_text("10 EUR off your next order.")
    await chat.part("offer-accept").click()
    (frame,) = await peer.got("offer")
    assert (frame["offer"], frame["taken"]) == ("of1", True)
    await expect(chat.part("offer-accept")).to_be_disabled()
    await peer.emit(OfferAnswered(offer=OfferId("of1"), taken=True))
    await expect(chat.part("offer")).to_contain_text("Accepted")


async def test_news_for_a_closed_panel_are_counted_on_the_launcher(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await chat.part("close").click()
    await peer.emit(answer("One."), answer("Two.", turn="t2"))
    await expect(chat.part("launcher")).to_have_accessible_name("Open chat, 2 new")
    await chat.part("launcher").click()
    await expect(chat.part("message-assistant")).to_have_count(2)
    await chat.part("close").click()
    await expect(chat.part("launcher")).to_have_accessible_name("Open chat")
