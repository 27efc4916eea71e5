"""A claim, prepared once for all sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from agent import wording
from agent.grounding.clauses import AND, clauses_of
from agent.grounding.kinds import DEED, kind_of
from agent.grounding.names import figures_of_claim, names, stated
from agent.grounding.parts import parts_of
from agent.grounding.prepared import blanked
from agent.grounding.terms import TERMS

THRESHOLD_EN = 0.6
THRESHOLD_ZH = 0.5
"""Share of a claim's content that the source sentence must hold. Chosen on the fit half of
``tests/agent/data/grounding.json``; only where nothing embeds."""
_IMPLIED: Mapping[str, tuple[str, ...]] = {
    "gram": ("weight", "重", "重量"),
    **dict.fromkeys(("EUR", "USD", "GBP", "CNY"), ("price", "售价", "价格")),
}
"""What a unit says already: "weighs 245 g" is about a weight in any words."""


class Query:
    """A claim, prepared once for all sources."""

    stance: Literal["", "yes", "no"] = ""
    """What the sentence answered before the claim."""

    def __init__(self, text: str, whole: Query | None = None, start: int = 0) -> None:
        """``text`` is a claim, or what stands at ``start`` of the claim ``whole``."""
        self.text = wording.plain_free(text)
        self.words = wording.content(self.text)
        self.figures = figures_of_claim(self.text)
        self.bare = blanked(self.text, self.figures)
        self.all_quantities = self.figures.quantities
        self.clauses = clauses_of(self.text)
        self.parts = len(self.clauses) > 1 or bool(AND.search(self.text))
        self.terms = tuple(term for term in TERMS if term.search(self.text))
        self.names = frozenset(names(self.text))
        if whole:
            # What stands around a figure, and whether a capital opens a sentence, only the whole tells.
            end = start + len(text)
            inside = tuple(q for q in whole.figures.quantities if start <= q.start < end)
            self.figures = replace(self.figures, quantities=inside)
            self.bare, self.all_quantities = whole.bare, whole.all_quantities
            self.names = frozenset(name for name in whole.names if stated(name, self.text.lower()))
        # Names are looked up by themselves, in more than the window.
        implied = {word for q in self.figures.quantities for word in _IMPLIED.get(q.unit, ())}
        self.words = self.words - implied
        named = wording.content(" ".join(name for name in self.names if name.isascii()))
        self.words = self.words - named or self.words
        self.deeds = (
            frozenset(DEED.findall(self.text)) if kind_of(self.text) in ("action", "event") else frozenset()
        )
        self.runs = tuple(run for run in wording.han_runs(self.text) if run not in implied)
        self.chinese = bool(re.search("[\u4e00-\u9fff]", self.text))
        self.threshold = THRESHOLD_ZH if self.chinese else THRESHOLD_EN

    @property
    def says_anything(self) -> bool:
        """Whether there is something to look up."""
        found = self.figures
        return bool(self.words or found.quantities or found.dates or found.codes or self.names)

    def statements(self) -> list[Query]:
        """The statements the claim makes; itself when it makes one."""
        spans = parts_of(self.text)
        if len(spans) == 1:
            return [self]
        return [Query(self.text[start:end], self, start) for start, end in spans]

    def overlap(self, words: frozenset[str], context: frozenset[str]) -> float:
        """Share of the content in ``words``; what the title says already counts for nothing."""
        found, asked = self.found(words, context)
        return found / asked if asked else 1.0

    def found(self, words: frozenset[str], context: frozenset[str] = frozenset()) -> tuple[int, int]:
        """How much of the content is in ``words``, and of how much; an English word counts for two.

        Chinese is compared by characters, each found when a pair it belongs to is; a character
        counts for one.
        """
        latin = {word for word in self.words - context if word.isascii()}
        found, asked = 2 * len(latin & words), 2 * len(latin)
        for run in self.runs:
            states = [0] * len(run)
            for at in range(max(1, len(run) - 1)):
                pair = run[at : at + 2]
                state = 2 if pair in words else 1 if pair in context else 0
                for k in range(at, at + len(pair)):
                    states[k] = max(states[k], state)
            found += states.count(2)
            asked += len(run) - states.count(1)
        return found, asked
