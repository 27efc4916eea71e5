"""What a model may decide about a message, and what it may not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import jsonschema
import pytest

from agent.errors import ModelUnavailable
from agent.events import Intent
from agent.model import Piece, Prompt
from agent.understand_model import ModelReader
from agent.understand_prompt import schema, target, understand_prompt
from agent.understanding import Said, Understanding


class Rules:
    """The reader below: says what the test says."""

    name = "rules"

    def __init__(self, read: Understanding) -> None:
        self.read = read

    async def understand(self, text: str, *, earlier: Sequence[Said] = ()) -> Understanding:
        return self.read


class Model:
    """Writes what it is given, in pieces."""

    name, adapter = "m", "a"

    def __init__(self, words: str | Exception) -> None:
        self.words = words
        self.asked = 0

    async def stream(
        self, prompt: Sequence[Prompt], *, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Piece]:
        self.asked += 1
        assert schema is not None
        if isinstance(self.words, Exception):
            raise self.words
        for at in range(0, len(self.words), 7):
            yield Piece(self.words[at : at + 7])

    async def ready(self) -> None: ...


def said(*intents: str, **args: str) -> str:
    return json.dumps({"intents": intents, "language": "en", "args": args})


async def read(words: str | Exception, text: str = "send it back, too small", **known: Any) -> Understanding:
    rules = Understanding(intents=known.pop("intents", ("unclear",)), confidence=0.3, language="en", **known)
    return await ModelReader(Model(words), Rules(rules)).understand(text)


async def test_the_models_intents_and_literal_arguments_count() -> None:
    got = await read(said("return_item", "policy_question", reason_code="too_small", product="tent"))
    assert got.intents == ("return_item", "policy_question")
    assert got.slots == {"reason_code": "too_small"}, "a product that nobody wrote is made up"


async def test_an_argument_that_the_message_holds_is_taken() -> None:
    got = await read(said("exchange_item", variant="Size M"), "swap it for size m please")
    assert got.slots == {"variant": "Size M"}


@pytest.mark.parametrize("intent", ["confirm", "decline"])
async def test_the_model_neither_confirms_nor_declines(intent: str) -> None:
    got = await read(said(intent), "well, why not")
    assert intent not in got.intents


async def test_a_yes_in_other_words_is_a_leaning() -> None:
    got = await read(said("confirm"), "do it then")
    assert got.intents == ("unclear",)
    assert got.slots["leaning"] == "yes"


async def test_a_wish_for_a_person_is_never_lost() -> None:
    wants: tuple[Intent, ...] = ("request_person",)
    got = await read(said("greeting"), intents=wants)
    assert "request_person" in got.intents


async def test_numbers_codes_and_topics_stay_with_the_rules() -> None:
    got = await read(said("order_status", order="FW-999999"), order="FW-104233", topics=("legal",))
    assert (got.order, got.topics) == ("FW-104233", ("legal",))
    assert "order" not in got.slots


@pytest.mark.parametrize("words", ["", "no json", "[1]", '{"intents": ["fly"]}', ModelUnavailable("away")])
async def test_nonsense_or_silence_leaves_the_other_readers_word(words: str | Exception) -> None:
    got = await read(words, intents=("return_item",))
    assert got.intents == ("return_item",)


@pytest.mark.parametrize("known", [{"intents": ("confirm",)}, {"code": "123456"}])
async def test_what_is_certain_is_not_asked(known: dict[str, Any]) -> None:
    model = Model(said("return_item"))
    known = {"intents": ("prove_order",)} | known
    rules = Rules(Understanding(confidence=1.0, language="en", **known))
    await ModelReader(model, rules).understand("x")
    assert model.asked == 0


def test_a_target_is_of_the_schema() -> None:
    words = target(("return_item",), "zh", {"email": "a@example.com", "reason_code": "damaged"})
    jsonschema.validate(json.loads(words), schema())
    assert "email" not in words, "addresses are read by rule alone"


def test_the_prompt_shows_the_last_lines_and_the_message() -> None:
    earlier = [Said("shopper", f"line {n}") for n in range(6)]
    words = understand_prompt("and now?", earlier)[1].text
    assert "line 5" in words
    assert "line 2" not in words
    assert words.endswith("Last message: and now?")
