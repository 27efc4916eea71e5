"""Read the log and fold a conversation: who answers, how it felt, what was said and done.

    python examples/read_log.py sqlite:///.amends/log.db [CONVERSATION]

Without a conversation it takes the latest. It only reads, so it may run beside the server.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from agent import events as ev
from agent.conversation import fold
from agent.events import Event
from agent.ids import ConversationId
from agent.log_sql import SqlLog


def told(events: list[Event]) -> Iterator[str]:
    """Tell a conversation, line by line, from its events and from nothing else."""
    state = fold(events[0].conversation, events)
    yield f"{state.id}: {state.head} events, {state.mode} answers, {state.scope.level}"
    moods = {mood.seq: mood.value for mood in state.moods}
    for event in events:
        match event.body:
            case ev.MessageReceived(text=text):
                mood = f" (mood {moods[event.seq]:+.2f})" if event.seq in moods else ""
                yield f"{event.seq:4} shopper: {text}{mood}"
            case ev.AnswerSent(text=text, citations=citations):
                yield f"{event.seq:4} assistant: {text} ({len(citations)} citations)"
            case ev.ReplySent(name=name, text=text):
                yield f"{event.seq:4} {name}: {text}"
            case ev.ActionDone(kind=kind, order=order):
                yield f"{event.seq:4} done: {kind} {order}"
            case ev.HandoffRequested(reasons=reasons):
                yield f"{event.seq:4} needs a person: {', '.join(reasons)}"
            case ev.SignalRaised(kind=signal, strength=strength):
                yield f"{event.seq:4} signal: {signal} {strength:.1f}"
            case _:
                pass


async def main(url: str, conversation: str | None) -> None:
    """Print one conversation."""
    log = SqlLog(url, clock=lambda: datetime.now(UTC))
    try:
        chosen = [ConversationId(conversation)] if conversation else await log.latest(limit=1)
        events = await log.read(chosen[0]) if chosen else []
    finally:
        await log.close()
    if not events:
        sys.exit("no such conversation in this log")
    for line in told(events):
        print(line)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python examples/read_log.py URL [CONVERSATION]")
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None))
