"""Which families are learnt from and which are tested on; the same whatever else is in a dataset."""

from __future__ import annotations

import hashlib

from finetune.example import Part

TEST_SHOPS = frozenset({"volt-harbor"})
"""Shops whose passages are never learnt from: answers are tested on texts not seen before."""
TEST_SHARE = 0.12
"""Of the seed dialogues and of the conversations of a log."""


def part_of_shop(id: str) -> Part:
    """Where a training shop's passages go."""
    return "test" if id in TEST_SHOPS else "train"


def part_of_dialogue(id: str, *, seed: int) -> Part:
    """Where everything made from one dialogue or conversation goes."""
    place = int.from_bytes(hashlib.sha256(f"{seed}/{id}".encode()).digest()[:4], "big")
    return "test" if place < TEST_SHARE * 2**32 else "train"
