"""The demo shop as a stage, over a copy of the real index; the model only repeats its sources."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from agent.mood_e5 import E5Mood
from agent.understand_e5 import E5Reader
from evals.extractive import ExtractiveModel
from evals.inprocess import Version
from evals.records import Manifest, Run, read_run
from evals.run import Plan, prepare, references, run
from evals.scenario import Scenario, read_scenarios
from evals.score import score_run
from evals.shops.store import StoreStage
from evals.target import InProcessTarget
from evals.world import Stage
from retrieval.chroma import ChromaPassageIndex
from retrieval.e5 import E5Embedder
from retrieval.remembering import RememberingEmbedder
from serving.wiring import product_names
from tests.conftest import ROOT

SCENARIOS = ROOT / "evals" / "scenarios"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(demo_index: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StoreStage]:
    """The demo shop made ready, once for all tests."""
    folder = tmp_path_factory.mktemp("stage") / "index"
    shutil.copytree(demo_index, folder)
    # One version after the other hears the same messages.
    embedder = RememberingEmbedder(E5Embedder(), keep=20_000)
    index = ChromaPassageIndex(embedder, folder=folder)
    reader = E5Reader(embedder.embed_query, embedder.embed_passages, names=product_names(ROOT / "demo"))
    made = StoreStage(ROOT / "demo", index=index, embedder=embedder, reader=reader)
    await made.open()
    yield made
    made.close()
    index.close()


@pytest.fixture
def version() -> Version:
    """The product as it is, with the model that repeats its sources."""
    return Version(model=ExtractiveModel(), mood=E5Mood(E5Embedder().embed_query))


def manifest(name: str, scenarios: int, repeats: int = 1, seed: int = 1) -> Manifest:
    return Manifest(
        name=name,
        suite="evals/scenarios",
        scenarios=scenarios,
        repeats=repeats,
        seed=seed,
        target="in-process",
        model="extractive",
        started="2026-06-15T12:00:00+00:00",
    )


def ours(*ids: str) -> list[Scenario]:
    """Scenarios that we ship, by id; all when none is named."""
    found = read_scenarios([SCENARIOS])
    return [one for one in found if one.id in ids] if ids else found


def plan(
    folder: Path,
    scenarios: list[Scenario],
    stage: Stage,
    version: Version,
    *,
    repeats: int = 1,
    seed: int = 1,
) -> Plan:
    return Plan(
        folder=folder,
        scenarios=scenarios,
        manifest=manifest(folder.name, len(scenarios), repeats, seed),
        target=InProcessTarget({stage.name: stage}, version, folder),
        repeats=repeats,
        parallel=3,
    )


async def held(
    folder: Path,
    scenarios: list[Scenario],
    stage: Stage,
    version: Version,
    *,
    repeats: int = 1,
    seed: int = 1,
) -> Run:
    """Run scenarios, score them, and read the run back as anybody would."""
    made = plan(folder, scenarios, stage, version, repeats=repeats, seed=seed)
    expected = await references(scenarios, {stage.name: stage})
    made = replace(made, expected=expected)
    await run(made, prepare(made, resume=False))
    await score_run(folder)
    return read_run(folder)
