"""The insights page: figures, charts, customers at risk, offers; it follows the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui
from nicegui.element import Element

from retention.insight import CustomerChurn, Insight, Share
from serving.desk import charts
from serving.desk.elements import el
from serving.desk.visit import Visit
from serving.desk.words import Words

PAUSE_SECONDS = 2.0
"""Between two refreshes: the page is read, not watched."""
REASONS_SHOWN = 3

_BAR = """
<q-td :props="props"><div class="risk">
  <div class="risk-bar" aria-hidden="true"><div :style="{width: (props.value * 100) + '%'}"
    :class="props.row.high ? 'risk-fill high' : 'risk-fill'"></div></div>
  <span class="risk-value">{{ Math.round(props.value * 100) }}%</span></div></q-td>
"""
_NAME = """
<q-td :props="props"><a :href="'/desk?c=' + encodeURIComponent(props.row.conversation)" class="who-link"
  :title="props.row.open">{{ props.value }}</a><div class="muted">{{ props.row.email }}</div></q-td>
"""
_REASONS = """
<q-td :props="props"><div class="why">
  <span v-for="(reason, i) in JSON.parse(props.row.why)" :key="i" class="why-one">
    <span :class="reason.up ? 'why-up' : 'why-down'" :title="reason.name">{{ reason.up ? '▲' : '▼' }}</span>
    {{ reason.text }}</span></div></q-td>
"""
_CHANGE = """
<q-td :props="props"><span v-if="props.value !== null">{{ (props.value > 0 ? '+' : '') +
  Math.round(props.value * 100) }}</span><span v-else class="muted">–</span></q-td>
"""


@dataclass
class _Tile:
    value: ui.label
    hint: ui.label


class _Chart:
    """A chart with a heading, or a sentence on what will stand there."""

    def __init__(self, title: str, empty: str, classes: str = "") -> None:
        with el("section", f"card {classes}".strip(), aria_label=title):
            el("h2", "", title)
            self._chart = (
                ui.echart({}, renderer="svg").classes("chart").props(f'role="img" aria-label="{title}"')
            )
            self._empty = ui.label(empty).classes("empty")
        self.show(None)

    def show(self, options: dict[str, Any] | None) -> None:
        """Show a chart, or the sentence when there is nothing to draw yet."""
        self._chart.set_visibility(options is not None)
        self._empty.set_visibility(options is None)
        if options is not None and options != self._chart.options:
            self._chart.options.clear()
            self._chart.options.update(options)
            self._chart.update()


class Insights:
    """Builds the page once and shows figures in it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        words = visit.words
        with el("div", "tiles"):
            names = ("conversations", "handed_over", "wait", "rating", "risk", "offers")
            self._tiles = {name: self._tile(words(f"tile.{name}")) for name in names}
        with el("div", "charts"):
            self._charts = {
                name: _Chart(words(f"chart.{name}"), words(f"empty.{name}"), f"card-{name}")
                for name in ("conversations", "mood", "handoffs", "wait", "signals", "language")
            }
        self._customers(words)
        self._offers(words)

    def _tile(self, name: str) -> _Tile:
        with el("section", "tile", aria_label=name):
            el("h2", "", name)
            return _Tile(ui.label("–").classes("tile-value"), ui.label("").classes("tile-hint"))

    def _customers(self, words: Words) -> None:
        with el("section", "card", data_testid="insights-churn", aria_label=words("churn.title")):
            with el("div", "card-head"):
                el("h2", "", words("churn.title"))
                search = ui.input(placeholder=words("churn.search")).props(
                    'dense outlined clearable data-testid="churn-search"'
                )
                search.props["aria-label"] = words("churn.search")
            self._no_churn = ui.label(words("empty.churn")).classes("empty")
            columns = [
                _column("name", words("churn.customer"), align="left"),
                _column("probability", words("churn.probability"), align="left"),
                _column("change", words("churn.change"), align="right"),
                _column("reasons", words("churn.reasons"), align="left", sortable=False),
                _column("at", words("churn.scored"), align="right"),
            ]
            columns[-1]["sortable"] = False
            self._table = ui.table(
                rows=[], columns=columns, row_key="id",
                pagination={"rowsPerPage": 10, "sortBy": "probability", "descending": True},
            ).classes("churn")  # fmt: skip
            self._table.props["no-data-label"] = self._table.props["no-results-label"] = words(
                "churn.nothing"
            )
            self._table.props["rows-per-page-label"] = words("table.rows")
            template = words("table.range", first="@a", last="@b", total="@c")
            self._table.props[":pagination-label"] = (
                f"(a, b, c) => {template!r}.replace('@a', a).replace('@b', b).replace('@c', c)"
            )
            self._table.props("flat dense binary-state-sort")
            for column, slot in (
                ("name", _NAME),
                ("probability", _BAR),
                ("change", _CHANGE),
                ("reasons", _REASONS),
            ):
                self._table.add_slot(f"body-cell-{column}", slot)
            search.bind_value_to(self._table, "filter", forward=lambda value: value or "")

    def _offers(self, words: Words) -> None:
        with el("section", "card", data_testid="insights-offers", aria_label=words("offers.title")):
            el("h2", "", words("offers.title"))
            self._no_offers = ui.label(words("empty.offers")).classes("empty")
            with el("div", "offers") as self._offer_body:
                with el("dl", "offer-counts"):
                    self._offer_counts: dict[str, ui.label] = {}
                    for name in ("made", "taken", "declined", "unanswered", "withheld"):
                        with el("div"):
                            el("dt", "", words(f"offers.{name}"))
                            with el("dd"):
                                self._offer_counts[name] = ui.label("0").props(f'data-testid="offers-{name}"')
                with el("div", "budget"):
                    with el("div", "budget-head"):
                        el("span", "", words("offers.budget"))
                        self._spent = ui.label("").props('data-testid="offers-spent"')
                    with el("div", "budget-bar", aria_hidden="true"):
                        self._budget = el("div", "budget-fill")
                    self._cost = ui.label("").classes("muted")
                with el("div", "why-withheld"):
                    el("h3", "", words("offers.why_withheld"))
                    self._withheld = el("ul")

    async def show(self) -> None:
        """Show the log as it is now."""
        visit, desk, words = self._visit, self._visit.desk, self._visit.words
        found = desk.insight.result()
        await desk.names.learn(one.customer for one in found.customers)
        self._show_tiles(found)
        figures = desk.figures
        languages = [Share(language, count) for language, count in figures.languages().most_common()]
        days = figures.waits_by_day()
        by_day = found.conversations.by_day
        shown: dict[str, tuple[object, Callable[[], dict[str, Any]]]] = {
            "conversations": (by_day, lambda: charts.per_day(by_day, words("tile.conversations"))),
            "mood": (found.mood, lambda: charts.mood(found.mood, words)),
            "handoffs": (found.handoffs, lambda: charts.shares(found.handoffs, words, "reason")),
            "wait": (days, lambda: charts.waits(days, words)),
            "signals": (found.signals, lambda: charts.shares(found.signals, words, "signal")),
            "language": (languages, lambda: charts.shares(languages, words, "language")),
        }
        for name, (data, options) in shown.items():
            self._charts[name].show(options() if data else None)
        rows = [self._row(one) for one in found.customers]
        if rows != self._table.rows:
            self._table.rows = rows
        self._table.set_visibility(bool(rows))
        self._no_churn.set_visibility(not rows)
        self._show_offers(found, visit)

    def _show_tiles(self, found: Insight) -> None:
        visit, words = self._visit, self._visit.words
        settings = visit.desk.services.settings.retention
        figures, rated, talks = visit.desk.figures, sum(found.ratings.counts), found.conversations
        wait = figures.median_wait()
        risky = sum(one.probability >= settings.threshold for one in found.customers)
        none = words("tile.none")
        share = f"{talks.handed_over / talks.total:.0%}" if talks.total else ""
        texts = {
            "conversations": (str(talks.total), words("tile.open", count=talks.open)),
            "handed_over": (
                str(talks.handed_over), words("tile.handed_over_share", share=share) if share else none
            ),
            "wait": (
                words.span(wait) if wait is not None else "–",
                words("tile.wait_hint", count=len(figures.waits)) if wait is not None else none,
            ),
            "rating": (
                f"{found.ratings.mean:.1f}" if found.ratings.mean is not None else "–",
                words("tile.rating_hint", count=rated) if rated else none,
            ),
            "risk": (
                str(risky),
                words("tile.risk_hint", count=len(found.customers), threshold=f"{settings.threshold:.0%}"),
            ),
            "offers": (
                str(found.offers.made),
                words("tile.offers_hint", taken=found.offers.taken, declined=found.offers.declined),
            ),
        }  # fmt: skip
        for name, (value, hint) in texts.items():
            self._tiles[name].value.text = value
            self._tiles[name].hint.text = hint

    def _row(self, one: CustomerChurn) -> dict[str, Any]:
        visit, words = self._visit, self._visit.words
        strongest = sorted(one.reasons, key=lambda reason: -abs(reason.contribution))[:REASONS_SHOWN]
        why = [
            {"text": reason.text, "up": reason.contribution > 0,
             "name": words("churn.up" if reason.contribution > 0 else "churn.down")}
            for reason in strongest
        ]  # fmt: skip
        return {
            "id": one.customer,
            "name": visit.desk.names.name(one.customer),
            "email": visit.desk.names.email(one.customer),
            "probability": round(one.probability, 4),
            "high": one.probability >= visit.desk.services.settings.retention.threshold,
            "change": None if one.before is None else round(one.probability - one.before, 4),
            "reasons": " ".join(reason.text for reason in strongest),
            "why": json.dumps(why, ensure_ascii=False),
            "at": visit.time(one.at),
            "conversation": one.conversation,
            "open": words("churn.open"),
        }

    def _show_offers(self, found: Insight, visit: Visit) -> None:
        words, offers = visit.words, found.offers
        withheld = sum(share.count for share in offers.withheld)
        known = bool(offers.made or withheld)
        self._no_offers.set_visibility(not known)
        self._offer_body.set_visibility(known)
        for name, count in (
            ("made", offers.made), ("taken", offers.taken), ("declined", offers.declined),
            ("unanswered", offers.unanswered), ("withheld", withheld),
        ):  # fmt: skip
            self._offer_counts[name].text = str(count)
        budget = visit.desk.services.settings.retention.monthly_budget
        spent = float(visit.desk.figures.spent(visit.now()))
        self._spent.text = words("offers.spent", spent=f"{spent:,.2f}", budget=f"{budget:,.2f}")
        self._cost.text = words("offers.cost", cost=f"{offers.cost_taken:,.2f}")
        part = min(1.0, spent / budget) if budget else float(spent > 0)
        self._budget.style(replace=f"width: {part:.1%}")
        self._withheld.clear()
        with self._withheld:
            for share in offers.withheld:
                with el("li"):
                    el("span", "", words.code("withheld", share.name))
                    el("span", "count", str(share.count))


def _column(name: str, label: str, *, align: str, sortable: bool = True) -> dict[str, Any]:
    return {"name": name, "label": label, "field": name, "align": align, "sortable": sortable}


async def insights_page(visit: Visit) -> None:
    """Build the page and follow the log for as long as it is open."""
    words = visit.words
    with el("div", "page-head"):
        el("h1", "", words("title.insights"))
        state = ui.label(words("insights.loading")).classes("muted").props("role=status")
    place: Element = el("div", "insights")
    news = asyncio.Event()
    visit.client.on_delete(visit.desk.reader.listen(news.set))

    async def follow() -> None:
        with place:
            await visit.arrive()
            while not visit.desk.reader.caught_up:
                news.clear()
                await news.wait()
            page = Insights(visit)
            state.text = words("insights.updated")
            while True:
                news.clear()
                await page.show()
                await asyncio.sleep(PAUSE_SECONDS)
                await news.wait()

    visit.keep(follow(), "desk:insights")
