"""A folder that is there whole or not at all, and says what it was made from."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from pydantic import BaseModel, ConfigDict, ValidationError

MANIFEST = "manifest.json"


class Origin(BaseModel):
    """What a folder was made from; it is made again when any of it changed.

    Attributes:
        name: Of the model in it.
        made: How: ``merged`` or ``int8``.
        layout: Of the maker; raised when it writes something else for the same input.
        inputs: SHA-256 of each file it was made from, by a name for it.
        versions: Of the libraries that made it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    made: str
    layout: int
    inputs: dict[str, str]
    versions: dict[str, str]


def origin_of(folder: Path) -> Origin | None:
    """What a folder says it was made from; ``None`` when it says nothing that can be read."""
    try:
        return Origin.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


@contextmanager
def whole(out: Path, origin: Origin) -> Iterator[Path | None]:
    """Yield an empty folder that becomes ``out`` when the block ends well; ``None`` when it is made.

    Another process that makes the same folder waits. What a killed process left is removed by
    the next one. The folder that stood there before is replaced.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    work, old = (out.with_name(f".{out.name}.{part}") for part in ("work", "old"))
    with out.with_name(f".{out.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in (work, old):
            shutil.rmtree(left, ignore_errors=True)
        if origin_of(out) == origin:
            yield None
            return
        work.mkdir()
        try:
            yield work
            (work / MANIFEST).write_text(origin.model_dump_json(indent=1) + "\n", encoding="utf-8")
            if out.exists():
                out.replace(old)
            work.replace(out)
        finally:
            for left in (work, old):
                shutil.rmtree(left, ignore_errors=True)


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def name_of(base: Path) -> str:
    """A served folder's model: as its manifest says, else as the path says."""
    try:
        manifest = json.loads((base / MANIFEST).read_text(encoding="utf-8"))
        return str(manifest["name"])
    except (OSError, ValueError, KeyError):
        return model_name(str(base.absolute()))


def model_name(path: str) -> str:
    """The model's name in what PEFT noted as the base: a name, or the path of a served folder."""
    parts = PurePath(path).parts
    if len(parts) > 1 and parts[-1] == "served":
        return parts[-2]
    return parts[-1] if parts else ""
