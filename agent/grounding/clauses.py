"""Clauses of a sentence, each with its polarity."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent import wording
from agent.quantities import figures

SEGMENT = re.compile(r"[;；。]|\bwhile\b|\bwhereas\b|而(?!且)", re.IGNORECASE)
CLAUSE = re.compile(
    r"[;；，。()（）]|,(?!\d{3})| [-–—] |\b(?:but|however|although|whereas|while)\b|(?=\b(?:unless|except"
    r"|because|since)\b)|(?=[:：] )"
    r"|\band\b(?=\s+(?:(?:do|does|is|are|will|should|must|can)\s+)?(?:not|never|cannot)\b)"
    r"|\band\b(?=\s+(?:do|does|is|are|wo|ca|should)n['’]t\b)|但是?|然而|不过|(?=除非|除了)|而(?!且)",
    re.IGNORECASE,
)
_HAN = re.compile("[\u4e00-\u9fff]")
# Auxiliaries and the verbs of a shop: enough to tell a statement from an item of a list.
VERBAL = re.compile(
    r"\b(?:is|are|was|were|be|can|could|may|might|must|will|would|should|has|have|had|do|does|did|comes?"
    r"|takes?|costs?"
    r"|ships?|arrives?|starts?|ends?|leaves?|weighs?|packs|needs?|applies|apply|covers|runs?|boils|lasts?"
    r"|works?|gets?"
    r"|produces?|includes?|charges|gives?|holds?|fits?|folds?|keeps?|stays?|makes?|means?|goes|opens?"
    r"|closes?|stops?|counts?|belongs?|breathes?|contains?|measures?|sits?|tilts?|reaches|supports?|offers?"
    r"|accepts?|delivers?|refunds?|deducts?|pays?|sends?|returns|uses?|wash|dry|clean|let"
    r"|choose|keep|write|reply|answers?|contact|(?:you|we|they|it) \w+)\b",
    re.IGNORECASE,
)
AND = re.compile(r"\band\b|\bor\b|以及|并且|和|、|/", re.IGNORECASE)


@dataclass(frozen=True)
class Clause:
    """Content words of a clause, and whether it says no; ``marks`` are its words and figures."""

    words: frozenset[str]
    negative: bool
    marks: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Clause:
        """Of a piece of a sentence."""
        words = wording.content(text)
        told = {f"{q.low.normalize()} {q.unit}" for q in figures(text).quantities}
        return cls(words, wording.negations(text) > 0, words | told)


def clauses_of(text: str) -> tuple[Clause, ...]:
    """Clauses with their polarity. A piece without a verb belongs to the one it leads to or follows."""
    pieces: list[str] = []
    waiting = ""
    for piece in CLAUSE.split(text):
        if not piece or not piece.strip():
            continue
        whole = bool(
            re.match(r"\s*(?:unless|except|除)", piece, re.IGNORECASE)
            or wording.negations(piece)
            or VERBAL.search(piece)
            or (_HAN.search(piece) and wording.content(piece))
        )
        if whole:
            pieces.append(f"{waiting}{piece}")
            waiting = ""
        elif pieces and piece.startswith(":"):
            pieces[-1] += piece
        else:
            waiting += f"{piece}, "
    if waiting and pieces:
        pieces[-1] += f", {waiting}"
    elif waiting:
        pieces.append(waiting)
    return tuple(Clause.of(piece) for piece in pieces)
