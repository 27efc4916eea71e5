"""A process beside ours that needs torch: memory bandwidth, and transformers' own ``generate``.

Started as ``python -m serving.speed.side``; it reads one JSON request a line and answers with one
JSON line: ``{"do": "bandwidth", "device"}``, ``{"do": "load", "folder", "dtype", "device"}``,
``{"do": "answer", "prompts", "max_tokens"}``. It ends at once when its standard input does, so that
nothing is left of it however the parent ends.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

FLOATS = 2**27
"""Of an array whose moving is timed: 512 MiB, beyond any cache."""
REPEATS = 10


def bandwidth(device: str) -> dict[str, float]:
    """Best rate of reading and of STREAM's triad, bytes a second, with all cores.

    The triad as J. McCalpin defines it (https://www.cs.virginia.edu/stream/): three arrays, of
    which two are read and one is written, counted as that.
    """
    import torch

    one, two = torch.ones(FLOATS, device=device), torch.ones(FLOATS, device=device)
    out = torch.empty(FLOATS, device=device)

    def rate(work: Callable[[], object], arrays: int) -> float:
        work()
        took = []
        for _ in range(REPEATS):
            _finish(device)
            began = time.perf_counter()
            work()
            _finish(device)
            took.append(time.perf_counter() - began)
        return arrays * one.nbytes / min(took)

    return {
        "read": max(rate(one.sum, 1), rate(lambda: torch.dot(one, two), 2)),
        "triad": rate(lambda: torch.add(one, two, alpha=3.0, out=out), 3),
    }


def _finish(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


@dataclass
class Stopwatch:
    """A streamer for ``generate``: when each token of each row came, until the row's end."""

    ends: frozenset[int]
    began: float = field(default_factory=time.perf_counter)
    prompt_seen: bool = False
    times: list[list[float]] = field(default_factory=list)
    done: list[bool] = field(default_factory=list)

    def put(self, tokens: Any) -> None:
        """Take the prompt at first, then one token of each row."""
        if not self.prompt_seen:
            self.prompt_seen = True
            self.times = [[] for _ in range(len(tokens))]
            self.done = [False] * len(tokens)
            return
        now = time.perf_counter() - self.began
        for row, token in enumerate(tokens.tolist()):
            if not self.done[row]:
                self.times[row].append(now)
                self.done[row] = token in self.ends

    def end(self) -> None:
        """Nothing is held back."""


class Generator:
    """A model as transformers loads and runs it."""

    def __init__(self, folder: str, dtype: str, device: str) -> None:
        import torch
        import transformers

        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
        network: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        self._network = network.to(device)
        ends = self._network.generation_config.eos_token_id
        self._ends = frozenset(ends if isinstance(ends, list) else [ends])
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    def answer(self, prompts: Sequence[list[dict[str, str]]], max_tokens: int) -> dict[str, Any]:
        """Answer all prompts in one batch, greedily."""
        import torch

        watch = Stopwatch(self._ends)
        texts = [
            self._tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
            for prompt in prompts
        ]
        inputs = self._tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        inputs = inputs.to(self._network.device)
        with torch.inference_mode():
            self._network.generate(**inputs, max_new_tokens=max_tokens, do_sample=False, streamer=watch)
        read = inputs["attention_mask"].sum(dim=1).tolist()
        return {
            "seconds": max(times[-1] for times in watch.times),
            "answers": [
                {"first": times[0], "whole": times[-1], "tokens": len(times), "prompt_tokens": count}
                for times, count in zip(watch.times, read, strict=True)
            ],
        }


def serve() -> None:
    """Answer requests until standard input ends."""
    # What libraries print must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error")
    requests: queue.Queue[dict[str, Any]] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    generator: Generator | None = None
    while True:
        answer: dict[str, Any]
        match requests.get():
            case {"do": "bandwidth", "device": device}:
                answer = bandwidth(device)
            case {"do": "load", "folder": folder, "dtype": dtype, "device": device}:
                generator = Generator(folder, dtype, device)
                answer = {}
            case {"do": "answer", "prompts": prompts, "max_tokens": max_tokens} if generator is not None:
                answer = generator.answer(prompts, max_tokens)
            case other:
                raise ValueError(f"not a request: {other}")
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
