"""A recorded conversation is run on from any turn: alike on the same version, and what differs is shown."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import events as ev
from agent.events import Event, EventBody
from agent.ids import ConversationId, CustomerId, OrderId, ProposalId, StaffId, TurnId
from agent.log_sql import SqlLog
from evals.inprocess import Version
from evals.records import Run, log_url, open_log
from evals.replay import Difference, Moment, Replayed, ReplayInvalid, moments, replay, steps
from evals.scenario import PlantedDocument, Press, Say, Scenario, Shopper, Staff, TypeCode, Wait
from evals.shops.store import StoreStage
from tests.conftest import ROOT
from tests.doubles import ScriptedModel
from tests.evals.conftest import held, ours

pytestmark = pytest.mark.asyncio(loop_scope="session")

IDS = (
    "cancel-before-packing.en",
    "multi-question-in-return.zh",
    "multi-two-changes.en",
    "premise-return-days.en",
)


def scripted(id: str, *script: object, customer: str = "visitor") -> Scenario:
    """One of ours, with another script."""
    (model,) = ours("which-parcel.en")
    shopper = Shopper.model_validate({"customer": customer, "goal": "-", "script": script})
    return model.model_copy(update={"id": id, "shopper": shopper})


@pytest.fixture(scope="session")
def done() -> dict[str, Run]:
    """The run that all tests here read, made by the first of them."""
    return {}


@pytest.fixture
async def recorded(
    done: dict[str, Run], stage: StoreStage, version: Version, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    if "run" not in done:
        days = scripted(
            "return-days.en",
            {"say": "How many days do I have to return an item?"},
            {"say": "Where is my order FW-100002?"},
            customer="C-10001",
        )
        folder = tmp_path_factory.mktemp("recorded") / "run"
        done["run"] = await held(folder, [*ours(*IDS), days], stage, version)
    return done["run"]


async def read(run: Run, scenario: str) -> tuple[list[Event], Scenario]:
    """What was said and done in a scenario, and the scenario."""
    (attempt,) = [one for one in run.attempts if one.scenario == scenario]
    assert attempt.outcome == "held"
    return await logged(run.folder, attempt.conversation), next(
        one for one in run.scenarios if one.id == scenario
    )


async def logged(folder: Path, conversation: str) -> list[Event]:
    log = SqlLog(log_url(folder), clock=lambda: datetime.now(UTC))
    try:
        return await log.read(ConversationId(conversation))
    finally:
        await log.close()


def first(events: Sequence[Event], kind: str) -> int:
    """The ``seq`` of the first event of this type."""
    return next(event.seq for event in events if event.body.type == kind)


def same(found: Replayed) -> None:
    """Nothing differs, in what was done and in what was told."""
    assert found.differences
    for one in found.differences:
        assert (one.then.did, one.then.figures, one.then.sources) == (
            one.now.did,
            one.now.figures,
            one.now.sources,
        )
        assert not one.acts
        assert not one.facts


class TestSameVersion:
    async def test_from_the_confirmation_on_the_change_is_made_again(
        self, recorded: Run, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        events, scenario = await read(recorded, "cancel-before-packing.en")
        open_log(tmp_path)
        confirmed = first(events, "action.confirmed")
        found = await replay(
            events, start=confirmed, stage=stage, version=version, folder=tmp_path, scenario=scenario
        )
        same(found)
        assert [one.now.shopper for one in found.differences] == ["(confirms)"]
        assert found.differences[0].now.did == ("did cancel of FW-100021",)
        assert "89.00 EUR" in found.differences[0].now.figures
        now = await logged(tmp_path, found.conversation)
        assert found.prefix == confirmed - 1
        assert [(e.at, e.body) for e in now[: found.prefix]] == [
            (e.at, e.body) for e in events[: found.prefix]
        ]
        assert now[found.prefix].body == events[found.prefix].body
        assert now[-1].body.type == "conversation.closed"

    async def test_from_a_turn_in_the_middle_of_a_chinese_conversation(
        self, recorded: Run, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        events, scenario = await read(recorded, "multi-question-in-return.zh")
        open_log(tmp_path)
        second = [event.seq for event in events if isinstance(event.body, ev.MessageReceived)][1]
        found = await replay(
            # An event in the midst of the turn means the turn.
            events,
            start=second + 2,
            stage=stage,
            version=version,
            folder=tmp_path,
            scenario=scenario,
        )
        same(found)
        assert found.prefix == second - 1
        assert len(found.differences) == 3
        assert found.differences[-1].now.did == ("did return of FW-100043",)

    async def test_a_burst_is_given_again_as_one_also_from_its_middle(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        # Made up, since how fast a real turn is decides what it answers of a burst.
        turn = TurnId("t")
        bodies: list[EventBody] = [
            ev.ConversationStarted(shop="fernway", language="en"),
            ev.ConversationIdentified(level="customer", method="token", customer=CustomerId("C-10001")),
            ev.MessageReceived(message="a", text="it is about FW-100002"),
            ev.TurnStarted(turn=turn, upto=3),
            ev.MessageReceived(message="b", text="where is that order?"),
            ev.TurnInterrupted(turn=turn, by="message"),
            ev.TurnStarted(turn=turn, upto=5),
            ev.TurnCompleted(turn=turn, outcome="answered"),
        ]
        open_log(tmp_path)
        found = await replay(
            story(bodies), start=6, stage=stage, version=version, folder=tmp_path, scenario=None
        )
        assert found.prefix == 2
        (one,) = found.differences
        assert one.now.shopper == "it is about FW-100002 / where is that order?"
        assert "FW-100002" in one.now.sources
        now = await logged(tmp_path, found.conversation)
        assert [e.body.text for e in now if isinstance(e.body, ev.MessageReceived)] == [
            "it is about FW-100002",
            "where is that order?",
        ]

    async def test_changes_before_the_cut_are_made_again_on_the_fresh_shop(
        self, recorded: Run, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        events, scenario = await read(recorded, "multi-two-changes.en")
        asked = [event for event in events if isinstance(event.body, ev.MessageReceived)]
        after = events[: asked[1].seq - 1]
        # Somebody who now asks about the first order must hear that it is cancelled.
        words = "What is the state of order FW-100001?"
        asking = asked[1].model_copy(update={"body": ev.MessageReceived(message="m9", text=words)})
        open_log(tmp_path)
        found = await replay(
            [*after, asking],
            start=asking.seq,
            stage=stage,
            version=version,
            folder=tmp_path,
            scenario=scenario,
        )
        assert [one.now.shopper for one in found.differences] == [words]
        assert "cancelled" in found.differences[0].now.said
        whole = await replay(
            events, start=asked[1].seq, stage=stage, version=version, folder=tmp_path, scenario=scenario
        )
        same(whole)
        assert whole.differences[-1].now.did == ("did exchange of FW-100003",)

    async def test_from_the_first_message_when_no_event_is_named(
        self, recorded: Run, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        events, scenario = await read(recorded, "cancel-before-packing.en")
        open_log(tmp_path)
        found = await replay(events, stage=stage, version=version, folder=tmp_path, scenario=scenario)
        same(found)
        assert found.prefix == first(events, "message.received") - 1
        assert [one.then for one in found.differences] == moments(events)

    async def test_before_the_first_message_there_is_nothing_to_give(
        self, recorded: Run, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        events, scenario = await read(recorded, "cancel-before-packing.en")
        with pytest.raises(ReplayInvalid, match="up to event 2"):
            await replay(events, start=2, stage=stage, version=version, folder=tmp_path, scenario=scenario)
        with pytest.raises(ReplayInvalid, match="at all"):
            await replay(events[:2], stage=stage, version=version, folder=tmp_path, scenario=scenario)


class TestOtherVersion:
    async def test_a_model_that_is_down_differs_where_it_was_asked_and_nowhere_else(
        self, recorded: Run, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        open_log(tmp_path)
        broken = replace(version, model=ScriptedModel(down=True))
        for name, differ in (("premise-return-days.en", True), ("cancel-before-packing.en", False)):
            events, scenario = await read(recorded, name)
            found = await replay(events, stage=stage, version=broken, folder=tmp_path, scenario=scenario)
            for one in found.differences:
                asked = "answered without the model or the documents"
                assert one.acts == (asked in one.now.did)
                assert asked not in one.then.did
            assert any(one.acts for one in found.differences) == differ

    async def test_another_figure_in_a_document_is_the_one_difference(
        self, recorded: Run, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        events, scenario = await read(recorded, "return-days.en")
        open_log(tmp_path)
        planted = PlantedDocument(
            id="returns-new",
            title="Returns and exchanges",
            text="## How long\n\nYou can return an item within 45 days of delivery.",
            replaces="returns",
        )
        found = await replay(
            events, stage=stage, version=version, folder=tmp_path, scenario=scenario, planted=(planted,)
        )
        days, order = found.differences
        assert "45 days" in days.now.figures - days.then.figures
        assert days.facts
        assert not order.facts
        assert not any(one.acts for one in found.differences)

    async def test_a_version_that_never_finds_anything_says_so_and_that_is_an_act(
        self, recorded: Run, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        events, scenario = await read(recorded, "premise-return-days.en")
        open_log(tmp_path)
        shy = replace(version, answerable=1.0)
        found = await replay(events, stage=stage, version=shy, folder=tmp_path, scenario=scenario)
        assert found.differences[0].acts
        assert found.differences[0].facts
        assert "said that it does not know" in found.differences[0].now.did


class TestPeople:
    async def test_a_code_is_mailed_again_so_it_can_be_typed_again(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        run = await held(tmp_path / "run", ours("visitor-proves-order.en"), stage, version)
        events, scenario = await read(run, "visitor-proves-order.en")
        assert TypeCode(code="right") in list(steps(events))
        found = await replay(events, stage=stage, version=version, folder=tmp_path / "run", scenario=scenario)
        same(found)
        assert any("took FW-100013 as proven" in one.now.did for one in found.differences)
        # A code can't be typed that was mailed in another world: it is asked for again.
        typed = next(e.seq for e in events if isinstance(e.body, ev.CodeChecked))
        again = await replay(
            events, start=typed, stage=stage, version=version, folder=tmp_path / "run", scenario=scenario
        )
        same(again)
        assert again.prefix < first(events, "code.sent")
        assert "mailed a code for FW-100013" in again.differences[0].now.did

    async def test_staff_take_over_answer_and_hand_back_as_they_did(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        scenario = scripted(
            "staffed.en",
            {"say": "Where is my order FW-100002?"},
            {"press": "person"},
            {"staff": "take_over"},
            {"say": "are you real?"},
            {"reply": "I am, Quinn here."},
            {"staff": "hand_back"},
            {"wait_minutes": 5},
            {"say": "And where is FW-100002 now?"},
            customer="C-10001",
        )
        run = await held(tmp_path / "run", [scenario], stage, version)
        events, _ = await read(run, "staffed.en")
        found = list(steps(events))
        wait = found.pop(6)
        assert found == [
            Say(say=("Where is my order FW-100002?",)),
            Press(press="person"),
            Staff(staff="take_over"),
            Say(say=("are you real?",)),
            Staff(reply="I am, Quinn here."),
            Staff(staff="hand_back"),
            Say(say=("And where is FW-100002 now?",)),
        ]
        assert isinstance(wait, Wait)
        assert 5 <= wait.wait_minutes < 6
        # What a person answers is no turn of the assistant, so it is not begun there.
        reply = first(events, "reply.sent")
        again = await replay(
            events, start=reply, stage=stage, version=version, folder=tmp_path / "run", scenario=scenario
        )
        same(again)
        assert again.prefix == first(events, "handoff.requested") - 1
        now = await logged(tmp_path / "run", again.conversation)
        assert [e.body.text for e in now if isinstance(e.body, ev.ReplySent)] == ["I am, Quinn here."]
        last = max(e.seq for e in now if isinstance(e.body, ev.MessageReceived))
        assert now[last - 1].at - now[last - 2].at >= timedelta(minutes=5)

    async def test_a_sign_in_half_way_happens_again(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        scenario = scripted(
            "signs-in.en",
            {"say": "How long can I return something?"},
            {"say": "Where is my order FW-100002?"},
        )
        open_log(tmp_path)
        bodies: list[EventBody] = [
            ev.ConversationStarted(shop="fernway", language="en"),
            ev.MessageReceived(message="a", text="How long can I return something?"),
            ev.TurnStarted(turn=TurnId("t"), upto=2),
            ev.TurnCompleted(turn=TurnId("t"), outcome="answered"),
            ev.ConversationIdentified(level="customer", method="token", customer=CustomerId("C-10001")),
            ev.MessageReceived(message="b", text="Where is my order FW-100002?"),
        ]
        events = story(bodies)
        found = await replay(events, stage=stage, version=version, folder=tmp_path, scenario=scenario)
        assert len(found.differences) == 2
        assert "FW-100002" in found.differences[1].now.sources

    async def test_a_button_pressed_before_the_answer_came_is_a_step_of_its_own(self) -> None:
        bodies: list[EventBody] = [
            ev.ConversationStarted(shop="fernway", language="en"),
            ev.MessageReceived(message="a", text="one"),
            ev.MessageReceived(message="b", text="two"),
            ev.HandoffAccepted(staff=StaffId("dana"), name="Dana"),
            ev.MessageReceived(message="c", text="three"),
            ev.ReplySent(message="r", staff=StaffId("dana"), name="Dana", text="Hello."),
            ev.MessageReceived(message="d", text="four"),
        ]
        assert list(steps(story(bodies))) == [
            Say(say=("one", "two")),
            Staff(staff="take_over"),
            Say(say=("three",)),
            Staff(reply="Hello."),
            Say(say=("four",)),
        ]


@pytest.mark.parametrize("other", [{"lines": [2]}, {"lines": [1], "sku": "BOOT-CRN-41"}])
async def test_the_same_change_with_other_arguments_is_another_act(other: dict[str, object]) -> None:
    def told(arguments: dict[str, object]) -> Moment:
        proposed = ev.ActionProposed(
            proposal=ProposalId("p"),
            turn=TurnId("t"),
            action=ev.ProposedAction(kind="exchange", order=OrderId("FW-100003"), arguments=arguments),
            arguments_hash="h",
            policy_version="1",
            customer=None,
            summary="",
            expires_at=datetime(2026, 6, 15, tzinfo=UTC),
        )
        (found,) = moments(story([ev.MessageReceived(message="a", text="swap it"), proposed]))
        return found

    assert Difference(told({"lines": [1]}), told(other)).acts
    assert not Difference(told({"lines": [1]}), told({"lines": [1]})).acts


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("within 30 and not 14 days [2]", {"30", "14 days"}),
        ("89.00 EUR by 2026-06-22", {"89.00 EUR", "2026-06-22"}),
        ("30 天内，运费 4.90 元", {"30 天", "4.90 元"}),
    ],
)
async def test_figures_have_their_units_and_marks_are_none(text: str, figures: set[str]) -> None:
    answer = ev.AnswerSent(turn=TurnId("t"), text=text, language="en", how="composed")
    (found,) = moments(story([ev.MessageReceived(message="a", text="?"), answer]))
    assert found.figures == figures


def story(bodies: Sequence[EventBody]) -> list[Event]:
    """Events a second apart."""
    begin = datetime(2026, 6, 15, 12, tzinfo=UTC)
    return [
        Event(conversation=ConversationId("c"), seq=seq, at=begin + timedelta(seconds=seq), body=body)
        for seq, body in enumerate(bodies, 1)
    ]


class TestLive:
    async def test_a_live_shop_is_copied_and_the_original_left_alone(
        self,
        recorded: Run,
        stage: StoreStage,
        version: Version,
        shop_store: Path,
        tmp_path: Path,
    ) -> None:
        events, _ = await read(recorded, "cancel-before-packing.en")
        live = tmp_path / "shop.db"
        shutil.copy(shop_store, live)
        before = hashlib.sha256(live.read_bytes()).hexdigest()
        copy = StoreStage(
            ROOT / "demo", index=stage._index, embedder=stage._embedder, reader=stage._reader, store=live
        )
        await copy.open()
        open_log(tmp_path)
        try:
            found = await replay(events, stage=copy, version=version, folder=tmp_path, scenario=None)
        finally:
            copy.close()
        same(found)
        assert found.differences[-1].now.did == ("did cancel of FW-100021",)
        assert hashlib.sha256(live.read_bytes()).hexdigest() == before
