"""The desk and insights in a real browser, over a real server and a real log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from agent import events as ev
from agent.events import for_shopper
from agent.ids import ConversationId, StaffId, TurnId
from agent.live import Delta, Typing, Withdrawn
from tests.browser import browser
from tests.serving.desk.stories import (
    ADA,
    LIN,
    DeskServer,
    desk_server,
    open_conversation,
    page_of,
    row,
    sign_in,
)

__all__ = ["browser"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator[DeskServer]:
    async with desk_server(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def dana(browser: Browser, desk: DeskServer) -> AsyncIterator[Page]:
    """Dana's browser, at the desk."""
    async with page_of(browser) as page:
        await sign_in(page, desk)
        yield page


async def held(desk: DeskServer, staff: str = "dana") -> ConversationId:
    """The torn tent, with a person."""
    conversation = await desk.torn_tent()
    await desk.services.conversations.take_over(conversation, staff=StaffId(staff), name=staff.title())
    return conversation


async def kinds(desk: DeskServer, conversation: ConversationId) -> list[str]:
    return [event.body.type for event in await desk.events(conversation)]


class TestSigningIn:
    async def test_a_wrong_password_is_refused_and_the_right_one_leads_where_one_wanted(
        self, browser: Browser, desk: DeskServer
    ) -> None:
        async with page_of(browser) as page:
            await page.goto(f"{desk.url}/insights")
            await page.get_by_test_id("login-name").fill("Dana")
            await page.get_by_test_id("login-password").fill("nonsense")
            await page.get_by_test_id("login-submit").click()
            await expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
            await page.get_by_test_id("login-password").fill("demo")
            await page.get_by_test_id("login-password").press("Enter")
            await page.wait_for_url(f"{desk.url}/insights")
            await expect(page.locator(".me")).to_have_text("Dana")

    async def test_a_goal_elsewhere_is_ignored(self, browser: Browser, desk: DeskServer) -> None:
        async with page_of(browser) as page:
            await page.goto(f"{desk.url}/desk/login?next=https://example.com/")
            await page.get_by_test_id("login-name").fill("li")
            await page.get_by_test_id("login-password").fill("demo")
            await page.get_by_test_id("login-submit").click()
            await page.wait_for_url(f"{desk.url}/desk")

    async def test_signing_out_ends_every_open_page_of_the_session(
        self, dana: Page, desk: DeskServer
    ) -> None:
        second = await dana.context.new_page()
        await second.goto(f"{desk.url}/insights")
        await expect(second.locator(".me")).to_have_text("Dana")
        await dana.get_by_test_id("sign-out").click()
        await dana.wait_for_url(re.compile("/desk/login"))
        await second.wait_for_url(re.compile("/desk/login"))
        await second.goto(f"{desk.url}/desk")
        assert "/desk/login" in second.url

    async def test_a_session_that_has_ended_cannot_act_any_more(self, dana: Page, desk: DeskServer) -> None:
        conversation = await desk.torn_tent()
        await open_conversation(dana, conversation)
        desk.clock.advance(hours=13)
        await dana.get_by_test_id("take-over").click()
        await dana.wait_for_url(re.compile("/desk/login"))
        assert "handoff.accepted" not in await kinds(desk, conversation)


class TestTheQueue:
    async def test_who_begins_to_wait_appears_by_itself_with_the_reason(
        self, dana: Page, desk: DeskServer
    ) -> None:
        await expect(dana.locator(".queue-note")).to_contain_text("No conversations yet")
        conversation = await desk.torn_tent()
        entry = row(dana, conversation)
        await expect(entry).to_contain_text("Ada Berg")
        await expect(entry.locator(".reason")).to_have_text(["mood", "repeated failure"])
        await expect(entry.get_by_test_id("mood")).to_have_text("upset −0.80")
        await expect(dana.get_by_test_id("count-waiting")).to_have_text("1")
        await expect(dana.locator("[role=status][aria-live=polite]").first).to_contain_text(
            "Ada Berg needs a person: mood, repeated failure"
        )
        await expect(dana).to_have_title("(1) Desk · Amends")

    async def test_a_taken_conversation_moves_from_waiting_to_its_holder(
        self, dana: Page, desk: DeskServer
    ) -> None:
        conversation = await desk.torn_tent()
        await expect(dana.locator(".group-waiting").locator(row(dana, conversation))).to_be_visible()
        await desk.services.conversations.take_over(conversation, staff=StaffId("li"), name="Li")
        theirs = dana.locator(".group-colleagues").locator(row(dana, conversation))
        await expect(theirs).to_contain_text("with Li")
        await expect(dana).to_have_title("Desk · Amends")

    async def test_waiting_times_grow_while_nothing_happens(self, dana: Page, desk: DeskServer) -> None:
        conversation = await desk.torn_tent()
        await expect(row(dana, conversation)).to_contain_text("waiting under a minute")
        desk.clock.advance(minutes=7)
        await desk.start()
        await expect(row(dana, conversation)).to_contain_text("waiting 7 min")

    async def test_the_keyboard_alone_reaches_everything(self, dana: Page, desk: DeskServer) -> None:
        await desk.torn_tent()
        desk.clock.advance(minutes=1)
        second = await desk.torn_tent()
        await expect(row(dana, second)).to_be_visible()
        await dana.keyboard.press("j")
        await expect(dana.get_by_test_id("transcript")).to_be_visible()
        await dana.keyboard.press("j")
        await expect(row(dana, second)).to_have_attribute("aria-current", "true")
        await expect(row(dana, second)).to_be_focused()
        await dana.keyboard.press("t")
        await expect(dana.get_by_test_id("reply")).to_be_focused()
        await dana.keyboard.press("Escape")
        await dana.keyboard.press("n")
        await expect(dana.get_by_test_id("note")).to_be_focused()
        await dana.keyboard.press("Escape")
        await dana.keyboard.press("?")
        await expect(dana.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()


class TestAConversation:
    async def test_taking_over_is_one_click_and_one_event(self, dana: Page, desk: DeskServer) -> None:
        conversation = await desk.torn_tent()
        await open_conversation(dana, conversation)
        await expect(dana.get_by_test_id("reply")).to_be_hidden()
        await dana.get_by_test_id("take-over").dblclick()
        await expect(dana.get_by_test_id("mode")).to_have_text("with you")
        state = await desk.state(conversation)
        assert (state.mode, state.staff, state.staff_name) == ("staff", "dana", "Dana")
        assert (await kinds(desk, conversation)).count("handoff.accepted") == 1
        await expect(dana.locator(".turn.system", has_text="Dana took over")).to_be_visible()

    async def test_a_reply_is_stored_once_even_when_sent_twice(self, dana: Page, desk: DeskServer) -> None:
        conversation = await held(desk)
        await open_conversation(dana, conversation)
        await dana.get_by_test_id("reply").fill("I'm sorry, Ada. A new tent leaves today.")
        await dana.get_by_test_id("reply-send").dblclick()
        await expect(dana.get_by_test_id("reply")).to_have_value("")
        await expect(dana.locator(".turn.staff .turn-text")).to_have_text(
            ["I'm sorry, Ada. A new tent leaves today."]
        )
        await dana.get_by_test_id("reply").fill("It arrives on Friday.")
        await dana.get_by_test_id("reply").press("Enter")
        await expect(dana.locator(".turn.staff")).to_have_count(2)
        replies = [event.body for event in await desk.events(conversation) if event.body.type == "reply.sent"]
        assert [reply.text for reply in replies] == [
            "I'm sorry, Ada. A new tent leaves today.",
            "It arrives on Friday.",
        ]
        assert len({reply.message for reply in replies}) == 2

    async def test_shift_enter_and_an_unfinished_word_do_not_send(self, dana: Page, desk: DeskServer) -> None:
        conversation = await held(desk)
        await open_conversation(dana, conversation)
        reply = dana.get_by_test_id("reply")
        await reply.fill("one")
        await reply.press("Shift+Enter")
        await reply.press_sequentially("two")
        await reply.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
        await reply.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
        await expect(reply).to_have_value("one\ntwo")
        await reply.press("Enter")
        await expect(dana.locator(".turn.staff .turn-text")).to_have_text(["one\ntwo"])

    async def test_typing_is_told_to_the_shopper_without_the_words(
        self, dana: Page, desk: DeskServer
    ) -> None:
        conversation = await held(desk)
        await open_conversation(dana, conversation)
        with desk.bus.subscribe(conversation) as items:
            await dana.get_by_test_id("reply").press_sequentially("Dear")
            async with asyncio.timeout(10):
                async for item in items:
                    if isinstance(item, Typing):
                        break
        assert item == Typing(conversation, "staff")

    async def test_a_note_is_for_colleagues_only(self, dana: Page, desk: DeskServer) -> None:
        conversation = await desk.torn_tent()
        await open_conversation(dana, conversation)
        await dana.get_by_test_id("note").fill("Mo approved a replacement.")
        await dana.get_by_test_id("note-send").click()
        await expect(dana.locator(".turn.note")).to_contain_text("Mo approved a replacement.")
        events = await desk.events(conversation)
        assert "note.added" in [event.body.type for event in events]
        wire = [seen for event in events if (seen := for_shopper(event)) is not None]
        assert "replacement" not in str(wire)

    async def test_handing_back_and_closing(self, dana: Page, desk: DeskServer) -> None:
        conversation = await held(desk)
        await open_conversation(dana, conversation)
        await expect(dana.get_by_test_id("packet")).to_be_visible()
        await dana.get_by_test_id("hand-back").click()
        await expect(dana.get_by_test_id("mode")).to_have_text("with the assistant")
        await expect(dana.get_by_test_id("packet")).to_have_count(0)
        await dana.get_by_test_id("close").click()
        await expect(dana.get_by_test_id("mode")).to_have_text("closed")
        assert (await kinds(desk, conversation))[-2:] == ["handoff.returned", "conversation.closed"]

    async def test_a_note_can_go_with_the_hand_back(self, dana: Page, desk: DeskServer) -> None:
        conversation = await held(desk)
        await open_conversation(dana, conversation)
        await dana.get_by_role("button", name="More").click()
        await dana.get_by_test_id("hand-back-note").click()
        await dana.get_by_test_id("hand-back-text").fill("Replacement ordered.")
        await dana.get_by_test_id("hand-back-confirm").click()
        await expect(dana.locator(".turn.system", has_text="Replacement ordered.")).to_be_visible()
        assert (await desk.state(conversation)).mode == "assistant"

    async def test_every_line_of_the_packet_leads_to_its_event(self, dana: Page, desk: DeskServer) -> None:
        conversation = await desk.torn_tent()
        await open_conversation(dana, conversation)
        lines = dana.locator(".packet-line")
        await expect(lines.first).to_be_visible()
        seqs = await lines.evaluate_all("lines => lines.map(line => line.dataset.toSeq)")
        assert len(seqs) >= 8
        for seq in seqs:
            await expect(dana.locator(f'.turn[data-seq="{seq}"]')).to_have_count(1)
        await dana.get_by_role("button", name="FW-104233 was delivered on 9 June.").click()
        lookup = dana.locator(".turn.lookup")
        await expect(lookup).to_be_focused()
        await expect(lookup.get_by_text("It holds 1 × Fernway Trail 2 tent")).to_be_visible()
        await expect(dana.get_by_test_id("packet").get_by_role("img")).to_have_attribute(
            "aria-label", "Mood from −0.25 to −0.80 over 3 messages"
        )

    async def test_what_the_assistant_writes_is_seen_as_it_comes_and_stops_at_take_over(
        self, dana: Page, desk: DeskServer
    ) -> None:
        conversation = await desk.start()
        message = (await desk.tell(conversation, ev.MessageReceived(message="m", text="Hi")))[0]
        turn = TurnId("turn_1")
        await desk.tell(conversation, ev.TurnStarted(turn=turn, upto=message.seq))
        desk.bus.publish(Delta(conversation, turn, 0, "Our tents "))
        await open_conversation(dana, conversation)
        live = dana.get_by_test_id("partial")
        await expect(live).to_contain_text("Our tents")
        desk.bus.publish(Delta(conversation, turn, 10, "never leak. Yes"))
        await expect(live).to_contain_text("Our tents never leak. Yes")
        desk.bus.publish(Withdrawn(conversation, turn, 10, "unsupported"))
        await expect(live).not_to_contain_text("never leak")
        await dana.get_by_test_id("take-over").click()
        await desk.tell(conversation, ev.TurnInterrupted(turn=turn, by="takeover"))
        await expect(live).to_be_hidden()
        assert (await desk.state(conversation)).mode == "staff"

    async def test_an_unsent_reply_waits_while_another_conversation_is_read(
        self, dana: Page, desk: DeskServer
    ) -> None:
        first, second = await held(desk), await held(desk)
        await open_conversation(dana, first)
        await dana.get_by_test_id("reply").fill("Half a sent")
        await open_conversation(dana, second)
        await expect(dana.get_by_test_id("reply")).to_have_value("")
        await open_conversation(dana, first)
        await expect(dana.get_by_test_id("reply")).to_have_value("Half a sent")

    async def test_what_the_shopper_writes_appears_with_its_mood(self, dana: Page, desk: DeskServer) -> None:
        conversation = await held(desk)
        await open_conversation(dana, conversation)
        desk.bus.publish(Typing(conversation, "shopper"))
        await expect(dana.get_by_text("The shopper is typing…")).to_be_visible()
        seq = await desk.asks(conversation, "Finally, thank you!", positive=0.8, reasons=("thanks",))
        turn = dana.locator(f'.turn[data-seq="{seq}"]')
        await expect(turn).to_contain_text("Finally, thank you!")
        await expect(turn.get_by_test_id("mood")).to_have_text("pleased +0.70")
        await expect(turn.get_by_test_id("mood")).to_have_attribute("title", "thanks")

    async def test_an_address_with_a_conversation_opens_it(self, dana: Page, desk: DeskServer) -> None:
        conversation = await desk.torn_tent()
        await dana.goto(f"{desk.url}/desk?c={conversation}")
        await expect(dana.get_by_test_id("transcript")).to_contain_text("nobody cares!!")
        await dana.goto(f"{desk.url}/desk?c=conv_unknown")
        await expect(dana.locator(".view")).to_contain_text("This conversation was not found.")


class TestTwoPeople:
    async def test_the_second_sees_who_has_it_and_cannot_reply(
        self, browser: Browser, dana: Page, desk: DeskServer
    ) -> None:
        conversation = await desk.torn_tent()
        async with page_of(browser) as li:
            await sign_in(li, desk, "li")
            await open_conversation(li, conversation)
            await open_conversation(dana, conversation)
            await dana.get_by_test_id("take-over").click()
            await expect(li.get_by_test_id("mode")).to_have_text("with Dana")
            await expect(li.locator(".composer-why")).to_contain_text("Dana has this conversation")
            await expect(li.get_by_test_id("reply")).to_be_hidden()
            await expect(li.get_by_test_id("hand-back")).to_have_count(0)

    async def test_taking_from_a_colleague_needs_a_second_word(
        self, browser: Browser, dana: Page, desk: DeskServer
    ) -> None:
        conversation = await held(desk, "dana")
        await open_conversation(dana, conversation)
        await dana.get_by_test_id("reply").fill("I was just about to")
        async with page_of(browser) as li:
            await sign_in(li, desk, "li")
            await open_conversation(li, conversation)
            await expect(li.get_by_test_id("take-over")).to_have_text("Take over from Dana")
            await li.get_by_test_id("take-over").click()
            await expect(li.get_by_role("heading", name="Take over from Dana?")).to_be_visible()
            assert (await desk.state(conversation)).staff == "dana"
            await li.get_by_test_id("take-over-confirm").click()
            await expect(li.get_by_test_id("mode")).to_have_text("with you")
        assert (await desk.state(conversation)).staff == "li"
        await expect(dana.get_by_test_id("mode")).to_have_text("with Li")
        await expect(dana.get_by_test_id("reply")).to_be_hidden()

    async def test_a_click_that_comes_too_late_asks_instead_of_taking(
        self, dana: Page, desk: DeskServer
    ) -> None:
        conversation = await desk.torn_tent()
        await open_conversation(dana, conversation)
        # What another server does is in the log before this page hears of it.
        other = desk.services.log._log  # type: ignore[attr-defined]
        accepted = ev.HandoffAccepted(staff=StaffId("li"), name="Li")
        await other.append(conversation, [accepted], expected=await other.head(conversation))
        await dana.get_by_test_id("take-over").click()
        await expect(dana.get_by_role("heading", name="Take over from Li?")).to_be_visible()
        assert (await desk.state(conversation)).staff == "li"


HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> **bold** {{7*7}} [a](javascript:hacked=1)'


async def test_what_a_shopper_writes_is_never_more_than_text(dana: Page, desk: DeskServer) -> None:
    conversation = await desk.start()
    citation = ev.Citation(ref="1", kind="passage", id="p", title=HOSTILE, quote=HOSTILE)
    await desk.asks(conversation, HOSTILE, HOSTILE, negative=0.9, reasons=(HOSTILE,), citations=(citation,))
    await desk.tell(
        conversation,
        ev.NoteAdded(staff=StaffId("li"), text=HOSTILE),
        ev.ConversationRated(score=1, comment=HOSTILE),
    )
    await desk.needs_person(conversation, "mood")
    await desk.scored(ADA.id, 0.8, reasons=[ev.ChurnReason(feature="x", text=HOSTILE, contribution=1.0)])
    await open_conversation(dana, conversation)
    await expect(dana.locator(".turn.shopper .turn-text")).to_have_text(HOSTILE)
    await expect(dana.locator(".packet-wants .packet-line")).to_have_text(HOSTILE)
    await expect(row(dana, conversation).locator(".row-text")).to_contain_text("<img src=x")
    assert await dana.locator("main img, main script, main strong").count() == 0
    await dana.goto(f"{desk.url}/insights")
    await expect(dana.get_by_test_id("insights-churn")).to_contain_text("<img src=x")
    assert await dana.locator("main img, main script").count() == 0
    assert await dana.evaluate("window.hacked") is None


class TestLanguagesAndColours:
    async def test_a_chinese_browser_gets_a_chinese_desk(self, browser: Browser, desk: DeskServer) -> None:
        conversation = await desk.torn_tent()
        async with page_of(browser, locale="zh-CN") as page:
            await page.goto(f"{desk.url}/desk")
            await expect(page.get_by_test_id("login-submit")).to_have_text("登录")
            await sign_in(page, desk)
            await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
            await open_conversation(page, conversation)
            await expect(row(page, conversation).locator(".reason")).to_have_text(["情绪不佳", "多次未解决"])
            await expect(page.get_by_test_id("packet")).to_contain_text("先致歉一次")
            await page.get_by_test_id("take-over").click()
            await expect(page.get_by_test_id("mode")).to_have_text("由您处理")

    async def test_the_chosen_language_and_colours_are_remembered(self, dana: Page, desk: DeskServer) -> None:
        await dana.get_by_test_id("language").click()
        await expect(dana.get_by_test_id("sign-out")).to_have_text("退出登录")
        await dana.get_by_test_id("theme").click()
        await dana.get_by_test_id("theme").click()
        await expect(dana.locator("body")).to_have_class(re.compile("body--dark"))
        await dana.goto(f"{desk.url}/insights")
        await expect(dana.get_by_role("heading", name="数据洞察")).to_be_visible()
        await expect(dana.locator("body")).to_have_class(re.compile("body--dark"))

    @pytest.mark.parametrize("size", [(1280, 800), (1024, 768), (768, 900)])
    async def test_nothing_is_cut_off(
        self, browser: Browser, desk: DeskServer, size: tuple[int, int]
    ) -> None:
        conversation = await held(desk)
        async with page_of(browser, size=size) as page:
            await sign_in(page, desk)
            await open_conversation(page, conversation)
            for testid in ("reply", "reply-send", "note-send", "hand-back", "close", "sign-out"):
                await expect(page.get_by_test_id(testid)).to_be_in_viewport(ratio=1)
            await page.goto(f"{desk.url}/insights")
            await expect(page.locator(".tile").first).to_be_visible()
            wide = "document.documentElement.scrollWidth <= innerWidth"
            assert await page.evaluate(wide)


class TestInsights:
    async def test_before_anything_happened_it_says_what_will_appear(
        self, dana: Page, desk: DeskServer
    ) -> None:
        await dana.goto(f"{desk.url}/insights")
        await expect(dana.get_by_test_id("insights-churn")).to_contain_text("after their first conversation")
        await expect(dana.get_by_test_id("insights-offers")).to_contain_text(
            "Offers made, taken and withheld"
        )
        await expect(dana.locator(".card-mood")).to_contain_text("Every shopper message is scored")

    async def test_it_shows_what_the_log_says_and_follows_it(self, dana: Page, desk: DeskServer) -> None:
        reason = ev.ChurnReason(feature="signals", text="3 bad signals lately", contribution=1.2)
        talk = await desk.scored(ADA.id, 0.71, before=0.42, reasons=[reason])
        await desk.scored(LIN.id, 0.23)
        made = desk.offer(ADA.id)
        await desk.tell(
            talk,
            made,
            ev.OfferAnswered(offer=made.offer, taken=True),
            ev.OfferWithheld(customer=LIN.id, reason="hold_out", policy="t/1", propensity=0.1),
        )
        await desk.torn_tent()
        await dana.goto(f"{desk.url}/insights")
        churn = dana.get_by_test_id("insights-churn")
        rows = churn.locator("tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.nth(0)).to_contain_text("Ada Berg")
        await expect(rows.nth(0)).to_contain_text("71%")
        await expect(rows.nth(0)).to_contain_text("+29")
        await expect(rows.nth(0)).to_contain_text("3 bad signals lately")
        await expect(rows.nth(1)).to_contain_text("林小雨")
        offers = dana.get_by_test_id("insights-offers")
        await expect(dana.get_by_test_id("offers-taken")).to_have_text("1")
        await expect(dana.get_by_test_id("offers-withheld")).to_have_text("1")
        await expect(dana.get_by_test_id("offers-spent")).to_have_text("€10.00 of €500.00")
        await expect(offers).to_contain_text("hold-out group")
        await expect(dana.locator(".card-handoffs svg")).to_contain_text("repeated failure")
        await desk.tell(talk, desk.offer(LIN.id))
        await expect(dana.get_by_test_id("offers-made")).to_have_text("2", timeout=10_000)

    async def test_customers_can_be_searched_and_sorted(self, dana: Page, desk: DeskServer) -> None:
        await desk.scored(ADA.id, 0.71)
        await desk.scored(LIN.id, 0.23)
        await dana.goto(f"{desk.url}/insights")
        rows = dana.get_by_test_id("insights-churn").locator("tbody tr")
        await expect(rows).to_have_count(2)
        await dana.get_by_role("columnheader", name="Probability").click()
        await expect(rows.nth(0)).to_contain_text("林小雨")
        await dana.get_by_test_id("churn-search").fill("ada")
        await expect(rows).to_have_count(1)
        await expect(rows.nth(0)).to_contain_text("Ada Berg")
        await rows.nth(0).get_by_role("link", name="Ada Berg").click()
        await dana.wait_for_url(re.compile(r"/desk\?c=conv_"))
        await expect(dana.get_by_test_id("transcript")).to_contain_text("Churn probability 71%")
