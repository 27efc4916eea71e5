"""One running turn: what it knows, how it writes to the log, how it speaks before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agent import events as ev
from agent.conversation import Conversation, fold
from agent.errors import SeqConflict
from agent.events import Event, EventBody
from agent.gate import WriteGate
from agent.grounding import Vectors
from agent.ids import TurnId
from agent.live import Bus, Delta, Withdrawn
from agent.log import ConversationLog
from agent.model import LanguageModel
from agent.mood import MoodScorer
from agent.products.questions import ProductQuestions
from agent.proof import OrderProof
from agent.shop.port import Shop
from agent.understanding import Reader, Said
from retrieval.passages import Retriever

RECALL = 8
"""Earlier lines that a message is read with: enough to know what "it" is."""


class Interrupted(Exception):
    """Something came first: the shopper wrote again, or a person took over."""

    def __init__(self, by: Literal["message", "takeover", "closed"]) -> None:
        super().__init__(by)
        self.by = by


@dataclass(frozen=True)
class Ports:
    """Everything a turn reaches, wired once.

    Attributes:
        answerable: Below this probability the question counts as not answered by the
            passages found.
        products: Answers from product data; ``None`` where the shop gives none.
        vectors: Of sentences, for checking claims by meaning; without them words decide.
        passages: Passages given to an answer.
        max_tokens: Longest generated answer.
    """

    reader: Reader
    mood: MoodScorer
    retriever: Retriever
    shop: Shop
    model: LanguageModel
    gate: WriteGate
    proof: OrderProof
    clock: Callable[[], datetime]
    answerable: float = 0.5
    products: ProductQuestions | None = None
    vectors: Vectors | None = None
    passages: int = 4
    max_tokens: int = 160


@dataclass
class TurnMeter:
    """What a turn cost, in seconds since it started and in tokens."""

    first_token: float | None = None
    model_calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass
class TurnRun:
    """A turn while it runs. ``state`` is the fold of everything in the log so far."""

    turn: TurnId
    state: Conversation
    events: list[Event]
    log: ConversationLog
    bus: Bus
    elapsed: Callable[[], float]
    """Seconds since the turn started, from a monotonic clock."""
    meter: TurnMeter = field(default_factory=TurnMeter)
    offset: int = 0
    """Characters of provisional text that stand."""
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Nodes that run in parallel append one after the other."""

    def earlier(self) -> list[Said]:
        """The last lines before the shopper's words that this turn answers, oldest first."""
        burst = {line.seq for line in self.state.said_since(self.state.answered_upto)}
        lines = [line for line in self.state.lines if line.seq not in burst]
        return [Said(line.who, line.text) for line in lines[-RECALL:]]

    async def record(self, *bodies: EventBody) -> list[Event]:
        """Append events of this turn.

        Raises:
            Interrupted: The shopper wrote, or a person took over, since the turn last looked.
        """
        async with self._writing:
            while True:
                try:
                    events = await self.log.append(self.state.id, bodies, expected=self.state.head)
                except SeqConflict:
                    await self.catch_up()
                    continue
                self._absorb(events)
                return events

    async def catch_up(self) -> None:
        """Read what others appended meanwhile; raises ``Interrupted`` when it stops this turn."""
        fresh = await self.log.read(self.state.id, after=self.state.head)
        self._absorb(fresh)
        for event in fresh:
            if (by := stops_turn(event)) is not None:
                raise Interrupted(by)

    def _absorb(self, events: Sequence[Event]) -> None:
        self.events.extend(events)
        self.state = fold(self.state.id, events, onto=self.state)

    def speak(self, text: str) -> None:
        """Show provisional text at once."""
        if not text:
            return
        if self.meter.first_token is None:
            self.meter.first_token = self.elapsed()
        self.bus.publish(Delta(self.state.id, self.turn, self.offset, text))
        self.offset += len(text)

    def take_back(self, offset: int, reason: str) -> None:
        """Withdraw provisional text from ``offset`` on, visibly."""
        self.bus.publish(Withdrawn(self.state.id, self.turn, offset, reason))
        self.offset = offset


def stops_turn(event: Event) -> Literal["message", "takeover", "closed"] | None:
    """Why ``event``, appended by somebody else, stops a running turn; ``None`` if it doesn't."""
    match event.body:
        case ev.MessageReceived():
            return "message"
        case ev.ActionConfirmed(how="button") | ev.ActionDeclined(why="shopper"):
            return "message"
        case ev.HandoffAccepted():
            return "takeover"
        case ev.ConversationClosed():
            return "closed"
        case _:
            return None
