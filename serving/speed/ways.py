"""The ways of serving that are compared, each as something that can be opened, asked and closed."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import httpx

from agent.errors import AmendsError
from agent.model import Prompt
from finetune.adapters import Adapter
from serving.models.errors import GIB, NotEnoughMemory
from serving.models.hardware import Device, available_memory
from serving.models.vllm import HOST, StartProgress, VllmOptions, VllmServer
from serving.speed.figures import Answer, Bandwidth, Together

ANSWER_SECONDS = 600.0
"""An answer that takes longer is a server that hangs."""
END_SECONDS = 10.0
SIDE = (sys.executable, "-P", "-m", "serving.speed.side")

Say = Callable[[str], None]


class Unmeasured(AmendsError):
    """Something that is measured broke off."""


class Speaker(Protocol):
    """A model that is ready to answer."""

    @property
    def caches(self) -> bool:
        """Whether a prompt that was read before need not be read again."""

    async def ask(
        self, prompts: Sequence[Sequence[Prompt]], salts: Sequence[str], *, max_tokens: int
    ) -> Together:
        """Answer all prompts at the same time, greedily.

        What was read under another salt counts as new.

        Raises:
            Unmeasured: It broke off, or refused.
        """


@dataclass(frozen=True)
class Way:
    """A way of serving.

    Attributes:
        name: As ``--configs`` calls it.
        says: What it is, for a reader of the report.
        folder: Its weights.
        open: Starts it; it is stopped when the block ends, however it ends.
    """

    name: str
    says: str
    folder: Path
    open: Callable[[Say], AbstractAsyncContextManager[Speaker]]


class ShippedServer(VllmServer):
    """vLLM as it comes: nothing set but what it could not run here without, or what bounds memory."""

    def command(self) -> list[str]:
        """The engine's command line, without our choices."""
        command = [
            *self.options.program,
            "--model", str(self.folder.absolute()),
            "--served-model-name", self.served_name,
            "--host", HOST,
            "--port", str(self.port),
            "--max-model-len", str(self.options.max_model_len),
        ]  # fmt: skip
        return command if self.options.compiled else [*command, "--enforce-eager"]

    def environment(self) -> dict[str, str]:
        """The engine's environment, without anything of ours that might change its speed."""
        ours = super().environment()
        return {**self._environ, **{name: ours[name] for name in NOT_ABOUT_SPEED if name in ours}}


NOT_ABOUT_SPEED = (
    "HF_HUB_OFFLINE",
    "DO_NOT_TRACK",
    "VLLM_NO_USAGE_STATS",
    "VLLM_TARGET_DEVICE",
    "VLLM_CPU_KVCACHE_SPACE",
    "VLLM_USE_AOT_COMPILE",
    "VLLM_CACHE_ROOT",
    "TORCHINDUCTOR_CACHE_DIR",
)


@dataclass(frozen=True)
class ServedSpeaker:
    """A model behind vLLM's chat completions."""

    url: str
    model: str
    caches: bool = True

    async def ask(
        self, prompts: Sequence[Sequence[Prompt]], salts: Sequence[str], *, max_tokens: int
    ) -> Together:
        """See the port."""
        # A proxy from the environment cannot reach this machine's own loopback.
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
            began = time.perf_counter()
            try:
                async with asyncio.TaskGroup() as group:
                    asked = [
                        group.create_task(self._asked(client, prompt, salt, max_tokens))
                        for prompt, salt in zip(prompts, salts, strict=True)
                    ]
            except ExceptionGroup as several:
                raise several.exceptions[0] from None  # the others were cancelled for it
            seconds = time.perf_counter() - began
        return Together(tuple(task.result() for task in asked), seconds)

    async def _asked(
        self, client: httpx.AsyncClient, prompt: Sequence[Prompt], salt: str, max_tokens: int
    ) -> Answer:
        try:
            return await self._answer(client, prompt, salt, max_tokens)
        except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
            raise Unmeasured(f"the model's server broke off ({type(error).__name__}: {error})") from None

    async def _answer(
        self, client: httpx.AsyncClient, prompt: Sequence[Prompt], salt: str, max_tokens: int
    ) -> Answer:
        request = {
            "model": self.model,
            "messages": _messages(prompt),
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "cache_salt": salt,
        }
        first = whole = None
        usage: Mapping[str, int] = {}
        began = time.perf_counter()
        async with client.stream("POST", f"{self.url}/chat/completions", json=request) as response:
            if response.status_code != httpx.codes.OK:
                body = (await response.aread()).decode("utf-8", "replace")
                raise Unmeasured(f"the model's server refused (status {response.status_code}): {body[:300]}")
            async for line in response.aiter_lines():
                data = line.removeprefix("data: ")
                if data == line or data == "[DONE]":
                    continue
                chunk = json.loads(data)
                now = time.perf_counter() - began
                if choices := chunk.get("choices"):
                    if first is None and choices[0]["delta"].get("content"):
                        first = now
                    if choices[0].get("finish_reason"):
                        whole = now
                usage = chunk.get("usage") or usage
        if whole is None:
            raise ValueError("the answer has no end")
        return Answer(
            first=whole if first is None else first,
            whole=whole,
            tokens=usage["completion_tokens"],
            prompt_tokens=usage["prompt_tokens"],
        )


class Side:
    """The process beside ours: see :mod:`serving.speed.side`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def do(self, **request: Any) -> dict[str, Any]:
        """Have one request done.

        Raises:
            Unmeasured: The process ended over it.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("started without pipes")
        line = b""
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            await stdin.drain()
            line = await stdout.readline()
        except ConnectionError:
            pass
        if not line:
            status = await self._process.wait()
            killed = ", killed; short of memory?" if status < 0 else ""
            raise Unmeasured(
                f"the process for {request['do']} ended (status {status}{killed}). Its log is {self._log}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def side(log: Path) -> AsyncIterator[Side]:
    """Start the process beside ours; it is gone when the block ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *SIDE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=2**20,
            start_new_session=True,  # a Ctrl-C is ours to handle
        )
    try:
        yield Side(process, log)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def bandwidth(device: Device, log: Path) -> Bandwidth:
    """Measure the memory that the weights are read from: the GPU's own on ``cuda``.

    Raises:
        Unmeasured: It could not be measured.
    """
    async with side(log) as process:
        return Bandwidth(**await process.do(do="bandwidth", device=device))


@dataclass(frozen=True)
class PlainSpeaker:
    """A model in transformers' ``generate``; several prompts are one batch."""

    process: Side
    caches: bool = False

    async def ask(
        self, prompts: Sequence[Sequence[Prompt]], salts: Sequence[str], *, max_tokens: int
    ) -> Together:
        """See the port."""
        del salts  # nothing is kept from one call to the next
        said = await self.process.do(
            do="answer", prompts=[_messages(prompt) for prompt in prompts], max_tokens=max_tokens
        )
        return Together(tuple(Answer(**answer) for answer in said["answers"]), said["seconds"])


@asynccontextmanager
async def serve(
    kind: type[VllmServer],
    folder: Path,
    name: str,
    options: VllmOptions,
    log: Path,
    say: Say,
    adapter: Adapter | None = None,
) -> AsyncIterator[Speaker]:
    """Serve a folder by vLLM for as long as the block runs; with ``adapter``, loaded into the server.

    Raises:
        ServerError: It cannot be started.
    """

    def starting(at: StartProgress) -> None:
        say(f"starting · {at.said[:60]}")

    # A server that dies is not started again: what was measured of it is worth nothing.
    options = replace(options, restarts=0)
    async with kind(folder, name, _free_port(), log=log, options=options, progress=starting) as server:
        if adapter is not None:
            await server.load_adapter(adapter.tag, adapter.folder)
        yield ServedSpeaker(server.url, adapter.tag if adapter else name)


@asynccontextmanager
async def generate(
    folder: Path, name: str, options: VllmOptions, log: Path, say: Say
) -> AsyncIterator[Speaker]:
    """Load a folder in transformers for as long as the block runs.

    Raises:
        NotEnoughMemory, Unmeasured: It cannot be loaded.
    """
    needed = int(options.memory_gib * GIB)
    if options.device == "cpu" and (available := available_memory()) < needed:
        raise NotEnoughMemory(name, needed, available)
    say("loading")
    async with side(log) as process:
        await process.do(do="load", folder=str(folder), dtype=options.dtype, device=options.device)
        yield PlainSpeaker(process)


def ways(
    name: str,
    base: Path,
    folder: Path,
    int8: Path,
    adapter: Adapter | None,
    options: VllmOptions,
    logs: Path,
) -> dict[str, Way]:
    """All ways to serve a model, those of missing weights too, in the order they are reported.

    Args:
        base: The model's weights.
        folder: The same with the adapter merged in, where there is one.
        int8: The copy of ``folder`` with weights in 8 bits.
        adapter: What the product serves the model with.
        options: How the product serves it here: with ``lora_rank`` the adapter is loaded, else merged.
        logs: Folder for what the servers say.
    """
    log = logs / "bench-serving.log"
    loaded = adapter if options.lora_rank else None
    speculation = asdict(options.speculation) if options.speculation else "off"
    eager = "" if options.compiled else ", not compiled"
    ours = (
        f"vLLM as configured here: at most {options.max_num_seqs} answers at once, "
        f"prompt-lookup speculation {speculation}{', adapter loaded' if loaded else ''}{eager}"
    )
    merged = replace(options, lora_rank=0)
    listed = (
        Way(
            "shipped",
            f"vLLM with its own defaults{eager}",
            folder,
            lambda say: serve(ShippedServer, folder, name, options, log, say),
        ),
        Way(
            "ours",
            ours,
            base if loaded else folder,
            lambda say: serve(VllmServer, base if loaded else folder, name, options, log, say, loaded),
        ),
        Way(
            "int8",
            f"as ours, weights in 8 bits{', adapter merged' if loaded else ''}",
            int8,
            lambda say: serve(VllmServer, int8, name, merged, log, say),
        ),
        Way(
            "transformers",
            "transformers' generate, greedy, several prompts as one batch",
            folder,
            lambda say: generate(folder, name, options, log, say),
        ),
    )
    return {way.name: way for way in listed}


def _messages(prompt: Sequence[Prompt]) -> list[dict[str, str]]:
    return [{"role": one.role, "content": one.text} for one in prompt]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def load() -> float:
    """Runnable processes of the machine, mean of the last minute."""
    return os.getloadavg()[0]
