"""Product facts in a turn: said and cited as they are, or sources beside the passages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from agent import events as ev
from agent.live import LocalBus
from agent.log_live import LiveLog
from agent.mood_lexicon import LexiconMood
from agent.products.listed import ListedProducts, read_products
from agent.products.questions import ProductQuestions
from agent.shop.sqlite import SqliteShop
from agent.turn_run import Ports
from agent.understand_e5 import E5Reader
from retrieval.passages import Chunk, Found, Language, Passage, Visibility
from tests.agent.engine import Engine, answers
from tests.conftest import ROOT, Clock
from tests.doubles import ScriptedModel

PAGE = Chunk(
    id="arbor-warranty",
    document="warranty.en",
    source="policies/en/warranty.md",
    title="Warranty",
    heading="What it covers",
    text="The warranty covers faults of material and make. It does not cover wear.",
    kind="policy",
    language="en",
    version="2026-03-01",
    visibility="public",
    checksum="x",
)


class Page:
    """One passage: retrieval has its own tests."""

    async def find(
        self, question: str, *, language: Language, visible_to: frozenset[Visibility], k: int = 4
    ) -> Found:
        return Found((Passage(PAGE, 0.9),), 0.9)

    async def open(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        return PAGE


@dataclass
class ProductEngine(Engine):
    """An engine whose shop gives product data."""

    def ports(self) -> Ports:
        assert isinstance(self.shop, SqliteShop)
        products = ProductQuestions(ListedProducts(read_products(ROOT / "demo"), self.shop.shelf))
        return replace(super().ports(), products=products)


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(answer="The warranty covers faults of material and make.")


@pytest.fixture
def engine(
    log: LiveLog, bus: LocalBus, shop: SqliteShop, reader: E5Reader, model: ScriptedModel, clock: Clock
) -> Engine:
    return ProductEngine(
        log=log,
        bus=bus,
        shop=shop,
        reader=reader,
        mood=LexiconMood(),
        retriever=Page(),
        model=model,
        clock=clock,
    )


async def test_facts_that_answer_are_said_as_they_are_and_cited(engine: Engine, model: ScriptedModel) -> None:
    conversation = await engine.open()
    events = await engine.say(conversation, "How heavy is the Arbor 3?")
    (said,) = answers(events)
    (read,) = [event.body for event in events if isinstance(event.body, ev.ProductFactsRead)]
    assert said.how == "composed"
    assert said.text == f"{read.facts[0].text} [1]"
    assert "2,680 g" in said.text
    (citation,) = said.citations
    assert (citation.kind, citation.id) == ("product_fact", "product:tent-arbor-3#weight")
    assert citation.quote == read.facts[0].text
    assert model.prompts == []


async def test_what_the_shop_does_not_list_is_not_guessed(engine: Engine, model: ScriptedModel) -> None:
    conversation = await engine.open()
    (said,) = answers(await engine.say(conversation, "What colours do you have the Cairn Mid boots in?"))
    assert not said.supported
    assert said.citations == ()
    assert model.prompts == []


async def test_facts_that_touch_the_question_are_sources_of_the_answer(
    engine: Engine, model: ScriptedModel
) -> None:
    conversation = await engine.open()
    model.answer = "Warranty on the Arbor 2 two-person tent: 5 years."
    (said,) = answers(await engine.say(conversation, "What faults does the warranty of the Arbor 2 cover?"))
    assert "5 years" in model.prompts[0][-1].text
    assert [(one.kind, one.id) for one in said.citations] == [
        ("product_fact", "product:tent-arbor-2#warranty")
    ]
    assert said.how == "generated"


@pytest.mark.parametrize(
    "question", ["How many variants of the Pedal 2 are available right now?", "Hearth 0 有哪几款？"]
)
async def test_a_count_that_sounds_like_orders_asks_nobody_for_a_proof(
    engine: Engine, model: ScriptedModel, question: str
) -> None:
    conversation = await engine.open()
    events = await engine.say(conversation, question)
    (said,) = answers(events)
    (read,) = [event.body for event in events if isinstance(event.body, ev.ProductFactsRead)]
    assert said.text == f"{read.facts[0].text} [1]"
    assert model.prompts == []
