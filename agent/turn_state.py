"""What flows along the graph's edges, and what every node may reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from agent import events as ev
from agent.events import EventBody
from agent.ids import OrderId
from agent.mood import Mood
from agent.products.questions import Known
from agent.refunds import Back
from agent.shop.port import Order
from agent.turn_run import Ports, TurnRun
from agent.understanding import Understanding
from retrieval.passages import Found


@dataclass(frozen=True)
class TurnContext:
    """Run-time context of every node."""

    ports: Ports
    run: TurnRun


@dataclass(frozen=True)
class Focus:
    """Which of the shopper's orders a message is about.

    Attributes:
        order: The one, when it is clear.
        beside: Others of the shopper's orders that the message names too.
        choices: In-scope orders it could be, newest first, when it is not.
        named: A number in the text that is not among the shopper's orders.
        down: The shop did not answer.
    """

    order: Order | None = None
    beside: tuple[Order, ...] = ()
    choices: tuple[Order, ...] = ()
    named: OrderId | None = None
    down: bool = False


class TurnState(TypedDict, total=False):
    """State of one turn; every node fills its own part."""

    text: str
    """The shopper's words since the last answer; empty for a click."""
    message: int
    """``seq`` of the newest shopper input."""
    understanding: Understanding
    mood: Mood
    found: Found | None
    """``None`` when nothing was searched, or the index is away."""
    known: Known | None
    """What product data says to the question; ``None`` when nothing."""
    focus: Focus
    facts: tuple[ev.OrderFact, ...]
    back: tuple[Back, ...]
    """What comes back to the shopper; empty when that was not asked, or nothing does."""
    reasons: tuple[ev.HandoffReason, ...]
    """Why a person is needed; empty when none is."""
    out: list[EventBody]
    """What the turn says and does, appended together with its end."""
    outcome: str
