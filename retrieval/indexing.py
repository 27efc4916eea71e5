"""Files into the index, again and again: only what changed is embedded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from retrieval.chunks import chunk
from retrieval.errors import DocumentUnreadable, VisibilityUnknown
from retrieval.passages import Chunk, PassageIndex, Visibility
from retrieval.readers import files_under, read

BATCH = 32
_EVERYBODY: frozenset[Visibility] = frozenset(get_args(Visibility))

Progress = Callable[[Literal["read", "embed"], int, int], None]
"""Called with the step, how much of it is done, and how much there is: files, then chunks."""


@dataclass(frozen=True)
class IndexReport:
    """What an indexing run did. All but ``documents`` and ``skipped`` count chunks."""

    documents: int
    added: int
    unchanged: int
    removed: int
    skipped: list[tuple[str, str]]
    """(file, why) for each file that could not be read; its chunks stay as they were."""
    suspicious: list[tuple[str, str]] = field(default_factory=list)
    """(place, why) for each new chunk that the screen noticed; it was stored all the same."""


@dataclass
class _Gathered:
    documents: int = 0
    chunks: dict[str, Chunk] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    """Sources whose chunks must stay although nothing was read from them."""


async def index(
    paths: Sequence[Path],
    into: PassageIndex,
    *,
    progress: Progress = lambda step, done, total: None,
    exclude: Sequence[str] = (),
    screen: Callable[[str], str] = lambda text: "",
) -> IndexReport:
    """Bring the index up to date with files and folders.

    A path is known by its own name (``demo`` in ``/srv/shop/demo``): chunks that came from it
    and are in its files no more are removed, chunks of other paths stay. New chunks are stored
    before old ones go, so a run that is cut off leaves the old answers in place, and the
    next run finishes what it left.

    Args:
        paths: Files and folders to read.
        into: Where to. It embeds what it stores.
        progress: Told after every file and every batch.
        exclude: Patterns of files inside the folders to leave out.
        screen: Says why a text should be looked at by a person (instructions aimed at the
            assistant, say); empty when it need not.

    Raises:
        ValueError: A path does not exist, or two have the same name.
        IndexUnavailable: The index cannot be read or written.
    """
    names = [path.resolve().name for path in paths]
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path} does not exist")
    if len(set(names)) < len(names):
        raise ValueError("two of the paths have the same name, so their documents could not be told apart")
    stored = await into.checksums()
    gathered = await _gather(paths, exclude, progress)
    changed = [chunk for chunk in gathered.chunks.values() if stored.get(chunk.id) != chunk.checksum]
    progress("embed", 0, len(changed))
    for start in range(0, len(changed), BATCH):
        await into.add(changed[start : start + BATCH])
        progress("embed", min(start + BATCH, len(changed)), len(changed))
    gone = [
        key
        for key in stored.keys() - gathered.chunks.keys()
        if (old := await into.get(key, visible_to=_EVERYBODY))
        and old.source.split("/")[0] in names
        and old.source not in gathered.kept
    ]
    await into.delete(gone)
    return IndexReport(
        documents=gathered.documents,
        added=len(changed),
        unchanged=len(gathered.chunks) - len(changed),
        removed=len(gone),
        skipped=gathered.skipped,
        suspicious=[
            (f"{chunk.source} > {chunk.heading}" if chunk.heading else chunk.source, why)
            for chunk in changed
            if (why := screen(chunk.text))
        ],
    )


async def _gather(paths: Sequence[Path], exclude: Sequence[str], progress: Progress) -> _Gathered:
    gathered = _Gathered()
    files = await asyncio.to_thread(lambda: [file for path in paths for file in files_under(path, exclude)])
    for number, (path, source) in enumerate(files, start=1):
        try:
            documents = await asyncio.to_thread(read, path, source)
        except DocumentUnreadable as error:
            gathered.skipped.append((error.source, error.why))
            # An old manual is better than none, but not where it is unclear who may read it.
            if not isinstance(error, VisibilityUnknown):
                gathered.kept.add(source)
        else:
            gathered.documents += len(documents)
            for document in documents:
                gathered.chunks.update((piece.id, piece) for piece in chunk(document))
        progress("read", number, len(files))
    return gathered
