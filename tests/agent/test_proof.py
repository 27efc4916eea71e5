"""Proving an order: the code reaches its owner alone, and nothing tells whether a guess fits."""

from __future__ import annotations

import re

import pytest

from agent import events as ev
from agent.conversation import Conversation, fold
from agent.events import Event
from agent.ids import ConversationId
from agent.mail import Mail
from agent.proof import LIFETIME, SENDS_PER_HOUR, TRIES, OrderProof, TooManyTries
from agent.shop.port import Order
from agent.shop.sqlite import SqliteShop
from tests.agent.engine import Outbox
from tests.conftest import Clock

C = ConversationId("conv_1")


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def proof(shop: SqliteShop, outbox: Outbox, clock: Clock) -> OrderProof:
    return OrderProof(shop, outbox, secret="x" * 32, clock=clock)


async def an_order(shop: SqliteShop) -> tuple[Order, str]:
    customer = (await shop.customers())[0]
    return (await shop.orders_of(customer.id))[0], customer.email


def after(clock: Clock, *bodies: ev.EventBody) -> Conversation:
    return fold(C, [Event(conversation=C, seq=n, at=clock(), body=b) for n, b in enumerate(bodies, 1)])


def code_in(mail: Mail) -> str:
    found = re.search(r"(?<![-\d])\d{6}\b", mail.text)
    assert found
    return found.group()


async def test_the_code_from_the_mail_proves_the_order(
    proof: OrderProof, outbox: Outbox, shop: SqliteShop, clock: Clock
) -> None:
    order, email = await an_order(shop)
    sent = await proof.send(Conversation(C), order=order.id, email=email.upper(), language="en")
    state = after(clock, sent)
    assert proof.check(state, code_in(outbox.sent[0])) == order.id


async def test_a_wrong_address_looks_the_same_and_sends_nothing(
    proof: OrderProof, outbox: Outbox, shop: SqliteShop
) -> None:
    order, email = await an_order(shop)
    right = await proof.send(Conversation(C), order=order.id, email=email, language="zh")
    outbox.sent.clear()
    wrong = await proof.send(Conversation(C), order=order.id, email="x@example.com", language="zh")
    assert outbox.sent == []
    assert wrong.model_copy(update={"code_hash": ""}) == right.model_copy(update={"code_hash": ""})


async def test_the_code_is_not_in_the_log(proof: OrderProof, outbox: Outbox, shop: SqliteShop) -> None:
    order, email = await an_order(shop)
    sent = await proof.send(Conversation(C), order=order.id, email=email, language="en")
    assert code_in(outbox.sent[0]) not in sent.model_dump_json()


async def test_a_code_is_good_for_its_own_conversation_and_its_time_alone(
    proof: OrderProof, outbox: Outbox, shop: SqliteShop, clock: Clock
) -> None:
    order, email = await an_order(shop)
    sent = await proof.send(Conversation(C), order=order.id, email=email, language="en")
    code = code_in(outbox.sent[0])
    other = fold(
        ConversationId("conv_2"),
        [Event(conversation=ConversationId("conv_2"), seq=1, at=clock(), body=sent)],
    )
    assert proof.check(other, code) is None
    clock.now += LIFETIME
    assert proof.check(after(clock, sent), code) is None


async def test_wrong_codes_end_after_a_few_tries(proof: OrderProof, shop: SqliteShop, clock: Clock) -> None:
    order, email = await an_order(shop)
    sent = await proof.send(Conversation(C), order=order.id, email=email, language="en")
    wrong = [ev.CodeChecked(order=order.id, accepted=False)] * TRIES
    with pytest.raises(TooManyTries):
        proof.check(after(clock, sent, *wrong), "000000")


async def test_nobodys_mailbox_is_flooded(
    proof: OrderProof, outbox: Outbox, shop: SqliteShop, clock: Clock
) -> None:
    order, email = await an_order(shop)
    for number in range(SENDS_PER_HOUR):
        state = Conversation(ConversationId(f"conv_{number}"))
        await proof.send(state, order=order.id, email=email, language="en")
    with pytest.raises(TooManyTries):
        await proof.send(Conversation(C), order=order.id, email=email, language="en")
    assert len(outbox.sent) == SENDS_PER_HOUR
    clock.advance(hours=1)
    await proof.send(Conversation(C), order=order.id, email=email, language="en")
