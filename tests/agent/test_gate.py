"""The write gate against wrong models, lying shoppers, repeated clicks and a moved-on shop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import events as ev
from agent.conversation import fold
from agent.conversations import Conversations
from agent.errors import ConfirmationRefused, OrderNotFound
from agent.gate import LIFETIME, WriteGate, arguments_hash
from agent.ids import ConversationId, CustomerId, OrderId, ProposalId, TurnId
from agent.log_live import LiveLog
from agent.scope import Scope
from agent.shop.port import Order, OrderAction
from agent.shop.sqlite import SqliteShop
from tests.conftest import Clock

TURN = TurnId("turn_1")


@pytest.fixture
def gate(clock: Clock) -> WriteGate:
    return WriteGate(clock)


@pytest.fixture
def conversations(log: LiveLog, gate: WriteGate, clock: Clock) -> Conversations:
    return Conversations(log, gate, clock)


async def cancellable(shop: SqliteShop) -> Order:
    async for order in shop.all_orders():
        if order.state == "paid":
            return order
    raise AssertionError("the demo shop has no paid order")


async def proposed(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop, order: Order
) -> tuple[ConversationId, ev.ActionProposed]:
    """A conversation of the order's customer with a cancellation waiting for their word."""
    conversation = await conversations.start(
        shop="fernway", language="en", channel="api", customer=order.customer
    )
    state = await conversations.state(conversation)
    ruling = await shop.eligibility(state.scope, order.id, "cancel")
    assert ruling is not None
    body = gate.propose(
        state,
        turn=TURN,
        action=OrderAction(kind="cancel", order=order.id, arguments={"reason": ""}),
        eligibility=ruling,
        summary="Cancel",
    )
    await log.append(conversation, [body], expected=state.head)
    return conversation, body


async def confirm(
    conversations: Conversations, conversation: ConversationId, body: ev.ActionProposed
) -> None:
    await conversations.confirm(conversation, body.proposal, arguments_hash=body.arguments_hash, yes=True)


async def test_a_confirmed_change_is_done_and_done_once_however_often_it_runs(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    order = await cancellable(shop)
    conversation, body = await proposed(conversations, log, gate, shop, order)
    await confirm(conversations, conversation, body)
    state = await conversations.state(conversation)
    first = await gate.perform(state, body, shop, turn=TURN)
    again = await gate.perform(state, body, shop, turn=TURN)
    assert isinstance(first, ev.ActionDone)
    assert first == again
    (after,) = [o for o in await shop.orders_of(order.customer) if o.id == order.id]
    assert after.state == "cancelled"
    assert len(after.refunds) == 1


async def test_nothing_happens_without_the_shoppers_word(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    order = await cancellable(shop)
    conversation, body = await proposed(conversations, log, gate, shop, order)
    state = await conversations.state(conversation)
    result = await gate.perform(state, body, shop, turn=TURN)
    assert isinstance(result, ev.ActionFailed)
    (after,) = [o for o in await shop.orders_of(order.customer) if o.id == order.id]
    assert after == order


async def test_pressing_confirm_twice_is_one_confirmation(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    conversation, body = await proposed(conversations, log, gate, shop, await cancellable(shop))
    await confirm(conversations, conversation, body)
    await confirm(conversations, conversation, body)
    events = await log.read(conversation)
    assert sum(event.body.type == "action.confirmed" for event in events) == 1


async def test_a_no_cannot_be_turned_into_a_yes(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    conversation, body = await proposed(conversations, log, gate, shop, await cancellable(shop))
    await conversations.confirm(conversation, body.proposal, arguments_hash=body.arguments_hash, yes=False)
    with pytest.raises(ConfirmationRefused):
        await confirm(conversations, conversation, body)


async def test_an_expired_confirmation_is_refused(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop, clock: Clock
) -> None:
    conversation, body = await proposed(conversations, log, gate, shop, await cancellable(shop))
    clock.now += LIFETIME
    with pytest.raises(ConfirmationRefused):
        await confirm(conversations, conversation, body)


async def test_a_confirmation_for_other_arguments_is_refused(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    conversation, body = await proposed(conversations, log, gate, shop, await cancellable(shop))
    other = body.action.model_copy(update={"arguments": {"reason": "changed"}})
    with pytest.raises(ConfirmationRefused):
        await conversations.confirm(
            conversation, body.proposal, arguments_hash=arguments_hash(other), yes=True
        )


async def test_a_confirmation_from_another_conversation_is_unknown_here(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    order = await cancellable(shop)
    _, body = await proposed(conversations, log, gate, shop, order)
    other = await conversations.start(shop="fernway", language="en", channel="api", customer=order.customer)
    with pytest.raises(ConfirmationRefused):
        await confirm(conversations, other, body)


async def test_a_proposal_needs_a_proven_customer_or_order(
    conversations: Conversations, gate: WriteGate, shop: SqliteShop
) -> None:
    order = await cancellable(shop)
    conversation = await conversations.start(shop="fernway", language="en", channel="api", customer=None)
    state = await conversations.state(conversation)
    ruling = await shop.eligibility(Scope(customer=order.customer), order.id, "cancel")
    assert ruling is not None
    with pytest.raises(OrderNotFound):
        gate.propose(
            state,
            turn=TURN,
            action=OrderAction(kind="cancel", order=order.id),
            eligibility=ruling,
            summary="Cancel",
        )


async def test_a_forged_proposal_for_somebody_elses_order_changes_nothing(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    """Even if a wrong model could write a proposal into the log, the shop's scope stands."""
    order = await cancellable(shop)
    thief = CustomerId(next(c.id for c in await shop.customers() if c.id != order.customer))
    conversation = await conversations.start(shop="fernway", language="en", channel="api", customer=thief)
    action = ev.ProposedAction(kind="cancel", order=order.id, arguments={"reason": ""})
    forged = ev.ActionProposed(
        proposal=ProposalId("prop_forged"),
        turn=TURN,
        action=action,
        arguments_hash=arguments_hash(action),
        policy_version="2026-03-01",
        customer=thief,
        summary="",
        expires_at=conversations._clock() + LIFETIME,
    )
    await log.append(
        conversation,
        [forged, ev.ActionConfirmed(proposal=forged.proposal, how="button")],
        expected=2,
    )
    result = await gate.perform(await conversations.state(conversation), forged, shop, turn=TURN)
    assert isinstance(result, ev.ActionFailed)
    (after,) = [o for o in await shop.orders_of(order.customer) if o.id == order.id]
    assert after == order


async def test_arguments_changed_after_the_fact_are_not_carried_out(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    order = await cancellable(shop)
    conversation, body = await proposed(conversations, log, gate, shop, order)
    await confirm(conversations, conversation, body)
    state = await conversations.state(conversation)
    known = state.proposals[body.proposal]
    tampered = known.body.model_copy(
        update={"action": body.action.model_copy(update={"order": OrderId("FW-999999")})}
    )
    state = replace(state, proposals={body.proposal: replace(known, body=tampered)})
    result = await gate.perform(state, body, shop, turn=TURN)
    assert isinstance(result, ev.ActionFailed)


async def test_rules_that_changed_meanwhile_void_the_confirmation(
    conversations: Conversations, log: LiveLog, gate: WriteGate, shop: SqliteShop
) -> None:
    order = await cancellable(shop)
    conversation = await conversations.start(
        shop="fernway", language="en", channel="api", customer=order.customer
    )
    state = await conversations.state(conversation)
    ruling = await shop.eligibility(state.scope, order.id, "cancel")
    assert ruling is not None
    body = gate.propose(
        state,
        turn=TURN,
        action=OrderAction(kind="cancel", order=order.id, arguments={"reason": ""}),
        eligibility=replace(ruling, policy_version="2020-01-01"),
        summary="Cancel",
    )
    confirmed: list[ev.EventBody] = [body, ev.ActionConfirmed(proposal=body.proposal, how="button")]
    events = await log.append(conversation, confirmed, expected=state.head)
    state = fold(conversation, events, onto=state)
    result = await gate.perform(state, body, shop, turn=TURN)
    assert isinstance(result, ev.ActionFailed)
    assert result.code == "gate.policy_changed"
