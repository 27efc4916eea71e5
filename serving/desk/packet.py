"""The packet on top of a conversation: what a person needs, each line with its event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent import events as ev
from agent import handoff, texts
from agent.conversation import Conversation
from agent.events import Event, MoodPoint
from agent.scope import IdentityLevel
from serving.desk.words import Words


@dataclass(frozen=True)
class Line:
    """A line and the ``seq`` of the event that shows it."""

    text: str
    seq: int


@dataclass(frozen=True)
class Packet:
    """The packet in the words of who reads it."""

    identity: IdentityLevel
    reasons: tuple[ev.HandoffReason, ...]
    suggested: str
    wants: tuple[Line, ...]
    tried: tuple[Line, ...]
    facts: tuple[Line, ...]
    promises: tuple[Line, ...]
    mood: tuple[MoodPoint, ...]


def current_packet(state: Conversation, events: Sequence[Event], words: Words) -> Packet | None:
    """The packet as of now, or ``None`` while the assistant has the conversation.

    It is folded afresh, so what happened since the hand-over is in it.
    """
    if state.mode not in {"waiting", "staff"}:
        return None
    why = _why(state, events)
    folded = handoff.packet(state, events, why)
    bodies = {event.seq: event.body for event in events}
    asked = [line for line in state.lines if line.who == "shopper" and line.seq > state.since_handback]

    def line(fact: ev.PacketFact) -> Line:
        match bodies.get(fact.seq):
            case ev.ConversationIdentified(customer=str()):
                return Line(words("system.signed_in"), fact.seq)
            case ev.ConversationIdentified() as proved:
                return Line(words("system.proved", order=proved.order), fact.seq)
            case ev.ActionFailed() as failed:
                return Line(words("packet.failed", code=failed.code), fact.seq)
            case _:
                return Line(fact.text, fact.seq)

    return Packet(
        identity=folded.identity,
        reasons=why,
        suggested=texts.text(f"suggest.{why[0] if why else 'requested'}", words.language),
        wants=tuple(Line(said.text, said.seq) for said in asked[-3:]),
        tried=tuple(map(line, folded.tried)),
        facts=tuple(map(line, folded.facts)),
        promises=tuple(map(line, folded.promises)),
        mood=folded.mood,
    )


def _why(state: Conversation, events: Sequence[Event]) -> tuple[ev.HandoffReason, ...]:
    """All reasons since the last hand-back, in the order they came up."""
    return tuple(
        dict.fromkeys(
            reason
            for event in events
            if event.seq > state.since_handback and isinstance(event.body, ev.HandoffRequested)
            for reason in event.body.reasons
        )
    )


def sparkline(
    points: Sequence[MoodPoint], *, width: int = 160, height: int = 36
) -> list[tuple[float, float]]:
    """Coordinates of the mood over time, top = pleased, evenly spaced; one point sits in the middle."""
    inner = width - 8
    step = inner / (len(points) - 1) if len(points) > 1 else 0
    first = 4 if len(points) > 1 else width / 2
    return [
        (round(first + i * step, 1), round(4 + (1 - point.value) / 2 * (height - 8), 1))
        for i, point in enumerate(points)
    ]
