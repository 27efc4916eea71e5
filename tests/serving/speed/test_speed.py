"""``amends bench serving`` on the real small model: vLLM of the test run, transformers beside it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from agent.model import Prompt
from serving.cli import app
from serving.models.errors import NotEnoughMemory
from serving.models.vllm import VllmOptions, VllmServer
from serving.speed import ways as speed_ways
from serving.speed.figures import Answer, Bandwidth, Together
from serving.speed.measure import measure
from serving.speed.side import Stopwatch
from serving.speed.ways import ServedSpeaker, ShippedServer, Speaker, Unmeasured, Way, side
from tests.servers import ROOT, SMALL_MODEL, data_folder, small_model_folder

QUESTIONS = """\
- {id: en-returns, language: en, customer: visitor, text: "How long can I return something?"}
- {id: en-order, language: en, customer: ada@example.com, text: "Where is my order?"}
- {id: zh-returns, language: zh, customer: visitor, text: "多久之内可以退货？"}
"""
TOKENS = 8
ENGINE = ROOT / "tests" / "serving" / "models" / "fake_engine.py"


@pytest.fixture
def data(tmp_path: Path, demo_index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, with the demo shop indexed and the small model."""
    small_model_folder()
    folder = tmp_path / "data"
    shutil.copytree(demo_index, folder / "chroma")
    (folder / "models").symlink_to(data_folder().absolute() / "models")
    monkeypatch.setenv("AMENDS_DATA", str(folder))
    monkeypatch.setenv("AMENDS_MODEL__MAX_TOKENS", str(TOKENS))
    monkeypatch.setenv("AMENDS_RETRIEVAL__PASSAGES", "1")
    return folder


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.yaml"
    file.write_text(QUESTIONS, encoding="utf-8")
    return file


@pytest.mark.model
def test_one_run_compares_vllm_and_transformers_and_leaves_nothing(
    vllm_url: str, data: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def running(*_: object) -> AsyncIterator[Speaker]:
        yield ServedSpeaker(vllm_url, SMALL_MODEL)

    monkeypatch.setattr(speed_ways, "serve", running)
    before = set(psutil.Process().children(recursive=True))
    out = tmp_path / "report.json"
    asked = ["--model", SMALL_MODEL, "--configs", "transformers,ours", "--data", str(questions)]
    done = CliRunner().invoke(app, ["bench", "serving", *asked, "--rounds", "1", "--out", str(out)])
    assert done.exit_code == 0, done.stderr
    assert "times as fast as transformers" in done.stdout
    assert not [one for one in set(psutil.Process().children(recursive=True)) - before if one.is_running()]

    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["questions"] == ["en-returns", "zh-returns"]  # no model answers the order's
    assert list(report["configurations"]) == ["transformers", "ours"]
    memory = report["bandwidth_gb_per_s"]
    limit = memory["limit"]
    assert limit == max(memory["read"], memory["triad"])
    assert min(memory["read"], memory["triad"]) > 0.1
    for one in report["configurations"].values():
        [visit] = one["visits"]
        assert len(visit["alone"]) == 2
        assert [len(group["answers"]) for group in visit["together"]] == [4]
        answers = [*visit["alone"], *visit["together"][0]["answers"]]
        assert all(0 < answer["first"] <= answer["whole"] for answer in answers)
        assert {answer["tokens"] for answer in answers} <= set(range(1, TOKENS + 1))
        # 269,060,552 bytes on disk; the output layer is the embedding table, so a token reads all.
        assert one["weights_bytes_per_token"] == pytest.approx(269.0e6, rel=0.01)
        assert one["limit_tokens_per_s"] == pytest.approx(limit * 1e9 / one["weights_bytes_per_token"])
        share, rate = one["figures"]["share_of_limit"]["median"], one["figures"]["rate"]["median"]
        assert share == pytest.approx(rate / one["limit_tokens_per_s"])
    ours, plain = report["configurations"]["ours"], report["configurations"]["transformers"]
    assert len(ours["visits"][0]["cached"]) == 2
    assert plain["visits"][0]["cached"] == []
    # Both read the same prompts in the same words.
    read = [[one["prompt_tokens"] for one in way["visits"][0]["alone"]] for way in (ours, plain)]
    assert read[0] == read[1]
    assert report["speedups"]["ours"]["transformers"]["whole"]["median"] == pytest.approx(
        1 / report["speedups"]["transformers"]["ours"]["whole"]["median"]
    )


@pytest.mark.model
def test_a_prompt_is_new_under_a_new_salt_and_known_under_its_own(vllm_url: str) -> None:
    prompt = [Prompt("user", f"{time.time()} " + "Boots are sent back within thirty days. " * 30)]

    async def hits() -> list[float]:
        speaker, found = ServedSpeaker(vllm_url, SMALL_MODEL), []
        for salt in ("one", "one", "two"):
            before = await _hits(vllm_url)
            await speaker.ask([prompt], [f"{salt} {time.time_ns() if salt == 'two' else 0}"], max_tokens=1)
            found.append(await _hits(vllm_url) - before)
        return found

    first, again, other = asyncio.run(hits())
    assert first == other == 0
    assert again > 100


async def _hits(url: str) -> float:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as client:
        said = (await client.get(url.removesuffix("/v1") + "/metrics")).text
    return sum(
        float(line.rpartition(" ")[2])
        for line in said.splitlines()
        if line.startswith("vllm:prefix_cache_hits_total")
    )


@pytest.mark.model
def test_a_refusal_of_the_server_is_said(vllm_url: str) -> None:
    speaker = ServedSpeaker(vllm_url, "another")
    with pytest.raises(Unmeasured, match="404"):
        asyncio.run(speaker.ask([[Prompt("user", "hello")]], ["a"], max_tokens=1))


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bench", "serving", *arguments])
    return done.exit_code, done.stderr


def test_a_model_that_is_not_here_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENDS_DATA", str(tmp_path))
    code, said = run("--model", SMALL_MODEL)
    assert code == 1
    assert f"amends model fetch {SMALL_MODEL}" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "gpt-9"), "no model called 'gpt-9'"),
        (("--model", SMALL_MODEL, "--configs", "fast"), "there are shipped, ours, int8, transformers"),
        (("--model", SMALL_MODEL, "--configs", "int8"), "served-int8 is missing"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_starts(
    data: Path, arguments: Sequence[str], said: str
) -> None:
    code, stderr = run(*arguments)
    assert (code, said in stderr) == (1, True), stderr


def test_questions_without_a_visitor_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "questions.yaml"
    file.write_text(QUESTIONS.splitlines()[1], encoding="utf-8")
    assert run("--data", str(file)) == (2, "there is no question of a visitor\n")


def test_short_memory_is_said_before_transformers_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed_ways, "available_memory", lambda: 2**30)

    async def opened() -> None:
        options = VllmOptions(memory_gib=2.0)
        async with speed_ways.generate(tmp_path, "tiny", options, tmp_path / "log", lambda _: None):
            raise AssertionError

    with pytest.raises(NotEnoughMemory, match=r"2\.0 GiB of memory, 1\.0 GiB are available"):
        asyncio.run(opened())


class Recording:
    """A speaker that answers at once and keeps what it was asked."""

    caches = True

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], list[str], int]] = []

    async def ask(
        self, prompts: Sequence[Sequence[Prompt]], salts: Sequence[str], *, max_tokens: int
    ) -> Together:
        self.asked.append(([prompt[0].text for prompt in prompts], list(salts), max_tokens))
        return Together(tuple(Answer(0.1, 0.2, 2, 3) for _ in prompts), 0.2)


async def test_each_round_visits_every_way_in_turn_and_every_second_one_backwards() -> None:
    visited: list[str] = []
    speaker = Recording()

    def way(name: str) -> Way:
        @asynccontextmanager
        async def opened(say: Callable[[str], None]) -> AsyncIterator[Speaker]:
            visited.append(name)
            yield speaker
            visited.append(f"{name} closed")

        return Way(name, "", Path(), opened)

    async def memory() -> Bandwidth:
        return Bandwidth(1.0 + len(visited), 1.0)

    progress: list[tuple[int, int]] = []
    found = await measure(
        [way("a"), way("b")],
        [[Prompt("user", text)] for text in "12345"],
        memory,
        rounds=2,
        max_tokens=50,
        progress=lambda _, done, total: progress.append((done, total)),
    )
    assert visited == ["a", "a closed", "b", "b closed", "b", "b closed", "a", "a closed"]
    assert found.bandwidth == Bandwidth(5.0, 1.0)
    assert {name: len(visits) for name, visits in found.visits.items()} == {"a": 2, "b": 2}
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert progress[-1][0] == progress[-1][1] == 4 * (5 * 2 + 8)

    one_visit = speaker.asked[: 2 + 5 * 2 + 2]
    measured = one_visit[2:]
    alone, again = measured[:10:2], measured[1:10:2]
    assert [texts for texts, _, _ in alone] == [["1"], ["2"], ["3"], ["4"], ["5"]]
    assert [(texts, salts) for texts, salts, _ in again] == [(texts, salts) for texts, salts, _ in alone]
    assert [texts for texts, _, _ in measured[10:]] == [["1", "2", "3", "4"], ["5", "1", "2", "3"]]
    fresh = [salt for _, salts, _ in [*one_visit[:2], *alone, *measured[10:]] for salt in salts]
    assert len(set(fresh)) == len(fresh)


def test_a_stopwatch_counts_each_row_to_its_end() -> None:
    import torch

    watch = Stopwatch(frozenset({0}))
    watch.put(torch.ones((2, 7)))
    for tokens in ([5, 6], [0, 7], [9, 8]):
        watch.put(torch.tensor(tokens))
    assert [len(times) for times in watch.times] == [2, 3]


def test_vllm_as_shipped_is_given_none_of_our_choices(tmp_path: Path) -> None:
    options = VllmOptions(compiled=True, cache=tmp_path)

    def server(kind: type[VllmServer]) -> VllmServer:
        return kind(tmp_path, "tiny", 1, log=tmp_path / "log", options=options, environ={"HOME": "/h"})

    ours, shipped = server(VllmServer).command(), server(ShippedServer).command()
    assert "--speculative-config" in ours
    assert [word for word in shipped if word.startswith("--")] == [
        "--model",
        "--served-model-name",
        "--host",
        "--port",
        "--max-model-len",
    ]
    environment = server(ShippedServer).environment()
    assert environment["HOME"] == "/h"
    assert set(environment) - {"HOME"} <= set(speed_ways.NOT_ABOUT_SPEED)


async def test_the_process_beside_ours_ends_with_its_input(tmp_path: Path) -> None:
    async with side(tmp_path / "log") as process:
        pid = process._process.pid
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


async def test_a_process_that_dies_is_said_with_its_log(tmp_path: Path) -> None:
    async with side(tmp_path / "log") as process:
        with pytest.raises(Unmeasured, match=f"nothing ended.*{tmp_path}"):
            await process.do(do="nothing")
    assert "not a request" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("kind", [VllmServer, ShippedServer])
async def test_a_server_that_breaks_off_is_said_and_gone(
    kind: type[VllmServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ENGINE", str(tmp_path))
    options = VllmOptions(program=(sys.executable, str(ENGINE)), grace_seconds=5, restarts=5)
    said: list[str] = []

    async def broken() -> None:
        async with speed_ways.serve(
            kind, tmp_path, "tiny", options, tmp_path / "log", said.append
        ) as speaker:
            (tmp_path / "dumb").touch()
            await speaker.ask([[Prompt("user", "hello")]] * 4, list("abcd"), max_tokens=1)

    with pytest.raises(Unmeasured, match="status 500"):
        await broken()
    started = (tmp_path / "pids").read_text().splitlines()
    assert len(started) == 1
    assert not [pid for pid in started[0].split() if psutil.pid_exists(int(pid))]
