"""How much comes back in all: the shop's own amounts, each cited, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from agent import events as ev
from agent import refunds
from agent.ids import CustomerId, Language, OrderId
from agent.scope import Scope
from agent.shop.port import OrderAction
from agent.shop.sqlite import SqliteShop
from tests.agent.engine import Engine, answers
from tests.doubles import ScriptedModel

HANNAH, NIAMH = CustomerId("C-10001"), CustomerId("C-10003")
DELIVERED = OrderId("FW-100003")
"""Hannah's: boots at 189.00, two packs of socks at 29.90."""


@pytest.mark.parametrize(
    "question",
    [
        "How much do I get back in total?",
        "what's the total refund?",
        "how much money will be refunded to me?",
        "So what will I be getting back altogether?",
        "What is the refund amount?",
        "一共退我多少钱",
        "总共能退多少？",
        "退款金额是多少",
        "我能拿回多少钱",
    ],
)
def test_a_question_how_much_comes_back_is_known(question: str) -> None:
    assert refunds.asks(question)


@pytest.mark.parametrize(
    "question",
    [
        "how much does it cost to send something back?",
        "how much do I pay for a return",
        "what is the total of my order?",
        "what's your refund policy?",
        "how long does a refund take?",
        "How much do customers usually get back?",
        "when do I get my money back",
        "退货要收多少钱",
        "退货运费多少",
        "退款要几天到账",
        "退货一般扣多少钱",
    ],
)
def test_a_question_about_fees_days_or_rules_is_another(question: str) -> None:
    assert not refunds.asks(question)


async def test_what_waits_for_the_word_is_told_with_its_price_and_the_shops_terms(engine: Engine) -> None:
    conversation = await engine.open(HANNAH)
    await engine.say(conversation, "I want to return the boots and the socks from FW-100003")
    events = await engine.say(conversation, "How much do I get back in total?")
    (said,) = answers(events)
    assert said.how == "composed"
    assert "not confirmed yet" in said.text
    assert "the items cost €248.80" in said.text
    assert "4.90 EUR return fee" in said.text
    read = {
        fact.id: fact.text
        for event in events
        if isinstance(event.body, ev.OrderFactsRead)
        for fact in event.body.facts
    }
    assert {citation.id: citation.quote for citation in said.citations} == read
    assert {citation.kind for citation in said.citations} == {"order_fact"}


@pytest.mark.parametrize(
    ("language", "wishes", "question", "total"),
    [
        (
            "en",
            ("Please return the boots from FW-100003", "Please cancel order FW-100001"),
            "Great. And what's the total refund?",
            "In total for FW-100003, FW-100001: €467.10.",
        ),
        (
            "zh",
            ("FW-100003里的靴子我想退货", "请取消订单 FW-100001"),
            "一共退我多少钱？",
            "FW-100003、FW-100001 合计：€467.10。",
        ),
    ],
)
async def test_each_change_of_the_conversation_is_told_and_the_sum(
    engine: Engine,
    model: ScriptedModel,
    language: Language,
    wishes: tuple[str, ...],
    question: str,
    total: str,
) -> None:
    conversation = await engine.open(HANNAH, language)
    for wish in wishes:
        await engine.say(conversation, wish)
        await engine.confirm(conversation)
    (said,) = answers(await engine.say(conversation, question))
    # The boots less the return fee, as the shop says; the cancelled order in full.
    assert "€184.10" in said.text
    assert "€283.00" in said.text
    assert total in said.text
    assert len(said.citations) == 3
    assert model.prompts == []


async def test_a_change_and_the_question_in_one_message_are_both_seen_to(
    engine: Engine, model: ScriptedModel
) -> None:
    conversation = await engine.open(HANNAH)
    await engine.say(conversation, "Please cancel order FW-100001")
    await engine.confirm(conversation)
    events = await engine.say(
        conversation, "I also want to return the boots from FW-100003. How much do I get back in total?"
    )
    (proposed,) = [event.body for event in events if isinstance(event.body, ev.ActionProposed)]
    assert proposed.action.kind == "return"
    (said,) = answers(events)
    assert "In total for FW-100001, FW-100003: €472.00, before anything the rules deduct" in said.text
    assert said.text.rstrip().endswith("before that."), "what is to be confirmed stands last"
    assert model.prompts == []


async def test_another_question_beside_it_is_answered_too(engine: Engine) -> None:
    conversation = await engine.open(HANNAH)
    await engine.say(conversation, "Please cancel order FW-100001")
    (said,) = answers(
        await engine.say(
            conversation, "How much do I get back in total? And how long can I return the other items?"
        )
    )
    assert "€283.00" in said.text
    assert "30 days" in said.text


async def test_nothing_that_was_charged_is_nothing_that_comes_back(engine: Engine) -> None:
    conversation = await engine.open(HANNAH)
    await engine.say(conversation, "Please cancel order FW-100010")
    (before,) = answers(await engine.say(conversation, "How much do I get back?"))
    await engine.confirm(conversation)
    (after,) = answers(await engine.say(conversation, "what's the total refund?"))
    assert "nothing was charged" in before.text
    assert "nothing was charged" in after.text


async def test_an_order_that_is_named_is_told_from_what_is_on_record(engine: Engine) -> None:
    conversation = await engine.open(HANNAH)
    (said,) = answers(await engine.say(conversation, "How much did I get back for FW-100006?"))
    assert "€69.00" in said.text
    assert [citation.title for citation in said.citations] == ["FW-100006"]


async def test_without_a_change_or_an_order_all_that_is_still_to_come_is_told(engine: Engine) -> None:
    conversation = await engine.open(NIAMH)
    (said,) = answers(await engine.say(conversation, "what is the total refund amount?"))
    # A return that is registered, and a refund that was issued and has not arrived.
    assert "€94.10" in said.text
    assert "€114.10" in said.text
    assert "€208.20" in said.text


@pytest.mark.parametrize("customer", [HANNAH, None])
async def test_where_nothing_comes_back_the_documents_are_asked(
    engine: Engine, customer: CustomerId | None
) -> None:
    conversation = await engine.open(customer)
    (said,) = answers(await engine.say(conversation, "How much do I get back if I return a tent?"))
    assert {citation.kind for citation in said.citations} == {"passage"}


async def test_a_shop_that_does_not_say_what_a_return_pays_is_not_guessed_for(shop: SqliteShop) -> None:
    scope = Scope(customer=HANNAH)
    await shop.perform(scope, OrderAction("return", DELIVERED, {"lines": [2]}), idempotency_key="k")
    order = await shop.order(scope, DELIVERED)
    assert order is not None
    (known,) = refunds.on_record(order, "en")
    assert (known.amount, known.exact) == (Decimal("54.90"), True)
    silent = replace(order, returns=tuple(replace(one, refund=None) for one in order.returns))
    (priced,) = refunds.on_record(silent, "en")
    assert (priced.amount, priced.exact) == (Decimal("59.80"), False)
    assert "the items cost €59.80" in priced.facts[0].text


async def test_sums_are_of_one_currency(shop: SqliteShop) -> None:
    order = await shop.order(Scope(customer=HANNAH), OrderId("FW-100001"))
    assert order is not None
    sums: Mapping[str, int] = {"EUR": 1, "CNY": 0}
    for currency, count in sums.items():
        other = replace(order, id=OrderId("FW-2"), currency=currency)
        backs = [refunds.cancelled(one, Decimal(10), "en") for one in (order, other)]
        told = refunds.told(backs, "en")
        assert len([fact for fact in told if fact.name.startswith("back.total")]) == count


async def test_the_refund_of_a_return_on_record_is_what_the_shop_said_when_it_was_made(
    shop: SqliteShop,
) -> None:
    scope = Scope(customer=HANNAH)
    action = OrderAction("return", DELIVERED, {"lines": [1, 2], "reason": "faulty"})
    result = await shop.perform(scope, action, idempotency_key="k")
    order = await shop.order(scope, DELIVERED)
    assert order is not None
    (item,) = order.returns
    assert item.refund == Decimal("248.80"), "faulty items go back free of charge"
    assert "248.80 EUR" in result.explanation["en"]
