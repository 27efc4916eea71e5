"""An adapter on disk: weights that say what they are.

A folder with ``adapter_model.safetensors`` and ``adapter_config.json`` as PEFT writes them, a
card ``README.md`` for people, and ``adapter.json`` with what a program must know. Ones that
ship lie beside this module, one's own in the data folder. An adapter is known by its *tag*, name
and beginning of its weights' hash: whatever was measured or promoted is about those very bytes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from agent import prompts, understand_prompt
from finetune.errors import AdapterInvalid, DatasetInvalid, RunInvalid
from finetune.example import Example, Line
from finetune.folders import sha256
from finetune.run_config import RunConfig

SHIPPED = Path(__file__).parent / "adapters"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
ABOUT = "adapter.json"
CARD = "README.md"


class Prompts(Line):
    """Versions of the prompts an adapter was tuned on; on other words it is no better than its base."""

    answer: str
    understand: str


def present_prompts() -> Prompts:
    """The versions this release asks with."""
    return Prompts(answer=prompts.VERSION, understand=understand_prompt.VERSION)


class Learned(Line):
    """What a run reports at its end (``trained.json``).

    Attributes:
        left_out: Examples longer than the run allows.
        tokens: In all examples, one epoch.
        loss: Mean over the run, nats a token.
    """

    adapter: str
    examples: int
    left_out: int
    tokens: int
    loss: float
    seconds: float


class About(Line):
    """What an adapter is (``adapter.json``).

    Attributes:
        base: Name of the base model in the catalogue.
        fingerprint: SHA-256 over the run's configuration and its examples, in order.
        run: The configuration.
        command: What made it.
        made: When the run ended.
        sha256: Of the weights.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    base: str
    prompts: Prompts
    fingerprint: str
    run: RunConfig
    learned: Learned
    command: str
    made: AwareDatetime
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def tag(self) -> str:
        """Name and weights in short, as events and runs call the adapter."""
        return tag(self.name, self.sha256)


def tag(name: str, weights: str) -> str:
    """How an adapter is called whose weights have the SHA-256 ``weights``."""
    return f"{name}@{weights[:8]}"


def require_present_prompts(examples: Iterable[Example]) -> None:
    """Raise ``DatasetInvalid`` when an example was not written for the prompts of this release."""
    present = {*prompts.SYSTEM.values(), understand_prompt.SYSTEM}
    for example in examples:
        if example.messages[0].content not in present:
            raise DatasetInvalid(
                f"{example.id} has another prompt than this release; run: amends finetune build"
            )


@dataclass(frozen=True)
class Adapter:
    """An adapter and where it is."""

    folder: Path
    about: About

    @property
    def name(self) -> str:
        """As a person calls it."""
        return self.about.name

    @property
    def tag(self) -> str:
        """As events and runs call it."""
        return self.about.tag

    @property
    def size(self) -> int:
        """Of the weights, bytes."""
        return (self.folder / WEIGHTS).stat().st_size

    def check(self) -> None:
        """Raise ``AdapterInvalid`` unless its bytes are what they were and the prompts are the present ones."""
        try:
            found = sha256(self.folder / WEIGHTS)
        except OSError as error:
            raise AdapterInvalid(
                f"{self.folder}: {WEIGHTS} cannot be read ({error.strerror}); copy the folder again"
            ) from error
        if found != self.about.sha256:
            raise AdapterInvalid(
                f"{self.folder}: {WEIGHTS} is damaged or was changed; copy the folder again, or train it anew"
            )
        if self.about.prompts != (present := present_prompts()):
            raise AdapterInvalid(
                f"{self.name} was tuned on the prompts {_said(self.about.prompts)}, this release asks with "
                f"{_said(present)}: tune again (amends finetune build, amends finetune train), or serve the "
                "base alone (AMENDS_MODEL__ADAPTER=none)"
            )


def read_adapter(folder: Path) -> Adapter:
    """Read what an adapter says it is; see ``Adapter.check`` for whether it is that.

    Raises:
        AdapterInvalid: It says nothing that can be read.
    """
    try:
        about = About.model_validate_json((folder / ABOUT).read_text(encoding="utf-8"))
    except OSError as error:
        raise AdapterInvalid(f"{folder} is no adapter: it has no {ABOUT} that can be read") from error
    except ValidationError as error:
        raise AdapterInvalid(f"{folder / ABOUT}: {error}") from None
    if about.name != folder.name:
        raise AdapterInvalid(f"{folder} holds the adapter {about.name}: name the folder so")
    return Adapter(folder, about)


def folders(own: Path, shipped: Path = SHIPPED) -> Iterator[Path]:
    """Folders of one's own adapters, then of the shipped ones, by name."""
    for place in (own, shipped):
        yield from sorted(path.parent for path in place.glob(f"*/{ABOUT}"))


def find(name: str, own: Path, *, weights: str = "", shipped: Path = SHIPPED) -> Adapter:
    """The adapter of a name, checked; one's own before a shipped one.

    Args:
        name: Its name.
        own: Folder of one's own adapters.
        weights: SHA-256 its weights must have; any when empty.
        shipped: Folder of the shipped ones.

    Raises:
        AdapterInvalid: There is none, or it may not be used.
    """
    there = list(folders(own, shipped))
    for folder in there:
        if folder.name == name:
            adapter = read_adapter(folder)
            if weights in ("", adapter.about.sha256):
                adapter.check()
                return adapter
    wanted = tag(name, weights) if weights else name
    known = ", ".join(dict.fromkeys(folder.name for folder in there)) or "none"
    raise AdapterInvalid(f"there is no adapter {wanted}; there are: {known} (amends finetune list)")


def shipped_for(base: str, shipped: Path = SHIPPED) -> Adapter | None:
    """The shipped adapter of a base model, checked, if there is one; raises ``AdapterInvalid``."""
    for folder in sorted(path.parent for path in shipped.glob(f"*/{ABOUT}")):
        adapter = read_adapter(folder)
        if adapter.about.base == base:
            adapter.check()
            return adapter
    return None


def finish(run: Path, own: Path, *, command: str, now: datetime) -> Adapter:
    """Make an adapter of a run that ended: copy it to ``own``, with its card.

    Args:
        run: The run's folder: ``run.json``, ``trained.json`` and ``adapter/``.
        own: Where one's own adapters lie.
        command: What made it.
        now: When it was made, aware.

    Raises:
        RunInvalid: The run did not end, or another adapter has its name.
    """
    try:
        config = json.loads((run / "run.json").read_text(encoding="utf-8"))
        fingerprint = str(config.pop("fingerprint"))
        made_by = RunConfig.model_validate(config)
        learned = Learned.model_validate_json((run / "trained.json").read_text(encoding="utf-8"))
        settings = json.loads((run / "adapter" / CONFIG).read_text(encoding="utf-8"))
        weights = sha256(run / "adapter" / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        raise RunInvalid(f"{run} is no run that ended: {error}") from None
    about = About(
        name=made_by.name,
        base=made_by.base,
        prompts=present_prompts(),
        fingerprint=fingerprint,
        run=made_by,
        learned=learned,
        command=command,
        made=now,
        sha256=weights,
    )
    out = own / about.name
    if out.exists():
        there = read_adapter(out)
        if there.tag != about.tag:
            raise RunInvalid(f"{out} holds {there.tag}; remove it, or give this run another name")
        return there
    work = own / f".{about.name}.work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    shutil.copyfile(run / "adapter" / WEIGHTS, work / WEIGHTS)
    settings["base_model_name_or_path"] = about.base  # PEFT notes where the base lay on this machine
    (work / CONFIG).write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (work / ABOUT).write_text(about.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (work / CARD).write_text(card(about), encoding="utf-8")
    os.replace(work, out)  # noqa: PTH105 - whole or not at all
    return Adapter(out, about)


def card(about: About) -> str:
    """The model card: what it is for, what it learned, what it is not for."""
    run, learned = about.run, about.learned
    where = f"the last {run.layers} layers" if run.layers else "all layers"
    return f"""---
base_model: {about.base}
library_name: peft
license: apache-2.0
language: [en, zh]
pipeline_tag: text-generation
---

# {about.name}

A LoRA adapter for `{about.base}`. It teaches that model two things, in English and Chinese:

- to answer a shopper from given passages in one to three short sentences, in their own words and
  figures, each with its source (prompt `{about.prompts.answer}`);
- to say in JSON what a shopper's message asks for (prompt `{about.prompts.understand}`).

## How it was made

| | |
| --- | --- |
| command | `{about.command}` |
| made | {about.made:%Y-%m-%d} |
| LoRA | rank {run.rank}, alpha {run.alpha}, every linear layer of {where} |
| learned from | {learned.examples} examples, {learned.tokens} tokens, {run.epochs:g} times; {learned.left_out} were too long |
| updates | {run.batch} examples each, learning rate {run.learning_rate:g} at most, seed {run.seed} |
| loss | {learned.loss:.3f} nats a token, mean over the run |
| configuration and data | SHA-256 `{about.fingerprint}` |
| weights | SHA-256 `{about.sha256}` |

The examples are hand-written conversations and documents of invented shops, expanded by a seeded
generator (`amends finetune build` makes them again, with their own card). No personal data.

## What it is not for

- Deciding: whether passages answer a question, whether an order may be changed, and whether a claim
  is true are decided outside of the model; it never learned to refuse.
- Other prompts than the two above: a release that asks with other words refuses it.
- Facts from memory. It is a small model and will invent them; Amends checks every sentence against its
  source and takes back what has none.

It is served only after it passed an evaluation against what is served before it
(`amends finetune promote`).
"""


def _said(versions: Prompts) -> str:
    return f"{versions.answer} and {versions.understand}"
