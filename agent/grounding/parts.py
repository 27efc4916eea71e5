"""A claim cut into the statements it makes: each needs a source, not all the same sentence of it."""

from __future__ import annotations

import re
from itertools import pairwise

from agent import wording
from agent.grounding.clauses import VERBAL

_CUT_EN = re.compile(
    r"[;；]\s*|\s[–—-]\s|,\s+(?:but|and|so(?! that)|while|whereas|plus|yet|or|then)\s+(?=\w)"
    r"|,?\s+but\s+(?=\w)|,\s+(?=(?:it|they|we|you|the|this|that|there|please|do|don['’]t|no|not)\s)"
    r"|\s+and\s+(?=(?:it|they|we|you|there|the \w+ (?:is|are|can|has|have))\s)",
    re.IGNORECASE,
)
_CUT_ZH = re.compile(r"[；;，,]\s*(?!\d{3})")
_HANGS = re.compile(
    r"(?:if|when|whenever|unless|once|because|as|until|except|although|since|for|in|on|after|before|with|without"
    r"|如果|若|如|但如|除非|除了?|因为|由于|凡|满|只要|当)\b|^(?:如果|若|如|但如|除非|除|因为|由于|凡|满|只要|当|在)",
    re.IGNORECASE,
)
"""A piece that begins so leads to what follows it."""
_HANGS_END = re.compile(r"(?:的话|的|时|后|前|起|内|以上|除外|来说|期间)\W*\Z")


def parts_of(text: str) -> list[tuple[int, int]]:
    """Where the statements of ``text`` stand, in order and without gaps; at least one."""
    chinese = bool(re.search("[\u4e00-\u9fff]", text))
    cuts = [match.end() for match in (_CUT_ZH if chinese else _CUT_EN).finditer(text)]
    edges = [0, *(cut for cut in cuts if 0 < cut < len(text)), len(text)]
    spans: list[tuple[int, int]] = []
    waiting: int | None = None
    for start, end in pairwise(edges):
        begin = start if waiting is None else waiting
        piece = text[begin:end]
        waiting = None
        if _leads(piece, chinese=chinese) and end < len(text):
            waiting = begin
        elif spans and not _whole(piece, chinese=chinese):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((begin, end))
    if len(spans) > 1 and not _whole(text[slice(*spans[0])], chinese=chinese):
        spans[:2] = [(spans[0][0], spans[1][1])]
    return spans


def _leads(piece: str, *, chinese: bool) -> bool:
    return bool(_HANGS.match(piece.strip()) or (chinese and _HANGS_END.search(piece)))


def _whole(piece: str, *, chinese: bool) -> bool:
    """Whether it says something by itself."""
    if chinese:
        return sum(map(len, wording.han_runs(piece))) >= 2 or bool(re.search(r"\d", piece))
    says = bool(VERBAL.search(piece) or wording.negations(piece))
    return says and (len(wording.content(piece)) >= 2 or bool(re.search(r"\d", piece)))
