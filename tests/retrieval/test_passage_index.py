"""What every passage index must do, run against Chroma embedded and a Chroma server."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from retrieval.chroma import ChromaPassageIndex
from retrieval.errors import EmbedderChanged, IndexEmpty
from retrieval.passages import Chunk, Language, PassageIndex, Visibility
from tests.retrieval.conftest import chunk_of
from tests.retrieval.hash_embedder import HashEmbedder

PUBLIC: frozenset[Visibility] = frozenset({"public"})
EVERYBODY: frozenset[Visibility] = frozenset(get_args(Visibility))

Factory = Callable[..., ChromaPassageIndex]


@pytest.fixture(params=["embedded", "server"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Factory]:
    """Opens the same index again and again; all are closed in the end."""
    opened: list[ChromaPassageIndex] = []
    collection = f"passages-{uuid.uuid4().hex}"
    url = request.getfixturevalue("chroma_url") if request.param == "server" else None

    def open_index(embedder: HashEmbedder | None = None, *, rebuild: bool = False) -> ChromaPassageIndex:
        for index in opened:
            index.close()
        opened.append(
            ChromaPassageIndex(
                embedder or HashEmbedder(),
                folder=None if url else tmp_path / "chroma",
                url=url,
                collection=collection,
                rebuild=rebuild,
            )
        )
        return opened[-1]

    yield open_index
    for index in opened:
        index.close()


@pytest.fixture
def index(factory: Factory) -> PassageIndex:
    return factory()


async def test_texts_are_as_near_to_a_question_as_if_they_were_stored(index: PassageIndex) -> None:
    texts = ["Wash the wool cold.", "Parcels leave on Mondays.", "Wash the wool cold."]
    near = await index.nearness("wash wool", texts)
    assert near[0] == near[2] > near[1]
    assert all(-1.0001 <= cosine <= 1.0001 for cosine in near)
    assert await index.nearness("wash wool", []) == []


async def test_a_chunk_comes_back_as_it_was_stored(index: PassageIndex) -> None:
    chunk = chunk_of("a", "Tents can be returned.\n\nSecond paragraph。")
    await index.add([chunk])
    assert await index.get("a", visible_to=PUBLIC) == chunk
    (passage,) = await index.query("returned tents", visible_to=PUBLIC)
    assert passage.chunk == chunk
    assert 0 < passage.similarity <= 1


async def test_adding_again_changes_nothing(index: PassageIndex) -> None:
    chunks = [chunk_of("a"), chunk_of("b", "Stoves are sold without fuel.")]
    await index.add(chunks)
    before = await index.query("tents", visible_to=PUBLIC)
    await index.add(chunks)
    await index.add([chunks[0], chunks[0]])
    assert await index.checksums() == {chunk.id: chunk.checksum for chunk in chunks}
    assert await index.query("tents", visible_to=PUBLIC) == before


async def test_a_chunk_under_a_known_id_replaces_the_old_one(index: PassageIndex) -> None:
    await index.add([chunk_of("a", visibility="public")])
    await index.add([chunk_of("a", "Now for staff.", visibility="staff")])
    assert await index.get("a", visible_to=PUBLIC) is None
    staff = await index.get("a", visible_to=EVERYBODY)
    assert staff is not None
    assert staff.text == "Now for staff."


async def test_inputs_stay_as_they_were(index: PassageIndex) -> None:
    chunks = [chunk_of("a"), chunk_of("b", heading="")]
    ids = ["a", "a", "unknown"]
    before = copy.deepcopy((chunks, ids))
    await index.add(chunks)
    await index.delete(ids)
    assert (chunks, ids) == before


async def test_nothing_to_add_or_delete_is_fine(index: PassageIndex) -> None:
    await index.add([])
    await index.delete([])
    await index.delete(["unknown"])
    assert await index.checksums() == {}
    assert await index.query("tents", visible_to=PUBLIC) == []


@pytest.mark.parametrize(
    "visible_to", [frozenset(), PUBLIC, frozenset({"public", "customers"}), frozenset({"staff"}), EVERYBODY]
)
async def test_only_visible_chunks_come_back(index: PassageIndex, visible_to: frozenset[Visibility]) -> None:
    chunks = [
        chunk_of(f"{visibility}{number}", visibility=visibility)
        for visibility in get_args(Visibility)
        for number in range(3)
    ]
    await index.add(chunks)
    found = await index.query("tents returned within 30 days", visible_to=visible_to, k=50)
    assert {p.chunk.id for p in found} == {c.id for c in chunks if c.visibility in visible_to}
    for chunk in chunks:
        got = await index.get(chunk.id, visible_to=visible_to)
        assert got == (chunk if chunk.visibility in visible_to else None)


async def test_hidden_chunks_do_not_crowd_out_visible_ones(index: PassageIndex) -> None:
    await index.add([chunk_of(f"s{number}", visibility="staff") for number in range(60)])
    await index.add([chunk_of("p", "Something about stoves.")])
    (passage,) = await index.query("tents returned within 30 days", visible_to=PUBLIC, k=3)
    assert passage.chunk.id == "p"


async def test_a_language_can_be_asked_for(index: PassageIndex) -> None:
    await index.add([chunk_of("en"), chunk_of("zh", "帐篷可以在30天内退货。", language="zh")])
    for language in get_args(Language):
        found = await index.query("帐篷 returned", visible_to=PUBLIC, language=language)
        assert [passage.chunk.id for passage in found] == [language]


async def test_equally_similar_chunks_come_in_the_order_of_their_ids(index: PassageIndex) -> None:
    ids = ["d", "b", "a", "e", "c"]
    for key in ids:
        await index.add([chunk_of(key)])
    await index.add([chunk_of("0", "Nothing alike.", title="Fuel", heading="")])
    found = await index.query("tents returned", visible_to=PUBLIC, k=3)
    assert [passage.chunk.id for passage in found] == ["a", "b", "c"]
    assert len({passage.similarity for passage in found}) == 1


async def test_deleted_stays_deleted_after_reopening(factory: Factory) -> None:
    index = factory()
    await index.add([chunk_of("a"), chunk_of("b")])
    await index.delete(["a"])
    again = factory()
    assert list(await again.checksums()) == ["b"]
    assert await again.get("a", visible_to=EVERYBODY) is None
    assert [p.chunk.id for p in await again.query("tents", visible_to=EVERYBODY)] == ["b"]


async def test_an_empty_question_finds_nothing(index: PassageIndex) -> None:
    await index.add([chunk_of("a")])
    assert await index.query("  \n", visible_to=PUBLIC) == []
    assert await index.query("tents", visible_to=PUBLIC, k=0) == []


async def test_an_empty_index_is_not_ready(index: PassageIndex) -> None:
    with pytest.raises(IndexEmpty, match="amends index"):
        await index.ready()
    await index.add([chunk_of("a")])
    await index.ready()


async def test_dates_and_marks_come_back_as_they_were_stored(index: PassageIndex) -> None:
    chunk = replace(
        chunk_of("a"), effective=date(2026, 3, 1), family="returns", replaces="returns-2024", superseded=True
    )
    await index.add([chunk])
    assert await index.get("a", visible_to=PUBLIC) == chunk


async def test_documents_can_be_left_out(index: PassageIndex) -> None:
    await index.add([chunk_of("a"), chunk_of("b", source="shop/old.md")])
    found = await index.query("tents", visible_to=PUBLIC, without=frozenset({"shop/old.md@en"}))
    assert [passage.chunk.id for passage in found] == ["a"]


async def test_the_similarity_of_given_chunks_is_that_of_a_search(index: PassageIndex) -> None:
    await index.add([chunk_of("a"), chunk_of("b", "Stoves."), chunk_of("s", visibility="staff")])
    searched = await index.query("tents returned", visible_to=PUBLIC)
    assert await index.similar("tents returned", ["b", "a", "s", "gone"], visible_to=PUBLIC) == searched
    assert await index.similar("tents returned", ["b"], visible_to=PUBLIC) == searched[1:]
    assert await index.similar("tents returned", [], visible_to=PUBLIC) == []
    assert await index.similar(" ", ["a"], visible_to=PUBLIC) == []


async def test_the_library_follows_what_is_stored(index: PassageIndex) -> None:
    one, two = chunk_of("a"), chunk_of("b", visibility="staff")
    await index.add([one])
    first = await index.library()
    assert first.chunks == {"a": one}
    assert await index.library() is first
    await index.add([two])
    assert (await index.library()).chunks == {"a": one, "b": two}
    await index.delete(["a"])
    assert (await index.library()).chunks == {"b": two}


async def test_a_library_sees_what_another_process_changed(chroma_url: str) -> None:
    collection = f"passages-{uuid.uuid4().hex}"
    ours, theirs = (
        ChromaPassageIndex(HashEmbedder(), url=chroma_url, collection=collection) for _ in range(2)
    )
    await ours.add([chunk_of("a")])
    assert set((await ours.library()).chunks) == {"a"}
    await theirs.add([chunk_of("a", "Now within 14 days.")])
    assert (await ours.library()).chunks["a"].text == "Now within 14 days."
    await theirs.delete(["a"])
    await theirs.add([chunk_of("b")])
    assert set((await ours.library()).chunks) == {"b"}
    for index in (ours, theirs):
        index.close()


async def test_more_chunks_than_one_page_are_all_listed(index: PassageIndex) -> None:
    chunks = [chunk_of(f"c{number:04}") for number in range(1_203)]
    await index.add(chunks)
    assert await index.checksums() == {chunk.id: chunk.checksum for chunk in chunks}
    await index.delete([chunk.id for chunk in chunks[1:]])
    assert list(await index.checksums()) == ["c0000"]


async def test_another_embedder_is_refused_until_the_index_is_built_again(factory: Factory) -> None:
    await factory(HashEmbedder("old")).add([chunk_of("a")])
    with pytest.raises(EmbedderChanged, match="old"):
        await factory(HashEmbedder("new")).query("tents", visible_to=PUBLIC)
    await factory(HashEmbedder("new"), rebuild=True).add([chunk_of("b")])
    assert list(await factory(HashEmbedder("new")).checksums()) == ["b"]


async def test_rebuild_leaves_an_index_of_the_same_embedder_alone(factory: Factory) -> None:
    await factory().add([chunk_of("a")])
    assert list(await factory(rebuild=True).checksums()) == ["a"]


async def test_calls_at_the_same_time_do_not_disturb_each_other(index: PassageIndex) -> None:
    await asyncio.gather(*(index.add([chunk_of(f"c{number}")]) for number in range(8)))
    answers = await asyncio.gather(*(index.query("tents", visible_to=PUBLIC, k=8) for _ in range(8)))
    assert all(len(answer) == 8 for answer in answers)


IDS = st.sampled_from(["a", "b", "c", "d"])


class IndexAgainstDict(RuleBasedStateMachine):
    """Any sequence of changes and restarts leaves the index equal to a plain dictionary."""

    make: Callable[[], ChromaPassageIndex]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.index = self.make()
        self.model: dict[str, Chunk] = {}
        self.runner.run(self._clear())

    async def _clear(self) -> None:
        await self.index.delete(list(await self.index.checksums()))

    @rule(
        ids=st.lists(IDS, max_size=3),
        word=st.sampled_from(["tent", "stove", "帐篷"]),
        visibility=st.sampled_from(get_args(Visibility)),
    )
    def add(self, ids: list[str], word: str, visibility: Visibility) -> None:
        chunks = [chunk_of(key, f"{word} {key}", visibility=visibility) for key in ids]
        self.runner.run(self.index.add(chunks))
        self.model |= {chunk.id: chunk for chunk in chunks}

    @rule(ids=st.lists(IDS, max_size=2))
    def delete(self, ids: list[str]) -> None:
        self.runner.run(self.index.delete(ids))
        for key in ids:
            self.model.pop(key, None)

    @rule()
    def restart(self) -> None:
        self.index.close()
        self.index = self.make()

    @rule(visible_to=st.frozensets(st.sampled_from(get_args(Visibility))))
    def query(self, visible_to: frozenset[Visibility]) -> None:
        found = self.runner.run(self.index.query("tent", visible_to=visible_to, k=10))
        expected = {key for key, chunk in self.model.items() if chunk.visibility in visible_to}
        assert {passage.chunk.id for passage in found} == expected
        assert all(passage.chunk == self.model[passage.chunk.id] for passage in found)

    @invariant()
    def same_as_the_dictionary(self) -> None:
        stored = self.runner.run(self.index.checksums())
        assert stored == {key: chunk.checksum for key, chunk in self.model.items()}

    def teardown(self) -> None:
        self.index.close()
        self.runner.close()


@pytest.mark.parametrize("where", ["embedded", "server"])
def test_any_sequence_of_changes_matches_a_dictionary(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("chroma_url") if where == "server" else None
    collection = f"stateful-{uuid.uuid4().hex}"

    def make() -> ChromaPassageIndex:
        folder = None if url else tmp_path / "chroma"
        return ChromaPassageIndex(HashEmbedder(), folder=folder, url=url, collection=collection)

    machine = type("Machine", (IndexAgainstDict,), {"make": staticmethod(make)})
    machine.TestCase.settings = settings(  # type: ignore[attr-defined]
        max_examples=8,
        stateful_step_count=12,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    machine.TestCase("runTest").runTest()  # type: ignore[attr-defined]
