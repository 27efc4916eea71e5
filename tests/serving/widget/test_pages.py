"""The widget's file over HTTP, and the demo shop's pages."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from playwright.async_api import Browser, Page, expect

from serving import pages
from serving.pictures import picture, swatch
from serving.settings import Settings
from serving.shop_words import WORDS
from serving.shopfront import read_shopfront
from tests.serving.widget.peer import Peer, serving

FRONT = read_shopfront(Settings().shop.folder)


def client_of(settings: Settings) -> TestClient:
    app = FastAPI()
    app.include_router(pages.router)
    app.dependency_overrides[pages.settings] = lambda: settings
    return TestClient(app)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with client_of(Settings()) as running:
        yield running


# ---------------------------------------------------------------------- the widget's file


def test_the_widget_arrives_zipped_and_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/widget.js", headers={"accept-encoding": "gzip"})
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["vary"] == "Accept-Encoding"
    assert "max-age=300" in first.headers["cache-control"]
    assert first.headers["cross-origin-resource-policy"] == "cross-origin"
    plain = client.get("/widget.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == first.text == (Path(pages.__file__).parent / "static/widget.js").read_text()
    assert len(gzip.compress(plain.content, 9)) < 20_000
    again = client.get("/widget.js", headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/widget.js", headers={"if-none-match": 'W/"other"'}).status_code == 200


def test_outside_the_demo_there_is_only_the_widget() -> None:
    with client_of(Settings(demo=False)) as client:
        assert client.get("/widget.js").status_code == 200
        for path in (
            "/",
            "/mailbox",
            "/product/tent-arbor-2",
            "/help/policy/returns",
            "/help/faq/all",
            "/shop/shop.css",
        ):
            assert client.get(path).status_code == 404


# ---------------------------------------------------------------------- the pages


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_link_inside_the_shop_leads_somewhere_and_keeps_the_language(
    client: TestClient, lang: str
) -> None:
    seen, todo = set(), ["/?lang=zh" if lang == "zh" else "/"]
    while todo:
        path = todo.pop()
        seen.add(path)
        page = client.get(path)
        assert page.status_code == 200, path
        if "text/html" not in page.headers["content-type"]:
            continue
        assert "{{" not in page.text
        for link in re.findall(
            r'<a [^>]*?href="(/[^"]*)"|(?:src|rel="stylesheet" href)="(/[^"]*)"', page.text
        ):
            address = (link[0] or link[1]).replace("&amp;", "&")
            if address.startswith(("/desk", "/insights")) or address in seen or address in todo:
                continue
            switch = "lang=en" in address if lang == "zh" else "lang=zh" in address
            if not switch:
                assert lang == "en" or "lang=zh" in address or address.startswith(("/shop/", "/widget.js"))
                if "lang=en" not in address:  # where one is already
                    todo.append(address)
    assert sum(path.startswith("/product/") for path in seen) == len(FRONT.products) > 50
    assert sum(path.startswith("/help/policy/") for path in seen) == 6


def test_pages_allow_only_their_own_files(client: TestClient) -> None:
    page = client.get("/product/tent-arbor-2")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=", page.text)
    assert '<script id="amends" src="/widget.js" data-language="en"' in page.text


def test_a_product_page_tells_what_the_shop_knows(client: TestClient) -> None:
    page = client.get("/product/tent-arbor-2").text
    for words in (
        "Arbor 2 two-person tent",
        "€249.00",
        "Moss green",
        "Sold out",
        "3,000 mm",
        "2,150 g",
        "5 years",
    ):
        assert words in page
    page = client.get("/product/tent-arbor-2?lang=zh").text
    for words in ("Arbor 2 双人帐篷", "苔绿", "已售罄", "3000 毫米", '<html lang="zh-CN">'):
        assert words in page


@pytest.mark.parametrize(
    "path",
    [
        "/product/none",
        "/?category=none",
        "/help/policy/none",
        "/help/policy/..%2f..%2fshop",
        "/help/guide/..",
    ],
)
def test_what_is_not_there_is_said_so(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_text_of_the_shop_is_escaped_and_its_markdown_holds_no_html(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    for folder in ("products", "policies/en"):
        (tmp_path / folder).mkdir(parents=True)
    shop = {
        "name": {"en": evil, "zh": evil},
        "tagline": {"en": evil, "zh": evil},
        "email": evil,
        "phone": evil,
        "hours": {"en": evil, "zh": evil},
    }
    (tmp_path / "shop.yaml").write_text(json.dumps(shop))
    (tmp_path / "categories.yaml").write_text("[]")
    (tmp_path / "policies/en/returns.md").write_text(
        f"---\ntitle: '{evil}'\n---\n# x\n\n{evil}\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>\n"
    )
    settings = Settings.model_validate({"shop": {"folder": tmp_path}})
    with client_of(settings) as client:
        page = client.get("/help/policy/returns")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert 'href="javascript' not in page.text


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()


def test_every_product_has_a_picture_of_its_own() -> None:
    pictures = {
        str(picture(product.id, product.category, product.colour)) for product in FRONT.products.values()
    }
    assert len(pictures) == len(FRONT.products)
    for drawing in pictures:
        assert ET.fromstring(drawing).tag == "svg"  # noqa: S314 - our own drawing
        assert "{" not in drawing
    assert picture("unheard-of", "no-category") != picture("another", "no-category")
    assert (swatch("Moss green"), swatch("S")) == ("#6a7d45", "")


# ---------------------------------------------------------------------- the pages' script

MAILS: list[dict[str, Any]] = []


def _demo(app: FastAPI) -> None:
    """What the demo's routes answer (serving/routes/demo.py)."""

    @app.get("/demo/token")
    def token(customer: str) -> dict[str, Any]:
        if customer not in {persona.email for persona in FRONT.personas}:
            raise HTTPException(404)
        body = (
            base64.urlsafe_b64encode(json.dumps({"sub": customer, "exp": 4_000_000_000}).encode())
            .decode()
            .rstrip("=")
        )
        return {"token": f"h.{body}.s", "customer": {}}

    @app.get("/demo/mailbox.json")
    def mailbox() -> dict[str, Any]:
        return {"mails": MAILS}


@pytest_asyncio.fixture(loop_scope="session")
async def shop() -> AsyncIterator[Peer]:
    async with serving(Settings(), _demo) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, shop: Peer) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=shop.url)
    opened = await context.new_page()
    wrongs: list[str] = []
    opened.on("pageerror", lambda error: wrongs.append(str(error)))
    opened.on(
        "console", lambda message: wrongs.append(message.text) if "Content Security" in message.text else None
    )
    yield opened
    await context.close()
    assert not wrongs


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
class TestScript:
    async def test_choosing_a_customer_signs_the_widget_in_and_is_remembered(
        self, page: Page, shop: Peer
    ) -> None:
        await page.goto("/")
        await page.get_by_test_id("launcher").click()
        assert (await shop.got("hello"))[0]["token"] is None
        persona = FRONT.personas[1]
        await page.get_by_test_id("persona").select_option(persona.email)
        signed = (await shop.got("hello", 2))[1]["token"]
        assert signed
        await expect(page.get_by_test_id("panel").get_by_role("heading", name="Hello Hannah")).to_be_visible()
        await page.goto("/product/tent-arbor-2")
        assert (await shop.got("hello", 3))[2] | {"after": 0} == {
            "type": "hello", "token": signed, "conversation": "cv2", "key": "key-cv2", "after": 0, "language": "en", "channel": "widget",
        }  # fmt: skip
        await expect(page.get_by_test_id("persona")).to_have_value(persona.email)
        await page.get_by_test_id("persona").select_option("")
        last = (await shop.got("hello", 4))[3]
        assert (last["token"], last["conversation"]) == (None, "cv1")

    async def test_an_expired_sign_in_is_renewed(self, page: Page, shop: Peer) -> None:
        await page.goto("/")
        await page.get_by_test_id("persona").select_option(FRONT.personas[0].email)
        await page.get_by_test_id("launcher").click()
        signed = (await shop.got("hello"))[-1]["token"]
        shop.refuse_tokens = {signed}
        await shop.drop()
        await shop.got("hello", 2)
        shop.refuse_tokens = set()
        await expect(page.get_by_test_id("banner")).to_be_hidden()

    async def test_the_question_button_puts_a_question_into_the_message_box(self, page: Page) -> None:
        await page.goto("/product/tent-arbor-2?lang=zh")
        await page.get_by_role("button", name="咨询这件商品").click()
        await expect(page.get_by_test_id("input")).to_have_value("我想咨询 Arbor 2 双人帐篷。")
        await expect(page.get_by_test_id("input")).to_be_focused()
        await expect(page.get_by_test_id("person")).to_have_accessible_name("转人工服务")

    async def test_light_and_dark_can_be_chosen_for_page_and_widget(self, page: Page) -> None:
        await page.emulate_media(color_scheme="light")
        await page.goto("/")
        await page.locator("#theme").click()
        await page.reload()
        await expect(page.locator("body")).to_have_css("background-color", "rgb(18, 22, 20)")
        await expect(page.locator("amends-chat")).to_have_attribute("data-theme", "dark")

    async def test_the_mailbox_shows_new_mail_on_top_and_as_text(self, page: Page) -> None:
        MAILS[:] = []
        await page.goto("/mailbox")
        await expect(page.locator("#mailbox-empty")).to_be_visible()
        MAILS[:] = [
            {
                "id": 2,
                "at": "2026-06-15T12:00:00Z",
                "to": "b@example.com",
                "subject": "Your code",
                "text": "482913\n<b>x</b>",
            },
            {
                "id": 1,
                "at": "2026-06-15T11:00:00Z",
                "to": "a@example.com",
                "subject": "Hello",
                "text": "First",
            },
        ]
        await expect(page.locator("[data-testid=mail] h2")).to_have_text(["Your code", "Hello"])
        await expect(page.locator(".mail").first).to_have_text("482913 <b>x</b>")
        await expect(page.locator("#mailbox-empty")).to_be_hidden()

    @pytest.mark.parametrize(
        "path",
        ["/", "/?category=footwear", "/product/stove-ember-duo", "/help/guide/size-jackets", "/mailbox"],
    )
    async def test_pages_fit_a_small_phone(self, page: Page, path: str) -> None:
        await page.set_viewport_size({"width": 320, "height": 568})
        await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth") == 320
