"""The desk's words in both languages, from ``texts.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from agent.ids import Language

LOCALE: dict[Language, str] = {"en": "en", "zh": "zh-CN"}
"""What the page's ``lang`` attribute says."""


@cache
def texts() -> dict[str, dict[Language, str]]:
    """Every text by name."""
    raw = Path(__file__).with_name("texts.yaml").read_text(encoding="utf-8")
    return cast("dict[str, dict[Language, str]]", yaml.safe_load(raw))


@dataclass(frozen=True)
class Words:
    """The texts in one language."""

    language: Language

    def __call__(self, name: str, /, **values: Any) -> str:
        """Return the text ``name`` with ``values`` filled in.

        Raises:
            KeyError: No such text, or a value is missing.
        """
        return texts()[name][self.language].format(**values)

    def code(self, group: str, name: str) -> str:
        """The word for a code of ours such as a hand-over reason; the code itself if it has none."""
        known = texts().get(f"{group}.{name}")
        return known[self.language] if known else name.replace("_", " ")

    def span(self, length: timedelta) -> str:
        """How long something took or has lasted, in its one or two largest units."""
        minutes = max(0, int(length.total_seconds() // 60))
        if minutes < 1:
            return self("span.now")
        if minutes < 60:
            return self("span.minutes", minutes=minutes)
        hours, minutes = divmod(minutes, 60)
        if hours < 24:
            return self("span.hours", hours=hours, minutes=minutes)
        return self("span.days", days=hours // 24, hours=hours % 24)

    def time(self, at: datetime, *, now: datetime, zone: tzinfo) -> str:
        """Clock time in ``zone``, with the date unless it is today's."""
        local, today = at.astimezone(zone), now.astimezone(zone)
        clock = f"{local:%H:%M}"
        if local.date() == today.date():
            return clock
        return self("time.date", month=local.month, day=local.day, month_name=f"{local:%b}", clock=clock)
