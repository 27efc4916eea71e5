"""The written shops and dialogues, read and expanded once for all tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from finetune.dialogues import SeedDialogue, read_dialogues
from finetune.example import Example
from finetune.expand import expand
from finetune.shops import TrainingShop, read_shops

SEED = 7


@cache
def shops() -> tuple[TrainingShop, ...]:
    """All of them."""
    return tuple(read_shops())


@cache
def dialogues() -> tuple[SeedDialogue, ...]:
    """All of them."""
    return tuple(read_dialogues())


def first(question: str, answers: Sequence[str]) -> Sequence[str]:
    """Chooses by place, where a test is not about which answer fits."""
    return answers[:1]


@cache
def examples() -> tuple[Example, ...]:
    """All that is expanded with ``SEED``."""
    return tuple(expand(shops(), dialogues(), fits=first, seed=SEED))
