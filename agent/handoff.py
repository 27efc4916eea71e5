"""When a conversation needs a person, and what that person is given.

The rules are data, read top to bottom; each says why it is there. The packet is a fold:
every line in it points to the event it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent import events as ev
from agent.conversation import Conversation
from agent.events import Event
from agent.texts import text

SOUR = 0.5
"""P(negative) that counts as a bad turn; two in a row hand over."""
UNSUPPORTED = 2
"""Answers in a row with nothing to stand on."""
FAILURES = 3
"""Turns in a row that did not help."""
RISKY = frozenset({"legal", "safety", "injury", "press"})
"""Topics an assistant must not handle alone."""


@dataclass(frozen=True)
class Situation:
    """What the rules look at."""

    intents: tuple[ev.Intent, ...]
    topics: tuple[str, ...]
    negative: float
    """P(negative) of this turn."""
    angry: float
    """P(negative) from which one message alone is enough, by the scorer's own measure."""
    earlier_negative: float
    """P(negative) of the turn before, 0 when there was none since the last hand-back."""
    unsupported: int
    failures: int
    repeated: bool
    """The shopper asks again for what was answered before."""


def reasons(situation: Situation) -> tuple[ev.HandoffReason, ...]:
    """Every rule that says a person is needed, strongest first; empty when none does."""
    found: list[ev.HandoffReason] = []
    if "request_person" in situation.intents:
        found.append("requested")
    if RISKY & set(situation.topics):
        found.append("legal_or_safety")
    if situation.negative >= situation.angry or (
        situation.negative >= SOUR and situation.earlier_negative >= SOUR
    ):
        found.append("mood")
    if situation.unsupported >= UNSUPPORTED:
        found.append("unsupported_answer")
    if situation.failures >= FAILURES or (situation.repeated and situation.negative >= SOUR):
        found.append("repeated_failure")
    return tuple(found)


def packet(state: Conversation, events: Sequence[Event], why: Sequence[ev.HandoffReason]) -> ev.HandoffPacket:
    """Fold the conversation into what a person needs to go on without asking again."""
    recent = [event for event in events if event.seq > state.since_handback]
    language = state.language
    wants = [line.text for line in state.lines if line.who == "shopper" and line.seq > state.since_handback]
    tried: list[ev.PacketFact] = []
    facts: dict[str, ev.PacketFact] = {}  # by what they are about: the latest reading counts
    promises: list[ev.PacketFact] = []
    for event in recent:
        body = event.body
        match body:
            case ev.AnswerSent():
                tried.append(ev.PacketFact(text=_short(body.text), seq=event.seq))
            case ev.ActionProposed():
                tried.append(ev.PacketFact(text=body.summary, seq=event.seq))
            case ev.ActionDone():
                facts[body.reference] = ev.PacketFact(text=body.text, seq=event.seq)
            case ev.ActionFailed():
                tried.append(ev.PacketFact(text=f"{body.code}", seq=event.seq))
            case ev.ConversationIdentified():
                facts[f"identity.{event.seq}"] = ev.PacketFact(text=_identified(body), seq=event.seq)
            case ev.PromiseMade():
                promises.append(ev.PacketFact(text=body.text, seq=body.source))
            case ev.OrderFactsRead() | ev.ProductFactsRead():
                for fact in body.facts:
                    facts[fact.id] = ev.PacketFact(text=fact.text, seq=event.seq)
    since = [mood for mood in state.moods if mood.seq > state.since_handback]
    return ev.HandoffPacket(
        customer=state.customer or "",
        identity=state.scope.level,
        wants=_short(" / ".join(wants[-3:]), 400),
        tried=tuple(tried[-6:]),
        facts=tuple(facts.values())[-16:],
        promises=tuple(promises),
        mood=tuple(since),
        suggested=text(f"suggest.{why[0] if why else 'requested'}", language),
    )


def _identified(body: ev.ConversationIdentified) -> str:
    if body.customer:
        return f"signed in as {body.customer}"
    return f"proved order {body.order}"


def _short(words: str, limit: int = 160) -> str:
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
