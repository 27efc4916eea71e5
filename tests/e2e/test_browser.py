"""The whole thread in real browsers, against the product as an operator runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from agent.events import Event, for_shopper
from agent.log_sql import SqlLog
from tests.conftest import ROOT
from tests.e2e.product import RunningProduct
from tests.slow_model import SlowModel

pytestmark = [pytest.mark.model, pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
HANNAH = "hannah.weber@example.com"
SECONDS = 60_000.0
"""Patience with the real model on a busy machine, milliseconds."""


async def picture(page: Page, name: str) -> None:
    """Keep a screenshot for the docs, when asked to (``make screenshots``)."""
    if os.environ.get("AMENDS_SCREENSHOTS"):
        folder = ROOT / "docs" / "images"
        folder.mkdir(exist_ok=True)
        await page.screenshot(path=folder / f"{name}.png", animations="disabled")


async def open_shop(browser: Browser, product: RunningProduct, customer: str, **context: Any) -> Page:
    """The shop page with the widget open, as ``customer``."""
    shopper = await browser.new_context(viewport={"width": 1180, "height": 800}, **context)
    page = await shopper.new_page()
    await page.goto(product.url)
    if customer != "visitor":
        await page.get_by_test_id("persona").select_option(customer)
        # The page fetches the token; a chat opened before it came would be a visitor's.
        await page.wait_for_function("document.querySelector('amends-chat').token !== null")
    await page.get_by_test_id("launcher").click()
    await expect(page.get_by_test_id("input")).to_be_enabled(timeout=SECONDS)
    return page


async def say(page: Page, text: str) -> None:
    await page.get_by_test_id("input").fill(text)
    await page.get_by_test_id("send").click()


async def open_desk(browser: Browser, product: RunningProduct, name: str) -> Page:
    """The desk, signed in."""
    context = await browser.new_context(viewport={"width": 1280, "height": 860})
    page = await context.new_page()
    await page.goto(f"{product.url}/desk")
    await page.get_by_test_id("login-name").fill(name)
    await page.get_by_test_id("login-password").fill("demo")
    await page.get_by_test_id("login-submit").click()
    await expect(page.get_by_test_id("queue-item").first).to_be_visible(timeout=SECONDS)
    return page


async def logged(data: Path) -> list[Event]:
    """The only conversation in the product's log."""
    store = SqlLog(f"sqlite+aiosqlite:///{data / 'log.db'}", clock=lambda: pytest.fail("read only"))
    (conversation,) = await store.latest()
    events = await store.read(conversation)
    await store.close()
    return events


async def shown(page: Page) -> list[tuple[int, str]]:
    """What the browser shows, as (seq, who) of every stored bubble, top to bottom."""
    rows: list[list[Any]] = await page.evaluate(
        """() => [...document.querySelector('amends-chat').shadowRoot
            .querySelectorAll('[data-testid^=message-][data-seq]')]
            .map(node => [Number(node.dataset.seq), node.dataset.testid.replace('message-', '')])"""
    )
    return [(int(seq), str(who)) for seq, who in rows]


def spoken(events: list[Event]) -> list[tuple[int, str]]:
    """What the log holds of what was said, in the same form."""
    who = {"message.received": "shopper", "answer.sent": "assistant", "reply.sent": "staff"}
    return [
        (event.seq, who[event.body.type])
        for event in events
        if event.body.type in who and for_shopper(event) is not None
    ]


async def test_from_a_question_to_an_offer(
    browser: Browser, product: RunningProduct, paced_model: SlowModel
) -> None:
    page = await open_shop(browser, product, HANNAH)
    answers = page.get_by_test_id("message-assistant")

    # A grounded answer with a citation that resolves.
    await say(page, "How long do I have to return an item?")
    await expect(answers.last).to_contain_text("30", timeout=SECONDS)
    await page.get_by_test_id("citation").first.click()
    dialog = page.get_by_test_id("passage-dialog")
    await expect(dialog).to_be_visible()
    await expect(page.get_by_test_id("passage-text")).to_contain_text("30")
    await picture(page, "widget-citation")
    await page.keyboard.press("Escape")

    # A change through the write gate.
    await say(page, "Please cancel order FW-100001")
    await expect(page.get_by_test_id("confirm-yes")).to_be_visible(timeout=SECONDS)
    await picture(page, "widget-confirm")
    await page.get_by_test_id("confirm-yes").click()
    await expect(answers.last).to_contain_text("cancelled", timeout=SECONDS)

    # Anger is noticed, and a person is brought in.
    await say(page, "This is the third time something is wrong!! Terrible service, I am furious!!!")
    await expect(page.get_by_test_id("banner")).to_be_visible(timeout=SECONDS)
    desk = await open_desk(browser, product, "dana")
    await desk.get_by_test_id("queue-item").first.click()
    await expect(desk.get_by_test_id("packet")).to_be_visible(timeout=SECONDS)
    await expect(desk.get_by_test_id("mood").first).to_be_visible()
    await picture(desk, "desk")

    # A person takes over in the middle of a sentence.
    paced_model.delay = 0.6
    await say(page, "And who pays the customs duties when you ship to Switzerland?")
    await expect(page.get_by_test_id("draft")).to_be_visible(timeout=SECONDS)
    await desk.get_by_test_id("take-over").click()
    await expect(page.get_by_test_id("draft")).to_have_count(0, timeout=SECONDS)
    paced_model.delay = 0.0
    await desk.get_by_test_id("reply").fill("Hello Hannah, Dana here.")
    await desk.get_by_test_id("reply-send").click()
    await expect(page.get_by_test_id("message-staff").last).to_contain_text("Dana here", timeout=SECONDS)
    await picture(page, "widget-person")

    # A second member of staff sees who has it and cannot answer unknowingly.
    other = await open_desk(browser, product, "li")
    await other.get_by_test_id("queue-item").first.click()
    await expect(other.get_by_test_id("transcript")).to_be_visible(timeout=SECONDS)
    await expect(other.get_by_test_id("transcript")).to_contain_text("Dana", timeout=SECONDS)
    await expect(other.get_by_test_id("reply")).not_to_be_visible()

    # Handed back, the assistant answers again.
    await desk.get_by_test_id("hand-back").click()
    await say(page, "Where is my order FW-100002?")
    await expect(answers.last).to_contain_text("FW-100002", timeout=SECONDS)

    events = await logged(product.data)
    kinds = [event.body.type for event in events]
    taken = kinds.index("handoff.accepted")
    back = kinds.index("handoff.returned")
    assert "turn.interrupted" in kinds[taken : taken + 3]
    assert "answer.sent" not in kinds[taken:back]
    assert await shown(page) == spoken(events)

    # It ends: the score moves, an offer appears, the shopper rates.
    await desk.get_by_test_id("queue-item").first.click()
    await desk.get_by_test_id("take-over").click()
    await expect(desk.get_by_test_id("reply")).to_be_visible(timeout=SECONDS)
    await desk.get_by_test_id("close").click()
    await expect(page.get_by_test_id("csat-5")).to_be_visible(timeout=SECONDS)
    await expect(page.get_by_test_id("offer-accept")).to_be_visible(timeout=SECONDS)
    await picture(page, "widget-offer")
    await page.get_by_test_id("offer-accept").click()
    await page.get_by_test_id("csat-5").click()
    await page.get_by_test_id("csat-send").click()
    await expect(page.get_by_test_id("offer")).to_contain_text("Accepted", timeout=SECONDS)
    await expect(page.get_by_test_id("csat")).to_contain_text("Thank you", timeout=SECONDS)
    kinds = [event.body.type for event in await logged(product.data)]
    assert {"churn.scored", "offer.answered", "conversation.rated"} <= set(kinds)
    await desk.goto(f"{product.url}/insights")
    await expect(desk.get_by_test_id("insights-churn")).to_contain_text("Hannah", timeout=SECONDS)
    await picture(desk, "insights")


async def test_killed_in_the_middle_of_an_answer_the_browser_ends_with_what_the_log_has(
    browser: Browser, product: RunningProduct, paced_model: SlowModel
) -> None:
    page = await open_shop(browser, product, "visitor")
    paced_model.delay = 0.5
    await say(page, "How long do I have to return an item?")
    await expect(page.get_by_test_id("draft")).to_be_visible(timeout=SECONDS)
    product.kill()
    paced_model.delay = 0.0
    product.start()
    await expect(page.get_by_test_id("message-assistant").last).to_contain_text("30", timeout=SECONDS)
    await expect(page.get_by_test_id("draft")).to_have_count(0)
    events = await logged(product.data)
    assert await shown(page) == spoken(events)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sum(event.body.type == "answer.sent" for event in events) == 1
    await page.reload()
    if not await page.get_by_test_id("panel").is_visible():
        await page.get_by_test_id("launcher").click()
    await expect(page.get_by_test_id("message-assistant").last).to_contain_text("30", timeout=SECONDS)
    assert await shown(page) == spoken(events)


async def test_a_dead_model_is_admitted_and_the_source_quoted(
    browser: Browser, product: RunningProduct, paced_model: SlowModel
) -> None:
    page = await open_shop(browser, product, "visitor", locale="zh-CN", color_scheme="dark")
    paced_model.broken = True
    await say(page, "多久之内可以退货？")
    last = page.get_by_test_id("message-assistant").last
    await expect(last).to_contain_text("暂时无法", timeout=SECONDS)
    await expect(last).to_contain_text("30")
    await picture(page, "widget-dark-zh")
