"""The prompt that asks a model what a message wants, and the JSON it may answer with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from agent.events import Intent
from agent.ids import Language
from agent.model import Prompt
from agent.understanding import Said

VERSION = "understand-1"
"""Stored with what was understood; change it with the words below, and tune the adapter again."""

SYSTEM = (
    "Read a shop's conversation. Say in JSON what the shopper's last message asks for: its intents, "
    "the main one first, its language, and the arguments it names itself."
)
RECALL, LONGEST = 3, 240
"""Earlier lines shown, and characters of each: enough to know what a short reply replies to."""

ARGUMENTS = (
    "order",
    "product",
    "variant",
    "quantity",
    "reason_code",
    "recipient",
    "line1",
    "line2",
    "city",
    "region",
    "postal_code",
    "country",
)
"""What a message may name. E-mail addresses and one-time codes are read by rule alone."""


def understand_prompt(text: str, earlier: Sequence[Said]) -> list[Prompt]:
    """Return the prompt that asks what ``text`` wants in the light of ``earlier``, oldest first."""
    lines = [
        f"{'Shopper' if line.who == 'shopper' else 'Shop'}: {line.text[:LONGEST]}"
        for line in earlier[-RECALL:]
    ]
    before = "\n".join(lines) + "\n\n" if lines else ""
    return [Prompt("system", SYSTEM), Prompt("user", f"{before}Last message: {text}")]


def target(intents: Sequence[Intent], language: Language, args: Mapping[str, str]) -> str:
    """The JSON a tuned model writes, keys in the schema's order."""
    known = {name: args[name] for name in ARGUMENTS if name in args}
    return json.dumps(
        {"intents": list(intents), "language": language, "args": known},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def schema() -> dict[str, Any]:
    """JSON schema of the answer, for constrained decoding."""
    text = {"type": "string", "maxLength": 160}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["intents", "language", "args"],
        "properties": {
            "intents": {
                "type": "array",
                "items": {"enum": list(get_args(Intent))},
                "minItems": 1,
                "maxItems": 4,
            },
            "language": {"enum": ["en", "zh"]},
            "args": {
                "type": "object",
                "additionalProperties": False,
                "properties": dict.fromkeys(ARGUMENTS, text),
            },
        },
    }
