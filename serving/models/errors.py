"""What can go wrong with a model's files or its server, and what to do about it.

ModelSetupError
├── UnknownModel         not in the catalogue
├── FetchError
│   ├── HashMismatch     a source gave other bytes than the catalogue pins
│   ├── NotEnoughDisk    checked before anything is written
│   └── SourceUnavailable   no network, or the source does not have the file
├── ConvertError         the file cannot be turned into a folder that vLLM loads
└── ServerError
    ├── PortTaken
    ├── NotEnoughMemory
    ├── EngineMissing    vLLM is not installed
    ├── StartFailed      it ended, or was not healthy in time
    ├── AdapterRefused   it could not load a LoRA adapter
    └── GaveUp           it died too often

An operator reads these, so every message ends with what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from agent.errors import AmendsError

GIB = 2**30


class ModelSetupError(AmendsError):
    """A model cannot be made ready on this machine."""

    code: ClassVar[str] = "model_setup"


class UnknownModel(ModelSetupError):
    """The catalogue has no model of this name."""

    code = "model_setup.unknown"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no model called {name!r} in the catalogue; there are: {', '.join(known)}")


class FetchError(ModelSetupError):
    """A model's file could not be fetched."""

    code = "model_setup.fetch"


class HashMismatch(FetchError):
    """The bytes are not those the catalogue pins. None of them were kept."""

    code = "model_setup.hash"

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(
            f"{what}: SHA-256 is {found}, the catalogue says {expected}. The bytes were thrown away. "
            "If a proxy or mirror changed them, use another; otherwise do not trust this source."
        )


class NotEnoughDisk(FetchError):
    """The disk has too little room."""

    code = "model_setup.disk"

    def __init__(self, folder: Path, needed: int, free: int | None = None) -> None:
        room = "no room is left" if free is None else f"{free / GIB:.1f} GiB are free"
        super().__init__(
            f"{folder}: {needed / GIB:.1f} GiB are needed and {room}. "
            "Make room, or set AMENDS_DATA to a folder on a larger disk."
        )


class SourceUnavailable(FetchError):
    """A source does not answer, or does not have the file."""

    code = "model_setup.source"
    retryable = True


class ConvertError(ModelSetupError):
    """A model's file could not be converted."""

    code = "model_setup.convert"


class ServerError(ModelSetupError):
    """The model's server does not run."""

    code = "model_setup.server"


class PortTaken(ServerError):
    """Something else listens on the port."""

    code = "model_setup.port"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is in use. Stop what uses it, or choose another "
            "(AMENDS_MODEL__PORT for the model's server)."
        )
        self.port = port


class NotEnoughMemory(ServerError):
    """The machine has too little free memory for the model."""

    code = "model_setup.memory"

    def __init__(self, name: str, needed: int, available: int) -> None:
        super().__init__(
            f"{name} needs {needed / GIB:.1f} GiB of memory, {available / GIB:.1f} GiB are available. "
            "Close other programs, choose a smaller model (AMENDS_MODEL__NAME), or point "
            "AMENDS_MODEL__URL at a model server on another machine."
        )


class EngineMissing(ServerError):
    """vLLM is not installed in this environment."""

    code = "model_setup.engine_missing"

    def __init__(self) -> None:
        super().__init__(
            "vLLM is not installed here. Install requirements/serve.txt, or point AMENDS_MODEL__URL "
            "at a model server on another machine."
        )


class StartFailed(ServerError):
    """The server ended while starting, or was not healthy in time."""

    code = "model_setup.start"

    def __init__(self, what: str, log: Path, lines: Iterable[str]) -> None:
        said = "".join(f"\n  {line}" for line in lines)
        super().__init__(f"{what}. The whole log is in {log}; it ends with:{said or ' nothing'}")


class AdapterRefused(ServerError):
    """The running server could not load a LoRA adapter."""

    code = "model_setup.adapter"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"the model server does not take the adapter {name} ({why}). Check it with "
            "amends finetune list, or promote another."
        )


class GaveUp(ServerError):
    """The server died more often than its settings allow."""

    code = "model_setup.gave_up"
