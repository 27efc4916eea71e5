"""Both languages say everything."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest

from agent import events as ev
from agent.ids import Language
from agent.scope import IdentityLevel
from agent.shop.port import ActionKind
from retention.offers import WithheldReason
from serving.desk.board import GROUPS, MoodLevel
from serving.desk.words import Words, texts

EN, ZH = Words("en"), Words("zh")


def test_every_text_has_both_languages_with_the_same_values() -> None:
    assert len(texts()) > 150
    for name, text in texts().items():
        assert set(text) == {"en", "zh"}, name
        values = [set(re.findall(r"{(\w+)", text[language])) - {"month", "month_name"} for language in text]
        assert values[0] == values[1], name


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("reason", get_args(ev.HandoffReason)),
        ("signal", get_args(ev.SignalKind)),
        ("action", get_args(ActionKind)),
        ("withheld", get_args(WithheldReason)),
        ("mood", get_args(MoodLevel)),
        ("level", get_args(IdentityLevel)),
        ("language", get_args(Language)),
        ("group", GROUPS),
        ("system", [f"interrupted_{by}" for by in ("message", "takeover", "closed")]),
        ("system", [f"closed_{by}" for by in ("shopper", "staff", "idle")]),
        ("change", [f"declined_{why}" for why in get_args(ev.ActionDeclined.model_fields["why"].annotation)]),
    ],
)
def test_every_code_of_the_log_has_words(group: str, codes: tuple[str, ...]) -> None:
    assert codes
    for code in codes:
        assert f"{group}.{code}" in texts()


def test_a_code_without_words_is_shown_as_it_is() -> None:
    assert EN.code("reason", "brand_new") == "brand new"


@pytest.mark.parametrize(
    ("length", "en", "zh"),
    [
        (timedelta(seconds=40), "under a minute", "不到 1 分钟"),
        (timedelta(minutes=5, seconds=59), "5 min", "5 分钟"),
        (timedelta(hours=2, minutes=5), "2 h 5 min", "2 小时 5 分"),
        (timedelta(days=3, hours=4), "3 d 4 h", "3 天 4 小时"),
        (timedelta(minutes=-1), "under a minute", "不到 1 分钟"),
    ],
)
def test_spans_read_naturally(length: timedelta, en: str, zh: str) -> None:
    assert (EN.span(length), ZH.span(length)) == (en, zh)


def test_times_are_local_and_name_the_day_only_when_it_is_not_today() -> None:
    east = timezone(timedelta(hours=8))
    now = datetime(2026, 6, 15, 2, tzinfo=UTC)
    assert EN.time(datetime(2026, 6, 15, 1, 30, tzinfo=UTC), now=now, zone=east) == "09:30"
    assert EN.time(datetime(2026, 6, 14, 15, tzinfo=UTC), now=now, zone=east) == "14 Jun, 23:00"
    assert ZH.time(datetime(2026, 6, 14, 15, tzinfo=UTC), now=now, zone=east) == "6月14日 23:00"
