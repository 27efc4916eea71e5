"""Chunks in Chroma, through LangChain: embedded in this process, or on a Chroma server."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import date
from itertools import count
from pathlib import Path
from typing import IO, Any, TypeVar, cast
from urllib.parse import urlsplit

import chromadb
import httpx
from chromadb.api import ClientAPI
from chromadb.api.client import Client
from chromadb.config import Settings
from chromadb.errors import NotFoundError
from langchain_chroma import Chroma

from retrieval.chunks import embedded_text, stored_text
from retrieval.embeddings import EmbedderEmbeddings
from retrieval.errors import (
    EmbedderChanged,
    IndexEmpty,
    IndexInUse,
    IndexUnavailable,
    RetrievalError,
)
from retrieval.library import Library
from retrieval.passages import Chunk, Embedder, Language, Passage, Visibility
from retrieval.vectors import Vectors

T = TypeVar("T")

_PAGE = 1_000
"""Chunks read or written in one call; below Chroma's own limit and SQLite's number of variables."""
_QUESTION = 1_000
"""Characters of a question that are embedded, so that one message cannot keep the embedder busy."""
_SPARE = 16
"""Extra neighbours asked for, so that equally similar chunks around the k-th keep a fixed order."""


class ChromaPassageIndex:
    """A passage index in one Chroma collection. Opened on first use, or by :meth:`open`.

    Exactly one of ``folder`` and ``url`` is given. An embedded folder belongs to one process at
    a time; a lock file in it keeps others out. A server may be shared.

    Args:
        embedder: Its name is kept with the collection; vectors of another one are not compared.
        folder: Folder of the embedded database, made if missing.
        url: Address of a Chroma server, ``http://host:port``.
        collection: Name of the collection.
        rebuild: Empty a collection that was built with another embedder, instead of refusing it.
        timeout: Seconds to wait for the Chroma server.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        folder: Path | None = None,
        url: str | None = None,
        collection: str = "passages",
        rebuild: bool = False,
        timeout: float = 10.0,
    ) -> None:
        if (folder is None) == (url is None):
            raise ValueError("give either a folder or the address of a Chroma server")
        self._embedder = embedder
        self.vectors = Vectors(embedder.embed_passages)
        """Of sentences of the stored texts, remembered; whoever else compares sentences shares them."""
        self._folder = folder
        self._url = url
        self._collection = collection
        self._rebuild = rebuild
        self._timeout = timeout
        self._opening = threading.Lock()
        self._writing = threading.Lock()
        self._lock_file: IO[str] | None = None
        self._client: ClientAPI | None = None
        self._store: Chroma | None = None
        self._reading = threading.Lock()
        self._written = ""
        self._library: tuple[str, Library] | None = None

    def open(self) -> None:
        """Connect now instead of on first use. Blocking.

        Raises:
            IndexInUse: Another process owns the folder.
            EmbedderChanged: The collection was built with another embedder, and ``rebuild`` is off.
            IndexUnavailable: The server does not answer, or the folder cannot be used.
        """
        self._translated(self._opened)

    def close(self) -> None:
        """Let go of the folder or the connection, after a write that is under way. Blocking."""
        with self._writing, self._opening:
            self._let_go()

    async def add(self, chunks: Sequence[Chunk]) -> None:
        """Store chunks; one that is there already is replaced by the same. Inputs stay as they are."""
        # The last of several with one id counts, as it would in calls of their own.
        distinct = list({chunk.id: chunk for chunk in chunks}.values())
        if distinct:
            await self._call(lambda: self._add(distinct))

    async def delete(self, ids: Sequence[str]) -> None:
        """Remove chunks for good; unknown ids are ignored."""
        if ids:
            await self._call(lambda: self._delete(list(dict.fromkeys(ids))))

    async def checksums(self) -> dict[str, str]:
        """All chunk ids with their checksum."""
        return await self._call(self._checksums)

    async def get(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        """One chunk; ``None`` when missing and equally when not visible."""
        return await self._call(lambda: self._get(id, visible_to)) if id and visible_to else None

    async def query(
        self,
        text: str,
        *,
        visible_to: frozenset[Visibility],
        k: int = 5,
        language: Language | None = None,
        without: frozenset[str] = frozenset(),
    ) -> list[Passage]:
        """The ``k`` most similar visible chunks, best first, ties by id; none of the documents ``without``.

        An empty question finds nothing; of a very long one the beginning counts.
        """
        if not visible_to or k < 1 or not text.strip():
            return []
        where = _where(visible_to, language, without)
        found = await self._call(lambda: self._nearest(text, visible_to, k + _SPARE, where))
        return found[:k]

    async def similar(
        self, text: str, ids: Sequence[str], *, visible_to: frozenset[Visibility]
    ) -> list[Passage]:
        """These chunks, as far as they are there and visible, each with its similarity to ``text``."""
        wanted = list(dict.fromkeys(ids))
        if not visible_to or not wanted or not text.strip():
            return []
        where = _where(visible_to)
        return await self._call(lambda: self._nearest(text, visible_to, len(wanted), where, wanted))

    async def nearness(self, question: str, texts: Sequence[str]) -> list[float]:
        """The similarity of each text to a question, both embedded as the stored ones are."""
        if not texts:
            return []
        asked = question[:_QUESTION]
        return await self._call(lambda: self.vectors.nearness(self._embedder.embed_query(asked), texts))

    async def library(self) -> Library:
        """All chunks as they are now. Read again only when this or another process changed them."""
        return await self._call(self._read_library)

    async def ready(self) -> None:
        """Raise ``IndexUnavailable`` unless the index answers and is not empty."""
        if not await self._call(lambda: self._opened().get(limit=1, include=[])["ids"]):
            raise IndexEmpty("nothing has been indexed; run: amends index PATH")

    def _add(self, chunks: Sequence[Chunk]) -> None:
        with self._writing:
            self._opened().add_texts(
                [embedded_text(chunk) for chunk in chunks],
                metadatas=[_metadata(chunk) for chunk in chunks],
                ids=[chunk.id for chunk in chunks],
            )
            self._changed()

    def _delete(self, ids: Sequence[str]) -> None:
        with self._writing:
            for start in range(0, len(ids), _PAGE):
                self._opened().delete(list(ids[start : start + _PAGE]))
            self._changed()

    def _checksums(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for offset in count(step=_PAGE):
            page = self._opened().get(limit=_PAGE, offset=offset, include=["metadatas"])
            pairs = zip(page["ids"], page["metadatas"], strict=True)
            found |= {key: about["checksum"] for key, about in pairs}
            if len(page["ids"]) < _PAGE:
                break
        return found

    def _get(self, id: str, visible_to: frozenset[Visibility]) -> Chunk | None:
        page = self._opened().get(ids=[id], where=cast("Any", _where(visible_to)))
        chunks = [
            _chunk(found, text, about)
            for found, text, about in zip(page["ids"], page["documents"], page["metadatas"], strict=True)
        ]
        return next((chunk for chunk in chunks if chunk.visibility in visible_to), None)

    def _nearest(
        self,
        text: str,
        visible_to: frozenset[Visibility],
        k: int,
        where: dict[str, Any],
        ids: list[str] | None = None,
    ) -> list[Passage]:
        found = self._opened().similarity_search_by_vector_with_relevance_scores(
            self._embedder.embed_query(text[:_QUESTION]),
            k=k,
            filter=cast("Any", where),
            **cast("Any", {} if ids is None else {"ids": ids}),
        )
        passages = [
            # Rounded, so that equal texts stay a tie whatever the arithmetic's last bit.
            Passage(
                _chunk(document.id or "", document.page_content, document.metadata), round(1 - distance, 6)
            )
            for document, distance in found
        ]
        # The filter above is Chroma's; who may read what does not rest on it alone.
        seen = [passage for passage in passages if passage.chunk.visibility in visible_to]
        return sorted(seen, key=lambda passage: (-passage.similarity, passage.chunk.id))

    def _read_library(self) -> Library:
        now = self._revision()
        with self._reading:
            known = self._library
            if known is None or known[0] != now:
                known = self._library = (now, Library(self._all(), known and known[1]))
            return known[1]

    def _all(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        for offset in count(step=_PAGE):
            page = self._opened().get(limit=_PAGE, offset=offset, include=["metadatas", "documents"])
            rows = zip(page["ids"], page["documents"], page["metadatas"], strict=True)
            chunks += [_chunk(key, text, about) for key, text, about in rows]
            if len(page["ids"]) < _PAGE:
                break
        return chunks

    def _revision(self) -> str:
        """Changes with every write. A folder has one writer, this process; of a server the collection is asked."""
        self._opened()
        if self._url is None or self._client is None:
            return self._written
        collection = self._client.get_collection(self._collection, embedding_function=None)
        return f"{(collection.metadata or {}).get('revision', '')} {collection.count()}"

    def _changed(self) -> None:
        """Note that chunks changed, for this process and for others."""
        self._written = uuid.uuid4().hex
        if self._url is not None and self._client is not None:
            collection = self._client.get_collection(self._collection, embedding_function=None)
            collection.modify(metadata={"embedder": self._embedder.name, "revision": self._written})

    async def _call(self, call: Callable[[], T]) -> T:
        return await asyncio.to_thread(self._translated, call)

    def _translated(self, call: Callable[[], T]) -> T:
        """Call Chroma; whatever it raises becomes ours, and a lost connection is made again next time."""
        try:
            return call()
        except RetrievalError:
            raise
        except Exception as error:
            # Chroma's HTTP client raises plain ``Exception`` and ``ValueError`` besides its own tree.
            if self._url is not None:
                with self._opening:
                    self._let_go()
                where = "the Chroma server does not answer; check that it runs and its address is right"
            else:
                where = "the index's folder cannot be used"
            raise IndexUnavailable(f"{where} ({type(error).__name__})") from error

    def _opened(self) -> Chroma:
        with self._opening:
            if self._store is None:
                try:
                    self._store = self._open()
                except BaseException:
                    self._let_go()
                    raise
            return self._store

    def _open(self) -> Chroma:
        quiet = Settings(anonymized_telemetry=False)
        if self._folder is not None:
            self._own(self._folder)
            client = chromadb.PersistentClient(str(self._folder), settings=quiet)
        else:
            address = urlsplit(self._url or "")
            secure = address.scheme == "https"
            if address.scheme not in ("http", "https") or not address.hostname:
                raise IndexUnavailable("the Chroma server's address is not of the form http://host:port")
            port = address.port or (443 if secure else 8000)
            # Chroma's client already asks the server while it is made, waits without end, and takes no
            # timeout: so the server is asked first, and the timeout set where the client keeps it.
            heartbeat = httpx.URL(
                scheme=address.scheme, host=address.hostname, port=port, path="/api/v2/heartbeat"
            )
            httpx.get(heartbeat, timeout=self._timeout).raise_for_status()
            client = chromadb.HttpClient(address.hostname, port, ssl=secure, settings=quiet)
            session = getattr(getattr(client, "_server", None), "_session", None)
            if isinstance(session, httpx.Client):
                session.timeout = httpx.Timeout(self._timeout)
        self._client = client
        name = self._built_with(client)
        if name not in (None, self._embedder.name):
            if not self._rebuild:
                raise EmbedderChanged(
                    f"the index was built with {name}, not {self._embedder.name}; run: amends index PATH"
                )
            client.delete_collection(self._collection)
        return Chroma(
            collection_name=self._collection,
            embedding_function=EmbedderEmbeddings(self._embedder),
            client=client,
            collection_metadata={"embedder": self._embedder.name},
            collection_configuration={"hnsw": {"space": "cosine", "ef_search": 200}},
        )

    def _built_with(self, client: ClientAPI) -> str | None:
        try:
            metadata = client.get_collection(self._collection, embedding_function=None).metadata
        except NotFoundError:
            return None
        return str((metadata or {}).get("embedder", "an unknown embedder"))

    def _own(self, folder: Path) -> None:
        """Take the folder's lock, which ends with this process however it ends."""
        folder.mkdir(parents=True, exist_ok=True)
        lock_file = (folder / "owner.lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock_file.seek(0)
            owner = lock_file.read().strip() or "unknown"
            lock_file.close()
            raise IndexInUse(
                f"the index is held by process {owner}: stop that server, or give the address of a Chroma server"
            ) from None
        lock_file.truncate(0)
        lock_file.write(str(os.getpid()))
        lock_file.flush()
        self._lock_file = lock_file

    def _let_go(self) -> None:
        client, lock_file = self._client, self._lock_file
        self._store = self._client = self._lock_file = None
        if client is not None:
            # Missing from the interface, there in what the factories return.
            cast("Client", client).close()
        if lock_file is not None:
            lock_file.close()


def _where(
    visible_to: frozenset[Visibility],
    language: Language | None = None,
    without: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    rules: list[dict[str, Any]] = [{"visibility": {"$in": sorted(visible_to)}}]
    if language:
        rules.append({"language": language})
    if without:
        rules.append({"document": {"$nin": sorted(without)}})
    return {"$and": rules} if len(rules) > 1 else rules[0]


def _metadata(chunk: Chunk) -> dict[str, str | bool]:
    return {
        "document": chunk.document,
        "source": chunk.source,
        "title": chunk.title,
        "heading": chunk.heading,
        "kind": chunk.kind,
        "language": chunk.language,
        "version": chunk.version,
        "visibility": chunk.visibility,
        "product": chunk.product,
        "checksum": chunk.checksum,
        "effective": chunk.effective.isoformat() if chunk.effective else "",
        "family": chunk.family,
        "replaces": chunk.replaces,
        "superseded": chunk.superseded,
    }


def _chunk(id: str, text: str, metadata: dict[str, Any]) -> Chunk:
    """What was stored; an index from before there were effective dates has none."""
    day = metadata.get("effective")
    kept = {**metadata, "effective": date.fromisoformat(day) if day else None}
    return Chunk(id=id, text=stored_text(text, metadata["title"], metadata["heading"]), **kept)
