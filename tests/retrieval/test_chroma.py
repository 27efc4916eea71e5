"""What is Chroma's own: who owns the folder, and what failures turn into."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import chromadb.errors
import pytest

from retrieval.chroma import ChromaPassageIndex
from retrieval.errors import EmbedderUnavailable, IndexEmpty, IndexInUse, IndexUnavailable
from retrieval.passages import Visibility
from tests.retrieval.conftest import chunk_of
from tests.retrieval.hash_embedder import HashEmbedder

PUBLIC: frozenset[Visibility] = frozenset({"public"})

HOLDER = """
import sys
from pathlib import Path
from retrieval.chroma import ChromaPassageIndex
from tests.retrieval.hash_embedder import HashEmbedder
index = ChromaPassageIndex(HashEmbedder(), folder=Path(sys.argv[1]))
index.open()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder until its input ends, or it is killed."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "chroma")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


async def test_a_second_process_is_refused_and_told_what_to_do(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    index = ChromaPassageIndex(HashEmbedder(), folder=tmp_path / "chroma")
    with pytest.raises(IndexInUse, match=rf"process {holder.pid}.*Chroma server") as refused:
        await index.ready()
    assert (refused.value.code, refused.value.retryable) == ("retrieval.index_in_use", False)


async def test_a_killed_process_leaves_the_folder_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    index = ChromaPassageIndex(HashEmbedder(), folder=tmp_path / "chroma")
    with pytest.raises(IndexEmpty):
        await index.ready()
    index.close()


def test_a_second_index_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    first = ChromaPassageIndex(HashEmbedder(), folder=tmp_path)
    first.open()
    with pytest.raises(IndexInUse):
        ChromaPassageIndex(HashEmbedder(), folder=tmp_path).open()
    first.close()
    again = ChromaPassageIndex(HashEmbedder(), folder=tmp_path)
    again.open()
    again.close()


async def test_a_closed_port_is_said_to_be_a_missing_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    index = ChromaPassageIndex(HashEmbedder(), url=url)
    with pytest.raises(IndexUnavailable, match="server does not answer") as refused:
        await index.query("tents", visible_to=PUBLIC)
    assert refused.value.retryable


async def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = ChromaPassageIndex(
            HashEmbedder(), url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2
        )
        with pytest.raises(IndexUnavailable):
            await index.ready()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://", "x"])
async def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(IndexUnavailable):
        await ChromaPassageIndex(HashEmbedder(), url=url).ready()


def test_exactly_one_place_is_given(tmp_path: Path) -> None:
    for both in ({}, {"folder": tmp_path, "url": "http://localhost:8000"}):
        with pytest.raises(ValueError, match="either"):
            ChromaPassageIndex(HashEmbedder(), **both)  # type: ignore[arg-type]


async def test_a_collection_that_was_built_again_elsewhere_is_found_again(chroma_url: str) -> None:
    serving = ChromaPassageIndex(HashEmbedder("old"), url=chroma_url, collection="rebuilt")
    await serving.add([chunk_of("a")])
    for name in ("new", "old"):
        indexing = ChromaPassageIndex(HashEmbedder(name), url=chroma_url, collection="rebuilt", rebuild=True)
        await indexing.add([chunk_of("b")])
        indexing.close()
    with pytest.raises(IndexUnavailable):
        await serving.query("tents", visible_to=PUBLIC)
    assert [passage.chunk.id for passage in await serving.query("tents", visible_to=PUBLIC)] == ["b"]
    serving.close()


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(IndexUnavailable, match="folder"):
        await ChromaPassageIndex(HashEmbedder(), folder=tmp_path / "file" / "chroma").ready()


async def test_a_broken_database_is_unavailable_and_keeps_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(b"this is no database" * 100)
    with pytest.raises(IndexUnavailable):
        await ChromaPassageIndex(HashEmbedder(), folder=tmp_path).ready()
    assert (tmp_path / "chroma.sqlite3").read_bytes().startswith(b"this is no database")


@pytest.mark.parametrize("kind", [*chromadb.errors.error_types.values(), ValueError, Exception, OSError])
async def test_whatever_chroma_raises_becomes_index_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    index = ChromaPassageIndex(HashEmbedder(), folder=tmp_path)
    index.open()

    def fail(*_: object, **__: object) -> None:
        raise kind("a message with details")

    monkeypatch.setattr("langchain_chroma.Chroma.get", fail)
    with pytest.raises(IndexUnavailable) as failed:
        await index.checksums()
    assert "details" not in str(failed.value)
    index.close()


async def test_an_embedder_that_fails_stores_nothing(tmp_path: Path) -> None:
    class Failing(HashEmbedder):
        def embed_passages(self, texts: object) -> list[list[float]]:
            raise EmbedderUnavailable("no weights")

    index = ChromaPassageIndex(Failing(), folder=tmp_path)
    with pytest.raises(EmbedderUnavailable):
        await index.add([chunk_of("a")])
    assert await index.checksums() == {}
    index.close()
