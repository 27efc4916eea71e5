"""A reader that asks the tuned model what a message wants, on top of the one that needs no model.

It costs a model call a turn, so it is for machines where that is a fraction of a second
(``model.understands``). What it may decide is bounded: nothing it says confirms or declines,
an argument counts only when the message holds it word for word, order numbers, e-mail
addresses, codes and risky topics stay with the rules, and a wish for a person that the rules
saw is never lost. When the model is away, slow or writes nonsense, the other reader's word
stands.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import cast, get_args

from agent.errors import ModelError
from agent.events import Intent
from agent.intents import LEANING, lean
from agent.model import LanguageModel
from agent.understand_prompt import ARGUMENTS, VERSION, schema, understand_prompt
from agent.understanding import Reader, Said, Understanding

LONGEST = 200
"""Tokens of the JSON; the longest target in training has 110."""
_SLOTS = frozenset(ARGUMENTS) - {"order"}
_INTENTS = frozenset(get_args(Intent))

logger = logging.getLogger(__name__)


class ModelReader:
    """Reads with a tuned model; ``rules`` reads first and stands in."""

    def __init__(self, model: LanguageModel, rules: Reader) -> None:
        self._model = model
        self._rules = rules

    @property
    def name(self) -> str:
        """Model, adapter and prompt, after the reader below."""
        served = "+".join(filter(None, (self._model.name, self._model.adapter)))
        return f"{self._rules.name} {served} {VERSION}"

    async def understand(self, text: str, *, earlier: Sequence[Said] = ()) -> Understanding:
        """Read ``text``; never raises on odd input or a failing model."""
        read = await self._rules.understand(text, earlier=earlier)
        if read.intents[0] in ("confirm", "decline") or read.code is not None:
            return read  # whole messages and codes are certain already
        try:
            said = await self._ask(text, earlier)
        except ModelError as error:
            logger.warning("the model did not read a message: %s", error.code)
            return read
        return read if said is None else _within(read, said, text)

    async def _ask(self, text: str, earlier: Sequence[Said]) -> dict[str, object] | None:
        stream = self._model.stream(understand_prompt(text, earlier), max_tokens=LONGEST, schema=schema())
        async with aclosing(stream) as pieces:  # type: ignore[type-var]
            words = "".join([piece.text async for piece in pieces])
        try:
            said = json.loads(words)
        except ValueError:
            return None
        return said if isinstance(said, dict) else None


def _within(read: Understanding, said: dict[str, object], text: str) -> Understanding:
    """What the model said, as far as it may be believed."""
    named = said.get("intents")
    leaning, wants = lean(
        [cast("Intent", want) for want in (named if isinstance(named, list) else []) if want in _INTENTS]
    )
    slots = dict(read.slots)
    if leaning:
        slots["leaning"] = leaning
    intents = [want for want in wants if want not in LEANING]
    if "request_person" in read.intents and "request_person" not in intents:
        intents.append("request_person")
    arguments = said.get("args")
    for name, value in (arguments if isinstance(arguments, dict) else {}).items():
        literal = isinstance(value, str) and value.strip() and value.lower() in text.lower()
        if name in _SLOTS and name not in slots and (literal or name == "reason_code"):
            slots[name] = str(value).strip()
    return replace(read, intents=tuple(dict.fromkeys(intents)) or read.intents, slots=slots)
