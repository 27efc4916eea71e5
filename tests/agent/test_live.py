"""The bus: nothing dropped in silence, and one who joins late sees the answer so far."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent import events as ev
from agent.events import Event
from agent.ids import ConversationId, TurnId
from agent.live import Delta, LocalBus, TooSlow, Withdrawn

A, B, T = ConversationId("a"), ConversationId("b"), TurnId("t")


async def test_a_subscriber_hears_its_own_conversation_in_order(bus: LocalBus) -> None:
    with bus.subscribe(A) as items, bus.subscribe() as everything:
        bus.publish(Delta(A, T, 0, "x"))
        bus.publish(Delta(B, T, 0, "y"))
        bus.publish(Delta(A, T, 1, "z"))
        assert [(await anext(items)).text for _ in range(2)] == ["x", "z"]  # type: ignore[union-attr]
        assert [(await anext(everything)).text for _ in range(3)] == ["x", "y", "z"]  # type: ignore[union-attr]


async def test_a_reader_that_falls_behind_is_told_so(bus: LocalBus) -> None:
    bus = LocalBus(capacity=2)
    with bus.subscribe(A) as slow:
        for number in range(3):
            bus.publish(Delta(A, T, number, "x"))
        with pytest.raises(TooSlow):
            await anext(slow)


def test_the_partial_answer_is_what_stands_after_deltas_and_withdrawals(bus: LocalBus) -> None:
    bus.publish(Delta(A, T, 0, "Yes. "))
    bus.publish(Delta(A, T, 5, "It flies."))
    bus.publish(Withdrawn(A, T, 5, "no_overlap"))
    bus.publish(Delta(A, T, 5, "It floats."))
    partial = bus.partial(A)
    assert partial is not None
    assert (partial.offset, partial.text) == (0, "Yes. It floats.")


def test_a_settled_or_interrupted_turn_has_no_partial_answer(bus: LocalBus) -> None:
    for body in (
        ev.TurnCompleted(turn=T, outcome="answered"),
        ev.TurnInterrupted(turn=T, by="message"),
        ev.TurnStarted(turn=T, attempt=2, upto=1),
    ):
        bus.publish(Delta(A, T, 0, "Yes"))
        bus.publish(Event(conversation=A, seq=1, at=datetime.now(UTC), body=body))
        assert bus.partial(A) is None
