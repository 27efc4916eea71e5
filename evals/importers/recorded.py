"""A recorded conversation as a scenario: the shopper's own steps, and what came of them.

What came of them is a draft of what must hold: a person reads it, corrects it and gives it a
name before it becomes part of a suite. Personal data is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent import events as ev
from agent.events import Event
from agent.personal import find
from evals.replay import steps
from evals.scenario import Change, Expect, Handoff, Say, Scenario, Shopper, Staff, Step
from evals.world import done
from retention.scoring import customer_of


class NothingRecorded(Exception):
    """The conversation holds no word of a shopper."""


def recorded(events: Sequence[Event]) -> Scenario:
    """Make a scenario of a conversation.

    Raises:
        NothingRecorded: The shopper wrote nothing.
    """
    started = next((e.body for e in events if isinstance(e.body, ev.ConversationStarted)), None)
    script = tuple(_masked(step) for step in steps(events))
    if started is None or not any(isinstance(step, Say) for step in script):
        raise NothingRecorded("the shopper wrote nothing in this conversation")
    reasons = [reason for e in events if isinstance(e.body, ev.HandoffRequested) for reason in e.body.reasons]
    return Scenario(
        id=events[0].conversation.lower(),
        about="Recorded; what must hold is what came of it then: read and correct it.",
        area="long",
        language=started.language,
        now=events[0].at,
        shopper=Shopper(customer=customer_of(events) or "visitor", goal="As recorded.", script=script),
        expect=Expect(
            changes=tuple(_changes(events)),
            handoff=Handoff(needed="yes", reasons=tuple(dict.fromkeys(reasons))) if reasons else Handoff(),
        ),
    )


def document(scenario: Scenario) -> dict[str, Any]:
    """The scenario as it is written to a file: without what has its default."""
    return scenario.model_dump(mode="json", exclude_defaults=True)


def _changes(events: Sequence[Event]) -> list[Change]:
    return [
        Change(kind=action.kind, order=action.order, arguments=_unnamed(action.arguments))
        for _, action in done(events)
    ]


def _unnamed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A change's arguments without the address in them, whose parts say what they stand for."""
    if "recipient" in arguments:
        return {name: f"<{name}>" if part and name != "country" else part for name, part in arguments.items()}
    return {name: mask(part) if isinstance(part, str) else part for name, part in arguments.items()}


def mask(text: str) -> str:
    """Personal data replaced by its type; order numbers stay, since the conversation is about them."""
    for span in reversed(find(text)):
        if span.type != "order":
            text = f"{text[: span.start]}<{span.type}>{text[span.end :]}"
    return text


def _masked(step: Step) -> Step:
    match step:
        case Say():
            return Say(say=tuple(mask(text) for text in step.texts))
        case Staff() if step.reply:
            return step.model_copy(update={"reply": mask(step.reply)})
        case _:
            return step
