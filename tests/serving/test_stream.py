"""What one connection is sent, whatever order wake-ups come in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events as ev
from agent.events import Event, EventBody, for_shopper
from agent.ids import ConversationId, StaffId, TurnId
from agent.live import Delta, Live, LocalBus, Withdrawn
from serving.frames import DeltaFrame, EventFrame, ServerFrame, WithdrawnFrame
from serving.stream import Gap, Stream

CONVERSATION = ConversationId("conv_1")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Client:
    """Applies frames by the protocol's rules."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.text = ""

    def take(self, frames: list[ServerFrame]) -> None:
        for frame in frames:
            match frame:
                case EventFrame(event=event):
                    self.seqs.append(event["seq"])
                    if event["type"] in {"turn.started", "turn.interrupted"}:
                        self.text = ""
                case DeltaFrame(offset=offset, text=text):
                    self.text = self.text[:offset] + text
                case WithdrawnFrame(offset=offset):
                    self.text = self.text[:offset]


class World:
    """A log and a bus that random steps are done to."""

    def __init__(self) -> None:
        self.log: list[Event] = []
        self.bus = LocalBus()
        self.queue: list[Live] = []
        self.turn: TurnId | None = None
        self.text = ""

    def append(self, body: EventBody) -> None:
        event = Event(conversation=CONVERSATION, seq=len(self.log) + 1, at=NOON, body=body)
        self.log.append(event)
        self.publish(event)

    def publish(self, item: Live) -> None:
        self.bus.publish(item)
        self.queue.append(item)

    def step(self, step: tuple[str, int]) -> None:
        kind, n = step
        match kind:
            case "start":
                self.turn, self.text = TurnId(f"turn_{n}"), ""
                self.append(ev.TurnStarted(turn=self.turn, upto=1))
            case "end" if self.turn:
                self.append(ev.TurnCompleted(turn=self.turn, outcome="answered"))
                self.turn, self.text = None, ""
            case "hidden":
                self.append(ev.NoteAdded(staff=StaffId("dana"), text="x"))
            case "delta" if self.turn:
                at = min(n, len(self.text))
                piece = "远行ab"[: n + 1]
                self.text = self.text[:at] + piece
                self.publish(Delta(CONVERSATION, self.turn, at, piece))
            case "withdraw" if self.turn:
                self.text = self.text[:n]
                self.publish(Withdrawn(CONVERSATION, self.turn, n, "unsupported"))


steps = st.lists(
    st.tuples(
        st.sampled_from(["start", "end", "hidden", "delta", "delta", "delta", "withdraw", "read"]),
        st.integers(0, 3),
    ),
    max_size=40,
)


def follow(stream: Stream, world: World, client: Client) -> None:
    """What the socket does with one item of the bus."""
    item = world.queue.pop(0)
    if isinstance(item, Event):
        try:
            client.take(stream.events([item]))
        except Gap as gap:
            client.take(stream.events(world.log[gap.last :]))
            client.take(stream.provisional(world.bus.partial(CONVERSATION)))
    else:
        reason = item.reason if isinstance(item, Withdrawn) else ""
        client.take(stream.provisional(world.bus.partial(CONVERSATION), reason=reason))


@given(before=steps, after=steps, lost=st.sets(st.integers(0, 39)))
def test_a_client_ends_with_every_event_once_and_the_text_there_is(
    before: list[tuple[str, int]], after: list[tuple[str, int]], lost: set[int]
) -> None:
    world, client = World(), Client()
    for step in before:
        world.step(step)
    # It joins now; part of what happened is still in its queue, and some wake-ups are lost.
    stream = Stream()
    client.take(stream.events(world.log))
    client.take(stream.provisional(world.bus.partial(CONVERSATION)))
    for n, step in enumerate(after):
        if step[0] == "read":
            if world.queue:
                follow(stream, world, client)
        else:
            world.step(step)
            if n in lost and world.queue and isinstance(world.queue[-1], Event):
                world.queue.pop()
    world.step(("hidden", 0))  # a loss shows when the next event comes
    while world.queue:
        follow(stream, world, client)
    assert client.seqs == [event.seq for event in world.log if for_shopper(event)]
    if world.turn is not None:
        assert client.text == world.text


@given(cut=st.integers(0, 12))
def test_a_resumed_stream_continues_at_any_cut(cut: int) -> None:
    world = World()
    for step in [("start", 1), ("hidden", 0), ("end", 0), ("hidden", 0)] * 3:
        world.step(step)
    whole, part = Client(), Client()
    whole.take(Stream().events(world.log))
    part.take(Stream(last=cut).events(world.log))
    assert part.seqs == [seq for seq in whole.seqs if seq > cut]


def test_a_missing_event_is_a_gap_and_is_never_stepped_over() -> None:
    world = World()
    for step in [("start", 1), ("end", 0), ("hidden", 0)]:
        world.step(step)
    stream = Stream()
    with pytest.raises(Gap) as gap:
        stream.events([world.log[0], world.log[2]])
    assert (gap.value.last, stream.last) == (1, 1)
    with pytest.raises(Gap):
        stream.events([world.log[2]])
    assert [frame.event["seq"] for frame in stream.events(world.log) if isinstance(frame, EventFrame)] == [2]
    assert stream.last == 3


def test_provisional_text_of_a_turn_that_is_not_running_is_not_sent() -> None:
    stream = Stream(last=4, running=TurnId("turn_2"))
    stale: Any = Delta(CONVERSATION, TurnId("turn_1"), 0, "stale")
    assert stream.provisional(stale) == []
    assert stream.provisional(None) == []


def test_a_new_attempt_of_a_turn_starts_its_text_afresh() -> None:
    world, client, stream = World(), Client(), Stream()
    for step in [("start", 1), ("delta", 3), ("delta", 3)]:
        world.step(step)
        follow(stream, world, client)
    assert client.text == world.text != ""
    world.text = ""
    world.append(ev.TurnStarted(turn=TurnId("turn_1"), attempt=2, upto=1))
    world.step(("delta", 0))
    while world.queue:
        follow(stream, world, client)
    assert client.text == "远"
