"""The queue: one small row per conversation, folded from the log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from agent import events as ev
from agent.conversation import MOVES, Mode
from agent.events import Event
from agent.ids import ConversationId, CustomerId, Language, StaffId
from agent.scope import IdentityLevel

Group = Literal["waiting", "mine", "colleagues", "assistant", "closed"]
GROUPS: tuple[Group, ...] = ("waiting", "mine", "colleagues", "assistant", "closed")
"""The queue's sections, top to bottom."""
SHOWN: dict[Group, int] = {"waiting": 200, "mine": 100, "colleagues": 100, "assistant": 50, "closed": 20}
"""Most rows of a section; who waits is never the one left out first."""

MoodLevel = Literal["upset", "uneasy", "neutral", "pleased"]


def mood_level(value: float) -> MoodLevel:
    """Name a mood ``value`` (-1 to 1). The steps are hand-set: -0.5 is where a second bad turn
    in a row hands over (``agent.handoff``), 0.2 either side of zero says nothing."""
    if value <= -0.5:
        return "upset"
    if value <= -0.2:
        return "uneasy"
    return "neutral" if value < 0.2 else "pleased"


@dataclass(frozen=True)
class Row:
    """What the queue shows of a conversation."""

    id: ConversationId
    head: int = 0
    mode: Mode = "assistant"
    started: datetime | None = None
    last: datetime | None = None
    """When somebody last said something, or somebody took it over or gave it back."""
    language: Language = "en"
    channel: str = "widget"
    level: IdentityLevel = "visitor"
    customer: CustomerId | None = None
    orders: tuple[str, ...] = ()
    reasons: tuple[ev.HandoffReason, ...] = ()
    waiting_since: datetime | None = None
    staff: StaffId | None = None
    staff_name: str = ""
    mood: float | None = None
    mood_seq: int = 0
    text: str = ""
    """The shopper's last words, shortened."""
    unanswered: bool = False
    """The shopper wrote last, and a person has the conversation."""

    def group(self, me: StaffId) -> Group:
        """The section it stands in for ``me``."""
        if self.mode == "staff":
            return "mine" if self.staff == me else "colleagues"
        return "waiting" if self.mode == "waiting" else "closed" if self.mode == "closed" else "assistant"


class Board:
    """Folds events, in log order, into rows."""

    def __init__(self) -> None:
        self.rows: dict[ConversationId, Row] = {}

    def add(self, event: Event) -> None:
        """Take one more event."""
        row = self.rows.get(event.conversation) or Row(event.conversation)
        self.rows[event.conversation] = _apply(row, event)

    def sections(self, me: StaffId) -> dict[Group, list[Row]]:
        """Rows by section: who waits longest first, who wrote to me longest ago and has no
        answer first, then the newest."""
        found: dict[Group, list[Row]] = {group: [] for group in GROUPS}
        for row in self.rows.values():
            found[row.group(me)].append(row)
        for group, rows in found.items():
            if group == "waiting":
                rows.sort(key=lambda row: (row.waiting_since is None, row.waiting_since, row.id))
            else:
                rows.sort(key=lambda row: (row.last is None, row.last, row.id), reverse=True)
                if group == "mine":
                    rows.sort(key=lambda row: not row.unanswered)
            del rows[SHOWN[group] :]
        return found

    def counts(self, me: StaffId) -> dict[Group, int]:
        """How many conversations each section has, shown or not."""
        counts = dict.fromkeys(GROUPS, 0)
        for row in self.rows.values():
            counts[row.group(me)] += 1
        return counts


def _apply(row: Row, event: Event) -> Row:
    body = event.body
    row = replace(row, head=event.seq)
    if body.type in MOVES:
        row = replace(row, mode=MOVES[body.type].get(row.mode, row.mode))
    match body:
        case ev.ConversationStarted():
            return replace(row, started=event.at, last=event.at, language=body.language, channel=body.channel)
        case ev.ConversationIdentified():
            orders = (*row.orders, str(body.order)) if body.order else row.orders
            customer = body.customer or row.customer
            level: IdentityLevel = "customer" if customer else "order" if orders else "visitor"
            return replace(row, customer=customer, orders=orders, level=level)
        case ev.MessageReceived():
            return replace(row, text=_short(body.text), last=event.at, unanswered=row.mode == "staff")
        case ev.AnswerSent():
            return replace(row, last=event.at)
        case ev.ReplySent():
            return replace(row, last=event.at, unanswered=False)
        case ev.MessageUnderstood():
            return replace(row, language=body.language)
        case ev.MoodScored() if body.seq >= row.mood_seq:
            return replace(row, mood=body.scores.positive - body.scores.negative, mood_seq=body.seq)
        case ev.HandoffRequested():
            return replace(
                row,
                reasons=tuple(dict.fromkeys((*row.reasons, *body.reasons))),
                waiting_since=row.waiting_since or event.at,
                last=event.at,
            )
        case ev.HandoffAccepted():
            return replace(row, staff=body.staff, staff_name=body.name, waiting_since=None, last=event.at)
        case ev.HandoffReturned() | ev.ConversationClosed():
            return replace(
                row,
                staff=None,
                staff_name="",
                waiting_since=None,
                reasons=(),
                unanswered=False,
                last=event.at,
            )
        case _:
            return row


def _short(text: str, limit: int = 140) -> str:
    words = " ".join(text.split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
