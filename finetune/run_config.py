"""What one training run is: a file, so that a run can be repeated and told from another."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from finetune.errors import RunInvalid
from finetune.example import Task


class RunConfig(BaseModel):
    """One run.

    Attributes:
        name: Of the adapter, and of the run's folder.
        base: Name of the model in the catalogue.
        rank, alpha: Of LoRA (Hu et al. 2021); the update is scaled by ``alpha / rank``.
        layers: How many of the last layers are tuned; 0 is all.
        learning_rate: Highest, after the warm-up; cosine to zero.
        batch: Examples a weight update; ``at_once`` of them in one pass.
        max_tokens: Longer examples are left out, never cut: a cut one has no end to learn.
        warmup: Share of the updates.
        save_every: Updates between two resume points.
        most: Training examples of each language, by task; a task not named has all of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    base: str
    seed: int = 7
    rank: int = Field(8, ge=1, le=256)
    alpha: int = Field(16, ge=1)
    layers: int = Field(0, ge=0)
    learning_rate: float = Field(2e-4, gt=0)
    epochs: float = Field(1, gt=0)
    batch: int = Field(8, ge=1)
    at_once: int = Field(4, ge=1)
    max_tokens: int = Field(704, ge=64)
    warmup: float = Field(0.05, ge=0, lt=1)
    save_every: int = Field(20, ge=1)
    most: dict[Task, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole_batches(self) -> Self:
        if self.batch % self.at_once:
            raise ValueError("batch must be a multiple of at_once")
        return self


def read_config(path: Path) -> RunConfig:
    """Read a run's file.

    Raises:
        RunInvalid: It cannot be read, or a value is missing, unknown or out of range.
    """
    try:
        return RunConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RunInvalid(f"{path} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise RunInvalid(f"{path.name}: {error}") from None
