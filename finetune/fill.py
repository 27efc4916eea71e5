"""Fill a seed dialogue's placeholders with one shop's things, the same ones throughout a dialogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from agent.ids import Language
from finetune.dialogues import PLACEHOLDER, SeedDialogue, SeedTurn, read_dialogues
from finetune.example import Part
from finetune.shops import ShopProduct, TrainingShop, read_shops
from finetune.split import part_of_dialogue, part_of_shop

VOICE = Path(__file__).parent / "data" / "voice.yaml"
_SHORT = 0.6
"""How often shoppers say "the lamp" rather than its whole title."""


@cache
def voice() -> Mapping[str, Mapping[Language, tuple[str, ...]]]:
    """Apologies, people's names, carriers and days, by language."""
    raw: dict[str, Any] = yaml.safe_load(VOICE.read_text(encoding="utf-8"))
    return {name: {language: tuple(words) for language, words in by.items()} for name, by in raw.items()}


class Filling:
    """What the placeholders stand for in one dialogue."""

    def __init__(self, dialogue: SeedDialogue, shop: TrainingShop, random: Random) -> None:
        language = dialogue.language
        first, second = random.sample(shop.products, 2)
        person = random.choice(voice()["people"][language])
        orders = random.sample(range(10 ** (shop.order_digits - 1), 10**shop.order_digits), 2)
        variants = random.sample(first.variants.of(language), min(2, len(first.variants.of(language))))
        self._values = {
            "order": f"{shop.order_lead}{orders[0]}",
            "order2": f"{shop.order_lead}{orders[1]}",
            "product": _named(first, language, random),
            "product2": _named(second, language, random),
            "variant": variants[0],
            "variant2": variants[-1],
            "name": person,
            "email": f"shopper{random.randrange(100, 999)}@example.com",
            "code": f"{random.randrange(100_000, 1_000_000)}",
            "carrier": random.choice(voice()["carriers"][language]),
            "day": random.choice(voice()["days"][language]),
        }

    def put(self, text: str, *, answer: str = "") -> str:
        """``text`` with every placeholder filled."""
        return PLACEHOLDER.sub(lambda match: {**self._values, "answer": answer}[match[1]], text)


@dataclass(frozen=True)
class FilledTurn:
    """A seed dialogue's turn with the shopper's words filled in.

    Attributes:
        earlier: The shopper's own messages before it.
        before: The shop's line it replies to; an answer in it is left out. Empty for none.
    """

    dialogue: SeedDialogue
    turn: SeedTurn
    said: str
    earlier: tuple[str, ...]
    before: str


def filled_turns(part: Part, *, seed: int) -> Iterator[FilledTurn]:
    """The turns of one part of the seed dialogues, each dialogue in a shop of that part."""
    shops = [shop for shop in read_shops() if part_of_shop(shop.id) == part]
    for dialogue in read_dialogues():
        if part_of_dialogue(dialogue.id, seed=seed) != part:
            continue
        random = Random(f"{seed}/{dialogue.id}")  # noqa: S311 - nothing secret
        filling, before = Filling(dialogue, random.choice(shops), random), ""
        earlier: tuple[str, ...] = ()
        for turn in dialogue.turns:
            said = filling.put(turn.say)
            yield FilledTurn(dialogue, turn, said, earlier, before)
            earlier, before = (*earlier, said), filling.put(turn.then)


def _named(product: ShopProduct, language: Language, random: Random) -> str:
    return (product.short if random.random() < _SHORT else product.title).of(language)
