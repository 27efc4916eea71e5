"""A shop's page with the widget, a browser on it, and the double it talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Locator, Page

from serving.settings import Settings
from tests.serving.widget.peer import Peer, serving


@pytest_asyncio.fixture(loop_scope="session")
async def peer() -> AsyncIterator[Peer]:
    """The double of the server, new for each test."""
    async with serving(Settings()) as running:
        yield running


@dataclass(frozen=True)
class Chat:
    """A page with the widget on it, and what went wrong there."""

    page: Page
    peer: Peer
    wrongs: list[str]

    def part(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    async def open(self) -> None:
        await self.part("launcher").click()
        await self.peer.got("hello")

    async def say(self, text: str) -> None:
        await self.part("input").fill(text)
        await self.page.keyboard.press("Enter")


OpenChat = Callable[..., Awaitable[Chat]]


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, peer: Peer) -> AsyncIterator[OpenChat]:
    """Visits a page with the widget; nothing may go wrong on it until the test ends."""
    contexts, wrongs = [], []

    async def go(
        *, lang: str = "en", token: str = "", accent: str = "#2f5d50", opened: bool = True, **context: Any
    ) -> Chat:
        contexts.append(await browser.new_context(**({"viewport": {"width": 1000, "height": 800}} | context)))
        page = await contexts[-1].new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: wrongs.append(str(error)))
        page.on(
            "console",
            lambda message: wrongs.append(message.text) if "Content Security" in message.text else None,
        )
        await page.goto(peer.host(lang=lang, token=token, accent=accent))
        chat = Chat(page, peer, wrongs)
        if opened:
            await chat.open()
        return chat

    yield go
    for context in contexts:
        await context.close()
    assert not wrongs
    assert not peer.bad
