"""The desk inside the application: what it answers, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.serving.desk.stories import DeskServer, desk_server


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[DeskServer]:
    async with desk_server(tmp_path) as running:
        yield running


@pytest.fixture
async def http(desk: DeskServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=desk.url, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/desk", "/insights"])
async def test_without_a_sign_in_the_staffs_pages_lead_to_it(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/desk/login?next={path}"
    assert "Ada" not in answer.text


async def test_the_way_to_a_conversation_survives_the_sign_in(http: httpx.AsyncClient) -> None:
    answer = await http.get("/desk?c=conv_1")
    assert answer.headers["location"] == "/desk/login?next=/desk%3Fc%3Dconv_1"


async def test_a_forged_session_leads_to_the_sign_in(http: httpx.AsyncClient) -> None:
    http.cookies.set("amends_desk", "eyJzdGFmZiI6ICJkYW5hIn0=.aaaa.bbbb")
    assert (await http.get("/desk")).status_code == 303


async def test_the_staffs_pages_bring_their_own_policy(http: httpx.AsyncClient) -> None:
    answer = await http.get("/desk/login")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "connect-src 'self'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize("path", ["/nowhere", "/desks", "/v1/nowhere", "/insights.json", "/favicon.ico"])
async def test_every_other_path_is_still_the_apis(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "http.404"
    assert "set-cookie" not in answer.headers


async def test_pages_of_the_shop_keep_their_policy_and_get_no_cookie(http: httpx.AsyncClient) -> None:
    health, shop = await http.get("/healthz"), await http.get("/")
    assert health.status_code == shop.status_code == 200
    assert "unsafe" not in shop.headers["content-security-policy"]
    assert "set-cookie" not in health.headers
    assert "set-cookie" not in shop.headers


async def test_two_servers_in_one_process_keep_their_conversations_apart(
    desk: DeskServer, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    async with (
        desk_server(tmp_path / "other") as other,
        httpx.AsyncClient(base_url=other.url, trust_env=False) as client,
    ):
        assert (await client.get("/desk")).status_code == 303
    async with httpx.AsyncClient(base_url=desk.url, trust_env=False) as client:
        assert (await client.get("/desk")).status_code == 303


def test_naming_the_desk_does_not_load_its_library() -> None:
    code = "import sys, serving.desk; sys.exit('nicegui' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
