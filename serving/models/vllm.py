"""Starts, watches, restarts and stops a vLLM server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import re
import shutil
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import httpx

from serving.models import guard
from serving.models.errors import (
    GIB,
    AdapterRefused,
    EngineMissing,
    GaveUp,
    NotEnoughMemory,
    PortTaken,
    ServerError,
    StartFailed,
)
from serving.models.hardware import Device, available_memory

logger = logging.getLogger(__name__)

# -P: the working folder's packages must not shadow the engine's.
PROGRAM = (sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server")
HOST = "127.0.0.1"
POLL_SECONDS = 0.5
KILL_SECONDS = 10.0
"""Beyond the grace, how long the guard may take before it is killed itself."""
FEW_CORES = 4
"""Up to this many cores, threads are not pinned. Measured on 2, with Qwen 0.5B: 400 instead of 261
prompt tokens a second, four answers at once in 4.9 instead of 8.2 s, one as fast."""
LOG_BYTES = 10 * 2**20
"""A log larger than this at a start is moved aside, to ``.1``."""
TAIL_LINES = 8
ERRORS = re.compile(r"\b(\w*Error|\w*Exception|ERROR|CRITICAL)\b")
HARMLESS = re.compile(r"\b(DEBUG|INFO|WARNING) \d")
"""Log lines of a lower level may well name an error."""
PREFIX = re.compile(r"^(\(.*?\)\s*)?([A-Z]+ [\d-]+ [\d:.]+ )?(\[.*?\]\s*)?")
"""What vLLM puts before a message: ``(APIServer pid=7) INFO 11-22 07:45:01 [loader.py:24]``."""

State = Literal["stopped", "starting", "serving", "restarting", "failed"]


@dataclass(frozen=True)
class Speculation:
    """Prompt-lookup speculation: words that repeat the prompt are proposed from it.

    Answers that quote their sources come several times faster; other text is unchanged. On a
    CPU this holds for greedy decoding only: vLLM 0.31 writes the temperatures of a mixed batch
    into a copy (``vllm/utils/cpu_triton_utils.py``, ``_expand_kernel_impl``), so that one
    request with a temperature above 0 spoils its own answer and the greedy ones beside it.
    """

    tokens: int = 5
    """Proposed per step."""
    longest: int = 4
    """N-gram lengths looked up in the prompt, in tokens."""
    shortest: int = 2

    def as_json(self) -> str:
        """The value of vLLM's ``--speculative-config``."""
        return json.dumps(
            {
                "method": "ngram",
                "num_speculative_tokens": self.tokens,
                "prompt_lookup_max": self.longest,
                "prompt_lookup_min": self.shortest,
            }
        )


@dataclass(frozen=True)
class VllmOptions:
    """How a model is served."""

    device: Device = "cpu"
    dtype: str = "bfloat16"
    max_model_len: int = 4096
    """Longest prompt and answer together, tokens."""
    max_num_seqs: int = 8
    """Answers generated at the same time; further ones wait."""
    memory_gib: float = 0.0
    """What the server needs besides the key-value cache, GiB; 0 checks nothing."""
    kv_cache_gib: float = 1.0
    """Key-value cache on a CPU, GiB, rounded up to a whole number. A GPU's is what is left of it."""
    speculation: Speculation | None = field(default_factory=Speculation)
    start_seconds: float = 600.0
    """Healthy by then, or the start failed."""
    grace_seconds: float = 15.0
    """Between SIGTERM and SIGKILL."""
    health_seconds: float = 5.0
    """Between two looks at a serving server."""
    health_misses: int = 12
    """As many looks without an answer in a row and it counts as hung. A busy CPU may miss some."""
    restarts: int = 5
    """More restarts than this within ``restart_window_seconds`` and it gives up."""
    restart_window_seconds: float = 600.0
    backoff_seconds: float = 1.0
    """Before the first restart; doubled for each further one in the window, up to a minute."""
    compiled: bool = field(default_factory=lambda: shutil.which("g++") is not None)
    """Compile the model's graph at the start: a minute more the first time, faster answers. Needs a
    C++ compiler on a CPU; without one the model runs as it is written."""
    cache: Path | None = None
    """Where compiled graphs are kept for the next start; ``None``: where vLLM keeps them."""
    pinned: bool = field(default_factory=lambda: len(os.sched_getaffinity(0)) > FEW_CORES)
    """Threads pinned to cores, and a core kept free for vLLM's scheduler, on a CPU: vLLM's own way. Where
    cores are few that is a large part of them, and a second server is pinned to the same ones."""
    lora_rank: int = 0
    """Highest rank of the LoRA adapters it can take while it serves; 0: none. On a CPU a live adapter
    costs several times the speed, so that there it is merged into the weights instead."""
    program: tuple[str, ...] = PROGRAM


@dataclass(frozen=True)
class StartProgress:
    """Where a start is."""

    seconds: float
    """Since it began."""
    said: str
    """The engine's last log line, shortened."""


class VllmServer:
    """One vLLM server: ``async with VllmServer(…) as server`` serves inside the block.

    It runs under a guard process, so that nothing of it outlives this process however this
    process ends. Its output goes to ``log``.
    """

    def __init__(
        self,
        folder: Path,
        served_name: str,
        port: int,
        *,
        log: Path,
        options: VllmOptions | None = None,
        progress: Callable[[StartProgress], None] | None = None,
        memory: Callable[[], int] = available_memory,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.folder = folder
        self.served_name = served_name
        self.port = port
        self.log = log
        self.options = options or VllmOptions()
        self.state: State = "stopped"
        self.adapters: dict[str, Path] = {}
        """LoRA adapters by the name they are asked for, the same after a restart."""
        self._progress = progress or (lambda _: None)
        self._memory = memory
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None
        self._log_from = 0
        self._watcher: asyncio.Task[None] | None = None
        self._client = httpx.AsyncClient(
            base_url=f"http://{HOST}:{port}", timeout=httpx.Timeout(10.0, connect=2.0), trust_env=False
        )

    @property
    def url(self) -> str:
        """Base address of the OpenAI-compatible API."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus metrics are."""
        return f"http://{HOST}:{self.port}/metrics"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server, return when it serves, and watch it from then on.

        Raises:
            PortTaken, NotEnoughMemory, EngineMissing: Before anything is started.
            StartFailed: It ended, or was not healthy in time; nothing of it is left.
        """
        if self._watcher is not None:
            raise RuntimeError("the server was started already")
        self.state = "starting"
        try:
            await self._launch()
        except BaseException as error:
            self.state = "failed" if isinstance(error, ServerError) else "stopped"
            raise
        self.state = "serving"
        self._watcher = asyncio.create_task(self._watch(), name=f"vllm-{self.port}")

    async def stop(self) -> None:
        """Stop the server and all its processes. Doing so twice is fine."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError, ServerError):
                await self._watcher
            self._watcher = None
        await self._end()
        await self._client.aclose()
        if self.state != "failed":
            self.state = "stopped"

    async def load_adapter(self, name: str, folder: Path) -> None:
        """Serve an adapter too, under ``name``, without a pause.

        Raises:
            AdapterRefused: The server could not load it.
        """
        request = {"lora_name": name, "lora_path": _absolute(folder)}
        try:
            answer = await self._client.post("/v1/load_lora_adapter", json=request, timeout=120.0)
        except httpx.HTTPError as error:
            raise AdapterRefused(name, type(error).__name__) from error
        if answer.status_code != httpx.codes.OK:
            raise AdapterRefused(name, answer.text[:300])
        self.adapters[name] = folder

    async def unload_adapter(self, name: str) -> None:
        """Serve an adapter no longer. One that the server does not know is no error."""
        self.adapters.pop(name, None)
        with contextlib.suppress(httpx.HTTPError):
            await self._client.post("/v1/unload_lora_adapter", json={"lora_name": name})

    async def wait(self) -> None:
        """Wait as long as the server is watched; raise ``GaveUp`` when it died too often."""
        if self._watcher is not None:
            await asyncio.shield(self._watcher)

    async def healthy(self) -> bool:
        """Whether the server answers for this model now."""
        try:
            health = await self._client.get("/health")
            if health.status_code != httpx.codes.OK:
                return False
            listed = (await self._client.get("/v1/models")).json()["data"]
        except (httpx.HTTPError, ValueError, KeyError):
            return False
        return any(model["id"] == self.served_name for model in listed)

    async def _answers(self) -> bool:
        """Whether it completes a text. A server that is healthy may still die at its first request,
        and the first shopper should not wait for what it only does once."""
        request = {
            "model": self.served_name,
            "prompt": "1 2 3 4 5 6 1 2 3 4 5 6 1 2 3",  # repeats, so that speculation runs too
            "max_tokens": 8,
            "temperature": 0,
        }
        try:
            answer = await self._client.post("/v1/completions", json=request, timeout=120.0)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK

    def command(self) -> list[str]:
        """The engine's command line."""
        options = self.options
        command = [
            *options.program,
            "--model", str(self.folder.absolute()),
            "--served-model-name", self.served_name,
            "--host", HOST,
            "--port", str(self.port),
            "--dtype", options.dtype,
            "--max-model-len", str(options.max_model_len),
            "--max-num-seqs", str(options.max_num_seqs),
            "--enable-prefix-caching",
            # Greedy unless a request says otherwise; see Speculation for why that matters.
            "--override-generation-config", '{"temperature": 0.0}',
            "--disable-access-log-for-endpoints", "/health,/metrics,/v1/models",
            "--disable-fastapi-docs",
        ]  # fmt: skip
        if not options.compiled:
            command += ["--enforce-eager"]
        if options.lora_rank:
            command += ["--enable-lora", "--max-lora-rank", str(options.lora_rank), "--max-loras", "2"]
            if self.adapters:
                loaded = [f"{name}={_absolute(folder)}" for name, folder in self.adapters.items()]
                command += ["--lora-modules", *loaded]
        if options.speculation is not None:
            command += ["--speculative-config", options.speculation.as_json()]
        return command

    def environment(self) -> dict[str, str]:
        """The engine's environment: no hub, no usage statistics."""
        environment = {
            **self._environ,
            "HF_HUB_OFFLINE": "1",
            "DO_NOT_TRACK": "1",
            "VLLM_NO_USAGE_STATS": "1",
        }
        if self.options.device == "cpu":
            environment["VLLM_TARGET_DEVICE"] = "cpu"
            environment["VLLM_CPU_KVCACHE_SPACE"] = str(self._cache_gib())
            # What vLLM saves ahead of time for a CPU it cannot load again and compiles anew at every
            # start; inductor's own cache, used without it, works.
            environment["VLLM_USE_AOT_COMPILE"] = "0"
            if not self.options.pinned:
                environment.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        if self.options.lora_rank:
            environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
        if self.options.cache is not None:
            environment["VLLM_CACHE_ROOT"] = str(self.options.cache.absolute() / "vllm")
            environment["TORCHINDUCTOR_CACHE_DIR"] = str(self.options.cache.absolute() / "inductor")
        return environment

    def _cache_gib(self) -> int:
        # vLLM reads whole GiB only, and takes 0 for "choose yourself".
        return max(1, math.ceil(self.options.kv_cache_gib))

    async def _launch(self) -> None:
        """Check, start, and wait until healthy; leave nothing on failure."""
        self.check()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        with self.log.open("ab") as log:
            self._log_from = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", guard.__file__, str(self.options.grace_seconds), *self.command(),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=self.environment(),
                start_new_session=True,
            )  # fmt: skip
        try:
            await self._until_healthy(self._process)
        except BaseException:
            await self._end()
            raise

    def check(self) -> None:
        """Raise ``ServerError`` when it cannot start, before a minute is spent finding out."""
        if self.options.program == PROGRAM and find_spec("vllm") is None:
            raise EngineMissing
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError:
                raise PortTaken(HOST, self.port) from None
        if self.options.memory_gib and self.options.device == "cpu":
            needed = int((self.options.memory_gib + self._cache_gib()) * GIB)
            if (available := self._memory()) < needed:
                raise NotEnoughMemory(self.served_name, needed, available)

    async def _until_healthy(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            # Alive is asked last: another server on the port must not pass for this one.
            healthy = await self.healthy() and await self._answers()
            if process.returncode is not None:
                killed = ", killed; short of memory?" if process.returncode == 128 + signal.SIGKILL else ""
                raise StartFailed(
                    f"the model server ended while starting (status {process.returncode}{killed})",
                    self.log,
                    self._last_words(),
                )
            if healthy:
                return
            elapsed = loop.time() - began
            if elapsed > self.options.start_seconds:
                raise StartFailed(
                    f"the model server was not ready after {self.options.start_seconds:.0f} s",
                    self.log,
                    self._last_words(),
                )
            self._progress(StartProgress(elapsed, self._last_line()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), POLL_SECONDS)

    async def _watch(self) -> None:
        """Restart the server whenever it ends or hangs; raise ``GaveUp`` when that is too often."""
        loop = asyncio.get_running_loop()
        restarted: deque[float] = deque()
        while True:
            why = await self._until_lost()
            self.state = "restarting"
            await self._end()
            while self.state == "restarting":
                while restarted and restarted[0] < loop.time() - self.options.restart_window_seconds:
                    restarted.popleft()
                if len(restarted) >= self.options.restarts:
                    self.state = "failed"
                    logger.error("model server: %s; restarted %d times, giving up", why, len(restarted))
                    raise GaveUp(
                        f"the model server was restarted {len(restarted)} times within "
                        f"{self.options.restart_window_seconds:.0f} s and is down again ({why}). "
                        f"See {self.log}; start it again when the cause is gone."
                    )
                pause = min(60.0, self.options.backoff_seconds * 2 ** len(restarted))
                logger.warning("model server: %s; restarting in %.1f s", why, pause)
                await asyncio.sleep(pause)
                restarted.append(loop.time())
                try:
                    await self._launch()
                except ServerError as error:
                    why = f"{error.code}: it did not start"
                else:
                    self.state = "serving"
                    logger.info("model server: serving again")

    async def _until_lost(self) -> str:
        """Wait until the serving process ends or hangs, and say which."""
        process, misses = self._process, 0
        while process is not None and misses < self.options.health_misses:
            with contextlib.suppress(TimeoutError):
                status = await asyncio.wait_for(process.wait(), self.options.health_seconds)
                return f"it ended with status {status}"
            misses = 0 if await self.healthy() else misses + 1
        return "it does not answer any more"

    async def _end(self) -> None:
        """End the guard, which ends the engine; kill it when it takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self.options.grace_seconds + KILL_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _said(self) -> list[str]:
        """The lines of this start, at most the last 64 KiB of them, without colours."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_from, size - 65536))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return [line.rstrip()[:300] for line in re.split(r"[\r\n]+", plain) if line.strip()]

    def _last_line(self) -> str:
        lines = self._said()
        return re.sub(PREFIX, "", lines[-1])[:120] if lines else ""

    def _last_words(self) -> list[str]:
        """The log lines that most likely say why: those with errors, else the last ones."""
        lines = self._said()
        errors = [line for line in lines if ERRORS.search(line) and not HARMLESS.search(line)]
        return (errors or lines)[-TAIL_LINES:]


def _absolute(folder: Path) -> str:
    return str(folder.absolute())
