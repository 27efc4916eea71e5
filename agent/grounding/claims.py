"""What is judged, and the judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["talk", "claim", "action", "event", "promise"]
"""``talk`` claims nothing; ``action``: we did something; ``event``: something was done to an
order; ``promise``: we will do something."""


@dataclass(frozen=True)
class Source:
    """A passage or an order fact. ``title`` (and heading) counts as context, is never quoted."""

    id: str
    text: str
    title: str = ""


@dataclass(frozen=True)
class Claim:
    """One sentence of an answer, judged.

    Attributes:
        sentence: As given.
        kind: What sort of statement it is.
        supported: True for ``talk``, else whether a source says it.
        source: Id of the supporting source.
        quote: The words of that source that support it, verbatim.
        reason: Why not, as a code; empty when supported.
        overlap: Share of the content found in the best source sentence, 0 to 1.
        probability: That a source says its least likely statement, by the scorer alone, 0 to 1;
            ``None`` where no scorer was asked.
    """

    sentence: str
    kind: Kind
    supported: bool
    source: str = ""
    quote: str = ""
    reason: str = ""
    overlap: float = 0.0
    probability: float | None = None

    @property
    def needs_source(self) -> bool:
        """Whether it claims anything at all."""
        return self.kind != "talk"
