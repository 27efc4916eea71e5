"""The frames of the wire protocol (``docs/protocol.md``), parsed and made without any I/O."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.conversation import Mode
from agent.ids import ConversationId, Language, OfferId, ProposalId, TurnId

PROTOCOL = 1
MAX_BYTES = 16 * 1024
"""Largest client frame, in bytes of UTF-8: 4,000 characters of any script fit with room to spare."""

Channel = Literal["widget", "terminal", "api", "eval"]
FrameId = Annotated[str, Field(min_length=1, max_length=128)]
"""The client's own name for a frame."""


class Frame(BaseModel):
    """Base of all frames. Types are not converted and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Hello(Frame):
    """The client's first frame."""

    type: Literal["hello"] = "hello"
    token: str | None = None
    conversation: ConversationId | None = None
    key: str | None = None
    after: Annotated[int, Field(ge=0)] = 0
    language: Language = "en"
    channel: Channel = "widget"


class Say(Frame):
    """The shopper wrote."""

    type: Literal["say"] = "say"
    id: FrameId
    text: Annotated[str, Field(min_length=1, max_length=4000)]


class Confirm(Frame):
    """The shopper answers a proposal."""

    type: Literal["confirm"] = "confirm"
    id: FrameId
    proposal: ProposalId
    arguments_hash: str
    answer: Literal["yes", "no"]


class Person(Frame):
    """The shopper wants a person."""

    type: Literal["person"] = "person"
    id: FrameId


class Rate(Frame):
    """The shopper rates the conversation."""

    type: Literal["rate"] = "rate"
    id: FrameId
    score: Annotated[int, Field(ge=1, le=5)]
    comment: Annotated[str, Field(max_length=4000)] = ""


class Offer(Frame):
    """The shopper takes or declines an offer."""

    type: Literal["offer"] = "offer"
    id: FrameId
    offer: OfferId
    taken: bool


class Close(Frame):
    """The shopper ends the conversation."""

    type: Literal["close"] = "close"
    id: FrameId


class ShopperTyping(Frame):
    """The shopper is typing."""

    type: Literal["typing"] = "typing"


class Ping(Frame):
    """Are you there?"""

    type: Literal["ping"] = "ping"


ClientFrame = Hello | Say | Confirm | Person | Rate | Offer | Close | ShopperTyping | Ping
"""Anything a client may send."""

_CLIENT: TypeAdapter[ClientFrame] = TypeAdapter(Annotated[ClientFrame, Field(discriminator="type")])


class Welcome(Frame):
    """The answer to a hello."""

    type: Literal["welcome"] = "welcome"
    conversation: ConversationId
    key: str
    head: int
    mode: Mode
    customer: str | None
    shop: str
    language: Language
    protocol: int = PROTOCOL


class EventFrame(Frame):
    """A stored event, as :func:`agent.events.for_shopper` gives it."""

    type: Literal["event"] = "event"
    event: dict[str, Any]


class CaughtUp(Frame):
    """All stored events up to ``seq`` have been sent."""

    type: Literal["caught_up"] = "caught_up"
    seq: int


class Accepted(Frame):
    """A ``say`` is stored."""

    type: Literal["accepted"] = "accepted"
    id: str
    seq: int


class DeltaFrame(Frame):
    """Provisional answer text."""

    type: Literal["delta"] = "delta"
    turn: TurnId
    offset: int
    text: str


class WithdrawnFrame(Frame):
    """Provisional text from ``offset`` on is taken back."""

    type: Literal["withdrawn"] = "withdrawn"
    turn: TurnId
    offset: int
    reason: str


class TypingFrame(Frame):
    """The other side is typing."""

    type: Literal["typing"] = "typing"
    who: Literal["assistant", "staff"]


class ErrorFrame(Frame):
    """Something did not work; ``message`` may be shown to the shopper."""

    type: Literal["error"] = "error"
    code: str
    message: str
    retry: bool = False
    id: str | None = None


class Pong(Frame):
    """Here."""

    type: Literal["pong"] = "pong"


ServerFrame = (
    Welcome | EventFrame | CaughtUp | Accepted | DeltaFrame | WithdrawnFrame | TypingFrame | ErrorFrame | Pong
)
"""Anything the server may send."""


class BadFrame(Exception):
    """A frame that cannot be understood. ``id`` is the frame's own, where it had one.

    The message never holds what was in the frame.
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__("a frame that cannot be understood")
        self.id = id


def parse(raw: str | bytes | None) -> ClientFrame:
    """Return the client frame in a message.

    Raises:
        BadFrame: Not a text message, too large, no JSON, an unknown type, or wrong fields.
    """
    if not isinstance(raw, str) or len(raw) > MAX_BYTES or len(raw.encode()) > MAX_BYTES:
        raise BadFrame
    try:
        return _CLIENT.validate_json(raw)
    except ValidationError:
        raise BadFrame(_id_of(raw)) from None


def render(frame: Frame) -> str:
    """Return a frame as the text of a message."""
    return json.dumps(frame.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))


def _id_of(raw: str) -> str | None:
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    own = fields.get("id") if isinstance(fields, dict) else None
    return own if isinstance(own, str) and 0 < len(own) <= 128 and own.isprintable() else None


class RateLimit:
    """At most ``frames`` in any ``seconds``. What is refused does not count."""

    def __init__(self, frames: int = 30, seconds: float = 10.0) -> None:
        self._frames = frames
        self._seconds = seconds
        self._taken: list[float] = []

    def allows(self, now: float) -> bool:
        """Take one frame at ``now`` (seconds of a clock that only goes forward) if it fits."""
        self._taken = [at for at in self._taken if now - at < self._seconds]
        if len(self._taken) >= self._frames:
            return False
        self._taken.append(now)
        return True
