"""The demo's mailbox keeps mail over a restart, newest first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.errors import MailError
from agent.mail import Mail
from serving.mailbox import DemoMailbox

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def test_mail_survives_a_restart_and_comes_newest_first(tmp_path: Path) -> None:
    times = iter(NOON + timedelta(minutes=n) for n in range(3))
    path = tmp_path / "new folder" / "mailbox.db"
    box = DemoMailbox(path, lambda: next(times))
    assert await box.newest() == []
    await box.send(Mail("ada@example.com", "Your code", "123456"))
    await box.send(Mail("lin@example.com", "您的验证码", "654321\n请勿告诉他人。"))
    again = DemoMailbox(path, lambda: next(times))
    await again.send(Mail("ada@example.com", "Third", "x"))
    kept = await again.newest()
    assert [mail.subject for mail in kept] == ["Third", "您的验证码", "Your code"]
    assert (kept[1].text, kept[1].at) == ("654321\n请勿告诉他人。", NOON + timedelta(minutes=1))
    assert [mail.id for mail in await again.newest(limit=1)] == [kept[0].id]


async def test_mails_sent_at_once_are_all_kept(tmp_path: Path) -> None:
    box = DemoMailbox(tmp_path / "mailbox.db", lambda: NOON)
    await asyncio.gather(*(box.send(Mail("a@example.com", f"{n}", "")) for n in range(20)))
    assert {mail.subject for mail in await box.newest()} == {f"{n}" for n in range(20)}


async def test_a_file_that_cannot_be_written_is_a_mail_error_that_quotes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mailbox.db").write_bytes(b"this is not a database, it is a text file" * 50)
    box = DemoMailbox(tmp_path / "mailbox.db", lambda: NOON)
    with pytest.raises(MailError) as failed:
        await box.send(Mail("ada@example.com", "Your code", "123456"))
    assert "123456" not in str(failed.value)
    with pytest.raises(MailError):
        await DemoMailbox(tmp_path / "mailbox.db" / "below a file.db", lambda: NOON).newest()
