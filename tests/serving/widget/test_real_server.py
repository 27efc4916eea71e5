"""The widget against the real socket, log and pages; only the turns are a double."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from agent.events import for_shopper
from tests.serving.parts import ADA, Running, running

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MESSAGES = "amends-chat [data-testid^=message-]"
SHOWN = {
    "message.received": "message-shopper",
    "answer.sent": "message-assistant",
    "reply.sent": "message-staff",
}


async def stored(server: Running) -> list[tuple[str, str, str]]:
    """The messages as the logs hold them: seq, kind, text."""
    events = [
        event
        for found in await server.services.log.latest()
        for event in await server.services.log.read(found)
    ]
    wires = [for_shopper(event) for event in events]
    return [
        (str(wire["seq"]), SHOWN[wire["type"]], wire["text"])
        for wire in wires
        if wire and wire["type"] in SHOWN
    ]


async def sign_in(page: Page, server: Running) -> None:
    """What a shop's page does with the token of its customer."""
    await page.locator("amends-chat").evaluate("(chat, token) => { chat.token = token; }", server.token(ADA))


async def test_a_server_restarted_in_the_middle_of_an_answer_loses_and_repeats_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    try:
        async with running(tmp_path / "data") as server:
            port = int(server.url.rsplit(":", 1)[1])
            await page.goto(server.url)
            await sign_in(page, server)
            await page.get_by_test_id("launcher").click()
            await page.get_by_test_id("input").fill("please cancel, wrong order")
            await page.get_by_test_id("send").click()
            await expect(page.get_by_test_id("message-assistant")).to_contain_text("You wrote:")
            await page.get_by_test_id("confirm-yes").click()
            await expect(page.get_by_test_id("confirm")).to_contain_text("Done. Cancelled.")
            await page.get_by_test_id("input").fill("answer slowly")
            await page.keyboard.press("Enter")
            await server.responder.paused.wait()
            await expect(page.get_by_test_id("draft")).to_contain_text("You wrote: a")
        await expect(page.get_by_test_id("banner")).to_have_attribute("data-state", "offline")
        await page.get_by_test_id("input").fill("said in between")
        await page.keyboard.press("Enter")
        async with running(tmp_path / "data", port=port) as server:
            await expect(page.get_by_test_id("message-assistant").last).to_contain_text(
                "said in between", timeout=30_000
            )
            await expect(page.get_by_test_id("draft")).to_have_count(0)
            expected = await stored(server)
            assert [text for _, kind, text in expected if kind == "message-shopper"] == [
                "please cancel, wrong order", "answer slowly", "said in between",
            ]  # fmt: skip
            for _ in range(2):  # and the same again after a reload
                await expect(page.locator(MESSAGES)).to_have_count(len(expected))
                shown = [
                    (
                        await node.get_attribute("data-seq"),
                        await node.get_attribute("data-testid"),
                        await node.get_by_test_id("text").inner_text(),
                    )
                    for node in await page.locator(MESSAGES).all()
                ]
                assert shown == [(seq, kind, text.strip()) for seq, kind, text in expected]
                await page.reload()
                await sign_in(page, server)
    finally:
        await context.close()
