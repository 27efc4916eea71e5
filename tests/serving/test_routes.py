"""What is served over plain HTTP, by a real server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.errors import AmendsError, LogUnavailable, ModelUnavailable
from agent.mail import Mail
from retrieval.errors import IndexEmpty, IndexUnavailable
from retrieval.passages import Chunk, Visibility
from serving.errors import sentence
from serving.routes import health
from serving.settings import Settings
from tests.serving.parts import ADA, Running, Shelf, running


def chunk(id: str, visibility: Visibility) -> Chunk:
    return Chunk(
        id=id,
        document="returns-zh",
        source="policies/returns.zh.md",
        title="退换货政策",
        heading="退换货 > 时限",
        text="收货后 30 天内可退货。",
        kind="policy",
        language="zh",
        version="2026-03-01",
        visibility=visibility,
        checksum="c",
    )


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Running]:
    shelf = Shelf(
        chunk("p1", "public"), chunk("a/b#1", "public"), chunk("p2", "staff"), chunk("p3", "customers")
    )
    async with running(tmp_path, retriever=shelf, origins=("https://shop.example",)) as server:
        yield server


async def get(shop: Running, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=shop.url, trust_env=False) as client:
        return await client.get(path, **options)


async def test_a_citation_opens_its_passage_and_only_a_public_one(shop: Running) -> None:
    answer = await get(shop, "/v1/passages/p1")
    assert answer.json() == {
        "id": "p1",
        "title": "退换货政策",
        "heading": "退换货 > 时限",
        "text": "收货后 30 天内可退货。",
        "source": "policies/returns.zh.md",
        "version": "2026-03-01",
        "language": "zh",
        "kind": "policy",
    }
    assert (await get(shop, "/v1/passages/a/b%231")).json()["id"] == "a/b#1"
    missing = await get(shop, "/v1/passages/none")
    assert missing.status_code == 404
    assert missing.json() == {"code": "http.404", "message": "no such passage"}
    for hidden in ("p2", "p3"):
        answer = await get(shop, f"/v1/passages/{hidden}")
        assert (answer.status_code, answer.content) == (404, missing.content)


async def test_only_named_sites_may_read_across_origins(shop: Running) -> None:
    for origin, allowed in {
        "https://shop.example": "https://shop.example",
        "https://evil.example": None,
    }.items():
        answer = await get(shop, "/v1/passages/p1", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed


async def test_every_answer_carries_the_security_headers(shop: Running) -> None:
    for path in ("/healthz", "/v1/passages/none", "/metrics", "/demo/token"):
        headers = (await get(shop, path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors" in headers["content-security-policy"]
        assert "referrer-policy" in headers
        assert "server" not in headers
    assert (await get(shop, "/healthz")).headers["content-security-policy"].startswith("default-src 'none'")


async def test_errors_are_json_with_a_code_and_show_nothing_inside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __init__(self, error: Exception) -> None:
            self.error = error

        async def open(self, id: str, **_: object) -> None:
            raise self.error

    broken = Broken(ZeroDivisionError("sk-" + "secret"))
    async with running(tmp_path, retriever=broken) as shop:
        answer = await get(shop, "/v1/passages/p1")
        assert (answer.status_code, answer.json()) == (500, {"code": "error", "message": AmendsError.safe})
        assert "ZeroDivisionError" in caplog.text
        assert "sk-secret" not in caplog.text
        broken.error = IndexUnavailable("/srv/index is locked")
        answer = await get(shop, "/v1/passages/p1")
        assert (answer.status_code, answer.json()["code"]) == (503, "retrieval.index_unavailable")
        broken.error = LogUnavailable("disk full")
        answer = await get(shop, "/v1/passages/p1")
        assert (answer.status_code, answer.json()["code"]) == (503, "log.unavailable")
        assert "srv" not in answer.text
        assert "disk" not in answer.text
        assert (await get(shop, "/demo/token")).json() == {
            "code": "http.422",
            "message": "missing or wrong: query.customer",
        }


def test_every_sentence_shown_to_a_shopper_exists_in_chinese() -> None:
    def below(kind: type[AmendsError]) -> list[type[AmendsError]]:
        return [kind] + [one for sub in kind.__subclasses__() for one in below(sub)]

    kinds = [kind for kind in below(AmendsError) if kind.__module__ == "agent.errors"]
    assert len(kinds) > 15
    fallback = sentence(AmendsError(), "zh")
    for kind in kinds:
        error = kind.__new__(kind)
        assert sentence(error, "en") == kind.safe
        chinese = sentence(error, "zh")
        assert re.search(r"[一-鿿]", chinese)
        assert (chinese == fallback) == (kind.safe == AmendsError.safe)


async def test_alive_is_not_ready_and_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    asked = asyncio.Event()

    async def fine() -> None:
        asked.set()

    async def no_model() -> None:
        await asked.wait()  # the checks run beside each other
        raise ModelUnavailable("nothing answers at 127.0.0.1:8181")

    async def empty() -> None:
        raise IndexEmpty("run `amends index`")

    async def hanging() -> None:
        await asyncio.Event().wait()

    async def broken() -> None:
        raise ZeroDivisionError("secret")

    checks = {"model": no_model, "index": empty, "log": fine, "shop": hanging, "mail": broken}
    async with running(tmp_path, checks=checks) as shop:
        assert (await get(shop, "/healthz")).status_code == 200
        answer = await get(shop, "/readyz")
        assert answer.status_code == 503
        assert answer.json() == {
            "ready": False,
            "missing": [
                {"part": "model", "why": "nothing answers at 127.0.0.1:8181"},
                {"part": "index", "why": "run `amends index`"},
                {"part": "shop", "why": "did not answer within 0.05 seconds"},
                {"part": "mail", "why": "failed unexpectedly (ZeroDivisionError)"},
            ],
        }


async def test_ready_is_200(shop: Running) -> None:
    answer = await get(shop, "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": []})


async def test_metrics_count_connections_turns_and_events_and_pass_the_models_through(tmp_path: Path) -> None:
    async with running(tmp_path / "model") as model:  # any server with Prometheus figures will do
        async with (
            running(tmp_path / "shop", model_metrics=lambda: f"{model.url}/metrics") as shop,
            shop.client() as client,
        ):
            await client.hello()
            await client.send("say", id="m1", text="slowly")
            await shop.responder.paused.wait()
            text = (await get(shop, "/metrics")).text
            ours, passed = text.split("amends_model_metrics_up 1\n")
            lines = ours.splitlines()
            assert all(re.fullmatch(r'#.*|amends_\w+(\{type="[\w.]+"\})? \d+', line) for line in lines)
            assert "amends_connections 1" in lines
            assert "amends_turns_running 1" in lines
            assert 'amends_events_total{type="message.received"} 1' in lines
            assert "amends_connections 0" in passed.splitlines()  # the other server's own
            shop.responder.go.set()
            await client.until("turn.completed")
        async with running(tmp_path / "alone", model_metrics=lambda: f"{model.url}/nothing/here") as shop:
            text = (await get(shop, "/metrics")).text
            assert "amends_model_metrics_up 0\n" in text
            assert "amends_turns_running 0\n" in text


async def test_a_demo_customer_is_signed_in_by_email(shop: Running) -> None:
    answer = await get(shop, "/demo/token", params={"customer": " Ada@Example.com "})
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["customer"] == {
        "id": "cust_ada",
        "email": "ada@example.com",
        "name": "Ada Berg",
        "language": "en",
    }
    assert shop.services.tokens.verify(answer.json()["token"]) == ADA.id
    assert (await get(shop, "/demo/token", params={"customer": "nobody@example.com"})).status_code == 404


async def test_the_mailbox_shows_what_was_sent_newest_first(shop: Running) -> None:
    assert shop.services.mailbox is not None
    await shop.services.mailbox.send(Mail("ada@example.com", "First", "1"))
    await shop.services.mailbox.send(Mail("ada@example.com", "第二封", "2"))
    mails = (await get(shop, "/demo/mailbox.json")).json()["mails"]
    assert [(mail["subject"], mail["text"]) for mail in mails] == [("第二封", "2"), ("First", "1")]


async def test_outside_the_demo_nobody_is_signed_in_and_no_mail_is_shown(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, demo=False)
    async with running(tmp_path, settings=settings) as shop:
        for path in ("/demo/token?customer=ada@example.com", "/demo/mailbox.json"):
            assert (await get(shop, path)).status_code == 404
