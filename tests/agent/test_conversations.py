"""Commands: every button takes effect once, whoever presses it and however often."""

from __future__ import annotations

import asyncio

import pytest

from agent import events as ev
from agent.conversation import fold
from agent.conversations import AlreadyTaken, Conversations
from agent.errors import ConfirmationRefused, ConversationNotFound
from agent.gate import WriteGate
from agent.ids import ConversationId, CustomerId, OfferId, StaffId
from agent.log_live import LiveLog
from tests.conftest import Clock

DANA, LI = StaffId("dana"), StaffId("li")


@pytest.fixture
def conversations(log: LiveLog, clock: Clock) -> Conversations:
    return Conversations(log, WriteGate(clock), clock)


@pytest.fixture
async def conversation(conversations: Conversations) -> ConversationId:
    return await conversations.start(shop="fernway", language="zh", channel="api", customer=None)


async def test_the_same_message_twice_is_one_message_and_has_one_seq(
    conversations: Conversations, conversation: ConversationId
) -> None:
    first = await conversations.receive(conversation, message="m1", text="你好")
    again = await conversations.receive(conversation, message="m1", text="你好")
    assert first == again
    assert len((await conversations.state(conversation)).lines) == 1


async def test_ten_messages_at_once_are_all_kept_in_some_order_without_gaps(
    conversations: Conversations, conversation: ConversationId, log: LiveLog
) -> None:
    seqs = await asyncio.gather(
        *(conversations.receive(conversation, message=f"m{n}", text=str(n)) for n in range(10))
    )
    assert sorted(seqs) == list(range(2, 12))
    assert [event.seq for event in await log.read(conversation)] == list(range(1, 12))


async def test_of_two_people_who_take_over_at_once_one_has_it(
    conversations: Conversations, conversation: ConversationId
) -> None:
    results = await asyncio.gather(
        conversations.take_over(conversation, staff=DANA, name="Dana"),
        conversations.take_over(conversation, staff=LI, name="Li"),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, AlreadyTaken)]
    assert len(refused) == 1
    state = await conversations.state(conversation)
    assert refused[0].name == state.staff_name


async def test_a_colleague_can_take_it_over_knowingly_and_the_first_can_reply_no_more(
    conversations: Conversations, conversation: ConversationId
) -> None:
    await conversations.take_over(conversation, staff=DANA, name="Dana")
    await conversations.take_over(conversation, staff=LI, name="Li", from_colleague=True)
    with pytest.raises(AlreadyTaken):
        await conversations.reply(conversation, staff=DANA, name="Dana", message="r1", text="hello")


async def test_nobody_replies_before_taking_over(
    conversations: Conversations, conversation: ConversationId
) -> None:
    with pytest.raises(ConversationNotFound):
        await conversations.reply(conversation, staff=DANA, name="Dana", message="r1", text="hello")


async def test_asking_for_a_person_is_always_granted_once_with_a_packet(
    conversations: Conversations, conversation: ConversationId, log: LiveLog
) -> None:
    await conversations.receive(conversation, message="m1", text="我的帐篷破了")
    await conversations.request_person(conversation)
    await conversations.request_person(conversation)
    requests = [e.body for e in await log.read(conversation) if isinstance(e.body, ev.HandoffRequested)]
    assert len(requests) == 1
    assert requests[0].reasons == ("requested",)
    assert "我的帐篷破了" in requests[0].packet.wants


async def test_after_a_hand_back_what_led_to_it_counts_no_more(
    conversations: Conversations, conversation: ConversationId
) -> None:
    await conversations.request_person(conversation)
    await conversations.take_over(conversation, staff=DANA, name="Dana")
    await conversations.hand_back(conversation, staff=DANA, note="sorted")
    state = await conversations.state(conversation)
    assert (state.mode, state.handoff, state.unsupported) == ("assistant", None, 0)


async def test_signing_in_later_gives_the_conversation_its_customer_and_nobody_else(
    conversations: Conversations, conversation: ConversationId
) -> None:
    await conversations.identify(conversation, CustomerId("C1"))
    await conversations.identify(conversation, CustomerId("C1"))
    assert (await conversations.state(conversation)).customer == "C1"
    with pytest.raises(ConversationNotFound):
        await conversations.identify(conversation, CustomerId("C2"))


async def test_an_offer_is_answered_once_and_only_where_it_was_made(
    conversations: Conversations, conversation: ConversationId, log: LiveLog, clock: Clock
) -> None:
    made = ev.OfferMade(
        offer=OfferId("o1"),
        customer=CustomerId("C1"),
        kind="voucher",
        value="5.00",
        text="5 off",
        expires_at=clock(),
        policy="p",
        propensity=0.9,
    )
    head = await log.head(conversation)
    await log.append(conversation, [made], expected=head)
    with pytest.raises(ConfirmationRefused):  # it expires at this very moment
        await conversations.answer_offer(conversation, OfferId("o1"), taken=True)
    clock.advance(minutes=-1)
    await conversations.answer_offer(conversation, OfferId("o1"), taken=True)
    await conversations.answer_offer(conversation, OfferId("o1"), taken=False)
    assert (await conversations.state(conversation)).offers == {"o1": True}
    with pytest.raises(ConfirmationRefused):
        await conversations.answer_offer(conversation, OfferId("o2"), taken=True)


async def test_a_conversation_that_does_not_exist_is_not_made_by_a_command(
    conversations: Conversations,
) -> None:
    for command in (
        conversations.receive(ConversationId("conv_x"), message="m", text="t"),
        conversations.request_person(ConversationId("conv_x")),
        conversations.close(ConversationId("conv_x"), by="shopper"),
    ):
        with pytest.raises(ConversationNotFound):
            await command


async def test_the_old_fold_plus_what_an_action_appended_is_the_fold_read_afresh(
    conversations: Conversations, conversation: ConversationId, log: LiveLog
) -> None:
    for action in (
        lambda: conversations.receive(conversation, message="m1", text="hello"),
        lambda: conversations.request_person(conversation),
        lambda: conversations.take_over(conversation, staff=DANA, name="Dana"),
        lambda: conversations.reply(conversation, staff=DANA, name="Dana", message="r1", text="hi"),
        lambda: conversations.note(conversation, staff=DANA, text="call back"),
        lambda: conversations.hand_back(conversation, staff=DANA),
        lambda: conversations.close(conversation, by="shopper"),
        lambda: conversations.rate(conversation, score=5),
    ):
        before = await conversations.state(conversation)
        await action()
        fresh = await log.read(conversation, after=before.head)
        assert fresh
        assert fold(conversation, fresh, onto=before) == await conversations.state(conversation)
