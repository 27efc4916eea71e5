"""What was told on the strength of a text that holds no more: a fold over the log.

Answers name the passages they stand on. A promise names none: it stands on what its own turn
cited. One about an order also stands on what was cited before it: a return is explained, agreed
and confirmed over several turns, and the turn that promises the refund cites nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from agent import events as ev
from agent.changed import Change, TextsNow, plain
from agent.events import Event
from agent.ids import ConversationId, TurnId
from agent.log import ConversationLog


@dataclass(frozen=True)
class Source:
    """A citation whose text holds no more."""

    passage: str
    title: str
    heading: str
    quote: str
    """The words that were relied on."""
    version: str
    new_version: str | None
    """``None`` when no document has its place."""
    stands: bool
    """Whether the text in its place still holds the quoted words."""


@dataclass(frozen=True)
class Relied:
    """An answer or an open promise that relied on such a text."""

    conversation: ConversationId
    seq: int
    at: datetime
    kind: Literal["answer", "promise"]
    said: str
    due: date | None
    """The day a promise is due, if it has one."""
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class _Promise:
    event: Event
    body: ev.PromiseMade
    sources: tuple[Source, ...]


def relied(
    events: Iterable[Event], changes: Mapping[str, Change], *, since: datetime, today: date
) -> list[Relied]:
    """What one conversation told on the strength of changed passages, in its order.

    Args:
        events: All of the conversation.
        changes: What became of passages, by id; the others hold.
        since: Answers from before are left out. Promises are not, while they are open: one with
            a day until that day is over, one without until a person takes the conversation over
            or it ends.
        today: The shop's day.
    """
    told: list[Relied] = []
    cited: dict[str, Source] = {}
    promises: list[_Promise] = []
    turn: TurnId | None = None
    here: dict[str, Source] = {}
    for event in events:
        match event.body:
            case ev.TurnStarted(turn=started) if started != turn:
                turn, here = started, {}
            case ev.AnswerSent() as answer:
                found = {
                    one.id: _source(one, changes[one.id])
                    for one in answer.citations
                    if one.kind == "passage" and one.id in changes
                }
                here, cited = here | found, cited | found
                if found and event.at >= since:
                    told.append(_relied(event, "answer", answer.text, None, tuple(found.values())))
            case ev.PromiseMade() as promise:
                stood_on = cited if promise.order is not None else here
                if stood_on and (promise.due is None or promise.due >= today):
                    promises.append(_Promise(event, promise, tuple(stood_on.values())))
            case ev.HandoffAccepted() | ev.HandoffReturned() | ev.ConversationClosed():
                promises = [one for one in promises if one.body.due is not None]
            case _:
                pass
    told += [_relied(one.event, "promise", one.body.text, one.body.due, one.sources) for one in promises]
    return sorted(told, key=lambda one: one.seq)


async def changes_since(
    log: ConversationLog, texts: TextsNow, *, since: datetime, today: date
) -> dict[str, Change]:
    """What became of every passage that answers since then, or open promises, may have relied on."""
    changes: dict[str, Change] = {}
    for conversation in await _citing(log, lambda passage: not texts.has(passage), since=since, today=today):
        for event in await log.read(conversation):
            if isinstance(event.body, ev.PassagesFound):
                changes |= {
                    ref.id: change for ref in event.body.passages if (change := texts.change(ref)) is not None
                }
    return changes


async def find_relied(
    log: ConversationLog, changes: Mapping[str, Change], *, since: datetime, today: date
) -> list[Relied]:
    """What all conversations told on the strength of changed passages: promises by day due, then answers.

    Answers come newest first.
    """
    found: list[Relied] = []
    if changes:
        for conversation in await _citing(log, changes.__contains__, since=since, today=today):
            found += relied(await log.read(conversation), changes, since=since, today=today)
    promises = [one for one in found if one.kind == "promise"]
    answers = [one for one in found if one.kind == "answer"]
    return [
        *sorted(promises, key=lambda one: (one.due or date.max, one.at)),
        *sorted(answers, key=lambda one: one.at, reverse=True),
    ]


async def _citing(
    log: ConversationLog, wanted: Callable[[str], bool], *, since: datetime, today: date
) -> list[ConversationId]:
    """Conversations to look at whose answers cite a passage that is wanted."""
    found: dict[ConversationId, None] = {}
    async for event in log.answers(since=since, due=today):
        assert isinstance(event.body, ev.AnswerSent)  # noqa: S101 - what the log promises
        if any(one.kind == "passage" and wanted(one.id) for one in event.body.citations):
            found[event.conversation] = None
    return list(found)


def _source(cited: ev.Citation, change: Change) -> Source:
    return Source(
        passage=cited.id,
        title=cited.title,
        heading=cited.heading,
        quote=cited.quote,
        version=cited.version,
        new_version=change.version,
        stands=bool(cited.quote) and plain(cited.quote) in plain(change.now),
    )


def _relied(
    event: Event, kind: Literal["answer", "promise"], said: str, due: date | None, sources: tuple[Source, ...]
) -> Relied:
    return Relied(
        conversation=event.conversation,
        seq=event.seq,
        at=event.at,
        kind=kind,
        said=said,
        due=due,
        sources=sources,
    )
