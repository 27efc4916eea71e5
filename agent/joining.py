"""Two answers of one turn as one: a question answered, then the change that was also asked for."""

from __future__ import annotations

import re

from agent.events import AnswerSent

_MARK = re.compile(r"\[(\d{1,2})\]")


def joined(told: AnswerSent, change: AnswerSent) -> AnswerSent:
    """``told`` with ``change`` after it: its question or its proposal stands last, where it is read.

    Marks of ``change`` count on from the citations of ``told``.
    """
    first = len(told.citations)
    words = _MARK.sub(lambda match: f"[{int(match[1]) + first}]", change.text)
    return told.model_copy(
        update={
            "text": f"{told.text}\n\n{words}",
            "citations": (
                *told.citations,
                *(one.model_copy(update={"ref": str(int(one.ref) + first)}) for one in change.citations),
            ),
            "quick_replies": tuple(dict.fromkeys((*change.quick_replies, *told.quick_replies))),
            "asks": change.asks,
        }
    )
