"""The gate, proven: bad versions of the product are stopped, and one as good as the base is not.

Each bad version is the product with one fault built in, run over some of our own scenarios with the
model that repeats its sources.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from agent import answering, handoff
from agent import events as ev
from agent.grounding import Claim, Source, SourceSet
from agent.ids import ProposalId
from agent.model import Piece, Prompt
from agent.mood_lexicon import LexiconMood
from agent.nodes import perform as perform_node
from agent.proof import OrderProof
from agent.shop import sqlite
from agent.shop.schema import orders
from agent.understanding import Reader, Said, Understanding
from evals.extractive import ExtractiveModel
from evals.gate import Verdict, gate
from evals.inprocess import Version
from evals.records import Run
from evals.scenario import Scenario
from evals.shops.store import StoreStage
from tests.evals.conftest import held, ours

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

GOOD = Version(model=ExtractiveModel(), mood=LexiconMood())


def suite() -> list[Scenario]:
    """The scenarios that can show the faults planted here, and every second pair of the others."""
    telling = [one for one in ours() if one.area in _ATTACKS or one.expect.handoff.needed == "yes"]
    others = [one for one in ours() if one not in telling]
    pairs = sorted({one.pair for one in others})[::2]
    return telling + [one for one in others if one.pair in pairs]


_ATTACKS = ("impersonation", "injection")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def base(stage: StoreStage, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """The product as it is."""
    yield await held(tmp_path_factory.mktemp("base") / "base", suite(), stage, GOOD)


def among(run: Run, scenarios: Sequence[Scenario]) -> Run:
    """The run, as if only these scenarios had been held."""
    ids = {one.id for one in scenarios}
    return run.model_copy(
        update={
            "scenarios": tuple(one for one in run.scenarios if one.id in ids),
            "attempts": tuple(one for one in run.attempts if one.scenario in ids),
            "scores": tuple(one for one in run.scores if one.scenario in ids),
        }
    )


def blocked(verdict: Verdict) -> list[str]:
    return [line.text for line in verdict.lines if line.level == "blocked"]


async def test_the_same_version_with_other_shoppers_luck_passes(
    base: Run, stage: StoreStage, tmp_path: Path
) -> None:
    again = await held(tmp_path / "again", suite(), stage, GOOD, seed=2)
    verdict = gate(again, base)
    assert verdict.passed, [str(line) for line in verdict.lines]


async def test_a_version_that_leaks_is_stopped(
    base: Run, stage: StoreStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_in_scope", lambda scope: orders.c.id.is_not(None))
    scenarios = [one for one in suite() if one.area == "impersonation"]
    bad = await held(tmp_path / "leaks", scenarios, stage, GOOD)
    verdict = gate(bad, among(base, scenarios))
    assert verdict.exit_code == 1
    assert any(line.startswith("scope") for line in blocked(verdict)), blocked(verdict)


async def test_a_version_that_takes_any_code_for_a_proof_is_stopped(
    base: Run, stage: StoreStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OrderProof, "check", lambda self, state, code: state.codes[-1][0])
    scenarios = [one for one in suite() if one.area == "impersonation"]
    bad = await held(tmp_path / "any-code", scenarios, stage, GOOD)
    assert any(line.startswith("scope") for line in blocked(gate(bad, among(base, scenarios))))


class YesByPrefix:
    """Takes anything that begins with "y", or is a refusal in Chinese, for a yes."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.name = reader.name

    async def understand(self, text: str, *, earlier: Sequence[Said] = ()) -> Understanding:
        read = await self._reader.understand(text, earlier=earlier)
        if text.lower().startswith(("y", "不")):
            return replace(read, intents=("confirm",))
        return read


async def test_a_version_that_approves_on_you_cant_is_stopped(
    base: Run, stage: StoreStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_reader", YesByPrefix(stage._reader))
    scenarios = [one for one in suite() if one.area == "injection"]
    bad = await held(tmp_path / "approves", scenarios, stage, GOOD)
    verdict = gate(bad, among(base, scenarios))
    assert verdict.exit_code == 1
    assert any(line.startswith("confirmed_writes") for line in blocked(verdict)), blocked(verdict)


async def test_a_version_that_says_a_button_was_pressed_is_stopped_too(
    base: Run, stage: StoreStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(proposal: ProposalId, how: str) -> ev.ActionConfirmed:
        return ev.ActionConfirmed(proposal=proposal, how="button")

    monkeypatch.setattr(stage, "_reader", YesByPrefix(stage._reader))
    monkeypatch.setattr(perform_node, "ev", SimpleNamespace(**{**vars(ev), "ActionConfirmed": pressed}))
    scenarios = [one for one in suite() if one.area == "injection"]
    bad = await held(tmp_path / "forges", scenarios, stage, GOOD)
    assert any(line.startswith("confirmed_writes") for line in blocked(gate(bad, among(base, scenarios))))


async def test_a_version_that_never_hands_over_is_stopped(
    base: Run, stage: StoreStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handoff, "reasons", lambda situation: ())
    scenarios = [one for one in suite() if one.expect.handoff.needed == "yes"]
    bad = await held(tmp_path / "never", scenarios, stage, GOOD)
    verdict = gate(bad, among(base, scenarios))
    assert verdict.exit_code == 1
    assert any(line.startswith("handoff_recall") for line in blocked(verdict)), blocked(verdict)


class Embroidering(ExtractiveModel):
    """Adds a made-up sentence to about half of its answers."""

    async def stream(
        self, prompt: Sequence[Prompt], *, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Piece]:
        async for piece in super().stream(prompt, max_tokens=max_tokens, schema=schema):
            yield piece
            if piece.text and sha256(prompt[-1].text.encode()).digest()[0] % 10 < 5:
                yield Piece(" We also deliver by drone within 2 hours.")


class Lenient(SourceSet):
    """Lets every claim pass."""

    def __init__(self, sources: Sequence[Source], **options: Any) -> None:
        super().__init__(sources, **options)
        self._first = sources[0] if sources else None

    def check(self, sentence: str) -> Claim:
        claim = super().check(sentence)
        if claim.supported or self._first is None:
            return claim
        return replace(claim, supported=True, source=self._first.id, quote="")


async def test_a_version_ten_points_worse_at_grounding_is_stopped(
    base: Run, stage: StoreStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "SourceSet", Lenient)
    claiming = {one.scenario for one in base.scores if one.metric == "grounded"}
    scenarios = [one for one in suite() if one.id in claiming]
    bad = await held(tmp_path / "invents", scenarios, stage, replace(GOOD, model=Embroidering()))

    def share(run: Run) -> float:
        found = [one for one in run.scores if one.metric == "grounded"]
        return sum(one.hits for one in found) / sum(one.of for one in found)

    drop = share(base) - share(bad)
    assert 0.05 < drop < 0.13, f"the planted fault costs {100 * drop:.1f} points"
    verdict = gate(bad, among(base, scenarios))
    assert verdict.exit_code == 1
    assert any(line.startswith("grounded") for line in blocked(verdict)), blocked(verdict)
