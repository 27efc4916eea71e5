"""The shops that answers are learnt from: their texts, questions about them, and good answers.

None is the demo shop, and none sells what it sells: that one is what the evaluations ask about.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import Field, ValidationError, model_validator

from agent.ids import Language
from finetune.errors import DatasetInvalid
from finetune.example import Line

FOLDER = Path(__file__).parent / "data" / "shops"


class Words(Line):
    """The same in both languages."""

    en: str
    zh: str

    def of(self, language: Language) -> str:
        """In one language."""
        return self.zh if language == "zh" else self.en


class Lists(Line):
    """Several of the same sort in both languages."""

    en: tuple[str, ...]
    zh: tuple[str, ...]

    def of(self, language: Language) -> tuple[str, ...]:
        """In one language."""
        return self.zh if language == "zh" else self.en


class ShopPassage(Line):
    """A passage, what shoppers ask about it, what to answer, and what it does not say."""

    heading: Words
    text: Words
    asks: Lists
    answers: Lists
    wrong: Lists
    """Fluent answers that the text does not support: for the grounding scorer, never a target."""


class Policy(ShopPassage):
    """A rule of the shop."""

    topic: str
    title: Words


class ShopProduct(Line):
    """A product and what is written about it."""

    id: str
    title: Words
    short: Words
    """What a shopper calls it."""
    variants: Lists
    passages: tuple[ShopPassage, ...] = Field(min_length=1)


class TrainingShop(Line):
    """A shop that exists for learning alone."""

    id: str
    name: Words
    sells: Words
    order_lead: str
    order_digits: int = Field(ge=5, le=8)
    products: tuple[ShopProduct, ...] = Field(min_length=2)
    policies: tuple[Policy, ...] = Field(min_length=2)
    unanswerable: Lists
    """Questions that no passage of the shop answers."""

    @model_validator(mode="after")
    def _topics_are_unique(self) -> Self:
        topics = [policy.topic for policy in self.policies]
        if len(set(topics)) != len(topics):
            raise ValueError(f"{self.id}: a topic occurs twice")
        return self


def read_shops(folder: Path = FOLDER) -> list[TrainingShop]:
    """All training shops, by id.

    Raises:
        DatasetInvalid: A file is not of the format; the message names it.
    """
    shops = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            shops.append(TrainingShop.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))))
        except (yaml.YAMLError, ValidationError) as error:
            raise DatasetInvalid(f"{path.name}: {error}") from None
    if not shops:
        raise DatasetInvalid(f"{folder} holds no shops")
    return shops
