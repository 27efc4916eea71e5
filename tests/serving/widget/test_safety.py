"""No text ever runs: not the shopper's, the model's, a document's or a shop's."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from agent.events import ReplySent
from agent.ids import StaffId
from serving import pages
from tests.serving.widget.conftest import OpenChat
from tests.serving.widget.peer import Peer, answer, cite, proposal

browser_test = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
SOURCE = (Path(pages.__file__).parent / "static" / "widget.js").read_text()

EVIL = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<svg onload=window.hacked=1>",
    "**<b onmouseover=window.hacked=1>bold</b>**",
    "[click](javascript:window.hacked=1)",
    "[click](data:text/html,<script>window.hacked=1</script>)",
    "- <iframe srcdoc='<script>parent.hacked=1</script>'>",
    "javascript:window.hacked=1 https://ok.example/?q=<script>",
)


def test_the_widget_weighs_less_than_20_kb() -> None:
    assert len(gzip.compress(SOURCE.encode(), 9)) < 20_000


@pytest.mark.parametrize(
    "word",
    [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "DOMParser",
        "srcdoc",
        "import(",
    ],
)
def test_the_widget_has_no_way_to_parse_html_or_code(word: str) -> None:
    assert word not in SOURCE


def test_the_widget_depends_on_nothing_and_asks_nobody_else() -> None:
    assert re.findall(r"https?://[\w.]+", SOURCE) == ["https://HOST", "http://www.w3.org"]


class TestInTheBrowser:
    pytestmark = browser_test

    async def test_hostile_text_is_shown_and_never_runs(self, visit: OpenChat, peer: Peer) -> None:
        text = "\n".join(EVIL)
        peer.passages["p1"] = {
            "title": EVIL[1],
            "heading": EVIL[0],
            "text": text,
            "version": EVIL[1],
            "language": "en",
        }
        chat = await visit()
        await chat.say(text)
        await peer.got("say")
        await peer.stream({"type": "delta", "turn": "t9", "offset": 0, "text": text})
        await expect(chat.part("draft")).to_contain_text("<script>window.hacked = 1</script>")
        await peer.emit(
            answer(
                text + " [1]",
                cite("1", title=EVIL[1], heading=EVIL[0], quote=EVIL[0]),
                quick_replies=(EVIL[1],),
                turn="t9",
            ),
            ReplySent(message="r", staff=StaffId("x"), name=EVIL[1], text=text),
            proposal(
                summary=text, action={"kind": "cancel", "order": EVIL[0], "arguments": {EVIL[1]: EVIL[1]}}
            ),
        )
        for part in ("message-shopper", "message-assistant", "message-staff", "confirm"):
            await expect(chat.part(part)).to_contain_text("<img src=x onerror='window.hacked = 1'>")
        await chat.part("citation").click()
        await expect(chat.part("passage-dialog")).to_contain_text("<svg onload=window.hacked=1>")
        root = chat.page.locator("amends-chat")
        for tag in ("script", "img", "iframe", "b[onmouseover]", "svg[onload]"):
            await expect(root.locator(f"{tag}")).to_have_count(0)
        hrefs = await root.evaluate("(chat) => [...chat.shadowRoot.querySelectorAll('a')].map((a) => a.href)")
        assert {href.split("?")[0] for href in hrefs} == {"https://ok.example/"}
        assert await chat.page.evaluate("window.hacked") is None

    async def test_links_lead_out_safely_and_show_a_foreign_host(self, visit: OpenChat, peer: Peer) -> None:
        chat = await visit()
        await peer.emit(answer("See https://a.example/x. Or [our page](https://b.example/y)."))
        links = chat.part("message-assistant").locator("a")
        await expect(links).to_have_text(["https://a.example/x", "our page (b.example)"])
        for link in await links.all():
            assert await link.get_attribute("rel") == "noopener noreferrer"

    async def test_it_works_under_a_policy_without_inline_code_or_styles(
        self, visit: OpenChat, peer: Peer
    ) -> None:
        chat = await visit(accent="#8a2be2")
        await expect(chat.part("send")).to_have_css("border-radius", "50%")
        await expect(chat.part("launcher")).to_be_hidden()
        await chat.say("x")
        await expect(chat.part("message-shopper").get_by_test_id("text")).to_have_css(
            "background-color", "rgb(138, 43, 226)"
        )
