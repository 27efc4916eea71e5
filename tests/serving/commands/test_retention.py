from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.events import ConversationIdentified, ConversationStarted, SignalRaised
from agent.ids import ConversationId, CustomerId
from agent.log_sql import SqlLog
from agent.migrations import migrate
from serving.commands.retention import app


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder; the first command makes the demo shop in it."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def amends(data: Path) -> CliRunner:
    return CliRunner(env={"AMENDS_DATA": str(data), "AMENDS_LOG__URL": f"sqlite:///{data / 'log.db'}"})


def test_every_customer_is_a_json_line_likeliest_to_leave_first(amends: CliRunner) -> None:
    result = amends.invoke(app, ["score", "--json"])
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) > 100
    assert [set(line) for line in lines[:1]] == [{"customer", "email", "name", "probability", "reasons"}]
    probabilities = [line["probability"] for line in lines]
    assert probabilities == sorted(probabilities, reverse=True)
    assert set(lines[0]["reasons"][0]) == {"feature", "text", "contribution"}


def test_signals_in_the_log_raise_the_score_of_their_customer(amends: CliRunner, data: Path) -> None:
    def first() -> dict[str, object]:
        result = amends.invoke(app, ["score", "--json", "--customer", " Hannah.Weber@example.com "])
        assert result.exit_code == 0
        (line,) = result.stdout.splitlines()
        found: dict[str, object] = json.loads(line)
        return found

    before = first()
    asyncio.run(_disappoint(f"sqlite:///{data / 'log.db'}", CustomerId(str(before["customer"]))))
    after = first()
    assert float(str(after["probability"])) > float(str(before["probability"]))


async def _disappoint(url: str, customer: CustomerId) -> None:
    migrate(url)
    log = SqlLog(url, clock=lambda: datetime.now(UTC))
    await log.append(
        ConversationId("c_1"),
        [
            ConversationStarted(shop="fernway", language="en"),
            ConversationIdentified(level="customer", method="token", customer=customer),
            SignalRaised(kind="leaving_threat", strength=0.9, evidence=(1,)),
        ],
        expected=0,
    )
    await log.close()


def test_the_table_shows_reasons_and_stops_at_the_limit(amends: CliRunner) -> None:
    result = amends.invoke(app, ["score", "--limit", "2"])
    assert result.exit_code == 0
    assert "Days since the last order" in result.stdout
    assert result.stdout.count("@") == 2


def test_an_unknown_customer_is_an_error_of_the_arguments(amends: CliRunner) -> None:
    result = amends.invoke(app, ["score", "--customer", "nobody@example.com"])
    assert result.exit_code == 2
    assert "no customer" in result.stderr


def test_a_log_that_does_not_answer_is_said_without_a_traceback(data: Path) -> None:
    runner = CliRunner(
        env={"AMENDS_DATA": str(data), "AMENDS_LOG__URL": "postgresql://nobody@127.0.0.1:1/none"}
    )
    result = runner.invoke(app, ["score"])
    assert result.exit_code == 1
    assert "PostgreSQL does not answer" in " ".join(result.stderr.split())
