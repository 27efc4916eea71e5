"""Answers worth learning from, out of the conversation log.

An answer is taken when the model wrote it, every sentence of it stood, it was followed by no
bad mood, and the conversation was not rated badly. It becomes the prompt the model saw and the
words that stood, scrubbed of personal data. The log does not know who agreed to this: the
caller gives only conversations whose shopper did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from agent import events as ev
from agent.events import Event, PassageRef
from agent.personal import scrub
from agent.prompts import answer_prompt
from finetune.example import Example, GivenSource, messages
from retrieval.passages import Chunk, Passage

GOOD_RATING = 4
"""Of 5; an unrated conversation counts by its moods alone."""
BAD_MOOD = 0.5
"""P(negative) of a later message from which the answer before it is not taken."""

_MARK = re.compile(r"\s*\[(\d{1,2})\]")


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
        places = {passage.id: place for place, passage in enumerate(source.passages)}
        cited = {citation.ref: places.get(citation.id, -1) for citation in body.citations}
        if not cited or -1 in cited.values():
            continue  # it rests on an order fact, which is nobody else's
        question = scrub(source.query)
        yield Example(
            id=f"{event.conversation}/{body.turn}",
            family=event.conversation,
            task="answer",
            origin="log",
            language=body.language,
            messages=messages(answer_prompt(question, passages, body.language)),
            # The marks count the citations; the prompt counts its sources.
            target=scrub(_renumbered(body.text, cited)),
            said=question,
            sources=tuple(
                GivenSource(id=one.id, title=f"{one.title} – {one.heading}", text=one.text)
                for one in source.passages
            ),
            right=next(iter(cited.values())),
        )


def _renumbered(text: str, places: Mapping[str, int]) -> str:
    return _MARK.sub(lambda match: f" [{places.get(match[1], 0) + 1}]", text)


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
