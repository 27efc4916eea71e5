"""Keyboard, screen readers, input methods, languages, colours and small screens."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from agent.events import ConversationClosed
from tests.serving.widget.conftest import Chat, OpenChat
from tests.serving.widget.peer import Peer, answer, cite, proposal
from tests.serving.widget.test_conversation import OFFER, WAITS

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CONTROLS = """(chat) => [...chat.shadowRoot.querySelectorAll('button, input, textarea, select, a[href], [tabindex], dialog, [role]')].filter((node) => node.checkVisibility()).map((node) => {
  const names = (node.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => id && chat.shadowRoot.getElementById(id)?.textContent);
  const name = node.getAttribute('aria-label') || names.join('') || node.labels?.[0]?.textContent
    || (/^(BUTTON|A)$/.test(node.tagName) && node.textContent);
  return [node.tagName, node.className, node.getAttribute('role'), (name || '').trim()];
})"""

CONTRAST = """(chat) => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const behind = (node) => {
    if (!node || node === chat) return [255, 255, 255];
    const colour = rgba(getComputedStyle(node).backgroundColor);
    return colour[3] === 1 ? colour.slice(0, 3) : over(colour, behind(node.parentElement));
  };
  const light = (rgb) => { const [r, g, b] = rgb.map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const low = [];
  for (const node of chat.shadowRoot.querySelectorAll('*')) {
    const text = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data).join('').trim();
    if (!text || !node.checkVisibility() || node.closest('[hidden], :disabled, [aria-hidden=true], del')) continue;
    const under = behind(node);
    const [a, b] = [light(over(rgba(getComputedStyle(node).color), under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push([text, node.className, ratio]);
  }
  return low;
}"""


async def everything(chat: Chat, peer: Peer) -> None:
    """Put one of every kind of thing into the view."""
    await chat.say("Can I cancel my order, and where does it say so?")
    await peer.got("say")
    await peer.emit(
        answer("Yes, **before it is packed** [1]. See https://a.example/.", cite("1", quote="before"), withdrawn=("unsupported",), how="quoted"),
        proposal(), OFFER, WAITS, answer("One more.", turn="t2", quick_replies=("Fine",)), ConversationClosed(by="idle"),
    )  # fmt: skip
    await peer.stream({"type": "delta", "turn": "t3", "offset": 0, "text": "Let me see"})
    await expect(chat.part("draft")).to_be_visible()


async def test_every_control_has_a_name(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    await everything(chat, peer)
    await chat.part("menu").click()
    controls = await chat.page.locator("amends-chat").evaluate(CONTROLS)
    assert len(controls) > 25
    unnamed = [
        control
        for control in controls
        if not control[3] and control[2] not in ("status", "timer") and "quick" not in control[1]
    ]
    assert not unnamed


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("accent", ["#2f5d50", "#ffd400", "#1a1a2e"])
async def test_text_keeps_its_contrast(visit: OpenChat, peer: Peer, scheme: Any, accent: str) -> None:
    chat = await visit(color_scheme=scheme, reduced_motion="reduce", accent=accent)
    await everything(chat, peer)
    assert await chat.page.locator("amends-chat").evaluate(CONTRAST) == []


async def test_only_settled_text_is_announced(visit: OpenChat, peer: Peer) -> None:
    chat = await visit()
    log = chat.page.get_by_role("log")
    await expect(log).to_have_attribute("aria-live", "polite")
    await peer.stream({"type": "delta", "turn": "t1", "offset": 0, "text": "Half a sen"})
    await expect(chat.part("draft")).to_be_visible()
    await expect(log).not_to_contain_text("Half a sen")
    await peer.emit(answer("A whole sentence."))
    await expect(log).to_contain_text("A whole sentence.")


async def test_everything_works_from_the_keyboard(visit: OpenChat, peer: Peer) -> None:
    chat = await visit(opened=False)
    keyboard = chat.page.keyboard
    await chat.page.locator("#before").focus()
    await keyboard.press("Tab")
    await expect(chat.part("launcher")).to_be_focused()
    await keyboard.press("Enter")
    await expect(chat.part("input")).to_be_focused()
    await keyboard.type("Two")
    await keyboard.press("Shift+Enter")
    await keyboard.type("lines")
    await keyboard.press("Enter")
    assert (await peer.got("say"))[0]["text"] == "Two\nlines"
    await expect(chat.part("input")).to_have_value("")
    await peer.emit(answer("See [1].", cite("1", kind="order_fact", quote="A fact.")), proposal())
    await expect(chat.part("confirm")).to_be_visible()
    for _ in range(4):  # send is disabled: no, keep, yes are before the box
        await keyboard.press("Shift+Tab")
        if await chat.part("confirm-yes").evaluate("(node) => node.getRootNode().activeElement === node"):
            break
    await keyboard.press("Enter")
    assert (await peer.got("confirm"))[0]["answer"] == "yes"
    await expect(chat.part("input")).to_be_focused()  # the pressed button is off now
    await chat.part("citation").focus()
    await keyboard.press("Enter")
    await expect(chat.part("passage-dialog")).to_be_visible()
    for _ in range(4):
        await keyboard.press("Tab")
        inside = (
            "(node) => !node.getRootNode().activeElement || node.contains(node.getRootNode().activeElement)"
        )
        assert await chat.part("passage-dialog").evaluate(inside)
    await keyboard.press("Escape")
    await expect(chat.part("citation")).to_be_focused()
    await chat.part("menu").press("Enter")
    await keyboard.press("Escape")
    await expect(chat.part("menu")).to_be_focused()
    await keyboard.press("Escape")
    await expect(chat.part("panel")).to_be_hidden()
    await expect(chat.part("launcher")).to_be_focused()


async def test_enter_does_not_send_while_an_input_method_composes(visit: OpenChat, peer: Peer) -> None:
    chat = await visit(lang="zh")
    devtools = await chat.page.context.new_cdp_session(chat.page)
    await chat.part("input").focus()
    await devtools.send(
        "Input.imeSetComposition", {"text": "tui'huo", "selectionStart": 7, "selectionEnd": 7}
    )
    await chat.part("input").evaluate(
        "(box) => { for (const init of [{ isComposing: true }, { keyCode: 229 }]) box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...init })); }"
    )
    await expect(chat.part("message-shopper")).to_have_count(0)
    await devtools.send("Input.insertText", {"text": "退货"})
    await expect(chat.part("input")).to_have_value("退货")
    await chat.page.keyboard.press("Enter")
    assert (await peer.got("say"))[0]["text"] == "退货"


async def test_chinese_pages_speak_chinese_and_the_menu_switches(visit: OpenChat, peer: Peer) -> None:
    chat = await visit(lang="zh")
    assert peer.frames("hello")[0]["language"] == "zh"
    await expect(chat.part("person")).to_have_accessible_name("转人工服务")
    await peer.emit(proposal(), WAITS)
    await expect(chat.part("banner")).to_have_text("人工客服即将加入，您可以继续留言。")
    await expect(chat.part("confirm-yes")).to_have_text("确认")
    await expect(chat.part("expiry")).to_have_text("10分钟后过期")
    await chat.part("menu").click()
    await chat.part("language-en").check()
    await expect(chat.part("confirm-yes")).to_have_text("Confirm")
    await expect(chat.part("banner")).to_contain_text("A person will join you here.")
    await expect(chat.page.locator("amends-chat")).to_have_attribute("lang", "en")
    await chat.page.reload()
    await expect(chat.part("person")).to_have_accessible_name("Talk to a person")


async def test_no_chinese_is_left_in_english_and_no_english_in_chinese(visit: OpenChat, peer: Peer) -> None:
    chat = await visit(lang="zh")
    await peer.emit(WAITS, ConversationClosed(by="idle"))
    await chat.part("menu").click()
    text = await chat.part("panel").inner_text()
    latin = set("".join(c if c.isascii() and c.isalpha() else " " for c in text).split())
    assert latin <= {"Fernway", "Outdoor", "English"}


async def test_dark_follows_the_system_and_the_menu_overrules(visit: OpenChat, peer: Peer) -> None:
    chat = await visit(color_scheme="dark")
    panel = chat.part("panel")
    await expect(panel).to_have_css("background-color", "rgb(21, 26, 24)")
    await chat.part("menu").click()
    await chat.part("theme-light").check()
    await expect(panel).to_have_css("background-color", "rgb(255, 255, 255)")
    await chat.page.reload()
    await expect(panel).to_have_css("background-color", "rgb(255, 255, 255)")


@pytest.mark.parametrize("size", [(320, 568), (640, 360)])  # a small phone; 200 % zoom of 1280 × 720
async def test_small_screens_show_everything_without_sideways_scrolling(
    visit: OpenChat, peer: Peer, size: tuple[int, int]
) -> None:
    chat = await visit(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    await everything(chat, peer)
    await peer.emit(answer("W" * 200 + " https://a.example/" + "x" * 200, turn="t4"))
    await expect(chat.part("message-assistant")).to_have_count(3)
    box = await chat.part("panel").bounding_box()
    assert box == {"x": 0, "y": 0, "width": size[0], "height": size[1]}
    overflowing = """(chat) => [document.documentElement, ...chat.shadowRoot.querySelectorAll('.panel, .scroll, header, .card')]
      .filter((node) => node.scrollWidth > node.clientWidth + 1).map((node) => node.className)"""
    assert await chat.page.locator("amends-chat").evaluate(overflowing) == []
    for part in ("person", "menu", "close", "input", "send"):
        await expect(chat.part(part)).to_be_in_viewport(ratio=1)
    # The panel covers the page, so the focus stays in it.
    await chat.part("person").focus()
    await chat.page.keyboard.press("Shift+Tab")
    assert await chat.part("panel").evaluate("(panel) => panel.contains(panel.getRootNode().activeElement)")


async def test_motion_stops_for_those_who_ask_for_less(visit: OpenChat, peer: Peer) -> None:
    chat = await visit(reduced_motion="reduce")
    await peer.stream({"type": "typing", "who": "assistant"})
    await expect(chat.part("typing").locator("i").first).to_have_css("animation-name", "none")
