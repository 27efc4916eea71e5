"""A running server is evaluated over the public protocol, with what its own log says."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from agent.migrations import migrate
from evals.extractive import ExtractiveModel
from evals.importers.recorded import document
from evals.records import Run, read_run
from evals.scenario import read_scenarios
from serving.commands.eval import app
from serving.commands.eval.run import SCENARIOS
from serving.http import HttpServer, listen
from serving.settings import Settings, ShopSettings
from serving.wiring import running
from tests.conftest import TODAY
from tests.servers import free_port

HELD = ("off-topic-weather.zh", "premise-return-days.en", "which-parcel.en")
SKIPPED = {
    "cancel-before-packing.en": "change the server's shop",
    "burst-three-parts.zh": "burst",
    "visitor-proves-order.en": "from outside",
}


@dataclass(frozen=True)
class Served:
    """A running server, and where its data and a suite are."""

    url: str
    data: Path
    suite: Path


async def amends_eval(*arguments: str, **environ: str) -> Result:
    """The command, beside the server that runs in this loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, env={"COLUMNS": "160", **environ})


@asynccontextmanager
async def served(folder: Path, demo_index: Path) -> AsyncIterator[Served]:
    """A whole server with the shop as on the test day; its model repeats its sources."""
    data = folder / "data"
    await asyncio.to_thread(shutil.copytree, demo_index, data / "chroma")
    chosen = [one for one in read_scenarios([SCENARIOS]) if one.id in {*HELD, *SKIPPED}]
    suite = folder / "suite.yaml"
    suite.write_text("---\n".join(yaml.safe_dump(document(one), allow_unicode=True) for one in chosen))
    settings = Settings(data=data, shop=ShopSettings(day=TODAY))
    async with running(settings, model=ExtractiveModel()) as product:
        server = HttpServer(product.app, listen("127.0.0.1", 0))
        await server.start()
        try:
            yield Served(server.url, data, suite)
        finally:
            await server.stop()


def scored(run: Run, metric: str) -> dict[str, float]:
    return {score.scenario: score.value for score in run.scores if score.metric == metric}


def outcomes(run: Run, outcome: str) -> list[str]:
    return sorted(one.scenario for one in run.attempts if one.outcome == outcome)


async def test_what_can_be_held_is_held_and_scored_as_in_process(tmp_path: Path, demo_index: Path) -> None:
    async with served(tmp_path, demo_index) as server:
        environ = {"AMENDS_DATA": str(server.data), "AMENDS_SHOP__DAY": TODAY.isoformat()}
        out = tmp_path / "remote"
        result = await amends_eval(
            *("run", str(server.suite), "--target", server.url, "--model", "extractive"),
            *("--out", str(out)),
            **environ,
        )
        assert result.exit_code == 0, result.output
        # The server keeps its log elsewhere: its conversations can't be looked at.
        elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
        await asyncio.to_thread(migrate, elsewhere)
        other = await amends_eval(
            *("run", str(server.suite), "--only", "off-topic", "--target", server.url),
            *("--out", str(tmp_path / "other")),
            **environ,
            AMENDS_LOG__URL=elsewhere,
        )
        other_day = await amends_eval(
            *("run", str(server.suite), "--only", "off-topic", "--target", server.url),
            *("--out", str(tmp_path / "day")),
            AMENDS_DATA=str(server.data),
        )
        no_store = await amends_eval(
            *("run", str(server.suite), "--target", server.url, "--out", str(tmp_path / "nowhere")),
            AMENDS_DATA=str(tmp_path / "nothing"),
        )
    remote = read_run(out)
    assert remote.manifest.target == server.url
    assert outcomes(remote, "held") == list(HELD)
    why = {one.scenario: one.why for one in remote.attempts if one.outcome == "skipped"}
    assert why.keys() == SKIPPED.keys()
    assert all(words in why[name] for name, words in SKIPPED.items())
    # Mood and passages are seen by staff alone: they can only come from the server's log.
    assert scored(remote, "mood").keys() >= {"premise-return-days.en"}
    assert scored(remote, "scope") == dict.fromkeys(HELD, 1.0)
    for broken, says in (
        (other, "AMENDS_LOG__URL"),
        (other_day, "AMENDS_SHOP__DAY"),
        (no_store, "AMENDS_DATA"),
    ):
        assert broken.exit_code == 1
        assert says in broken.stderr
        assert "Traceback" not in broken.output
    (attempt,) = read_run(tmp_path / "other").attempts
    assert attempt.outcome == "infrastructure_error"
    assert attempt.why.startswith("eval.other_server")

    # The same scenarios in process, over the same documents.
    shutil.move(server.data / "chroma", server.data / "evals")
    inside = await amends_eval(
        *("run", str(server.suite), "--model", "extractive", "--out", str(tmp_path / "inside")),
        AMENDS_DATA=str(server.data),
    )
    assert inside.exit_code == 0, inside.output
    local = read_run(tmp_path / "inside")
    for metric in ("resolved", "told"):
        expected = {name: value for name, value in scored(local, metric).items() if name in HELD}
        assert scored(remote, metric) == expected != {}


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}", "http://[broken"])
async def test_a_server_that_is_not_there_is_said_at_once(tmp_path: Path, address: str) -> None:
    out = tmp_path / "run"
    url = address.format(port=free_port())
    result = await amends_eval(
        "run", "--only", "off-topic", "--target", url, "--out", str(out), AMENDS_DATA=str(tmp_path)
    )
    assert result.exit_code == 1
    assert url in result.stderr
    assert "amends up" in result.stderr
    assert not out.exists()


async def test_a_server_that_answers_no_more_loses_conversations_not_the_run(
    tmp_path: Path, shop_store: Path
) -> None:
    dumb = FastAPI()
    dumb.get("/healthz")(lambda: {"status": "alive"})
    server = HttpServer(dumb, listen("127.0.0.1", 0))
    await server.start()
    try:
        await asyncio.to_thread(shutil.copy, shop_store, tmp_path / "shop.db")
        await asyncio.to_thread(migrate, f"sqlite:///{tmp_path / 'log.db'}")
        result = await amends_eval(
            *("run", "--only", "off-topic-weather", "--target", server.url),
            *("--out", str(tmp_path / "run")),
            AMENDS_DATA=str(tmp_path),
            AMENDS_SHOP__DAY=TODAY.isoformat(),
        )
    finally:
        await server.stop()
    assert result.exit_code == 1
    attempts = read_run(tmp_path / "run").attempts
    assert [one.outcome for one in attempts] == ["infrastructure_error"] * 2
    assert all(one.why.startswith(f"eval.server_away: {server.url}") for one in attempts)
    assert "Traceback" not in result.output
