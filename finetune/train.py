"""Train a LoRA adapter with TRL and PEFT: on the CPU, or on a GPU when there is one. Resumable.

The run's folder holds everything: its configuration, ``log.jsonl`` with the loss as it falls,
resume points, and at the end ``adapter/``. Started again, a run goes on from its last resume
point; with another configuration or other data it refuses, since the result would be neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import RunInvalid
from finetune.example import Example, digest
from finetune.run_config import RunConfig

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Every linear layer of a block, by the names that Qwen, Gemma and Llama models share."""


@dataclass(frozen=True)
class Step:
    """How far a run is. ``loss`` is the mean over the updates since the last report, nats a token."""

    update: int
    updates: int
    loss: float


@dataclass(frozen=True)
class Trained:
    """What came out of a run."""

    adapter: Path
    examples: int
    left_out: int
    """Examples longer than the run allows."""
    tokens: int
    """In all examples, one epoch."""
    loss: float
    seconds: float
    """Of this call; a resumed run counts from its resume point."""


def train(
    config: RunConfig,
    model: Path,
    examples: Sequence[Example],
    folder: Path,
    *,
    progress: Callable[[Step], None] = lambda step: None,
) -> Trained:
    """Train on ``examples``, from the start or from the last resume point in ``folder``.

    Args:
        config: The run.
        model: Folder of the base model's weights and tokenizer.
        examples: The training part of a dataset.
        folder: Of this run; made when missing.
        progress: Called after every update.

    Raises:
        RunInvalid: The folder holds another run, or nothing is left to learn.
    """
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    set_seed(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows, lengths = _fitting(examples, tokenizer, config.max_tokens)
    if not rows:
        raise RunInvalid("no example is short enough to learn from; raise max_tokens")
    _claim(folder, config, examples)
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    depth = network.config.num_hidden_layers
    layers = list(range(depth - config.layers, depth)) if config.layers else None
    on_gpu = torch.cuda.is_available()
    points = folder / "points"
    trainer = SFTTrainer(
        model=network,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            target_modules=list(PROJECTIONS),
            layers_to_transform=layers,
            layers_pattern="layers" if layers else None,
            task_type="CAUSAL_LM",
        ),
        args=SFTConfig(
            output_dir=str(points),
            per_device_train_batch_size=config.at_once,
            gradient_accumulation_steps=config.batch // config.at_once,
            num_train_epochs=config.epochs,
            learning_rate=config.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=config.warmup,
            max_length=config.max_tokens,
            train_sampling_strategy="group_by_length",
            logging_steps=1,
            save_steps=config.save_every,
            save_total_limit=2,
            seed=config.seed,
            data_seed=config.seed,
            use_cpu=not on_gpu,
            bf16=True,
            gradient_checkpointing=False,
            dataloader_pin_memory=on_gpu,
            report_to="none",
            disable_tqdm=True,
        ),
        callbacks=[_reporter(folder / "log.jsonl", progress)],
    )
    result = trainer.train(resume_from_checkpoint=_last_point(points))
    adapter = folder / "adapter"
    tuned: Any = trainer.model
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)
    tuned.save_pretrained(adapter)
    return Trained(
        adapter=adapter,
        examples=len(rows),
        left_out=len(examples) - len(rows),
        tokens=sum(lengths),
        loss=float(result.training_loss),
        seconds=float(result.metrics["train_runtime"]),
    )


def ended(config: RunConfig, examples: Sequence[Example], folder: Path) -> bool:
    """Whether ``folder`` holds this very run, trained to its end."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (folder / "trained.json").exists() and run.get("fingerprint") == fingerprint(config, examples)


def fingerprint(config: RunConfig, examples: Sequence[Example]) -> str:
    """SHA-256 over the configuration and the examples, in order."""
    return digest(examples, head=config.model_dump_json())


def _claim(folder: Path, config: RunConfig, examples: Sequence[Example]) -> None:
    """Make the run's folder, or see that it holds this very run."""
    folder.mkdir(parents=True, exist_ok=True)
    path, now = folder / "run.json", fingerprint(config, examples)
    if path.exists() and json.loads(path.read_text(encoding="utf-8"))["fingerprint"] != now:
        raise RunInvalid(
            f"{folder} holds a run with another configuration or other data; "
            "remove it, or give this run another name"
        )
    path.write_text(json.dumps({"fingerprint": now, **config.model_dump()}, indent=1), encoding="utf-8")


def _last_point(points: Path) -> str | None:
    """The newest resume point that was written whole: its trainer state is written last."""
    whole = [path.parent for path in points.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def _fitting(
    examples: Sequence[Example], tokenizer: Any, most: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """Examples in TRL's prompt-completion form, and their lengths in tokens."""
    rows, lengths = [], []
    for example in examples:
        prompt = [message.model_dump() for message in example.messages]
        completion = [{"role": "assistant", "content": example.target}]
        ids = tokenizer.apply_chat_template([*prompt, *completion], tokenize=True)["input_ids"]
        if len(ids) <= most:
            rows.append({"prompt": prompt, "completion": completion})
            lengths.append(len(ids))
    return rows, lengths


def _reporter(path: Path, progress: Callable[[Step], None]) -> Any:
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """Writes each update's loss to the log, and tells the caller."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if not logs or "loss" not in logs:
                return
            with path.open("a", encoding="utf-8") as file:
                row = {"update": state.global_step, "of": state.max_steps, "loss": round(logs["loss"], 4)}
                file.write(json.dumps(row) + "\n")
            progress(Step(state.global_step, state.max_steps, float(logs["loss"])))

    return Reporter()
