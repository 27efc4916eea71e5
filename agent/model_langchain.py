"""The language model behind any OpenAI-compatible server, by LangChain's chat model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import openai
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import AIMessageChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent.errors import ModelError, ModelRejected, ModelTimeout, ModelUnavailable
from agent.model import Piece, Prompt

BUSY_STATUSES: Final = frozenset({408, 409, 425, 429})
"""Client errors by number that mean "not now": the same request may succeed later."""


@dataclass(frozen=True)
class HttpLimits:
    """Limits towards the model's server."""

    connections: int = 64
    """Answers asked for at the same time; further ones wait within their first-token limit."""
    connect_seconds: float = 3.0
    ready_seconds: float = 3.0


class _End:
    """Marks the end of a stream in its queue."""


class LangchainModel:
    """A model served over the OpenAI API (vLLM, or any other).

    Answers are decoded greedily unless ``temperature`` says otherwise. ``adapter`` is a LoRA
    adapter the server has loaded; it is asked for by its own name, as vLLM does it. One that is
    merged into the weights has no name there: ``served_as`` then says what to ask for.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: SecretStr | str = "none",
        adapter: str = "",
        served_as: str = "",
        first_token_seconds: float = 20.0,
        total_seconds: float = 60.0,
        temperature: float = 0.0,
        limits: HttpLimits | None = None,
    ) -> None:
        self._name = model
        self._adapter = adapter
        self._served_as = served_as or adapter or model
        self._first_token_seconds = first_token_seconds
        self._total_seconds = total_seconds
        self._limits = limits or HttpLimits()
        self._slots = asyncio.Semaphore(self._limits.connections)
        # A proxy from the environment cannot reach this machine's own loopback.
        local = urlsplit(base_url).hostname in ("localhost", "127.0.0.1", "::1")
        self._client = openai.DefaultAsyncHttpxClient(trust_env=not local)
        self._chat = ChatOpenAI(
            base_url=base_url,
            model=self._served_as,
            api_key=SecretStr(api_key) if isinstance(api_key, str) else api_key,
            temperature=temperature,
            stream_usage=True,
            # The limits below count from the call, over retries and silence alike.
            timeout=openai.Timeout(total_seconds, connect=self._limits.connect_seconds),
            stream_chunk_timeout=None,
            max_retries=0,
            use_responses_api=False,
            http_async_client=self._client,
        )

    @property
    def name(self) -> str:
        """The model's name as the server calls it."""
        return self._name

    @property
    def adapter(self) -> str:
        """The LoRA adapter in use, empty when there is none."""
        return self._adapter

    async def stream(
        self, prompt: Sequence[Prompt], *, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Piece]:
        """Stream the answer; see ``LanguageModel.stream``.

        A connection that fails before the first piece is tried once more; after it, nothing
        is, because the shopper has read what came.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        pieces: asyncio.Queue[Piece | ModelError | _End] = asyncio.Queue()
        # A task of its own is always inside the network read, so that cancelling it unwinds
        # every layer down to the socket at once. Closing nested generators would leave the
        # inner ones, and with them the server's slot, to the garbage collector.
        options = {"max_tokens": max_tokens} | _constrained(schema)
        pump = asyncio.create_task(self._pump(_messages(prompt), options, pieces))
        try:
            limit = began + min(self._first_token_seconds, self._total_seconds)
            while True:
                try:
                    async with asyncio.timeout_at(limit):
                        item = await pieces.get()
                except TimeoutError:
                    raise ModelTimeout(
                        "no first piece in time" if limit < began + self._total_seconds else "no end in time"
                    ) from None
                if isinstance(item, _End):
                    return
                if isinstance(item, ModelError):
                    raise item
                limit = began + self._total_seconds
                yield item
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def ready(self) -> None:
        """Raise ``ModelUnavailable`` unless the server answers and lists the model."""
        wanted = self._served_as
        try:
            async with asyncio.timeout(self._limits.ready_seconds):
                listed = await self._chat.root_async_client.models.list()
                names = [model.id for model in listed.data]
        except TimeoutError:
            raise ModelUnavailable("the model's server does not answer in time") from None
        except Exception as error:
            raise ModelUnavailable(str(translated(error))) from None
        if wanted not in names:
            raise ModelUnavailable(f"the model's server does not serve {wanted}")

    async def aclose(self) -> None:
        """Close the connections. Streams that still run end with ``ModelUnavailable``."""
        await self._client.aclose()

    async def _pump(
        self,
        messages: list[BaseMessage],
        options: Mapping[str, Any],
        pieces: asyncio.Queue[Piece | ModelError | _End],
    ) -> None:
        """Move one answer from the server into ``pieces``, its end or error last."""
        async with self._slots:
            for last_try in (False, True):
                begun = False
                try:
                    async for piece in self._answer(messages, options):
                        begun = True
                        pieces.put_nowait(piece)
                except Exception as error:
                    # Nothing a server sends may surface as anything but a ModelError.
                    if _connection_failed(error) and not begun and not last_try:
                        continue
                    pieces.put_nowait(translated(error))
                else:
                    pieces.put_nowait(_End())
                return

    async def _answer(self, messages: list[BaseMessage], options: Mapping[str, Any]) -> AsyncIterator[Piece]:
        """The server's answer as pieces; usage on the last one."""
        finished = False
        usage: Piece | None = None
        async for chunk in self._chat.astream(messages, **options):
            if text := chunk.text:
                yield Piece(text)
            finished = finished or "finish_reason" in chunk.response_metadata
            if isinstance(chunk, AIMessageChunk) and (counted := chunk.usage_metadata):
                usage = Piece("", counted["input_tokens"], counted["output_tokens"])
        if not finished:
            # A proxy that loses its server may end the stream in good form.
            raise ModelUnavailable("the model's server broke off")
        if usage is not None:
            yield usage


def translated(error: BaseException) -> ModelError:
    """The error of the port for an error of the libraries below it.

    Their messages may quote the prompt, so only kind, status and code are taken over.
    """
    what = type(error).__name__
    match error:
        case ModelError():
            return error
        case ContextOverflowError():
            return ModelRejected("the prompt and its answer are longer than the model's context")
        case openai.APITimeoutError() | TimeoutError():
            return ModelTimeout(f"the model's server did not answer in time ({what})")
        case openai.APIConnectionError():
            return ModelUnavailable(f"the model's server cannot be reached or broke off ({what})")
        case openai.APIStatusError(status_code=status):
            return _by_status(status, what)
        case openai.APIError(code=str(code)) if code.isdigit():
            # An error event inside a stream that began with 200; vLLM puts the status there.
            return _by_status(int(code), what)
        case openai.LengthFinishReasonError() | openai.ContentFilterFinishReasonError():
            return ModelRejected(f"the model's server refused the request ({what})")
        case _:
            return ModelUnavailable(f"the model's server sent what cannot be read ({what})")


def _by_status(status: int, what: str) -> ModelError:
    if 400 <= status < 500 and status not in BUSY_STATUSES:
        return ModelRejected(f"the model's server refused the request ({what}, status {status})")
    return ModelUnavailable(f"the model's server failed ({what}, status {status})")


def _connection_failed(error: Exception) -> bool:
    return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)


def _constrained(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The request's options for a schema. In the body itself: given as an argument, the client
    would parse the answer too, and fail on one that was cut off."""
    if schema is None:
        return {}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}
    return {"extra_body": {"response_format": form}}


def _messages(prompt: Sequence[Prompt]) -> list[BaseMessage]:
    kinds: dict[str, type[BaseMessage]] = {
        "system": SystemMessage,
        "user": HumanMessage,
        "assistant": AIMessage,
    }
    return [kinds[one.role](content=one.text) for one in prompt]
