"""What a reader is told, from made-up timings."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from serving.models.hardware import Hardware
from serving.speed.figures import Answer, Bandwidth, Together, Visit
from serving.speed.measure import Measured
from serving.speed.report import lines, report, tables
from serving.speed.ways import Say, Speaker, Way

MACHINE = Hardware(cores=2, memory_bytes=2**34, gpus=(), engine="cpu")


def visit(seconds: float, together: float) -> Visit:
    """One answer of 21 tokens alone, a fifth of the time to the first; four of them together."""
    alone = Answer(seconds / 5, seconds, 21, 700)
    many = (Answer(together / 5, together, 21, 700),) * 4
    return Visit((alone,), (), (Together(many, together),), load=1.0)


@asynccontextmanager
async def never(say: Say) -> AsyncIterator[Speaker]:
    raise AssertionError("a report starts nothing")
    yield


def made(load: float) -> dict[str, Any]:
    ways = [Way(name, f"{name} it is", Path(), never) for name in ("shipped", "ours")]
    visits = {
        "shipped": (visit(10.0, 25.0), visit(20.0, 50.0)),
        "ours": (visit(5.0, 10.0), visit(10.0, 20.0)),
    }
    measured = Measured(visits, (Bandwidth(9e9, 8e9), Bandwidth(10e9, 7e9)))
    weights = {"shipped": 10**9, "ours": 5 * 10**8}
    return report(
        "tiny", ways, weights, measured, MACHINE, questions=["en-returns"], max_tokens=160, load=load
    )


def printed(said: dict[str, Any]) -> str:
    console = Console(width=140, force_terminal=False)
    with console.capture() as captured:
        for table in tables(said):
            console.print(table)
        for line in lines(said):
            console.print(line, soft_wrap=True, highlight=False)
    return captured.get()


def test_the_report_holds_ratios_limits_and_the_target() -> None:
    said = json.loads(json.dumps(made(load=0.2)))
    shipped, ours = (said["configurations"][name] for name in ("shipped", "ours"))
    assert said["bandwidth_gb_per_s"] == {"limit": 10.0, "read": 10.0, "triad": 8.0, "rounds": [9.0, 10.0]}
    assert (shipped["limit_tokens_per_s"], ours["limit_tokens_per_s"]) == (10.0, 20.0)
    # 20 tokens after the first in 8 s, then in 16 s
    assert shipped["figures"]["rate"] == {"median": 1.875, "low": 1.25, "high": 2.5}
    assert shipped["figures"]["share_of_limit"] == {"median": 0.1875, "low": 0.125, "high": 0.25}
    assert [one["crowding_within_target"] for one in (shipped, ours)] == [False, True]
    assert said["speedups"]["ours"]["shipped"]["whole"] == {"median": 2.0, "low": 2.0, "high": 2.0}
    assert said["speedups"]["shipped"]["ours"]["whole_together"]["median"] == 0.4


def test_the_tables_show_medians_with_their_spread() -> None:
    shown = printed(made(load=0.2))
    assert "15.00 (10.00-20.00)" in shown
    assert "times as fast as shipped" in shown
    assert "4 at once take 2.50 times as long as one, beyond the target of 2" in shown
    assert "4 at once take 2.00 times as long as one, within the target of 2" in shown
    assert "Other programs" not in shown


def test_a_busy_machine_is_said() -> None:
    assert made(load=1.5)["busy"]
    assert "Other programs kept the machine busy" in printed(made(load=1.5))
