"""One conversation: a shopper and the system take turns until the shopper is done."""

from __future__ import annotations

from typing import Protocol

from agent.ids import ConversationId
from evals.scenario import Step
from evals.shoppers.port import Playing, Wire

LIMIT = 40
"""Steps after which a conversation is cut off, whoever plays."""


class Channel(Protocol):
    """The shopper's side of one open conversation."""

    @property
    def conversation(self) -> ConversationId:
        """Its id in the log."""

    async def do(self, step: Step) -> None:
        """Carry out one step of the shopper (or of staff) and wait until all is answered.

        A button that isn't there can't be pressed: then nothing happens.

        Raises:
            TimeoutError: Nothing settled in time.
        """

    async def heard(self, after: int) -> list[Wire]:
        """What the shopper's connection received after ``seq`` ``after``."""


async def hold(playing: Playing, channel: Channel) -> tuple[int, ...]:
    """Hold the conversation and return the ``seq`` of the first message of each shopper turn.

    Raises:
        TimeoutError: The system did not settle in time.
    """
    turns: list[int] = []
    seen = 0
    for _ in range(LIMIT):
        heard = await channel.heard(seen)
        seen = max([seen, *(int(event["seq"]) for event in heard)])
        step = await playing.act(heard)
        if step is None:
            break
        await channel.do(step)
        fresh = [event for event in await channel.heard(seen) if event["type"] == "message.received"]
        if fresh:
            turns.append(int(fresh[0]["seq"]))
    return tuple(turns)
