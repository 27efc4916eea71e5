"""Answers worth learning from, out of the conversation log.

An answer is taken when the model wrote it, every sentence of it stood, it was followed by no
bad mood, and the conversation was not rated badly. It becomes the exact prompt the model saw
and the words that stood, scrubbed of personal data. What it is used for is up to training.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent import events as ev
from agent.events import Event, PassageRef
from agent.ids import Language
from agent.personal import scrub
from agent.prompts import answer_prompt
from retrieval.passages import Chunk, Passage

__all__ = ["Example", "examples", "scrub"]

GOOD_RATING = 4
"""Of 5; an unrated conversation counts by its moods alone."""
BAD_MOOD = 0.5
"""P(negative) of a later message from which the answer before it is not taken."""

_MARK = re.compile(r"\s*\[\d{1,2}\]")


@dataclass(frozen=True)
class Example:
    """A prompt in the chat format, and the answer to learn."""

    messages: tuple[dict[str, str], ...]
    answer: str
    language: Language
    conversation: str
    turn: str


def examples(events: Sequence[Event]) -> Iterator[Example]:
    """Yield what one conversation teaches. ``events`` is the whole conversation, in order."""
    ratings = [event.body.score for event in events if isinstance(event.body, ev.ConversationRated)]
    if ratings and ratings[-1] < GOOD_RATING:
        return
    found: dict[str, ev.PassagesFound] = {}
    for place, event in enumerate(events):
        body = event.body
        if isinstance(body, ev.PassagesFound):
            found[body.turn] = body
        if not isinstance(body, ev.AnswerSent) or body.how != "generated" or body.withdrawn:
            continue
        source = found.get(body.turn)
        if source is None or _turned_bad(events[place + 1 :]):
            continue
        passages = [Passage(_chunk(passage), passage.similarity) for passage in source.passages]
        prompt = answer_prompt(scrub(source.query), passages, body.language)
        yield Example(
            messages=tuple({"role": part.role, "content": part.text} for part in prompt),
            answer=scrub(_MARK.sub("", body.text)),
            language=body.language,
            conversation=event.conversation,
            turn=body.turn,
        )


def _turned_bad(later: Sequence[Event]) -> bool:
    """Whether the shopper's next message shows that the answer did not help."""
    for event in later:
        if isinstance(event.body, ev.MoodScored):
            return event.body.scores.negative >= BAD_MOOD
        if isinstance(event.body, ev.HandoffRequested):
            return True
    return False


def _chunk(passage: PassageRef) -> Chunk:
    return Chunk(
        id=passage.id,
        document=passage.document,
        source=passage.source,
        title=passage.title,
        heading=passage.heading,
        text=passage.text,
        kind="page",
        language=passage.language,
        version=passage.version,
        visibility="public",
        checksum="",
    )
