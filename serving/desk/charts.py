"""The charts of insights as ECharts options: pure functions of what is shown.

Colours come in pairs that read on a light and on a dark page alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from retention.insight import MoodDay, Share
from serving.desk.words import Words

Options = dict[str, Any]

ACCENT, BAD, CALM, GOOD = "#3f8f78", "#c8553d", "#9aa5a0", "#5b8fc9"
_TEXT, _LINE = "#87928c", "rgba(135,146,140,.22)"
_FONT = {"color": _TEXT, "fontSize": 12}


def _base(**more: Any) -> Options:
    return {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 8, "right": 12, "top": 28, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True},
        **more,
    }


def _days_axis(days: Sequence[date]) -> Options:
    return {
        "type": "category",
        "data": [f"{day:%m-%d}" for day in days],
        "axisLabel": _FONT,
        "axisLine": {"lineStyle": {"color": _LINE}},
        "axisTick": {"show": False},
    }


def _values_axis(**more: Any) -> Options:
    return {"type": "value", "axisLabel": _FONT, "splitLine": {"lineStyle": {"color": _LINE}}, **more}


def every_day(found: Mapping[date, float]) -> list[tuple[date, float]]:
    """Fill the days between the first and the last with zero."""
    if not found:
        return []
    first, last = min(found), max(found)
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return [(day, found.get(day, 0)) for day in days]


def per_day(by_day: Sequence[tuple[date, int]], name: str) -> Options:
    """Bars, a day each; days without anything stand as zero."""
    days = every_day(dict(by_day))
    return _base(
        xAxis=_days_axis([day for day, _ in days]),
        yAxis=_values_axis(minInterval=1),
        series=[
            {
                "type": "bar",
                "name": name,
                "data": [count for _, count in days],
                "itemStyle": {"color": ACCENT, "borderRadius": [3, 3, 0, 0]},
                "barMaxWidth": 28,
            }
        ],
    )


def shares(found: Sequence[Share], words: Words, group: str) -> Options:
    """Horizontal bars, commonest on top, with their counts."""
    ordered = list(reversed(found[:8]))
    return _base(
        grid={"left": 8, "right": 36, "top": 8, "bottom": 4, "containLabel": True},
        xAxis=_values_axis(minInterval=1, show=False),
        yAxis={
            "type": "category",
            "data": [words.code(group, share.name) for share in ordered],
            "axisLabel": _FONT,
            "axisLine": {"show": False},
            "axisTick": {"show": False},
        },
        series=[
            {
                "type": "bar",
                "data": [share.count for share in ordered],
                "itemStyle": {"color": ACCENT, "borderRadius": [0, 3, 3, 0]},
                "barMaxWidth": 18,
                "label": {"show": True, "position": "right", **_FONT},
            }
        ],
    )


def mood(days: Sequence[MoodDay], words: Words) -> Options:
    """The daily mix of moods, stacked to one."""
    parts = (("negative", BAD), ("neutral", CALM), ("positive", GOOD))
    return _base(
        legend={
            "top": 0,
            "right": 0,
            "textStyle": _FONT,
            "itemWidth": 12,
            "itemHeight": 8,
            "icon": "roundRect",
        },
        xAxis=_days_axis([day.day for day in days]),
        yAxis=_values_axis(max=1, min=0),
        series=[
            {
                "type": "bar",
                "stack": "mood",
                "name": words(f"chart.{part}"),
                "data": [round(getattr(day, part), 3) for day in days],
                "itemStyle": {"color": colour},
                "barMaxWidth": 28,
            }
            for part, colour in parts
        ],
    )


def waits(days: Sequence[tuple[date, timedelta]], words: Words) -> Options:
    """The median wait of each day, in minutes."""
    return _base(
        xAxis=_days_axis([day for day, _ in days]),
        yAxis=_values_axis(min=0, name=words("chart.minutes"), nameTextStyle=_FONT),
        series=[
            {
                "type": "line",
                "name": words("chart.minutes"),
                "data": [round(wait.total_seconds() / 60, 1) for _, wait in days],
                "lineStyle": {"color": ACCENT, "width": 2},
                "itemStyle": {"color": ACCENT},
                "symbolSize": 7,
            }
        ],
    )
