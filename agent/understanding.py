"""What a message asks for: the types and the port. ``agent.understand_e5`` is the first reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.events import Intent
from agent.ids import Language, OrderId


@dataclass(frozen=True)
class Understanding:
    """A message, read.

    Attributes:
        intents: One or more, strongest first.
        confidence: 0 to 1, of the first intent.
        language: Of the message, not of the page.
        order: An order number in the text, normalised (``FW-104233``).
        also: Further order numbers in the text.
        email: An e-mail address in the text, lower case.
        code: A six-digit one-time code in the text.
        slots: ``reason``, ``product``, ``variant``, ``line``, ``address`` … as found.
        topics: Risky topics: ``legal``, ``safety``, ``injury``, ``press``, ``leaving``.
        query: The question for retrieval, made to stand alone where the conversation allows.
    """

    intents: tuple[Intent, ...]
    confidence: float
    language: Language
    order: OrderId | None = None
    email: str | None = None
    code: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict)
    topics: tuple[str, ...] = ()
    query: str = ""
    also: tuple[OrderId, ...] = ()


@dataclass(frozen=True)
class Said:
    """One earlier line of the conversation. ``who`` is ``shopper``, ``assistant`` or ``staff``."""

    who: str
    text: str


class Reader(Protocol):
    """Reads a shopper's message (a burst is joined by newlines)."""

    @property
    def name(self) -> str:
        """Name and version."""

    async def understand(self, text: str, *, earlier: Sequence[Said] = ()) -> Understanding:
        """Read ``text`` in the light of ``earlier``, oldest first. Never raises on odd input."""
