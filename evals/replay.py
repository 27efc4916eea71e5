"""Run a recorded conversation on from any turn, on another version, and see what differs.

The fold makes this possible: the events before the turn are copied as they were, then the
shopper's own later words and clicks are given to the version under test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from agent import events as ev
from agent.conversation import fold
from agent.events import Event
from agent.ids import ConversationId, new_id
from agent.log_sql import SqlLog
from agent.scope import Scope
from evals.inprocess import InProcessChannel, Version
from evals.records import log_url
from evals.scenario import Expect, PlantedDocument, Press, Say, Scenario, Shopper, Staff, Step, TypeCode, Wait
from evals.target import keep
from evals.world import Stage, World, done
from retention.scoring import customer_of

PAUSE = timedelta(minutes=1)
"""A gap from which on the clock is moved as it was; shorter ones change nothing."""

_FIGURE = re.compile(
    r"\d+(?:[.,:/-]\d+)*\s?(?:%|[€$£°]|[天日月年元周小时分钟克千公斤毫米升]+"
    r"|(?:EUR|USD|GBP|days?|hours?|weeks?|months?|years?|[kmc]?m|k?g|m?l|m?Ah|Wh?|V|h|min)\b)?"
)
"""A number with the unit that gives it its meaning."""


class ReplayInvalid(Exception):
    """The conversation can't be run on from there; the message says why."""


Aside = ev.ConversationIdentified | ev.ConversationClosed
"""What happens to a conversation beside what is said in it."""


@dataclass
class Part:
    """One thing that a person did, and every event up to the next one.

    Attributes:
        step: What they did; signing in and closing are their events, since no script has a step for them.
    """

    step: Step | Aside
    events: list[Event] = field(default_factory=list)


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
    """One moment, then and now."""

    then: Moment
    now: Moment

    @property
    def acts(self) -> bool:
        """Whether something else was done or decided."""
        return self.then.did != self.now.did

    @property
    def facts(self) -> bool:
        """Whether other figures or other sources were given."""
        return (self.then.figures, self.then.sources) != (self.now.figures, self.now.sources)


@dataclass(frozen=True)
class Replayed:
    """A conversation run on: the prefix's length, and moments compared."""

    conversation: ConversationId
    prefix: int
    differences: tuple[Difference, ...]


async def replay(
    events: Sequence[Event],
    *,
    start: int | None = None,
    stage: Stage,
    version: Version,
    folder: Path,
    scenario: Scenario | None,
    planted: tuple[PlantedDocument, ...] = (),
) -> Replayed:
    """Run a conversation on from shopper turn ``start`` (a ``seq``) and compare.

    Args:
        events: The whole conversation.
        start: The shopper's input at or before this ``seq`` is the first to be given anew; an
            earlier one where that can't stand alone (half a burst, a code that was mailed before,
            words to a person). ``None``: the first of all.
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
    then = list(parts(after))
    base = scenario or _recorded(events, tuple(steps(after)))
    placed = base.model_copy(
        update={
            "now": after[0].at,
            "faults": base.faults.model_copy(update={"documents": (*base.faults.documents, *planted)}),
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
        now: list[Part] = []
        try:
            for part in then:
                head = await store.head(conversation)
                if isinstance(part.step, Aside):
                    await store.append(conversation, [part.step], expected=head)
                else:
                    await channel.do(part.step)
                now.append(Part(part.step, await store.read(conversation, after=head)))
        finally:
            await channel.close()
            await store.close()
    pairs = zip(_moments(then), _moments(now), strict=True)
    return Replayed(conversation, cut, tuple(Difference(*pair) for pair in pairs))


def _cut(events: Sequence[Event], start: int | None) -> int:
    """How many events stand before the first shopper input to be given anew."""
    places = [place for place, event in enumerate(events) if _input(event)]
    if start is not None:
        places = [place for place in reversed(places) if events[place].seq <= start]
    for place in places:
        state = fold(events[place].conversation, events[:place])
        mailed = state.codes and any(_accepted(event) for event in events[place:])
        if not (state.pending or state.mode == "staff" or mailed):
            return place
    where = "at all" if start is None else f"up to event {start}"
    raise ReplayInvalid(f"the shopper had not written to the assistant {where}")


def _input(event: Event) -> bool:
    match event.body:
        case ev.MessageReceived() | ev.ActionConfirmed(how="button") | ev.ActionDeclined(why="shopper"):
            return True
        case ev.HandoffRequested(turn=None):
            return True
        case _:
            return False


def _accepted(event: Event) -> bool:
    return isinstance(event.body, ev.CodeChecked) and event.body.accepted


def steps(events: Sequence[Event]) -> Iterator[Step]:
    """What people did in these events, as the steps of a script."""
    for part in parts(events):
        if not isinstance(part.step, Aside):
            yield part.step


def parts(events: Sequence[Event]) -> Iterator[Part]:
    """These events, parted by what people did. What stands before the first is left out."""
    part: Part | None = None
    open_burst = False
    """Whether a message now belongs to the messages before it."""
    for place, event in enumerate(events):
        if (step := _step(event)) is not None:
            joins = isinstance(step, Say) and open_burst
            if part is not None and not joins:
                yield _closed(part)
                if (gap := event.at - events[place - 1].at) >= PAUSE:
                    yield Part(Wait(wait_minutes=gap / timedelta(minutes=1)))
            part = part if part is not None and joins else Part(step)
            open_burst = isinstance(step, Say)
        elif isinstance(event.body, ev.TurnCompleted):
            open_burst = False
        if part is not None:
            part.events.append(event)
    if part is not None:
        yield _closed(part)


def _step(event: Event) -> Step | Aside | None:
    """What a person did, when this event is that."""
    match event.body:
        case ev.MessageReceived():
            return Say(say=event.body.text)
        case ev.ActionConfirmed(how="button"):
            return Press(press="confirm")
        case ev.ActionDeclined(why="shopper"):
            return Press(press="decline")
        case ev.HandoffRequested(turn=None):
            return Press(press="person")
        case ev.HandoffAccepted():
            return Staff(staff="take_over")
        case ev.ReplySent():
            return Staff(reply=event.body.text)
        case ev.HandoffReturned():
            return Staff(staff="hand_back")
        case ev.ConversationIdentified(method="token") | ev.ConversationClosed():
            return event.body
        case _:
            return None


def _closed(part: Part) -> Part:
    """The part with all messages of its burst, or as the one-time code that they were."""
    if isinstance(part.step, Say):
        texts = tuple(event.body.text for event in part.events if isinstance(event.body, ev.MessageReceived))
        code = any(_accepted(event) for event in part.events)
        part.step = TypeCode(code="right") if code else Say(say=texts)
    return part


def _recorded(events: Sequence[Event], script: tuple[Step, ...]) -> Scenario:
    """A scenario for a conversation that came from none."""
    started = next(event.body for event in events if isinstance(event.body, ev.ConversationStarted))
    return Scenario(
        id="recorded",
        about="A recorded conversation.",
        area="long",
        language=started.language,
        shopper=Shopper(customer=customer_of(events) or "visitor", goal="As recorded.", script=script),
        expect=Expect(),
    )


async def _redo(before: Sequence[Event], world: World) -> None:
    """Make the changes that the conversation had made before on the fresh shop."""
    for proposal, action in done(before):
        scope = Scope(orders=frozenset({action.order}))
        await world.shop.perform(scope, action, idempotency_key=proposal)


def moments(events: Sequence[Event]) -> list[Moment]:
    """What the shopper did in these events, each with what came of it."""
    return _moments(list(parts(events)))


def _moments(found: Sequence[Part]) -> list[Moment]:
    named = [(_shown(part), part.events) for part in found]
    return [_moment(words, came) for words, came in named if words]


def _shown(part: Part) -> str:
    """What the shopper did, in words; empty for what others did."""
    match part.step:
        case Say():
            return " / ".join(part.step.texts)
        case TypeCode():
            return "(types the code)"
        case Press():
            return {"confirm": "(confirms)", "decline": "(declines)", "person": "(asks for a person)"}[
                part.step.press
            ]
        case _:
            return ""


def _moment(words: str, events: Sequence[Event]) -> Moment:
    did: list[str] = []
    said: list[str] = []
    sources: list[str] = []
    for event in events:
        match event.body:
            case ev.ActionProposed():
                action = event.body.action
                given = ", ".join(
                    f"{name} {value}" for name, value in sorted(action.arguments.items()) if value
                )
                did.append(f"proposed {action.kind} of {action.order}" + (f" ({given})" if given else ""))
            case ev.ActionDeclined():
                did.append(f"proposal withdrawn: {event.body.why}")
            case ev.ActionDone():
                did.append(f"did {event.body.kind} of {event.body.order}")
            case ev.ActionFailed():
                did.append(f"failed: {event.body.code}")
            case ev.CodeSent():
                did.append(f"mailed a code for {event.body.order}")
            case ev.ConversationIdentified(method="order_code"):
                did.append(f"took {event.body.order} as proven")
            case ev.HandoffRequested():
                did.append(f"handed over: {', '.join(event.body.reasons)}")
            case ev.AnswerSent():
                said.append(event.body.text)
                sources += [citation.title for citation in event.body.citations]
                if event.body.degraded:
                    did.append("answered without the model or the documents")
                if not event.body.supported:
                    did.append("said that it does not know")
                if event.body.asks is not None:
                    did.append(f"asked for details of {event.body.asks.kind}")
    text = "\n".join(said)
    # Marks like [1] are no figures.
    figures = frozenset(match.strip() for match in _FIGURE.findall(re.sub(r"\[\d+\]", "", text)))
    return Moment(words, tuple(did), figures, tuple(dict.fromkeys(sources)), text)
