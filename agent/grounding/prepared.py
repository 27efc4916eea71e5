"""A source cut into sentences that can be compared with a claim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent import wording
from agent.grounding.claims import Source
from agent.grounding.clauses import Clause, clauses_of
from agent.grounding.kinds import BULLET
from agent.quantities import Figures, figures
from agent.sentences import sentence_spans


@dataclass(frozen=True)
class SourceSentence:
    """A source sentence, prepared. ``lead`` is the line before a list (``Excluded are:``)."""

    start: int
    end: int
    text: str
    words: frozenset[str]
    figures: Figures
    clauses: tuple[Clause, ...]
    bare: str
    """``text`` with its figures blanked, for what stands around them."""
    subject: frozenset[str] = frozenset()
    """What a table row is about: its first cell."""


def _table_row(line: str, header: Sequence[str]) -> str:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if len(cells) != len(header):
        return "; ".join(cells)
    return ", ".join(f"{name}: {cell}" if name else cell for name, cell in zip(header, cells, strict=True))


def blanked(text: str, found: Figures) -> str:
    """``text`` with its figures replaced by spaces of the same length."""
    for quantity in found.quantities:
        text = f"{text[: quantity.start]}{' ' * (quantity.end - quantity.start)}{text[quantity.end :]}"
    return text


class Prepared:
    """One source cut into comparable sentences."""

    def __init__(self, source: Source, siblings: str = "") -> None:
        self.source = source
        self.context = wording.content(wording.plain_free(source.title))
        everything = f"{source.id} {source.title} {source.text}"
        self.lowered = everything.lower()
        self.siblings = siblings
        # Order facts are `FW-104233#state`: the number counts as said.
        self.codes = frozenset(figures(everything.replace("#", " ")).codes)
        self.title_figures = figures(source.title)
        self.sentences = tuple(self._cut(source.text))

    def _cut(self, text: str) -> Iterable[SourceSentence]:
        header: list[str] = []
        lead = label = ""
        # Under a heading such as "What is not covered" a list says no without saying so.
        denied = wording.negations(self.source.title) > 0
        in_list = False
        for start, end in sentence_spans(text):
            raw = text[start:end]
            subject: frozenset[str] = frozenset()
            bullet = bool(BULLET.match(raw))
            said = BULLET.sub("", raw)
            if raw.startswith("|"):
                if re.fullmatch(r"[|\s:-]+", raw):
                    continue
                if not header:
                    header = [cell.strip() for cell in raw.strip("|").split("|")]
                    continue
                said = _table_row(raw, header)
                subject = wording.content(raw.strip("|").split("|")[0])
            else:
                header = []
            if re.fullmatch(r"\*\*.+\*\*", said):
                label = said.strip("*")
                continue
            said = said.replace("**", "").strip()
            labelled = f"{label} {said}".strip()
            if raw.rstrip("*_").endswith((":", "：")):
                lead = said
            elif bullet and lead:
                said = f"{lead.rstrip(':： ')} {said}"
            elif not bullet:
                lead = ""
            in_list = bullet and (in_list or bool(re.search("[;；]$", raw) or re.match("[a-z]", said)))
            said = wording.plain_free(said)
            clauses = clauses_of(said)
            if denied and in_list:
                clauses = tuple(replace(clause, negative=True) for clause in clauses)
            if label:
                clauses = (replace(Clause.of(label), negative=denied), *clauses)
            label = ""
            found = figures(said)
            words = wording.content(labelled)
            yield SourceSentence(start, end, said, words, found, clauses, blanked(said, found), subject)
