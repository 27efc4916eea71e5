"""Files into the index again and again: only what changed, and nothing half done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import get_args

import pytest

from retrieval.chroma import ChromaPassageIndex
from retrieval.indexing import BATCH, IndexReport, index
from retrieval.passages import Chunk, Visibility
from tests.retrieval.hash_embedder import HashEmbedder

EVERYBODY: frozenset[Visibility] = frozenset(get_args(Visibility))


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
async def store(tmp_path: Path, embedder: HashEmbedder) -> AsyncIterator[ChromaPassageIndex]:
    opened = ChromaPassageIndex(embedder, folder=tmp_path / "chroma")
    yield opened
    opened.close()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "faq").mkdir(parents=True)
    (folder / "returns.md").write_text(
        "# Returns\n\n## When\n\nThirty days.\n\n## Cost\n\n" + "Free of charge. " * 20
    )
    entries = [{"id": f"q{n}", "question": f"Question {n}?", "answer": f"Answer {n}."} for n in range(5)]
    (folder / "faq" / "en.json").write_text(json.dumps(entries))
    return folder


async def stored(store: ChromaPassageIndex) -> dict[str, str]:
    """Text by source and heading of everything in the index."""
    chunks = [await store.get(key, visible_to=EVERYBODY) for key in await store.checksums()]
    return {f"{chunk.source}|{chunk.title}|{chunk.heading}": chunk.text for chunk in chunks if chunk}


async def test_everything_is_indexed_once(
    shop: Path, store: ChromaPassageIndex, embedder: HashEmbedder
) -> None:
    first = await index([shop], store)
    assert first == IndexReport(documents=6, added=7, unchanged=0, removed=0, skipped=[])
    embedder.embedded.clear()
    second = await index([shop], store)
    assert second == IndexReport(documents=6, added=0, unchanged=7, removed=0, skipped=[])
    assert embedder.embedded == []


async def test_only_what_changed_is_embedded(
    shop: Path, store: ChromaPassageIndex, embedder: HashEmbedder
) -> None:
    await index([shop], store)
    embedder.embedded.clear()
    text = (shop / "returns.md").read_text()
    (shop / "returns.md").write_text(text.replace("Thirty", "Sixty"))
    report = await index([shop], store)
    assert (report.added, report.unchanged, report.removed) == (1, 6, 1)
    assert embedder.embedded == ["Returns > When\nSixty days."]
    assert (await stored(store))["shop/returns.md|Returns|When"] == "Sixty days."


async def test_a_new_version_is_stored_though_the_text_is_the_same(
    shop: Path, store: ChromaPassageIndex
) -> None:
    await index([shop], store)
    text = (shop / "returns.md").read_text()
    (shop / "returns.md").write_text(f"---\neffective: 2026-03-01\nvisibility: customers\n---\n{text}")
    report = await index([shop], store)
    assert (report.added, report.removed) == (2, 0)
    (passage, *_) = await store.query("thirty days", visible_to=frozenset({"customers"}))
    assert passage.chunk.version == "2026-03-01"


async def test_removed_documents_disappear(shop: Path, store: ChromaPassageIndex) -> None:
    await index([shop], store)
    (shop / "returns.md").unlink()
    assert (await index([shop], store)).removed == 2
    assert all(key.startswith("shop/faq/en.json") for key in await stored(store))


async def test_documents_of_other_paths_stay(shop: Path, store: ChromaPassageIndex, tmp_path: Path) -> None:
    other = tmp_path / "shop-two"
    other.mkdir()
    (other / "a.md").write_text("Other text.")
    await index([shop, other], store)
    (shop / "returns.md").unlink()
    (other / "a.md").unlink()
    report = await index([shop], store)
    assert report.removed == 2
    assert "shop-two/a.md|a|" in await stored(store)


async def test_a_broken_file_is_named_and_keeps_its_old_text(shop: Path, store: ChromaPassageIndex) -> None:
    await index([shop], store)
    before = await stored(store)
    (shop / "faq" / "en.json").write_text("{broken")
    (shop / "new.pdf").write_bytes(b"%PDF-1.4 cut off")
    report = await index([shop], store)
    assert [file for file, _ in report.skipped] == ["shop/faq/en.json", "shop/new.pdf"]
    assert "not valid JSON" in report.skipped[0][1]
    assert (report.documents, report.removed) == (1, 0)
    assert await stored(store) == before


async def test_a_file_of_unclear_visibility_is_withdrawn(shop: Path, store: ChromaPassageIndex) -> None:
    await index([shop], store)
    text = (shop / "returns.md").read_text()
    (shop / "returns.md").write_text(f"---\nvisibility: intern\n---\n{text}")
    report = await index([shop], store)
    assert (report.removed, len(report.skipped)) == (2, 1)


async def test_a_run_that_is_cut_off_is_finished_by_the_next(
    store: ChromaPassageIndex, embedder: HashEmbedder, tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    path = folder / "en.json"

    def write(answer: str) -> None:
        rows = [{"id": str(n), "question": f"Q{n}?", "answer": f"{answer} {n}."} for n in range(3 * BATCH)]
        path.write_text(json.dumps(rows))

    write("Old")
    await index([folder], store)
    write("New")

    def stop_after_one_batch(step: str, done: int, total: int) -> None:
        if step == "embed" and done:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await index([folder], store, progress=stop_after_one_batch)
    texts = (await stored(store)).values()
    assert len(await store.checksums()) == 4 * BATCH
    assert any(text.startswith("Old") for text in texts)
    report = await index([folder], store)
    assert (report.added, report.unchanged, report.removed) == (2 * BATCH, BATCH, 3 * BATCH)
    assert all(text.startswith("New") for text in (await stored(store)).values())


async def test_a_store_that_fails_half_way_loses_nothing(
    shop: Path, store: ChromaPassageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    await index([shop], store)
    before = await stored(store)
    (shop / "returns.md").write_text("# Returns\n\nAll new.")
    with monkeypatch.context() as patch:

        async def fail(chunks: Sequence[Chunk]) -> None:
            raise OSError("disk full")

        patch.setattr(store, "add", fail)
        with pytest.raises(OSError, match="disk full"):
            await index([shop], store)
    assert await stored(store) == before


async def test_progress_counts_files_and_then_chunks(shop: Path, store: ChromaPassageIndex) -> None:
    seen: list[tuple[str, int, int]] = []
    progress: Callable[..., None] = lambda *step: seen.append(step)  # noqa: E731
    await index([shop], store, progress=progress)
    assert seen == [("read", 1, 2), ("read", 2, 2), ("embed", 0, 7), ("embed", 7, 7)]


async def test_paths_that_cannot_be_told_apart_or_do_not_exist_are_refused(
    shop: Path, store: ChromaPassageIndex, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        await index([tmp_path / "none"], store)
    (tmp_path / "b" / "shop").mkdir(parents=True)
    with pytest.raises(ValueError, match="same name"):
        await index([shop, tmp_path / "b" / "shop"], store)
