"""A recorded conversation becomes a scenario: readable, held again alike, nobody's data in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from agent import events as ev
from agent.events import Event, EventBody
from agent.ids import ConversationId, CustomerId, OrderId, ProposalId, StaffId, TurnId
from agent.log_sql import SqlLog
from evals.importers.recorded import NothingRecorded, document, mask, recorded
from evals.inprocess import Version
from evals.records import Run, log_url
from evals.scenario import Press, Say, Scenario, Shopper, read_scenarios
from evals.shops.store import StoreStage
from tests.evals.conftest import held, ours

BEGIN = datetime(2026, 6, 15, 12, tzinfo=UTC)
STARTED = ev.ConversationStarted(shop="fernway", language="en")


def story(*bodies: EventBody) -> list[Event]:
    return [
        Event(conversation=ConversationId("conv_A1"), seq=seq, at=BEGIN, body=body)
        for seq, body in enumerate(bodies, 1)
    ]


def says(text: str, *more: EventBody) -> list[Event]:
    turn = TurnId("t")
    return story(
        STARTED,
        ev.ConversationIdentified(level="customer", method="token", customer=CustomerId("C-10001")),
        ev.MessageReceived(message="m", text=text),
        ev.TurnStarted(turn=turn, upto=3),
        *more,
        ev.TurnCompleted(turn=turn, outcome="answered"),
    )


async def events_of(run: Run, scenario: str) -> list[Event]:
    (attempt,) = [one for one in run.attempts if one.scenario == scenario]
    log = SqlLog(log_url(run.folder), clock=lambda: datetime.now(UTC))
    try:
        return await log.read(ConversationId(attempt.conversation))
    finally:
        await log.close()


def written(scenarios: Sequence[Scenario], file: Path) -> list[Scenario]:
    """Write scenarios as ``amends eval import`` does, and read them back."""
    texts = [yaml.safe_dump(document(one), allow_unicode=True, sort_keys=False) for one in scenarios]
    file.write_text("---\n".join(texts), encoding="utf-8")
    return read_scenarios([file])


@pytest.mark.asyncio(loop_scope="session")
async def test_it_is_held_again_with_the_same_end(
    stage: StoreStage, version: Version, tmp_path: Path
) -> None:
    (model,) = ours("which-parcel.en")
    person = model.model_copy(
        update={
            "id": "person.en",
            "shopper": Shopper(
                customer="C-10001",
                goal="-",
                script=(Say(say="hello"), Press(press="person")),
            ),
        }
    )
    before = await held(tmp_path / "before", [*ours("cancel-before-packing.zh"), person], stage, version)
    names = [one.scenario for one in before.attempts]
    drafts = {name: recorded(await events_of(before, name)) for name in names}
    cancelled = drafts["cancel-before-packing.zh"]
    assert [(one.kind, one.order) for one in cancelled.expect.changes] == [("cancel", "FW-100041")]
    assert cancelled.language == "zh"
    assert cancelled.expect.handoff.needed == "never"
    assert drafts["person.en"].shopper.script == (Say(say=("hello",)), Press(press="person"))
    assert drafts["person.en"].expect.handoff.reasons == ("requested",)
    read_back = written(list(drafts.values()), tmp_path / "drafts.yaml")
    assert sorted(read_back, key=lambda one: one.id) == sorted(drafts.values(), key=lambda one: one.id)
    after = await held(tmp_path / "after", read_back, stage, version)
    assert {one.outcome for one in after.attempts} == {"held"}
    assert {one.value for one in after.scores if one.metric == "resolved"} == {1}
    again = {one.scenario: one for one in after.attempts}
    was = {one.scenario: one for one in before.attempts}
    assert again[cancelled.id].changes == was["cancel-before-packing.zh"].changes != {}


@pytest.mark.parametrize(
    ("text", "gone", "kept"),
    [
        (
            "My name is Hannah Weber, hannah.weber@example.com, phone +49 761 4455667. Where is FW-100002?",
            ("Hannah", "Weber", "@", "4455667"),
            ("FW-100002", "<person>", "<email>", "<phone>"),
        ),
        (
            "我叫林雨桐，电话 13812345678，邮箱 lin@example.cn，订单 FW-100041 还没到",
            ("林雨桐", "13812345678", "lin@"),
            ("FW-100041", "<person>", "<email>", "<phone>"),
        ),
        ("I have 2 tents from FW-100003", (), ("I have 2 tents from FW-100003",)),
    ],
)
def test_personal_data_is_masked_and_order_numbers_are_kept(
    text: str, gone: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    plain = yaml.safe_dump(document(recorded(says(text))), allow_unicode=True, width=1000)
    assert not any(word in plain for word in gone)
    assert all(word in plain for word in kept)
    assert mask(mask(text)) == mask(text)


def test_the_address_of_a_change_is_masked_and_its_reference_still_there() -> None:
    address = {
        "recipient": "Hannah Weber",
        "line1": "Kaiserstraße 20",
        "line2": "",
        "city": "Freiburg",
        "postal_code": "79098",
        "country": "DE",
    }
    order, proposal, turn = OrderId("FW-100001"), ProposalId("p"), TurnId("t")
    proposed = ev.ActionProposed(
        proposal=proposal,
        turn=turn,
        action=ev.ProposedAction(kind="change_address", order=order, arguments=address),
        arguments_hash="h",
        policy_version="1",
        customer=CustomerId("C-10001"),
        summary="",
        expires_at=BEGIN,
    )
    did = ev.ActionDone(
        proposal=proposal, turn=turn, order=order, kind="change_address", reference="r", text="Done."
    )
    found = recorded(says("Send FW-100001 to Hannah Weber, Kaiserstraße 20, 79098 Freiburg", proposed, did))
    (change,) = found.expect.changes
    assert change.arguments == {
        "recipient": "<recipient>",
        "line1": "<line1>",
        "line2": "",
        "city": "<city>",
        "postal_code": "<postal_code>",
        "country": "DE",
    }
    assert "Kaiserstraße" not in str(document(found))


def test_a_colleagues_reply_is_masked_too() -> None:
    events = says(
        "hello",
        ev.HandoffRequested(
            reasons=("requested",),
            packet=ev.HandoffPacket(customer="", identity="visitor", wants="", suggested=""),
        ),
        ev.HandoffAccepted(staff=StaffId("dana"), name="Dana"),
        ev.ReplySent(message="r", staff=StaffId("dana"), name="Dana", text="Write to dana.k@example.com"),
    )
    assert "Write to <email>" in str(document(recorded(events)))


def test_nothing_said_makes_no_scenario() -> None:
    with pytest.raises(NothingRecorded):
        recorded(story(STARTED))
    with pytest.raises(NothingRecorded):
        recorded([])
