"""The turn engine over real parts: log, shop, reader and words of mood; a shelf and a scripted model."""

from __future__ import annotations

import pytest

from agent.live import LocalBus
from agent.log_live import LiveLog
from agent.mood_lexicon import LexiconMood
from agent.shop.sqlite import SqliteShop
from agent.understand_e5 import E5Reader
from retrieval.e5 import E5Embedder
from tests.agent.engine import Engine
from tests.agent.shelf import GOOD, Shelf
from tests.conftest import Clock
from tests.doubles import ScriptedModel


@pytest.fixture(scope="session")
def reader() -> E5Reader:
    embedder = E5Embedder()
    return E5Reader(embedder.embed_query, embedder.embed_passages)


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(answer=GOOD)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def engine(
    log: LiveLog,
    bus: LocalBus,
    shop: SqliteShop,
    reader: E5Reader,
    model: ScriptedModel,
    shelf: Shelf,
    clock: Clock,
) -> Engine:
    return Engine(
        log=log,
        bus=bus,
        shop=shop,
        reader=reader,
        mood=LexiconMood(),
        retriever=shelf,
        model=model,
        clock=clock,
    )
