"""The desk: the queue on the left, the chosen conversation on the right."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Hashable
from dataclasses import dataclass

from nicegui import ui
from nicegui.element import Element

from agent.errors import LogUnavailable
from agent.ids import ConversationId
from serving.desk.board import GROUPS, Group, Row
from serving.desk.conversation_view import ConversationView
from serving.desk.elements import el, mood_chip
from serving.desk.keyed import KeyedList
from serving.desk.transcript import reasons
from serving.desk.visit import Visit

TICK_SECONDS = 20.0
"""How often waiting times are shown afresh when nothing happens."""


@dataclass(frozen=True)
class _Entry:
    """Everything a row shows: equal entries look the same."""

    row: Row
    name: str
    when: str
    chosen: bool
    group: Group


class Queue:
    """Shows the sections, and announces who begins to wait."""

    def __init__(self, visit: Visit, root: Element, view: ConversationView) -> None:
        self._visit = visit
        self._view = view
        self._seen: set[ConversationId] | None = None
        self._lists: dict[Group, KeyedList[_Entry]] = {}
        self._heads: dict[Group, tuple[Element, ui.label, ui.label]] = {}
        words = visit.words
        with root:
            self._live = ui.label("").classes("sr-only").props("role=status aria-live=polite")
            self._note = ui.label(words("queue.loading")).classes("queue-note")
            for group in GROUPS:
                with el("section", f"group group-{group}", aria_label=words(f"group.{group}")) as section:
                    with el("h2", "group-head"):
                        el("span", "", words(f"group.{group}"))
                        count = ui.label("0").classes("count").props(f'data-testid="count-{group}"')
                    self._lists[group] = KeyedList(el("div", "rows"), self._make, self._fill)
                    more = ui.label("").classes("muted more")
                self._heads[group] = (section, count, more)

    async def render(self) -> None:
        """Show the board as it is now."""
        visit, desk = self._visit, self._visit.desk
        if not desk.reader.caught_up:
            return
        sections, counts = desk.board.sections(visit.staff.id), desk.board.counts(visit.staff.id)
        await desk.names.learn(row.customer for rows in sections.values() for row in rows)
        for group in GROUPS:
            section, count, more = self._heads[group]
            entries = [self._entry(row, group) for row in sections[group]]
            self._lists[group].sync([(entry.row.id, entry) for entry in entries])
            count.text = str(counts[group])
            hidden = counts[group] - len(entries)
            more.text = visit.words("queue.more", count=hidden) if hidden else ""
            section.set_visibility(bool(entries))
        waits = bool(sections["waiting"])
        self._note.text = "" if waits else visit.words("queue.empty" if desk.board.rows else "queue.none")
        self._note.set_visibility(not waits)
        self._announce(sections["waiting"])

    def _entry(self, row: Row, group: Group) -> _Entry:
        visit, words = self._visit, self._visit.words
        if group == "waiting" and row.waiting_since:
            when = words("queue.waits", span=words.span(visit.now() - row.waiting_since))
        else:
            when = visit.time(row.last) if row.last else ""
        return _Entry(row, visit.desk.names.of(row, words), when, row.id == self._view.id, group)

    def _make(self, key: Hashable) -> Element:
        conversation = ConversationId(str(key))
        row = el("button", "entry", type="button", data_testid="queue-item", data_conversation=conversation)
        return row.on("click", lambda: self.choose(conversation), [])

    def _fill(self, element: Element, entry: _Entry) -> None:
        row, words = entry.row, self._visit.words
        element.props["aria-current"] = "true" if entry.chosen else "false"
        with el("span", "row-top"):
            el("span", "row-name", entry.name)
            if row.unanswered:
                el("span", "chip accent", words("queue.unanswered"))
            el("span", "row-lang", words(f"short.{row.language}"), title=words(f"language.{row.language}"))
            el("span", "row-when", entry.when)
        with el("span", "row-chips"):
            if row.mood is not None:
                mood_chip(row.mood, words)
            for reason in row.reasons if entry.group in {"waiting", "mine"} else ():
                el("span", "chip reason", words.code("reason", reason))
            if entry.group == "colleagues":
                el("span", "chip", words("queue.with", name=row.staff_name))
        if row.text:
            el("span", "row-text", row.text)

    def _announce(self, waiting: list[Row]) -> None:
        """Say who began to wait since the last look; the first look only counts."""
        visit, words = self._visit, self._visit.words
        badge = f"({len(waiting)}) " if waiting else ""
        title = f"{badge}{words('title.desk')} · Amends"
        if visit.client.title != title:
            ui.page_title(title)
        now = {row.id for row in waiting}
        if self._seen is not None:
            for row in waiting:
                if row.id not in self._seen:
                    said = words(
                        "queue.new", name=visit.desk.names.of(row, words), reasons=reasons(row.reasons, words)
                    )
                    self._live.text = said
                    ui.notify(said, position="top-right", color="accent", timeout=6000)
        self._seen = now

    async def choose(self, conversation: ConversationId) -> None:
        """Open a conversation on the right."""
        if not self._visit.allowed():
            return
        await self._view.show(conversation)
        ui.navigate.history.replace(f"/desk?c={conversation}")
        await self.render()


async def desk_page(visit: Visit, conversation: str) -> None:
    """Build the desk and follow the log for as long as the page is open."""
    left = el("aside", "queue", aria_label=visit.words("queue.label"))
    right = el("section", "view", aria_label=visit.words("view.label"))
    view = ConversationView(visit, right)
    queue = Queue(visit, left, view)
    news = asyncio.Event()
    visit.client.on_delete(visit.desk.reader.listen(news.set))

    async def follow() -> None:
        with right:
            await visit.arrive()
            if conversation:
                await view.show(ConversationId(conversation))
            while True:
                news.clear()
                await queue.render()
                with contextlib.suppress(LogUnavailable):
                    await view.keep_up()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_SECONDS):
                        await news.wait()

    visit.keep(follow(), "desk:page")
