"""Fill a seed dialogue's placeholders with one shop's things, the same ones throughout a dialogue."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from agent.ids import Language
from finetune.dialogues import PLACEHOLDER, SeedDialogue
from finetune.shops import ShopProduct, TrainingShop

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
        self.product = first
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


def _named(product: ShopProduct, language: Language, random: Random) -> str:
    return (product.short if random.random() < _SHORT else product.title).of(language)
