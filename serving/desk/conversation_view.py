"""The chosen conversation: packet, transcript, what is being written, and what one can do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Hashable
from datetime import datetime, timedelta

from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from agent.conversation import Conversation, fold
from agent.conversations import AlreadyTaken
from agent.errors import AmendsError, ConversationNotFound, LogUnavailable
from agent.events import Citation, Event
from agent.ids import ConversationId, new_id
from agent.live import Delta, TooSlow, Typing, Withdrawn
from serving.desk.elements import button, el, mood_chip, signed
from serving.desk.keyed import KeyedList
from serving.desk.packet import Line, Packet, current_packet, sparkline
from serving.desk.transcript import Item, transcript
from serving.desk.visit import Visit
from serving.desk.words import Words

REPLY_LIMIT = 4000
"""Longest reply or note in characters, as long as a shopper's message may be."""
TYPING_EVERY = timedelta(seconds=2)
"""How often "is typing" is told while somebody types; it fades after some seconds."""
TYPING_FADES = 5.0
AGAIN_SECONDS = 2.0
"""Before looking again when the log did not answer."""
_ENTER = """(e) => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing || e.keyCode === 229) return;
  e.preventDefault();
  emit();
}"""
_SETTLES = frozenset({"turn.started", "turn.completed", "turn.interrupted", "answer.sent"})
"""Events after which provisional text is no longer worth showing."""


class ConversationView:
    """Follows one conversation at a time and shows it in ``root``."""

    def __init__(self, visit: Visit, root: Element) -> None:
        self._visit = visit
        self._root = root
        self.id: ConversationId | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._drafts: dict[ConversationId, tuple[str, str]] = {}
        """Unsent replies: the text and the id it will be stored under."""
        self._typed: datetime | None = None
        self._packet_open = True
        with root:
            _nothing(visit.words("view.none"), visit.words("view.none_hint"))

    # Showing

    async def show(self, conversation: ConversationId) -> None:
        """Show another conversation."""
        if conversation == self.id:
            return
        self._stop()
        self.id = conversation
        self._events: list[Event] = []
        self._state = Conversation(conversation)
        self._packet: Packet | None = None
        self._head: tuple[object, ...] | None = None
        self._text = ""
        self._root.clear()
        known = await self._visit.desk.services.log.head(conversation)
        if self.id != conversation:
            return  # another one was chosen meanwhile
        if not known:
            self.id = None
            with self._root:
                _nothing(self._visit.words("view.missing"), "")
            return
        with self._root:
            self._build(conversation)
        await self._catch_up()
        if self.id == conversation:
            self._task = self._visit.keep(self._follow(conversation), "desk:view")

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def keep_up(self) -> None:
        """Read what another process appended; the bus only tells of this one's events."""
        row = self._visit.desk.board.rows.get(self.id) if self.id else None
        if row is not None and row.head > self._state.head:
            await self._catch_up()

    async def _follow(self, conversation: ConversationId) -> None:
        bus = self._visit.desk.services.bus
        while True:
            try:
                with bus.subscribe(conversation) as items:
                    await self._catch_up()
                    partial = bus.partial(conversation)
                    self._provisional(partial.text if partial else "")
                    async for item in items:
                        match item:
                            case Event():
                                if item.seq > self._state.head:
                                    await self._catch_up()
                                if item.body.type in _SETTLES:
                                    self._provisional("")
                            case Delta():
                                self._provisional(self._text[: item.offset] + item.text)
                            case Withdrawn():
                                self._provisional(self._text[: item.offset])
                            case Typing(who="shopper"):
                                self._shopper_types()
                            case _:
                                pass
            except TooSlow:
                continue
            except AmendsError:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _catch_up(self) -> None:
        async with self._lock:
            conversation = self.id
            if conversation is None:
                return
            events = await self._visit.desk.services.log.read(conversation, after=self._state.head)
            if conversation != self.id:
                return
            if events:
                self._events += events
                self._state = fold(conversation, events, onto=self._state)
            await self._visit.desk.names.learn([self._state.customer])
            self._render()

    def _build(self, conversation: ConversationId) -> None:
        words = self._visit.words
        self._header = el("header", "c-head")
        self._packet_place = el("div", "packet-place")
        with el("div", "c-body", id="c-body", tabindex="0", aria_label=words("view.transcript")):
            self._list = KeyedList(el("div", "turns", data_testid="transcript"), _make_turn, self._fill_turn)
            with el("article", "turn assistant live", data_testid="partial") as self._live:
                with el("div", "turn-head"):
                    el("span", "turn-who", words("who.assistant"))
                    el("span", "turn-time", words("view.writing"))
                self._live_text = ui.label("").classes("turn-text")
            self._live.set_visibility(False)
            self._typing = ui.label(words("view.shopper_typing")).classes("typing")
            self._typing.set_visibility(False)
        with el("footer", "composer"):
            self._why = ui.label("").classes("composer-why").props("role=status")
            self._composer(conversation, words)

    def _composer(self, conversation: ConversationId, words: Words) -> None:
        text, _ = self._drafts.setdefault(conversation, ("", new_id("msg")))
        with el("div", "compose-row") as self._reply_row:
            self._reply = (
                ui.textarea(placeholder=words("reply.label"), value=text, on_change=self._typed_reply)
                .props('outlined dense autogrow data-testid="reply" rows=1')
                .classes("compose-box")
                .on("keydown", self._send, [], js_handler=_ENTER)
            )
            self._reply.props["aria-label"] = words("reply.label")
            self._reply.props["title"] = words("reply.hint")
            button(words("do.send"), self._send, "primary", data_testid="reply-send")
        with el("div", "compose-row note-row"):
            self._note = (
                ui.textarea(placeholder=words("note.label"))
                .props('outlined dense autogrow data-testid="note" rows=1')
                .classes("compose-box note-box")
                .on("keydown", self._add_note, [], js_handler=_ENTER)
            )
            self._note.props["aria-label"] = words("note.label")
            button(words("do.note"), self._add_note, "", data_testid="note-send")

    # Rendering

    def _render(self) -> None:
        state, words = self._state, self._visit.words
        head = (state.mode, state.staff, state.staff_name, state.scope, state.language, bool(state.customer))
        if head != self._head:
            self._head = head
            self._header.clear()
            with self._header:
                self._fill_header()
            self._allow()
        packet = current_packet(state, self._events, words)
        if packet != self._packet:
            self._packet = packet
            self._packet_place.clear()
            if packet is not None:
                with self._packet_place:
                    self._fill_packet(packet)
        self._list.sync([(item.seq, item) for item in transcript(self._events, words)])

    @property
    def _mine(self) -> bool:
        return self._state.mode == "staff" and self._state.staff == self._visit.staff.id

    def _fill_header(self) -> None:
        state, words = self._state, self._visit.words
        mode = "mine" if self._mine else "colleague" if state.mode == "staff" else state.mode
        with el("div", "c-who"):
            el("h1", "", self._visit.desk.names.shopper(state.customer, state.id, words))
            with el("div", "row-chips"):
                el(
                    "span",
                    f"chip mode-{mode}",
                    words(f"view.mode.{mode}", name=state.staff_name),
                    data_testid="mode",
                )
                el("span", "chip faint", words(f"level.{state.scope.level}"))
                el("span", "chip faint", words(f"language.{state.language}"))
        with el("div", "c-do"):
            if mode == "colleague":
                button(
                    words("do.take_from", name=state.staff_name), lambda: self._ask_colleague(state.staff_name),
                    "", data_testid="take-over",
                )  # fmt: skip
            elif mode != "mine":
                button(words("do.take_over"), self._take_over, "primary", data_testid="take-over")
            if mode == "mine":
                button(words("do.hand_back"), self._hand_back, "", data_testid="hand-back")
                with button(None, lambda: None, "icon", aria_label=words("do.more"), title=words("do.more")):
                    ui.icon("expand_more").props("aria-hidden=true")
                    with ui.menu():
                        ui.menu_item(words("do.hand_back_note"), self._ask_back).props(
                            'data-testid="hand-back-note"'
                        )
            if mode not in {"closed", "colleague"}:
                button(words("do.close"), self._close, "", data_testid="close")

    def _allow(self) -> None:
        """Let only the person who has the conversation write to the shopper."""
        state, words = self._state, self._visit.words
        why = ""
        if not self._mine:
            held = state.mode == "staff"
            name = (
                "reply.colleague"
                if held
                else "reply.closed"
                if state.mode == "closed"
                else "reply.take_first"
            )
            why = words(name, name=state.staff_name)
        self._why.text = why
        self._why.set_visibility(bool(why))
        self._reply_row.set_visibility(self._mine)
        self._reply.set_enabled(self._mine)

    def _fill_packet(self, packet: Packet) -> None:
        words, state = self._visit.words, self._state
        opened = "" if self._packet_open else None
        with el("details", "packet", data_testid="packet", open=opened).on(
            "toggle", self._fold_packet, js_handler="(e) => emit(e.target.open)"
        ):
            with el("summary"):
                el("h2", "", words("packet.label"))
                for reason in packet.reasons:
                    el("span", "chip reason", words.code("reason", reason))
            with el("div", "packet-next"):
                el("h3", "", words("packet.suggested"))
                el("p", "", packet.suggested)
            with el("div", "packet-grid"):
                for part in ("wants", "facts", "tried"):
                    with el("div", f"packet-part packet-{part}"):
                        el("h3", "", words(f"packet.{part}"))
                        _lines(getattr(packet, part), words("packet.nothing"), words("packet.jump"))
                with el("div", "packet-part"):
                    el("h3", "", words("packet.customer"))
                    name = self._visit.desk.names.shopper(state.customer, state.id, words)
                    email = self._visit.desk.names.email(state.customer) if state.customer else ""
                    el("p", "", " · ".join(filter(None, (name, words(f"level.{packet.identity}"), email))))
                    if packet.mood:
                        el("h3", "", words("packet.mood"))
                        self._sparkline(packet)
                    if packet.promises:
                        el("h3", "", words("packet.promises"))
                        _lines(packet.promises, "", words("packet.jump"))

    def _fold_packet(self, event: GenericEventArguments) -> None:
        self._packet_open = bool(event.args)

    def _sparkline(self, packet: Packet) -> None:
        words = self._visit.words
        points = sparkline(packet.mood)
        label = words(
            "packet.mood_label", count=len(points),
            first=signed(packet.mood[0].value), last=signed(packet.mood[-1].value),
        )  # fmt: skip
        with el("div", "spark-row"):
            with el("svg", "spark", viewBox="0 0 160 36", role="img", aria_label=label):
                el("line", "spark-zero", x1="0", x2="160", y1="18", y2="18")
                el("polyline", "spark-line", points=" ".join(f"{x},{y}" for x, y in points))
                for point, (x, y) in zip(packet.mood, points, strict=True):
                    dot = el("circle", f"spark-dot spark-{'low' if point.value <= -0.2 else 'ok'}", r="3.5")
                    dot.props["cx"], dot.props["cy"] = str(x), str(y)
                    dot.on("click", js_handler=f"() => amendsJump({point.seq})")
            mood_chip(packet.mood[-1].value, words)

    def _fill_turn(self, element: Element, item: Item) -> None:
        words = self._visit.words
        element.classes(replace=f"turn {item.kind}")
        time = self._visit.time(item.at)
        if item.kind == "system":
            el("span", "turn-text", item.text)
            el("span", "turn-time", time)
            for line in item.lines:
                el("p", "turn-line", line)
            return
        if item.kind == "lookup":
            with el("details", "lookup"):
                with el("summary", ""):
                    el("span", "", item.text)
                    el("span", "turn-time", time)
                with el("ul"):
                    for line in item.lines:
                        el("li", "", line)
            return
        with el("div", "turn-head"):
            el("span", "turn-who", words("note.label") if item.kind == "note" and not item.who else item.who)
            el("span", "turn-time", time)
            if item.mood is not None:
                chip = mood_chip(
                    item.mood.value, words, title=words("list.separator").join(item.mood.reasons)
                )
                chip.props["tabindex"] = "0"
            for hint in item.hints:
                el("span", "hint", hint)
            if item.state:
                group = "offer" if item.kind == "offer" else "change"
                el("span", f"chip state-{item.state}", words.code(group, item.state))
        el("p", "turn-text", item.text)
        for line in item.lines:
            el("p", "turn-line", line)
        if item.citations:
            with el("ol", "cites"):
                for citation in item.citations:
                    self._citation(citation)

    def _citation(self, citation: Citation) -> None:
        words = self._visit.words
        with el("li"), el("details"):
            with el("summary"):
                el("span", "cite-ref", f"[{citation.ref}]")
                title = " › ".join(filter(None, (citation.title, citation.heading)))
                el("span", "", title or words(f"cite.{citation.kind}"))
                el("span", "hint", words(f"cite.{citation.kind}"))
            el("blockquote", "", citation.quote)
            if citation.version:
                el("span", "hint", citation.version)

    def _provisional(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self._live_text.text = text
            self._live.set_visibility(bool(text))

    def _shopper_types(self) -> None:
        label = self._typing
        label.set_visibility(True)

        def fade() -> None:
            if not label.is_deleted:
                label.set_visibility(False)

        asyncio.get_running_loop().call_later(TYPING_FADES, fade)

    # Doing

    async def _do(self, action: Awaitable[object]) -> bool:
        """Carry out a command; say so plainly when it cannot be."""
        words, problem = self._visit.words, ""
        try:
            await action
        except AlreadyTaken as taken:
            problem = words("error.taken", name=taken.name)
        except ConversationNotFound:
            problem = words("error.not_held")
        except AmendsError:
            problem = words("error.failed")
        with contextlib.suppress(LogUnavailable):
            await self._catch_up()
        if problem:
            with self._root:
                ui.notify(problem, type="warning", position="top", timeout=8000)
        return not problem

    async def _take_over(self) -> None:
        conversation = self.id
        if conversation is None or not self._visit.allowed():
            return
        me = self._visit.staff
        commands = self._visit.desk.services.conversations
        try:
            await commands.take_over(conversation, staff=me.id, name=me.name)
        except AlreadyTaken as taken:
            await self._catch_up()
            self._ask_colleague(taken.name)
            return
        except AmendsError:
            with self._root:
                ui.notify(self._visit.words("error.failed"), type="warning", position="top")
            return
        await self._catch_up()
        self._focus("reply")

    def _ask_colleague(self, name: str) -> None:
        words = self._visit.words
        conversation = self.id

        async def sure() -> None:
            dialog.close()
            if conversation is None or conversation != self.id or not self._visit.allowed():
                return
            me = self._visit.staff
            commands = self._visit.desk.services.conversations
            await self._do(commands.take_over(conversation, staff=me.id, name=me.name, from_colleague=True))
            self._focus("reply")

        title = words("take.title", name=name)
        with self._root, ui.dialog() as dialog, el("div", "sheet", role="alertdialog", aria_label=title):
            el("h2", "", title)
            el("p", "", words("take.body", name=name))
            with el("div", "sheet-actions"):
                button(words("do.cancel"), dialog.close, "quiet")
                button(words("do.take_from", name=name), sure, "primary", data_testid="take-over-confirm")
        dialog.on("hide", dialog.delete)
        dialog.open()

    async def _send(self) -> None:
        conversation, text = self.id, _written(self._reply)
        if conversation is None or not text or not self._visit.allowed():
            return
        if self._too_long(text):
            return
        # The id stays until the reply is stored: pressing twice stores one reply.
        _, message = self._drafts[conversation]
        me = self._visit.staff
        commands = self._visit.desk.services.conversations
        sent = await self._do(
            commands.reply(conversation, staff=me.id, name=me.name, message=message, text=text)
        )
        if sent and self._drafts[conversation][1] == message:
            self._drafts[conversation] = ("", new_id("msg"))
            if conversation == self.id:
                self._reply.value = ""

    async def _add_note(self) -> None:
        conversation, text = self.id, _written(self._note)
        if conversation is None or not text or not self._visit.allowed() or self._too_long(text):
            return
        box = self._note
        box.value = ""
        commands = self._visit.desk.services.conversations
        if not await self._do(commands.note(conversation, staff=self._visit.staff.id, text=text)):
            box.value = text

    def _too_long(self, text: str) -> bool:
        if len(text) <= REPLY_LIMIT:
            return False
        words = self._visit.words
        ui.notify(words("reply.too_long", count=len(text), limit=REPLY_LIMIT), type="warning", position="top")
        return True

    async def _hand_back(self, note: str = "") -> None:
        if self.id is not None and self._visit.allowed():
            commands = self._visit.desk.services.conversations
            await self._do(commands.hand_back(self.id, staff=self._visit.staff.id, note=note))

    def _ask_back(self) -> None:
        words = self._visit.words

        async def back() -> None:
            dialog.close()
            await self._hand_back(_written(note)[:REPLY_LIMIT])

        title = words("back.title")
        with self._root, ui.dialog() as dialog, el("div", "sheet", role="dialog", aria_label=title):
            el("h2", "", title)
            note = ui.textarea(words("back.note")).props(
                'outlined autogrow autofocus data-testid="hand-back-text"'
            )
            with el("div", "sheet-actions"):
                button(words("do.cancel"), dialog.close, "quiet")
                button(words("do.hand_back"), back, "primary", data_testid="hand-back-confirm")
        dialog.on("hide", dialog.delete)
        dialog.open()

    async def _close(self) -> None:
        if self.id is not None and self._visit.allowed():
            await self._do(self._visit.desk.services.conversations.close(self.id, by="staff"))

    def _typed_reply(self) -> None:
        if self.id is None:
            return
        text = str(self._reply.value or "")
        self._drafts[self.id] = (text, self._drafts[self.id][1])
        now = self._visit.now()
        if text and self._mine and (self._typed is None or now - self._typed >= TYPING_EVERY):
            self._typed = now
            self._visit.desk.services.bus.publish(Typing(self.id, "staff"))

    def _focus(self, testid: str) -> None:
        self._visit.client.run_javascript(f"amendsFocus({testid!r})")


def _make_turn(key: Hashable) -> Element:
    return el("article", "turn", data_seq=str(key), tabindex="-1")


def _written(box: ui.textarea) -> str:
    """What stands in a box. Half a character, which no database takes, becomes a question mark."""
    return str(box.value or "").strip().encode("utf-8", "replace").decode()


def _nothing(title: str, hint: str) -> None:
    with el("div", "nothing"):
        ui.icon("forum").props("aria-hidden=true")
        el("p", "nothing-title", title)
        if hint:
            el("p", "muted", hint)


def _lines(lines: tuple[Line, ...], nothing: str, jump: str) -> None:
    if not lines:
        el("p", "muted", nothing)
        return
    with el("ul", "packet-lines"):
        for line in lines:
            with el("li"):
                el(
                    "button", "packet-line", line.text, type="button", title=jump, data_to_seq=str(line.seq)
                ).on("click", js_handler=f"() => amendsJump({line.seq})")
