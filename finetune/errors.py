"""What can go wrong while a model is tuned; each message says what to do."""

from __future__ import annotations

from agent.errors import AmendsError


class FinetuneError(AmendsError):
    """Base of this package's errors."""

    code = "finetune.failed"


class DatasetInvalid(FinetuneError):
    """A training file is missing, broken or breaks a rule of its format."""

    code = "finetune.dataset_invalid"


class RunInvalid(FinetuneError):
    """A run's configuration or folder cannot be used."""

    code = "finetune.run_invalid"


class AdapterInvalid(FinetuneError):
    """An adapter is missing, damaged, or made for other prompts or another base."""

    code = "finetune.adapter_invalid"


class NotPromoted(FinetuneError):
    """An adapter may not be served: it did not pass, or is not what it says it is."""

    code = "finetune.not_promoted"
