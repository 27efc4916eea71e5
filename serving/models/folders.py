"""Where a model's files are on disk, and how they get there whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from serving.models.errors import NotEnoughDisk

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""

BLOCK = 1 << 20


@dataclass(frozen=True)
class ModelFolder:
    """The files of one model, under ``<models>/<name>/``."""

    models: Path
    name: str

    @property
    def root(self) -> Path:
        """The model's own folder."""
        return self.models / self.name

    @property
    def file(self) -> Path:
        """The fetched file; when it exists its hash was right."""
        return self.root / "model.gguf"

    @property
    def partial(self) -> Path:
        """The beginning of the file, whole verified parts only; a later fetch goes on from it."""
        return self.root / "model.gguf.partial"

    @property
    def served(self) -> Path:
        """The converted folder that vLLM loads; when it exists it is complete."""
        return self.root / "served"

    @property
    def incoming(self) -> Path:
        """Where a person may place a model's file by hand, for all models."""
        return self.models / "incoming"

    @contextmanager
    def work(self) -> Iterator[Path]:
        """Hold the model for oneself and get an empty folder that is gone afterwards.

        Another process that wants the same model waits. What a killed process left is
        removed by the next one.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        work = self.root / ".work"
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)


def require_space(folder: Path, needed: int) -> None:
    """Raise ``NotEnoughDisk`` unless ``needed`` bytes are free where ``folder`` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NotEnoughDisk(folder, needed, free)


@contextmanager
def full_disk_named(folder: Path, needed: int) -> Iterator[None]:
    """Turn the system's "no space left" into ``NotEnoughDisk``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotEnoughDisk(folder, needed) from error
        raise


def digest(file: BinaryIO, length: int | None = None) -> str:
    """SHA-256 of the next ``length`` bytes, or of the rest."""
    sha = hashlib.sha256()
    left = length
    while block := file.read(BLOCK if left is None else min(BLOCK, left)):
        sha.update(block)
        if left is not None:
            left -= len(block)
    return sha.hexdigest()


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return digest(file)
