"""Writes the report: one file with everything in it, safe to open and to send.

Conversations are words of strangers. Jinja escapes whatever it prints, the conversations
travel as JSON that the page only ever shows as text, and the page's policy lets no script run
but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.events import Event
from agent.ids import ConversationId
from agent.log_sql import SqlLog
from evals.compare import Comparison, Difference, Flip, compare
from evals.gate import Verdict
from evals.metrics import METRICS, Metric
from evals.records import Attempt, Run, Score
from evals.scenario import Scenario
from evals.summary import Cell, Summary, summarise

KEY = ("resolved", "state", "told", "grounded", "language", "handoff_recall")
"""Metrics in the table of slices; all others are in the table of metrics."""

BINS = 16
"""Bars of a histogram."""

_CHINESE = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Row:
    """One conversation in the list.

    Attributes:
        key: ``scenario:repeat``; a colon cannot be in a scenario's id.
        missed: Metrics with a miss.
        moved: ``worse``, ``better`` or empty, against the other run.
        words: What the search looks through, in lower case.
    """

    key: str
    scenario: Scenario
    attempt: Attempt
    missed: tuple[str, ...]
    moved: str
    words: str
    data: Markup

    @property
    def states(self) -> tuple[str, ...]:
        """What the list can be filtered by."""
        found: list[str] = [self.attempt.outcome]
        found += ["resolved"] if self.attempt.outcome == "held" and "resolved" not in self.missed else []
        found += ["unresolved"] if "resolved" in self.missed else []
        found += ["missed"] if self.missed else []
        found += [f"flipped_{self.moved}"] if self.moved else []
        found += ["problems"] if self.attempt.problems else []
        return tuple(found)


@dataclass(frozen=True)
class Histogram:
    """Seconds in bars of equal width; ``bars`` are heights, 0 to 1 of the highest."""

    metric: Metric
    median: float
    p90: float
    upper: float
    bars: tuple[tuple[float, int], ...]
    rows: tuple[tuple[str, float, float, int], ...]


async def write_report(
    run: Run, out: Path, *, against: Run | None = None, verdict: Verdict | None = None
) -> None:
    """Write ``run`` to the HTML file ``out``.

    Args:
        run: What is shown; the conversations come from its ``log.db`` (a run without one gives
            a report without dialogues).
        out: Written whole, or left as it was.
        against: The base to compare with.
        verdict: The gate's decision, shown at the top.

    Raises:
        NotComparable: See ``evals.compare``.
        RunInvalid: The files of a run do not fit together.
        LogUnavailable: The log cannot be read.
    """
    comparison = compare(against, run) if against else None
    conversations = await _conversations(run)
    page = _page(run, summarise(run), comparison, verdict, conversations)
    part = out.with_name(f"{out.name}.part")
    part.write_text(page, encoding="utf-8")
    part.replace(out)


async def _conversations(run: Run) -> dict[str, list[dict[str, Any]]]:
    """The events of each conversation, as ``{seq, at, type, …}``."""
    if not (run.folder / "log.db").is_file():
        return {}
    log = SqlLog(run.log_url, clock=lambda: datetime.now(UTC))
    try:
        return {
            attempt.conversation: [
                shown(event) for event in await log.read(ConversationId(attempt.conversation))
            ]
            for attempt in run.attempts
            if attempt.conversation
        }
    finally:
        await log.close()


def shown(event: Event) -> dict[str, Any]:
    """An event as the page reads it: its body's fields beside ``seq`` and ``at``.

    A body's own ``seq`` (the message a mood is about) becomes ``about``.
    """
    body = event.body.model_dump(mode="json")
    if "seq" in body:
        body["about"] = body.pop("seq")
    return {"seq": event.seq, "at": event.at.isoformat(), **body}


def _page(
    run: Run,
    summary: Summary,
    comparison: Comparison | None,
    verdict: Verdict | None,
    conversations: dict[str, list[dict[str, Any]]],
) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": lambda value: f"{100 * value:.1f}",
        "points": lambda value: f"{100 * value:+.1f}".replace("-", "−"),
        "number": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
        "p": _p,
        "lang": language_of,
        "sha256": _sha256,
    }
    environment.filters |= filters
    rows = _rows(run, comparison, conversations)
    slices = list(dict.fromkeys(cell.slice for cell in summary.cells))
    return environment.get_template("report.html").render(
        run=run.manifest,
        summary=summary,
        metrics=METRICS,
        cards=_cards(run, summary),
        overall=[cell for cell in summary.cells if cell.slice == "all"],
        spreads={spread.metric: spread for spread in summary.spreads if spread.slice == "all"},
        key=[name for name in KEY if summary.cell(name)],
        slices=slices,
        cell=summary.cell,
        reliability=[row for row in summary.reliability if row.slice == "all"],
        parity=[row for row in summary.parity if METRICS[row.metric].kind == "share"],
        parity_scale=_scale([abs(end) for row in summary.parity for end in (row.low, row.high)]),
        comparison=comparison,
        forest=_forest(comparison),
        flips=_flips(comparison),
        verdict=verdict,
        histograms=_histograms(run, summary),
        rows=rows,
        all_slices=sorted({name for row in rows for name in row.scenario.slices} - {"all"}),
        all_missed=[name for name in METRICS if any(name in row.missed for row in rows)],
        titles=as_json({name: metric.title for name, metric in METRICS.items()}),
        kinds=as_json({name: metric.kind for name, metric in METRICS.items()}),
    )


def as_json(value: Any) -> Markup:
    """JSON that can stand in a ``<script>`` element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def language_of(text: str) -> str:
    """Value of a ``lang`` attribute, so that Chinese is read out and drawn as Chinese."""
    return "zh-CN" if _CHINESE.search(text) else "en"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _sha256(text: str) -> str:
    """As a content security policy names a script."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _cards(run: Run, summary: Summary) -> list[tuple[str, str, str]]:
    """Title, figure and a line below it."""
    cards = [
        (METRICS[name].title, f"{100 * cell.value:.1f} %", _interval(cell))
        for name in ("resolved", "grounded", "handoff_recall", "handoff_precision")
        if (cell := summary.cell(name))
    ]
    most = max((row for row in summary.reliability if row.slice == "all"), key=lambda r: r.k, default=None)
    if most and most.k > 1:
        below = f"all {most.k} attempts resolved, {most.scenarios} scenarios"
        cards.insert(1, (f"pass^{most.k}", f"{100 * most.value:.1f} %", below))
    strict = [score for score in run.scores if METRICS[score.metric].zero_tolerance]
    misses = sum(score.hits < score.of for score in strict)
    cards.append(("Zero tolerance", f"{misses} misses", f"scope and confirmed writes, {len(strict)} checks"))
    spread = next((s for s in summary.spreads if (s.metric, s.slice) == ("first_token", "all")), None)
    if spread:
        cards.append(("First words", f"{spread.median:.2f} s", f"median; 90th percentile {spread.p90:.2f} s"))
    mishaps = summary.mishaps
    without = mishaps.attempts - mishaps.held
    cards.append(("Without an outcome", f"{without} of {mishaps.attempts}", "attempts, beside the scores"))
    return cards


def _interval(cell: Cell) -> str:
    return f"95 % {100 * cell.low:.1f} to {100 * cell.high:.1f}, {cell.scenarios} scenarios"


def _scale(ends: Sequence[float]) -> float:
    """Half the width of a forest plot: the next 10 points, at least 10 and at most 100."""
    return min(1.0, max(0.1, float(np.ceil(max(ends, default=0.0) * 10 - 1e-9)) / 10))


def _forest(comparison: Comparison | None) -> dict[str, Any]:
    """Rows of shares over all scenarios, rows by slice, rows that are no share, and the scale."""
    if comparison is None:
        return {"all": [], "slices": [], "measured": [], "scale": 0.1}
    shares: list[Difference] = []
    measured: list[Difference] = []
    for row in comparison.differences:
        metric = METRICS.get(row.metric)
        (shares if metric is None or metric.kind == "share" else measured).append(row)
    over_all = [row for row in shares if row.slice == "all"]
    return {
        "all": over_all,
        "slices": [row for row in shares if row.slice != "all"],
        "measured": [row for row in measured if row.slice == "all"],
        "scale": _scale([abs(end) for row in over_all for end in (row.low, row.high)]),
    }


def _flips(comparison: Comparison | None) -> list[tuple[str, bool, list[Flip]]]:
    """By scenario: the worse before the better, lost resolutions first, then most metrics."""
    if comparison is None:
        return []
    found: dict[tuple[str, bool], list[Flip]] = {}
    for flip in comparison.flips:
        found.setdefault((flip.scenario, flip.worse), []).append(flip)

    def weight(item: tuple[tuple[str, bool], list[Flip]]) -> tuple[bool, bool, int, str]:
        (scenario, worse), flips = item
        return not worse, all(flip.metric != "resolved" for flip in flips), -len(flips), scenario

    ordered = sorted(found.items(), key=weight)
    return [(scenario, worse, flips) for (scenario, worse), flips in ordered]


def _histograms(run: Run, summary: Summary) -> list[Histogram]:
    held = {(a.scenario, a.repeat) for a in run.attempts if a.outcome == "held"}
    made = []
    for name, metric in METRICS.items():
        spreads = [spread for spread in summary.spreads if spread.metric == name]
        if metric.kind != "seconds" or not spreads:
            continue
        values = [s.value for s in run.scores if s.metric == name and (s.scenario, s.repeat) in held]
        upper = max(max(values), 1e-3)
        counts, _ = np.histogram(values, bins=BINS, range=(0.0, upper))
        shown = [s for s in spreads if s.slice in {"all", "language:en", "language:zh"}]
        made.append(
            Histogram(
                metric,
                next(s.median for s in spreads if s.slice == "all"),
                next(s.p90 for s in spreads if s.slice == "all"),
                upper,
                tuple((float(count / counts.max()), int(count)) for count in counts),
                tuple((s.slice, s.median, s.p90, s.judged) for s in shown),
            )
        )
    return made


def _rows(
    run: Run, comparison: Comparison | None, conversations: dict[str, list[dict[str, Any]]]
) -> list[Row]:
    scenarios = {scenario.id: scenario for scenario in run.scenarios}
    scores: dict[tuple[str, int], list[Score]] = {}
    for score in run.scores:
        scores.setdefault((score.scenario, score.repeat), []).append(score)
    moved: dict[str, str] = {}
    for flip in comparison.flips if comparison else ():
        if flip.metric == "resolved" or flip.scenario not in moved:
            moved[flip.scenario] = "worse" if flip.worse else "better"
    rows = []
    for attempt in sorted(run.attempts, key=lambda a: (a.scenario, a.repeat)):
        scenario = scenarios[attempt.scenario]
        own = scores.get((attempt.scenario, attempt.repeat), [])
        missed = tuple(
            name
            for name, metric in METRICS.items()
            if metric.kind == "share" and any(s.metric == name and s.hits < s.of for s in own)
        )
        rows.append(
            Row(
                key=f"{attempt.scenario}:{attempt.repeat}",
                scenario=scenario,
                attempt=attempt,
                missed=missed,
                moved=moved.get(attempt.scenario, ""),
                words=f"{scenario.id} {scenario.about} {scenario.shopper.goal}".lower(),
                data=as_json(
                    {
                        "scenario": scenario.model_dump(mode="json"),
                        "attempt": attempt.model_dump(mode="json"),
                        "scores": [score.model_dump(mode="json") for score in own],
                        "events": conversations.get(attempt.conversation, []),
                    }
                ),
            )
        )
    return rows
