"""Run a recorded conversation on from any turn, on another version, and see what differs.

The fold makes this possible: the events before the turn are copied as they were, then the
shopper's own later words and clicks are given to the version under test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent import events as ev
from agent.events import Event
from agent.ids import ConversationId, OrderId, new_id
from agent.log_sql import SqlLog
from agent.scope import Scope
from agent.shop.port import OrderAction
from evals.dialogue import hold
from evals.inprocess import InProcessChannel, Version
from evals.records import log_url
from evals.scenario import Expect, PlantedDocument, Press, Say, Scenario, Shopper, Staff, Step, TypeCode, Wait
from evals.shoppers.scripted import ScriptedShopper
from evals.target import keep
from evals.world import Stage, World

PAUSE = timedelta(minutes=1)
"""A gap from which on the clock is moved as it was; shorter ones change nothing."""

_FIGURE = re.compile(r"\d+(?:[.,:/-]\d+)*\s?(?:%|[a-zA-Z€$£°]{1,4}\b|[天日月年元周小时分钟克千公斤毫米升]+)?")


class ReplayInvalid(Exception):
    """The conversation can't be run on from there; the message says why."""


@dataclass(frozen=True)
class Moment:
    """What came of one thing the shopper did.

    Attributes:
        shopper: What they wrote or pressed.
        did: What was done or decided, in words: proposals, changes, hand-overs, refusals.
        figures: Figures that were told.
        sources: Titles that were cited.
        said: The answer's text.
    """

    shopper: str
    did: tuple[str, ...]
    figures: frozenset[str]
    sources: tuple[str, ...]
    said: str


@dataclass(frozen=True)
class Difference:
    """One moment, then and now. ``None`` where one side has none any more."""

    then: Moment | None
    now: Moment | None

    @property
    def acts(self) -> bool:
        """Whether something else was done or decided."""
        return self._of("did") is not None

    @property
    def facts(self) -> bool:
        """Whether other figures or other sources were given."""
        return self._of("figures") is not None or self._of("sources") is not None

    def _of(self, name: str) -> tuple[object, object] | None:
        then, now = getattr(self.then, name, None), getattr(self.now, name, None)
        return None if then == now else (then, now)


@dataclass(frozen=True)
class Replayed:
    """A conversation run on: the prefix's length, and moments compared."""

    conversation: ConversationId
    prefix: int
    differences: tuple[Difference, ...]


async def replay(
    events: Sequence[Event],
    *,
    start: int,
    stage: Stage,
    version: Version,
    folder: Path,
    scenario: Scenario | None,
    planted: tuple[PlantedDocument, ...] = (),
) -> Replayed:
    """Run a conversation on from shopper turn ``start`` (a ``seq``) and compare.

    Args:
        events: The whole conversation.
        start: The shopper's input at or before this ``seq`` is the first to be given anew.
        stage: Where it takes place. What the conversation itself had changed before is made
            again when ``scenario`` is given; else the stage is a copy of the shop as it is.
        version: What it is run on.
        folder: A run's folder, whose log gets the new conversation.
        scenario: The scenario it came from, if any: its faults hold again.
        planted: Documents to lay over the shop's own.

    Raises:
        ReplayInvalid: There is no shopper input at or before ``start``.
    """
    cut = _cut(events, start)
    before, after = events[:cut], events[cut:]
    script = tuple(steps(after))
    base = scenario or _recorded(events, script)
    placed = base.model_copy(
        update={
            "now": after[0].at,
            "faults": base.faults.model_copy(update={"documents": (*base.faults.documents, *planted)}),
            "shopper": base.shopper.model_copy(update={"script": script, "wishes": ()}),
        }
    )
    async with stage.world(placed) as world:
        if scenario is not None:
            await _redo(before, world)
        world.turn = sum(1 for step in steps(before) if isinstance(step, Say | TypeCode))
        conversation = await keep(folder, before, conversation=ConversationId(new_id("conv")))
        store = SqlLog(log_url(folder), clock=world.clock)
        channel = InProcessChannel(placed, world, version, store)
        channel.go_on(conversation, after=cut)
        try:
            await hold(ScriptedShopper(placed), channel)
        finally:
            await channel.close()
        try:
            now = await store.read(conversation, after=cut)
        finally:
            await store.close()
    return Replayed(conversation, cut, tuple(compare(moments(after), moments(now))))


def _cut(events: Sequence[Event], start: int) -> int:
    """How many events stand before the shopper input that begins the turn at ``start``."""
    cut = None
    settled = True
    for place, event in enumerate(events):
        if event.seq > start:
            break
        if settled and _input(event):
            cut = place
        if isinstance(event.body, ev.MessageReceived):
            settled = False  # what follows belongs to the same burst until a turn has ended
        if isinstance(event.body, ev.TurnCompleted | ev.HandoffAccepted):
            settled = True
    if cut is None:
        raise ReplayInvalid(f"the shopper had not written anything up to event {start}")
    return cut


def _input(event: Event) -> bool:
    match event.body:
        case ev.MessageReceived() | ev.ActionConfirmed(how="button") | ev.ActionDeclined(why="shopper"):
            return True
        case ev.HandoffRequested(turn=None):
            return True
        case _:
            return False


def steps(events: Sequence[Event]) -> Iterator[Step]:
    """What people did in these events, as the steps of a script."""
    burst: list[str] = []
    last: datetime | None = None
    accepted = {
        event.seq for event in events if isinstance(event.body, ev.CodeChecked) and event.body.accepted
    }
    for event in events:
        step: Step | None = None
        match event.body:
            case ev.MessageReceived():
                if not burst and last is not None and event.at - last >= PAUSE:
                    yield Wait(wait_minutes=(event.at - last) / timedelta(minutes=1))
                burst.append(event.body.text)
            case ev.CodeChecked() if event.seq in accepted and burst:
                burst = []
                step = TypeCode(code="right")
            case ev.TurnCompleted() if burst:
                step = Say(say=tuple(burst))
            case ev.ActionConfirmed(how="button"):
                step = Press(press="confirm")
            case ev.ActionDeclined(why="shopper"):
                step = Press(press="decline")
            case ev.HandoffRequested(turn=None):
                step = Press(press="person")
            case ev.HandoffAccepted():
                step = Staff(staff="take_over")
            case ev.ReplySent():
                step = Staff(reply=event.body.text)
            case ev.HandoffReturned():
                step = Staff(staff="hand_back")
        if step is not None:
            if burst and not isinstance(step, Say):
                yield Say(say=tuple(burst))
            burst = []
            yield step
        last = event.at
    if burst:
        yield Say(say=tuple(burst))


def _recorded(events: Sequence[Event], script: tuple[Step, ...]) -> Scenario:
    """A scenario for a conversation that came from none."""
    started = next(event.body for event in events if isinstance(event.body, ev.ConversationStarted))
    customers = [
        event.body.customer
        for event in events
        if isinstance(event.body, ev.ConversationIdentified) and event.body.customer
    ]
    return Scenario(
        id="recorded",
        about="A recorded conversation.",
        area="long",
        language=started.language,
        shopper=Shopper(
            customer=customers[0] if customers else "visitor", goal="As recorded.", script=script
        ),
        expect=Expect(),
    )


async def _redo(before: Sequence[Event], world: World) -> None:
    """Make the changes that the conversation had made before on the fresh shop."""
    proposals = {
        event.body.proposal: event.body for event in before if isinstance(event.body, ev.ActionProposed)
    }
    for event in before:
        if isinstance(event.body, ev.ActionDone) and event.body.proposal in proposals:
            action = proposals[event.body.proposal].action
            await world.shop.perform(
                Scope(orders=frozenset({OrderId(action.order)})),
                OrderAction(kind=action.kind, order=action.order, arguments=action.arguments),
                idempotency_key=event.body.proposal,
            )


def moments(events: Sequence[Event]) -> list[Moment]:
    """What the shopper did in these events, each with what came of it."""
    found: list[tuple[str, list[Event]]] = []
    for event in events:
        match event.body:
            case ev.MessageReceived() if found and not any(_ends(e) for e in found[-1][1]):
                found[-1] = (f"{found[-1][0]} / {event.body.text}", found[-1][1])
            case ev.MessageReceived():
                found.append((event.body.text, []))
            case ev.ActionConfirmed(how="button"):
                found.append(("(confirms)", []))
            case ev.ActionDeclined(why="shopper"):
                found.append(("(declines)", []))
            case ev.HandoffRequested(turn=None):
                found.append(("(asks for a person)", [event]))
            case _ if found:
                found[-1][1].append(event)
    return [_moment(words, came) for words, came in found]


def _ends(event: Event) -> bool:
    return isinstance(event.body, ev.TurnCompleted | ev.HandoffAccepted)


def _moment(words: str, events: Sequence[Event]) -> Moment:
    did: list[str] = []
    said: list[str] = []
    sources: list[str] = []
    for event in events:
        match event.body:
            case ev.ActionProposed():
                did.append(f"proposed {event.body.action.kind} of {event.body.action.order}")
            case ev.ActionDone():
                did.append(f"did {event.body.kind} of {event.body.order}")
            case ev.ActionFailed():
                did.append(f"failed: {event.body.code}")
            case ev.HandoffRequested():
                did.append(f"handed over: {', '.join(event.body.reasons)}")
            case ev.AnswerSent():
                said.append(event.body.text)
                sources += [citation.title for citation in event.body.citations]
                if not event.body.supported:
                    did.append("said that it does not know")
                if event.body.asks is not None:
                    did.append(f"asked for details of {event.body.asks.kind}")
    text = "\n".join(said)
    # Marks like [1] are no figures.
    figures = frozenset(match.strip() for match in _FIGURE.findall(re.sub(r"\[\d+\]", "", text)))
    return Moment(words, tuple(did), figures, tuple(dict.fromkeys(sources)), text)


def compare(then: Sequence[Moment], now: Sequence[Moment]) -> Iterator[Difference]:
    """Moments side by side; the shopper's own steps are the same, so their order is."""
    for place in range(max(len(then), len(now))):
        yield Difference(then[place] if place < len(then) else None, now[place] if place < len(now) else None)
