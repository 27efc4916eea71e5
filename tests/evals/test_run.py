"""Holding conversations: in a world of their own, resumable, and honest about what broke."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent import events as ev
from agent.errors import ModelUnavailable
from agent.ids import ConversationId
from agent.log_sql import SqlLog
from agent.nodes import answer as answer_node
from evals.inprocess import Version
from evals.records import Attempt, Run, RunInvalid, read_lines
from evals.run import hold_one, prepare, references, run, seed_of
from evals.scenario import Change, Expect, Scenario
from evals.shops.store import StoreStage
from evals.world import ReferenceInvalid
from tests.conftest import Clock
from tests.doubles import ScriptedModel
from tests.evals.conftest import held, ours, plan

pytestmark = pytest.mark.asyncio(loop_scope="session")


def score(run: Run, metric: str, scenario: str) -> float:
    (found,) = [one for one in run.scores if (one.metric, one.scenario) == (metric, scenario)]
    return found.value


def attempt(run: Run, scenario: str) -> Attempt:
    (found,) = [one for one in run.attempts if one.scenario == scenario]
    return found


class TestWorlds:
    async def test_a_change_is_made_in_its_own_shop_and_compared_with_the_reference(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        scenarios = ours("cancel-before-packing.en", "cancel-before-packing.zh")
        done = await held(tmp_path / "run", scenarios, stage, version, repeats=2)
        assert len(done.attempts) == 4  # each from the same beginning, or the second would be refused
        for one in done.attempts:
            assert one.outcome == "held"
            assert one.changes == one.expected != {}
        assert {one.value for one in done.scores if one.metric == "confirmed_writes"} == {1}

    async def test_the_log_of_a_run_is_a_conversation_log(
        self, stage: StoreStage, version: Version, tmp_path: Path, clock: Clock
    ) -> None:
        done = await held(tmp_path / "run", ours("which-parcel.en"), stage, version)
        log = SqlLog(done.log_url, clock=clock)
        events = await log.read(ConversationId(done.attempts[0].conversation))
        await log.close()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert events[-1].body.type == "conversation.closed"
        assert events[0].at.date().isoformat() == "2026-06-15"

    async def test_a_planted_document_is_found_there_and_nowhere_else(
        self, stage: StoreStage, version: Version, tmp_path: Path, clock: Clock
    ) -> None:
        (attack,) = ours("inj-policy-document.en")
        # Its own document gives orders, which makes it no source: here a harmless one is planted.
        (document,) = attack.faults.documents
        harmless = document.text.partition("How returns")[0] + (
            "It costs 4.90 EUR to send something back, which gets taken off your refund for the return. "
            "You can return it within 30 days after delivery."
        )
        told = document.model_copy(update={"text": harmless})
        faults = attack.faults.model_copy(update={"documents": (told,)})
        planted = attack.model_copy(update={"faults": faults})
        plain = planted.model_copy(update={"id": "plain.en", "faults": type(planted.faults)()})
        done = await held(tmp_path / "run", [planted, plain], stage, version)
        log = SqlLog(done.log_url, clock=clock)
        found = {}
        for one in done.attempts:
            events = await log.read(ConversationId(one.conversation))
            found[one.scenario] = {
                passage.source
                for event in events
                if isinstance(event.body, ev.PassagesFound)
                for passage in event.body.passages
            }
        await log.close()
        assert any(source.startswith("planted/") for source in found[planted.id])
        assert not any(source.startswith("planted/") for source in found["plain.en"])

    async def test_a_document_replaced_in_the_middle_of_a_chat_is_gone_from_then_on(
        self, stage: StoreStage
    ) -> None:
        (scenario,) = ours("policy-replaced.en")
        async with stage.world(scenario) as world:
            sources = []
            for turn in (1, scenario.faults.documents[0].after_turn + 1):
                world.turn = turn
                found = await world.retriever.find(
                    "When is standard shipping refunded?",
                    language="en",
                    visible_to=frozenset({"public"}),
                    k=8,
                )
                sources.append({passage.chunk.source for passage in found.passages})
        before, after = sources
        assert any(source.endswith("returns.md") for source in before)
        assert not any(source.endswith("policies/en/returns.md") for source in after)
        assert any(source.startswith("planted/") for source in after)

    async def test_a_shop_that_is_down_in_one_turn_is_back_in_the_next(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        done = await held(tmp_path / "run", ours("shop-down-once.en"), stage, version)
        assert attempt(done, "shop-down-once.en").outcome == "held"
        assert score(done, "told", "shop-down-once.en") == 1


class TestProof:
    async def test_the_right_code_from_the_mail_proves_an_order_and_a_wrong_one_does_not(
        self, stage: StoreStage, version: Version, tmp_path: Path, clock: Clock
    ) -> None:
        scenarios = ours("visitor-proves-order.en", "visitor-proves-order.zh", "imp-wrong-proof.en")
        done = await held(tmp_path / "run", scenarios, stage, version)
        log = SqlLog(done.log_url, clock=clock)
        accepted = {}
        for one in done.attempts:
            events = await log.read(ConversationId(one.conversation))
            accepted[one.scenario] = any(
                event.body.accepted for event in events if isinstance(event.body, ev.CodeChecked)
            )
            assert one.leaks == ()
        await log.close()
        assert accepted == {
            "visitor-proves-order.en": True,
            "visitor-proves-order.zh": True,
            "imp-wrong-proof.en": False,
        }


class TestReferences:
    async def test_a_reference_that_the_rules_refuse_stops_the_run(self, stage: StoreStage) -> None:
        (scenario,) = ours("cancel-before-packing.en")
        wrong = scenario.model_copy(
            update={"expect": Expect(changes=(Change(kind="cancel", order="FW-100003"),))}
        )
        with pytest.raises(ReferenceInvalid, match=r"cancel-before-packing\.en.*FW-100003"):
            await references([wrong], {"fernway": stage})

    async def test_every_reference_we_ship_can_be_carried_out(self, stage: StoreStage) -> None:
        expected = await references(ours(), {"fernway": stage})
        assert sum(1 for changes in expected.values() if changes) >= 20


class TestResuming:
    async def test_a_run_that_was_cut_off_is_finished_without_doing_anything_twice(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        scenarios = ours("which-parcel.en", "which-parcel.zh", "off-topic-weather.en", "off-topic-weather.zh")
        whole = plan(tmp_path / "run", scenarios, stage, version)
        todo = prepare(whole, resume=False)
        await run(whole, todo[:2])
        with (tmp_path / "run" / "attempts.jsonl").open("a") as file:
            file.write('{"scenario": "which-pa')  # killed while writing
        left = prepare(whole, resume=True)
        assert {scenario.id for scenario, _ in left} == {one.id for one in scenarios} - {
            one.id for one, _ in todo[:2]
        }
        await run(whole, left)
        kept = list(read_lines(tmp_path / "run" / "attempts.jsonl", Attempt))
        assert sorted(one.scenario for one in kept) == sorted(one.id for one in scenarios)
        assert prepare(whole, resume=True) == []

    async def test_what_the_infrastructure_broke_is_tried_again(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        down = replace(version, model=ScriptedModel(down=True))
        scenarios = ours("premise-return-days.en")
        first = plan(tmp_path / "run", scenarios, stage, down)
        await run(first, prepare(first, resume=False))
        (broken,) = read_lines(tmp_path / "run" / "attempts.jsonl", Attempt)
        assert broken.outcome == "infrastructure_error"
        again = plan(tmp_path / "run", scenarios, stage, version)
        await run(again, prepare(again, resume=True))
        (kept,) = read_lines(tmp_path / "run" / "attempts.jsonl", Attempt)
        assert kept.outcome == "held"

    async def test_another_version_or_an_unasked_resume_is_refused(
        self, stage: StoreStage, version: Version, tmp_path: Path
    ) -> None:
        scenarios = ours("which-parcel.en")
        first = plan(tmp_path / "run", scenarios, stage, version)
        prepare(first, resume=False)
        with pytest.raises(RunInvalid, match="--resume"):
            prepare(first, resume=False)
        other = replace(first, manifest=first.manifest.model_copy(update={"model": "another"}))
        with pytest.raises(RunInvalid, match="another model"):
            prepare(other, resume=True)


class TestBroken:
    async def test_a_shop_that_cannot_be_opened_is_an_infrastructure_error_not_a_bad_score(
        self, version: Version, stage: StoreStage, tmp_path: Path
    ) -> None:
        class Broken:
            name = "fernway"

            def world(self, scenario: Scenario) -> object:
                raise ModelUnavailable("no")

            async def expected(self, scenario: Scenario) -> dict[str, object]:
                return {}

        broken = plan(tmp_path / "run", ours("which-parcel.en"), Broken(), version)  # type: ignore[arg-type]
        prepare(broken, resume=False)
        found = await hold_one(broken, broken.scenarios[0], 1)
        assert found.outcome == "infrastructure_error"
        assert "no" in found.why

    async def test_a_version_whose_turns_crash_is_judged_and_fails(
        self, stage: StoreStage, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def crash(*_: object, **__: object) -> None:
            raise RuntimeError("a mistake in the code")

        monkeypatch.setattr(answer_node, "_from_documents", crash)
        done = await held(tmp_path / "run", ours("premise-return-days.en"), stage, version)
        assert attempt(done, "premise-return-days.en").outcome == "held"
        assert score(done, "resolved", "premise-return-days.en") == 0


class TestScope:
    async def test_a_shop_that_ignores_the_scope_is_found_out(
        self, stage: StoreStage, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from agent.shop import sqlite
        from agent.shop.schema import orders

        monkeypatch.setattr(sqlite, "_in_scope", lambda scope: orders.c.id.is_not(None))
        done = await held(tmp_path / "run", ours("imp-other-order.en"), stage, version)
        (one,) = done.attempts
        assert one.leaks
        assert score(done, "scope", one.scenario) == 0


async def test_a_seed_belongs_to_its_conversation_alone() -> None:
    await asyncio.sleep(0)
    seeds = {seed_of(1, scenario, repeat) for scenario in ("a", "b") for repeat in (1, 2)}
    assert len(seeds) == 4
    assert seed_of(1, "a", 1) == seed_of(1, "a", 1) != seed_of(2, "a", 1)
