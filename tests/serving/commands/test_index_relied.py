"""``amends index`` says what relied on a text it replaced: real index, embedder and log."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from agent import events as ev
from agent.ids import ConversationId, Language, OrderId, TurnId
from agent.log_sql import SqlLog
from agent.migrations import migrate
from retrieval.chroma import ChromaPassageIndex
from retrieval.e5 import E5Embedder
from serving.commands.index import index
from serving.settings import load
from serving.starting import say_relied
from serving.steps import Steps

TODAY = date(2026, 6, 15)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
V1 = """---
effective: 2026-01-01
---
# Returns
## How long you have
You can return a lamp within 30 days of delivery.
## What it costs
A return is free of charge in all of the countries that we deliver to.
"""
V2 = V1.replace("30 days", "14 days").replace("2026-01-01", "2026-06-14")
TURN = TurnId("t_1")

app = typer.Typer()
app.command()(index)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMENDS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AMENDS_SHOP__DAY", TODAY.isoformat())
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "data"


@pytest.fixture
def returns(tmp_path: Path) -> Path:
    """A shop of one policy, indexed."""
    file = tmp_path / "lamps" / "policies" / "returns.md"
    file.parent.mkdir(parents=True)
    file.write_text(V1)
    indexed()
    return file


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result


def indexed(*options: str) -> list[dict[str, Any]]:
    """Index the shop; what it says relied on old texts."""
    found: list[dict[str, Any]] = json.loads(run("lamps", "--json", *options).stdout)["relied"]
    return found


def hold(
    data: Path, question: str, name: str = "c_lamp", *, days_ago: int = 1, language: Language = "en"
) -> None:
    """Record a conversation that answers from the passage found and promises a refund next week."""
    asyncio.run(_hold(data, question, ConversationId(name), NOON - timedelta(days=days_ago), language))


async def _hold(data: Path, question: str, name: ConversationId, at: datetime, language: Language) -> None:
    with closing(ChromaPassageIndex(E5Embedder(), folder=data / "chroma")) as store:
        (found,) = await store.query(question, visible_to=frozenset({"public"}), language=language, k=1)
    chunk = found.chunk
    passage = ev.PassageRef(
        id=chunk.id,
        document=chunk.document,
        source=chunk.source,
        title=chunk.title,
        heading=chunk.heading,
        text=chunk.text,
        language=chunk.language,
        version=chunk.version,
        kind=chunk.kind,
        similarity=0.9,
    )
    quoted = ev.Citation(
        ref="1",
        kind="passage",
        id=chunk.id,
        title=chunk.title,
        heading=chunk.heading,
        quote=chunk.text,
        version=chunk.version,
    )
    url = f"sqlite:///{data / 'log.db'}"
    migrate(url)
    log = SqlLog(url, clock=lambda: at)
    await log.append(
        name,
        [
            ev.ConversationStarted(shop="lamps", language=language),
            ev.MessageReceived(message="m", text=question),
            ev.TurnStarted(turn=TURN, upto=2),
            ev.PassagesFound(turn=TURN, query=question, passages=(passage,), answerable=0.9),
            ev.AnswerSent(
                turn=TURN, text=f"{chunk.text} [1]", language=language, how="generated", citations=(quoted,)
            ),
            ev.PromiseMade(
                by="assistant",
                text="We pay 49.00 EUR back by 22 June.",
                due=TODAY + timedelta(days=7),
                order=OrderId("LA-100001"),
                source=5,
            ),
            ev.TurnCompleted(turn=TURN, outcome="answered"),
        ],
        expected=0,
    )
    await log.close()


def test_a_changed_policy_lists_the_answer_and_the_promise_that_relied_on_it(
    data: Path, returns: Path
) -> None:
    hold(data, "How long can I return a lamp?")
    returns.write_text(V2)
    promise, answer = indexed()
    source = {
        "title": "Returns",
        "heading": "How long you have",
        "quote": "You can return a lamp within 30 days of delivery.",
        "version": "2026-01-01",
        "new_version": "2026-06-14",
        "stands": False,
    }
    assert [{**one, "passage": ""} for one in promise.pop("sources")] == [{**source, "passage": ""}]
    assert [{**one, "passage": ""} for one in answer.pop("sources")] == [{**source, "passage": ""}]
    when = (NOON - timedelta(days=1)).isoformat()
    assert promise == {
        "conversation": "c_lamp",
        "seq": 6,
        "at": when,
        "kind": "promise",
        "said": "We pay 49.00 EUR back by 22 June.",
        "due": "2026-06-22",
    }
    assert answer == {
        "conversation": "c_lamp",
        "seq": 5,
        "at": when,
        "kind": "answer",
        "said": "You can return a lamp within 30 days of delivery. [1]",
        "due": None,
    }


def test_the_table_comes_with_the_change_and_one_line_after_it(data: Path, returns: Path) -> None:
    hold(data, "How long can I return a lamp?")
    returns.write_text(V2)
    table = run("lamps").stdout
    for words in ("c_lamp", "2026-06-14 12:00", "Promise: We pay 49.00 EUR", "2026-06-22", "within 30 days"):
        assert words in table
    assert "2026-01-01 → 2026-06-14" in table
    again = run("lamps").stdout
    assert "c_lamp" not in again
    assert "1 open promise and 1 answer relied on a text that has changed: amends index --relied" in again


def test_what_did_not_change_lists_nothing(data: Path, returns: Path) -> None:
    hold(data, "What does a return cost?")
    assert indexed() == []
    returns.write_text(V2)
    assert indexed() == []
    moved = returns.parent / "en" / "sending-back.md"
    moved.parent.mkdir()
    returns.rename(moved)
    assert indexed() == []
    assert run("--relied").stdout == "nothing told in the last 30 days relied on a text that has changed\n"


def test_a_removed_policy_says_so(data: Path, returns: Path) -> None:
    hold(data, "How long can I return a lamp?")
    returns.unlink()
    assert [one["sources"][0]["new_version"] for one in indexed()] == [None, None]
    assert "2026-01-01 → removed" in run("--relied").stdout


def test_a_newer_version_beside_the_old_one_counts_from_its_day(
    data: Path, returns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(data, "How long can I return a lamp?")
    returns.with_name("returns-june.md").write_text(V2.replace("2026-06-14", "2026-06-16"))
    assert indexed() == []
    monkeypatch.setenv("AMENDS_SHOP__DAY", "2026-06-16")
    assert [one["sources"][0]["new_version"] for one in indexed()] == 2 * ["2026-06-16"]


def test_a_newer_version_for_staff_alone_changes_nothing_for_shoppers(data: Path, returns: Path) -> None:
    hold(data, "How long can I return a lamp?")
    draft = V2.replace("---\n#", "visibility: staff\n---\n#")
    returns.with_name("returns-draft.md").write_text(draft)
    assert indexed() == []
    returns.write_text(V1.replace("---\n#", "visibility: staff\n---\n#"))
    assert indexed() == []


def test_answers_go_as_far_back_as_asked_and_open_promises_always_count(data: Path, returns: Path) -> None:
    hold(data, "How long can I return a lamp?", "c_new", days_ago=29)
    hold(data, "How long can I return a lamp?", "c_old", days_ago=31)
    returns.write_text(V2)
    told = [(one["kind"], one["conversation"]) for one in indexed()]
    assert told == [("promise", "c_old"), ("promise", "c_new"), ("answer", "c_new")]
    told = [(one["kind"], one["conversation"]) for one in indexed("--since", "40")]
    assert told[2:] == [("answer", "c_new"), ("answer", "c_old")]
    narrow = json.loads(run("--relied", "--since", "7", "--json").stdout)["relied"]
    assert [one["kind"] for one in narrow] == ["promise", "promise"]


def test_a_chinese_policy_is_followed_too(data: Path, returns: Path) -> None:
    policy = returns.with_name("退货.md")
    text = "---\nlanguage: zh\neffective: 2026-01-01\n---\n# 退货政策\n## 退货期限\n收货后30天内可以退货。\n"
    policy.write_text(text)
    indexed()
    hold(data, "多久之内可以退货？", language="zh")
    policy.write_text(text.replace("30天内可以退货", "14天内可以退货"))
    promise, _ = indexed()
    assert promise["sources"][0]["quote"] == "收货后30天内可以退货。"


def test_the_list_can_be_had_again_while_a_server_holds_the_index(data: Path, returns: Path) -> None:
    hold(data, "How long can I return a lamp?")
    returns.write_text(V2)
    before = indexed()
    with closing(ChromaPassageIndex(E5Embedder(), folder=data / "chroma")) as store:
        store.open()
        assert json.loads(run("--relied", "--json").stdout) == {"relied": before}
        assert "2026-01-01 → 2026-06-14" in run("--relied").stdout


def test_nothing_of_a_conversation_is_kept_outside_the_log(data: Path, returns: Path) -> None:
    hold(data, "How long can I return a lamp?")
    returns.write_text(V2)
    assert len(indexed()) == 2
    kept = (data / "changed.json").read_text()
    assert "14 days" in kept
    for words in ("c_lamp", "How long can I", "49.00"):
        assert words not in kept


def test_a_starting_server_says_how_many_in_one_line(data: Path, returns: Path) -> None:
    def said() -> str:
        console = Console(width=200)
        with (
            closing(ChromaPassageIndex(E5Embedder(), folder=data / "chroma")) as store,
            console.capture() as captured,
        ):
            asyncio.run(say_relied(load(), store, Steps(console, None)))
        return captured.get()

    assert said() == ""
    hold(data, "How long can I return a lamp?")
    returns.unlink()
    run("lamps", "--json")
    line = "1 open promise and 1 answer relied on a text that has changed: amends index --relied\n"
    assert said() == line


def test_without_a_comparison_there_is_no_list(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--relied"])
    assert result.exit_code == 1
    assert "run: amends index PATH" in result.stderr


@pytest.mark.parametrize("arguments", [["--relied", "."], ["--since", "0", "."], ["--since", "3"]])
def test_arguments_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_log_that_cannot_be_read_leaves_the_index_done(data: Path, returns: Path) -> None:
    (data / "log.db").write_text("no database " * 100)
    returns.write_text(V2)
    result = run("lamps", "--json")
    report = json.loads(result.stdout)
    assert (report["removed"], report["relied"]) == (1, None)
    assert "not an SQLite database" in " ".join(result.stderr.split())
