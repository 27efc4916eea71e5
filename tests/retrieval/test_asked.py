"""The questions that retrieval is fitted on: each names a passage that there is, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

SHOPS = ROOT / "finetune" / "data" / "shops"
ASKED = sorted((ROOT / "retrieval" / "data" / "asked").glob("*.yaml"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_training_shop_is_asked() -> None:
    assert [path.name for path in ASKED] == sorted(path.name for path in SHOPS.glob("*.yaml"))


@pytest.mark.parametrize("path", ASKED, ids=lambda path: path.stem)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_as_many_near_misses_as_questions_that_a_passage_answers(path: Path, language: str) -> None:
    shop, asked = read(SHOPS / path.name), read(path)[language]
    passages = {
        f"{product['id']}-{number}": passage
        for product in shop["products"]
        for number, passage in enumerate(product["passages"])
    } | {passage["topic"]: passage for passage in shop["policies"]}
    named = [one["passage"] for one in asked["answered"]]
    assert set(named) <= passages.keys()
    assert len(set(named)) >= 30
    assert (len(asked["answered"]), len(asked["unanswered"])) == (45, 45)
    easy = {text for passage in passages.values() for text in passage["asks"][language]}
    easy |= set(shop["unanswerable"][language])
    own = [one["question"] for one in asked["answered"]] + asked["unanswered"]
    assert len(set(own)) == len(own)
    assert not easy & set(own)
