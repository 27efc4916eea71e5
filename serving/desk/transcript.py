"""A conversation as the desk reads it: its events folded into what stands on the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from agent import events as ev
from agent.events import Citation, Event
from agent.ids import OfferId, ProposalId
from serving.desk.words import Words

Kind = Literal["shopper", "assistant", "staff", "note", "system", "lookup", "change", "offer"]


@dataclass(frozen=True)
class TurnMood:
    """The mood of one shopper message."""

    value: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """One thing on the page; ``seq`` is the event it comes from and its key."""

    seq: int
    at: datetime
    kind: Kind
    text: str
    who: str = ""
    mood: TurnMood | None = None
    citations: tuple[Citation, ...] = ()
    hints: tuple[str, ...] = ()
    """Short words beside it, such as that nothing was found to stand on."""
    lines: tuple[str, ...] = ()
    """More of it, a line each."""
    state: str = ""
    """For a change or an offer: what became of it."""


def transcript(events: Iterable[Event], words: Words) -> list[Item]:
    """Fold ``events`` into the page, in order. Texts are as they were written, never markup."""
    items: dict[int, Item] = {}
    proposals: dict[ProposalId, int] = {}
    offers: dict[OfferId, int] = {}

    def settle(proposal: ProposalId, state: str, line: str = "") -> None:
        if (seq := proposals.get(proposal)) is not None:
            item = items[seq]
            items[seq] = replace(item, state=state, lines=(*item.lines, line) if line else item.lines)

    for event in events:
        seq, at, body = event.seq, event.at, event.body
        match body:
            case ev.MoodScored():
                if body.seq in items:
                    mood = TurnMood(body.scores.positive - body.scores.negative, body.reasons)
                    items[body.seq] = replace(items[body.seq], mood=mood)
            case ev.ActionProposed():
                proposals[body.proposal] = seq
                items[seq] = Item(seq, at, "change", body.summary, who=_change(body, words), state="open")
            case ev.ActionConfirmed():
                settle(body.proposal, "confirmed")
            case ev.ActionDeclined():
                settle(body.proposal, f"declined_{body.why}")
            case ev.ActionDone():
                settle(body.proposal, "done")
                items[seq] = Item(
                    seq, at, "change", body.text, who=words.code("action", body.kind), state="done",
                    lines=(words("change.reference", reference=body.reference),),
                )  # fmt: skip
            case ev.ActionFailed():
                settle(body.proposal, "unknown" if body.unknown else "failed", body.code)
            case ev.OfferMade():
                offers[body.offer] = seq
                items[seq] = Item(
                    seq, at, "offer", body.text, who=words("offer.made", value=body.value), state="open"
                )
            case ev.OfferAnswered():
                if (made := offers.get(body.offer)) is not None:
                    items[made] = replace(items[made], state="taken" if body.taken else "declined")
            case _:
                if (item := _simple(event, words)) is not None:
                    items[seq] = item
    return [items[seq] for seq in sorted(items)]


def _change(body: ev.ActionProposed, words: Words) -> str:
    return f"{words.code('action', body.action.kind)} · {body.action.order}"


def _simple(event: Event, words: Words) -> Item | None:
    """What one event alone puts on the page."""
    seq, at, body = event.seq, event.at, event.body

    def system(name: str, /, **values: object) -> Item:
        return Item(seq, at, "system", words(f"system.{name}", **values))

    match body:
        case ev.MessageReceived():
            return Item(seq, at, "shopper", body.text, who=words("who.shopper"))
        case ev.AnswerSent():
            return _answer(event, body, words)
        case ev.ReplySent():
            return Item(seq, at, "staff", body.text, who=body.name)
        case ev.NoteAdded():
            return Item(seq, at, "note", body.text, who=body.staff.title())
        case ev.OrderFactsRead() if body.facts:
            orders = ", ".join(dict.fromkeys(str(fact.order) for fact in body.facts))
            looked = words("lookup", orders=orders)
            return Item(seq, at, "lookup", looked, lines=tuple(fact.text for fact in body.facts))
        case ev.ProductFactsRead() if body.facts:
            products = ", ".join(dict.fromkeys(fact.title for fact in body.facts))
            looked = words("lookup_product", products=products)
            return Item(seq, at, "lookup", looked, lines=tuple(fact.text for fact in body.facts))
        case ev.ConversationStarted():
            return system("started", channel=words.code("channel", body.channel))
        case ev.ConversationIdentified(customer=str()):
            return system("signed_in")
        case ev.ConversationIdentified():
            return system("proved", order=body.order)
        case ev.TurnInterrupted():
            return system(f"interrupted_{body.by}")
        case ev.PromiseMade():
            return system("promise", text=body.text)
        case ev.SignalRaised():
            return system("signal", kind=words.code("signal", body.kind), strength=f"{body.strength:.0%}")
        case ev.HandoffRequested():
            return system("requested", reasons=reasons(body.reasons, words))
        case ev.HandoffAccepted():
            return system("accepted", name=body.name)
        case ev.HandoffReturned():
            returned = system("returned", name=body.staff.title())
            return replace(returned, lines=(body.note,)) if body.note else returned
        case ev.ConversationClosed():
            return system(f"closed_{body.by}")
        case ev.ConversationRated():
            rated = system("rated", score=body.score)
            return replace(rated, lines=(body.comment,)) if body.comment else rated
        case ev.ChurnScored():
            return system("churn", probability=f"{body.probability:.0%}")
        case ev.OfferWithheld():
            return system("withheld", reason=words.code("withheld", body.reason))
        case ev.CodeSent():
            return system("code_sent", order=body.order)
        case ev.CodeChecked():
            return None if body.accepted else system("code_wrong", order=body.order)
        case _:
            return None


def _answer(event: Event, body: ev.AnswerSent, words: Words) -> Item:
    hints = [words.code("how", body.how)]
    if not body.supported:
        hints.append(words("hint.unsupported"))
    if body.degraded:
        hints.append(words("hint.degraded"))
    if body.withdrawn:
        hints.append(words("hint.withdrawn"))
    return Item(
        event.seq, event.at, "assistant", body.text, who=words("who.assistant"),
        citations=body.citations, hints=tuple(hints),
    )  # fmt: skip


def reasons(codes: Iterable[ev.HandoffReason], words: Words) -> str:
    """Hand-over reasons in words."""
    return words("list.separator").join(words.code("reason", code) for code in codes)
