"""The report in a real browser, opened from its file as a reader would."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from evals.gate import gate
from evals.inprocess import Version
from evals.report.build import write_report
from evals.shops.store import StoreStage
from tests.conftest import ROOT
from tests.evals.conftest import held, ours
from tests.evals.runs import ATTACK, dialogue, pairs, passes, run, write, write_log, written

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``new`` against ``base``: attack.en got worse, s000.en better."""
    folder = tmp_path_factory.mktemp("report")
    base, new = await written(folder, "base", 0), await written(folder, "new", 6)
    await write_report(new, folder / "report.html", against=base, verdict=gate(new, base))
    return folder / "report.html"


@asynccontextmanager
async def opened(browser: Browser, path: Path, place: str = "", **context: Any) -> AsyncIterator[Page]:
    """The page at ``place``; leaving it fails on any error or request of the page meanwhile."""
    window = await browser.new_context(**context)
    page = await window.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda request: wrong.append(request.url) if not request.url.startswith("file:") else None
    )
    try:
        await page.goto(f"{path.as_uri()}{place}")
        yield page
        assert wrong == []
    finally:
        await window.close()


def conversation(page: Page, name: str) -> Locator:
    return page.locator(f'details[id="{name}"]')


async def test_words_of_strangers_stay_words(browser: Browser, report: Path) -> None:
    async with opened(browser, report) as page:
        talk = conversation(page, "attack.en:1")
        await talk.locator("summary").first.click()
        await expect(talk.locator(".say.shopper").first).to_contain_text(ATTACK)
        await expect(talk.locator(".scores")).to_contain_text(f"{ATTACK} is not supported")
        for event in await talk.locator(".event > summary").all():
            await event.click()
        await expect(talk.locator("pre").nth(4)).to_contain_text("onerror")
        assert await page.locator("img").count() == 0
        assert await page.evaluate("window.hurt === undefined")


async def test_even_words_printed_as_html_could_run_nothing(browser: Browser, report: Path) -> None:
    """The second line of defence: the page's own policy."""
    page = await browser.new_page()
    await page.goto(report.as_uri())
    await page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'window.hurt = 3';
          document.body.append(script);
          document.body.insertAdjacentHTML('beforeend', '<b onclick="window.hurt = 4">x</b>');
          document.body.lastElementChild.click();
        }"""
    )
    assert await page.evaluate("window.hurt === undefined")
    await page.close()


async def test_a_conversation_shows_all_that_happened(browser: Browser, report: Path) -> None:
    async with opened(browser, report, "#s001.en:1") as page:
        talk = conversation(page, "s001.en:1")
        said = talk.locator(".dialogue")
        for words in (
            "Please cancel FW-100001",
            "You can cancel it. Shall I? [1]",
            "Cancelling: “while it is paid”",
            "Proposed: cancel",
            "Confirmed by button",
            "Done: cancel FW-100001",
            "A person is needed: requested",
            "Dana took over",
            "Hello, Dana here.",
        ):
            await expect(said).to_contain_text(words)
        await said.get_by_text("Hand-over packet").click()
        await expect(said.locator(".packet dd").filter(has_text="to talk to a person")).to_be_visible()
        await expect(talk.locator(".event")).to_have_count(15)  # 13 events, and the two folded records


async def test_a_score_leads_to_the_event_that_shows_it(browser: Browser, report: Path) -> None:
    async with opened(browser, report) as page:
        await page.locator("#compared ~ .scroll a.seq", has_text="5").first.click()
        event = conversation(page, "attack.en:1:5")
        await expect(event).to_have_attribute("open", "")
        await expect(event.locator("summary")).to_be_focused()
        await expect(event.locator("pre")).to_contain_text('"type": "answer.sent"')
        # The same link again, after it was closed.
        await event.locator("summary").click()
        await conversation(page, "attack.en:1").locator(".missed a.seq").click()
        await expect(event).to_have_attribute("open", "")


async def test_the_list_can_be_filtered(browser: Browser, report: Path) -> None:
    async with opened(browser, report) as page:
        shown, count = page.locator("#list details.held:visible"), page.locator("#count")
        await expect(count).to_have_text("7 of 7 conversations")
        await page.get_by_role("combobox", name="Slice").select_option("language:zh")
        await expect(count).to_have_text("3 of 7 conversations")
        await expect(shown).to_have_count(3)
        await page.get_by_role("button", name="Show all").click()
        await expect(count).to_have_text("7 of 7 conversations")
        for state, ids in {
            "unresolved": ["attack.en:1"],
            "flipped_worse": ["attack.en:1"],
            "flipped_better": ["s000.en:1"],
            "simulator_error": ["s002.zh:1"],
        }.items():
            await page.get_by_role("combobox", name="Outcome").select_option(state)
            assert await shown.evaluate_all("all => all.map((one) => one.id)") == ids
        await page.get_by_role("button", name="Show all").click()
        await page.get_by_role("combobox", name="Missed").select_option("grounded")
        await expect(shown).to_have_count(1)
        await page.get_by_role("button", name="Show all").click()
        await page.get_by_label("Search").fill("S001")
        await expect(shown).to_have_count(2)


async def test_the_keyboard_reaches_a_conversation_and_what_is_in_it(browser: Browser, report: Path) -> None:
    async with opened(browser, report) as page:
        await page.get_by_label("Search").fill("s000.zh")
        await page.get_by_role("button", name="Show all").focus()
        await page.keyboard.press("Tab")
        await expect(conversation(page, "s000.zh:1").locator("summary").first).to_be_focused()
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await page.keyboard.press("Enter")
        await expect(page.locator(".say.shopper").first).to_be_visible()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(conversation(page, "s000.zh:1").locator("pre").first).to_be_visible()


async def test_chinese_words_are_marked_as_chinese(browser: Browser, report: Path) -> None:
    async with opened(browser, report, "#s000.zh:1") as page:
        talk = conversation(page, "s000.zh:1")
        await expect(talk.get_by_text("我要取消订单", exact=True).first).to_have_attribute("lang", "zh-CN")
        await expect(talk.locator(".say.staff p").last).to_have_attribute("lang", "en")


async def test_figures_have_names_and_tables_have_heads(browser: Browser, report: Path) -> None:
    async with opened(browser, report) as page:
        pictures = page.locator("svg")
        assert await pictures.count() > 10
        assert await pictures.evaluate_all("all => all.every((one) => one.getAttribute('aria-label'))")
        assert await page.locator("table").evaluate_all(
            "all => all.every((one) => one.querySelector('thead th[scope=col]') && one.querySelector('tbody th[scope=row]'))"
        )
        await expect(page.get_by_role("heading", name="Gate: unsure")).to_be_visible()


@pytest.mark.parametrize("place", ["", "#attack.en:1"])
async def test_nothing_sticks_out_of_a_small_screen(browser: Browser, report: Path, place: str) -> None:
    async with opened(browser, report, place, viewport={"width": 360, "height": 740}) as page:
        await expect(page.locator("#count")).to_contain_text("of 7")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_dark_follows_the_readers_setting(browser: Browser, report: Path) -> None:
    colours = []
    for scheme in ("light", "dark"):
        async with opened(browser, report, color_scheme=scheme) as page:
            colours.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(245, 245, 243)", "rgb(18, 22, 20)"]


async def test_four_hundred_conversations_are_drawn_only_when_opened(
    browser: Browser, tmp_path: Path
) -> None:
    many = run(pairs(200), {"resolved": passes(3)}, folder=tmp_path)
    write(many)
    await write_log(tmp_path, {a.conversation: dialogue() for a in many.attempts})
    await write_report(many, tmp_path / "report.html")
    async with opened(browser, tmp_path / "report.html") as page:
        await expect(page.locator("#count")).to_have_text("400 of 400 conversations")
        await expect(page.locator(".body > *")).to_have_count(0)
        await conversation(page, "s150.zh:1").locator("summary").first.click()
        await expect(page.locator(".dialogue")).to_have_count(1)


async def test_the_report_of_a_real_run_shows_every_conversation(
    browser: Browser, stage: StoreStage, version: Version, tmp_path: Path
) -> None:
    scenarios = [one for one in ours() if one.area in {"impersonation", "person", "returns"}]
    base = await held(tmp_path / "base", scenarios, stage, version)
    new = await held(tmp_path / "candidate", scenarios, stage, version, seed=2)
    await write_report(new, tmp_path / "report.html", against=base, verdict=gate(new, base))
    window = {"width": 1200, "height": 900}
    async with opened(browser, tmp_path / "report.html", viewport=window) as page:
        for one in scenarios:
            await expect(conversation(page, f"{one.id}:1")).to_have_count(1)
        if os.environ.get("AMENDS_SCREENSHOTS"):
            await page.screenshot(path=ROOT / "docs" / "images" / "eval-report.png")
        talk = conversation(page, "return-one.zh:1")
        await talk.locator("summary").first.click()
        await expect(talk.locator(".say.shopper").first).to_be_visible()
        if os.environ.get("AMENDS_SCREENSHOTS"):
            await talk.scroll_into_view_if_needed()
            await talk.screenshot(path=ROOT / "docs" / "images" / "eval-conversation.png")


async def test_a_mood_stands_with_its_message_and_has_its_own_place_among_the_events(
    browser: Browser, stage: StoreStage, version: Version, tmp_path: Path
) -> None:
    run_ = await held(tmp_path / "run", ours("anger-furious.en"), stage, version)
    await write_report(run_, tmp_path / "report.html")
    async with opened(browser, tmp_path / "report.html") as page:
        talk = conversation(page, "anger-furious.en:1")
        await talk.locator("summary").first.click()
        await expect(talk.locator(".say.shopper").first).to_contain_text("negative")
        numbers = await talk.locator(".events .event > summary").all_inner_texts()
        assert [int(text.split()[0]) for text in numbers] == list(range(1, len(numbers) + 1))
