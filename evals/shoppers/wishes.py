"""When a shopper has what they wished for."""

from __future__ import annotations

from evals.scenario import Wish
from evals.shoppers.port import Wire
from evals.text import holds


def fulfils(event: Wire, wish: Wish) -> bool:
    """Whether an event gives what is wished: the change, or an answer with one of its wordings.

    Where no fact would do, an honest "I don't know" is the answer.
    """
    if event["type"] == "action.done":
        return bool(event["kind"] == wish.done)
    if event["type"] != "answer.sent" or wish.done is not None:
        return False
    if not wish.told:
        return not event.get("supported", True)
    return any(holds(event["text"], wording) for wording in wish.told)
