"""The language model's conformance suite, over the real one and its scripted double; then
faults that only a scripted server shows, and the walk over the client library's errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import httpx
import openai
import pytest

from agent.errors import ModelError, ModelRejected, ModelTimeout, ModelUnavailable
from agent.model import LanguageModel, Piece, Prompt
from agent.model_langchain import BUSY_STATUSES, HttpLimits, LangchainModel, translated
from tests.doubles import ScriptedModel, split
from tests.servers import SMALL_MODEL, free_port

ASK = (
    Prompt("system", "Quote the policy: You may return unused goods within 30 days of delivery."),
    Prompt("user", "How long may I keep unused goods before I return them?"),
)
LONG = (Prompt("user", "Write a very long story about a river, with many chapters."),)


@dataclass
class Subject:
    """A model under test, and ways to look behind it."""

    model: LanguageModel
    too_slow: LanguageModel
    """The same, with a first-token limit no server can keep."""
    unknown: LanguageModel
    """The same server, asked for a model it does not serve."""
    away: LanguageModel
    """The same model at a server that is not there."""
    whole: Callable[[Sequence[Prompt], int], str]
    """The answer by another way than streaming."""
    running: Callable[[], float]
    """Answers being generated at the server now."""
    generated: Callable[[], float]
    """Tokens the server has generated, ever."""


@pytest.fixture(params=["scripted", pytest.param("vllm", marks=pytest.mark.model)])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "scripted":
        yield scripted_subject()
        return
    url: str = request.getfixturevalue("vllm_url")
    model = LangchainModel(base_url=url, model=SMALL_MODEL, first_token_seconds=60, total_seconds=120)
    too_slow = LangchainModel(base_url=url, model=SMALL_MODEL, first_token_seconds=0.0001)
    unknown = LangchainModel(base_url=url, model="no-such-model")
    away = LangchainModel(base_url=f"http://127.0.0.1:{free_port()}/v1", model=SMALL_MODEL)
    yield Subject(
        model,
        too_slow,
        unknown,
        away,
        whole=lambda prompt, tokens: asked_directly(url, prompt, tokens),
        running=lambda: metric(url, "vllm:num_requests_running"),
        generated=lambda: metric(url, "vllm:generation_tokens_total"),
    )
    for each in (model, too_slow, unknown, away):
        await each.aclose()


def scripted_subject() -> Subject:
    story = " ".join(f"word{number}" for number in range(5000))
    model = ScriptedModel(answer=lambda prompt: story if tuple(prompt) == LONG else ASK[0].text)
    return Subject(
        model,
        too_slow=ScriptedModel(first_token_delay=60, first_token_seconds=0.0001),
        unknown=ScriptedModel(known=False),
        away=ScriptedModel(down=True),
        whole=lambda prompt, tokens: "".join(split(ASK[0].text)[:tokens]),
        running=lambda: model.running,
        generated=lambda: model.generated,
    )


def asked_directly(url: str, prompt: Sequence[Prompt], tokens: int) -> str:
    body = {
        "model": SMALL_MODEL,
        "messages": [{"role": one.role, "content": one.text} for one in prompt],
        "max_tokens": tokens,
        "temperature": 0,
    }
    answer = httpx.post(f"{url}/chat/completions", json=body, timeout=60, trust_env=False)
    return str(answer.json()["choices"][0]["message"]["content"])


def metric(url: str, name: str) -> float:
    text = httpx.get(url.removesuffix("/v1") + "/metrics", timeout=30, trust_env=False).text
    lines = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
    assert lines, f"vLLM has no metric {name}"
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def collect(model: LanguageModel, prompt: Sequence[Prompt], tokens: int) -> list[Piece]:
    return [piece async for piece in model.stream(prompt, max_tokens=tokens)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  it is about the server
            await asyncio.sleep(0.02)


async def test_the_pieces_join_to_the_whole_answer(subject: Subject) -> None:
    pieces = await collect(subject.model, ASK, 40)
    text = "".join(piece.text for piece in pieces)
    assert len(pieces) > 2
    assert text == await asyncio.to_thread(subject.whole, ASK, 40)


async def test_usage_comes_once_and_last(subject: Subject) -> None:
    pieces = await collect(subject.model, ASK, 12)
    assert [piece for piece in pieces[:-1] if piece.completion_tokens is not None] == []
    assert pieces[-1].prompt_tokens
    assert pieces[-1].completion_tokens
    assert 0 < pieces[-1].completion_tokens <= 12


async def test_an_answer_is_no_longer_than_asked_for(subject: Subject) -> None:
    pieces = await collect(subject.model, LONG, 5)
    assert pieces[-1].completion_tokens == 5


async def test_answers_at_the_same_time_do_not_mix(subject: Subject) -> None:
    alone = await collect(subject.model, ASK, 20)
    several = await asyncio.gather(*(collect(subject.model, ASK, 20) for _ in range(3)))
    assert all(pieces[-1].prompt_tokens == alone[-1].prompt_tokens for pieces in several)
    assert all("".join(piece.text for piece in pieces) for pieces in several)


async def test_closing_the_iterator_frees_the_slot(subject: Subject) -> None:
    assert (await collect(subject.model, LONG, 200))[-1].completion_tokens == 200
    before = await asyncio.to_thread(subject.generated)
    async with aclosing(subject.model.stream(LONG, max_tokens=200)) as pieces:  # type: ignore[type-var]
        assert (await anext(pieces)).text
    await until(lambda: subject.running() == 0)
    assert await asyncio.to_thread(subject.generated) - before < 150


async def test_cancelling_the_reader_frees_the_slot(subject: Subject) -> None:
    before = await asyncio.to_thread(subject.generated)
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in subject.model.stream(LONG, max_tokens=2000):
            begun.set()

    reader = asyncio.create_task(read())
    await begun.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await until(lambda: subject.running() == 0)
    assert await asyncio.to_thread(subject.generated) - before < 1500


async def test_a_prompt_that_is_too_long_is_rejected_and_not_worth_a_retry(subject: Subject) -> None:
    with pytest.raises(ModelRejected) as caught:
        await collect(subject.model, [Prompt("user", "river " * 6000)], 50)
    assert not caught.value.retryable
    assert "river" not in str(caught.value)


async def test_a_model_the_server_does_not_serve_is_rejected(subject: Subject) -> None:
    with pytest.raises(ModelRejected):
        await collect(subject.unknown, ASK, 5)
    with pytest.raises(ModelUnavailable):
        await subject.unknown.ready()


async def test_a_server_that_is_away_is_unavailable_and_worth_a_retry(subject: Subject) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        await collect(subject.away, ASK, 5)
    assert caught.value.retryable
    with pytest.raises(ModelUnavailable):
        await subject.away.ready()


async def test_no_first_piece_in_time_is_a_timeout_worth_a_retry(subject: Subject) -> None:
    with pytest.raises(ModelTimeout) as caught:
        await collect(subject.too_slow, ASK, 5)
    assert caught.value.retryable
    await until(lambda: subject.running() == 0)


async def test_a_model_that_is_served_is_ready(subject: Subject) -> None:
    await subject.model.ready()


# --- faults, by a server that sends what it is told ---------------------------------------


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return sse(
        {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


def sse(data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def streamed(*events: bytes, ended: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    body = b"".join(f"{len(one):x}\r\n".encode() + one + b"\r\n" for one in events)
    return head + body + (b"0\r\n\r\n" if ended else b"")


def status(number: int, message: str = "no") -> bytes:
    body = json.dumps({"error": {"message": message, "type": "x", "code": number}}).encode()
    return (
        f"HTTP/1.1 {number} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )


DONE = b"data: [DONE]\n\n"
GOOD = streamed(event("Good "), event("day", "stop"), DONE)
STALL = object()


@dataclass
class Script:
    """What the server sends to one connection after the other, and how many there were."""

    answers: list[bytes | tuple[bytes, object]]
    url: str = ""
    connections: int = 0


@asynccontextmanager
async def server_that_sends(*answers: bytes | tuple[bytes, object]) -> AsyncIterator[Script]:
    script = Script(list(answers))
    stalled = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = script.answers[min(script.connections, len(script.answers) - 1)]
        script.connections += 1
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].split(b":")[1]))
        sent, then = answer if isinstance(answer, tuple) else (answer, None)
        writer.write(sent)
        await writer.drain()
        if then is STALL:
            await stalled.wait()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield script
    finally:
        stalled.set()
        server.close()


async def said_until_error(model: LanguageModel) -> tuple[str, ModelError | None]:
    text = ""
    try:
        async for piece in model.stream(ASK, max_tokens=10):
            text += piece.text
    except ModelError as error:
        return text, error
    return text, None


async def test_a_connection_lost_before_the_first_piece_is_tried_once_more() -> None:
    async with server_that_sends(b"", GOOD) as script:
        assert await said_until_error(LangchainModel(base_url=script.url, model="m")) == ("Good day", None)
        assert script.connections == 2


async def test_a_connection_lost_twice_is_unavailable() -> None:
    async with server_that_sends(b"") as script:
        text, error = await said_until_error(LangchainModel(base_url=script.url, model="m"))
        assert (text, type(error), script.connections) == ("", ModelUnavailable, 2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(streamed(event("Good "), ended=False), id="the connection closes"),
        pytest.param(streamed(event("Good ")), id="the stream ends in good form, unfinished"),
        pytest.param(streamed(event("Good "), DONE), id="it says done without a reason to finish"),
        pytest.param(streamed(event("Good "), b"data: {broken\n\n"), id="it sends no JSON"),
        pytest.param(streamed(event("Good "), sse({"choices": None})), id="it sends other JSON"),
        pytest.param(
            streamed(event("Good "), sse({"error": {"code": 500, "message": "x"}})), id="it says so"
        ),
    ],
)
async def test_an_answer_that_breaks_off_is_unavailable_and_not_tried_again(answer: bytes) -> None:
    async with server_that_sends(answer, GOOD) as script:
        text, error = await said_until_error(LangchainModel(base_url=script.url, model="m"))
        assert (text, type(error), script.connections) == ("Good ", ModelUnavailable, 1)


@pytest.mark.parametrize("number", [400, 401, 403, 404, 413, 422])
async def test_a_refusal_by_status_is_rejected(number: int) -> None:
    async with server_that_sends(status(number)) as script:
        text, error = await said_until_error(LangchainModel(base_url=script.url, model="m"))
        assert (text, type(error), script.connections) == ("", ModelRejected, 1)


@pytest.mark.parametrize("number", [*sorted(BUSY_STATUSES), 500, 502, 503, 529])
async def test_a_busy_or_failing_server_is_unavailable(number: int) -> None:
    async with server_that_sends(status(number)) as script:
        text, error = await said_until_error(LangchainModel(base_url=script.url, model="m"))
        assert (text, type(error)) == ("", ModelUnavailable)


async def test_a_refusal_inside_a_stream_is_rejected() -> None:
    async with server_that_sends(streamed(sse({"error": {"code": 400, "message": "too long"}}))) as script:
        _, error = await said_until_error(LangchainModel(base_url=script.url, model="m"))
        assert type(error) is ModelRejected


async def test_silence_after_the_first_piece_is_a_timeout() -> None:
    async with server_that_sends((streamed(event("Good "), ended=False), STALL)) as script:
        model = LangchainModel(base_url=script.url, model="m", first_token_seconds=5, total_seconds=0.3)
        text, error = await said_until_error(model)
        assert (text, type(error)) == ("Good ", ModelTimeout)


async def test_waiting_for_a_free_connection_counts_towards_the_first_piece() -> None:
    async with server_that_sends((streamed(event("Good "), ended=False), STALL)) as script:
        limits = HttpLimits(connections=1)
        model = LangchainModel(base_url=script.url, model="m", first_token_seconds=0.3, limits=limits)
        async with aclosing(model.stream(ASK, max_tokens=5)) as first:  # type: ignore[type-var]
            assert (await anext(first)).text == "Good "
            text, error = await said_until_error(model)
            assert (text, type(error), script.connections) == ("", ModelTimeout, 1)
        # The first one's end gives its connection to the next.
        script.answers = [GOOD]
        assert await said_until_error(model) == ("Good day", None)


async def test_what_a_server_says_about_a_prompt_stays_out_of_errors() -> None:
    secret = "my card is 4111 1111 1111 1111"
    async with server_that_sends(status(400, f"cannot read: {secret}")) as script:
        _, error = await said_until_error(LangchainModel(base_url=script.url, model="m"))
        seen: BaseException | None = error
        while seen is not None:
            assert "4111" not in str(seen)
            seen = seen.__cause__


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with server_that_sends(GOOD) as script:
        assert await said_until_error(LangchainModel(base_url=script.url, model="m")) == ("Good day", None)


async def test_an_adapter_is_asked_for_by_its_name() -> None:
    model = LangchainModel(base_url="http://127.0.0.1:1/v1", model="base", adapter="returns-v2")
    assert (model.name, model.adapter) == ("base", "returns-v2")
    assert model._chat.model_name == "returns-v2"
    await model.aclose()


async def test_a_merged_adapter_is_named_and_the_model_asked_for() -> None:
    model = LangchainModel(
        base_url="http://127.0.0.1:1/v1", model="base", adapter="returns-v2", served_as="base"
    )
    assert (model.name, model.adapter) == ("base", "returns-v2")
    assert model._chat.model_name == "base"
    await model.aclose()


# --- every error class of the client libraries --------------------------------------------

BY_CLASS: dict[str, type[ModelError]] = {
    "OpenAIError": ModelUnavailable,
    "APIError": ModelUnavailable,
    "APIResponseValidationError": ModelUnavailable,
    "APIConnectionError": ModelUnavailable,
    "APITimeoutError": ModelTimeout,
    "APIStatusError": ModelUnavailable,
    "BadRequestError": ModelRejected,
    "AuthenticationError": ModelRejected,
    "OAuthError": ModelRejected,
    "PermissionDeniedError": ModelRejected,
    "NotFoundError": ModelRejected,
    "ConflictError": ModelUnavailable,
    "UnprocessableEntityError": ModelRejected,
    "RateLimitError": ModelUnavailable,
    "InternalServerError": ModelUnavailable,
    "LengthFinishReasonError": ModelRejected,
    "ContentFilterFinishReasonError": ModelRejected,
    "SubjectTokenProviderError": ModelUnavailable,
    "WebSocketConnectionClosedError": ModelUnavailable,
    "WebSocketQueueFullError": ModelUnavailable,
    "APIRemovedInV1": ModelUnavailable,
    "MutuallyExclusiveAuthError": ModelUnavailable,
    "StreamAlreadyConsumed": ModelUnavailable,
    "_AmbiguousModuleClientUsageError": ModelUnavailable,
    "OpenAIContextOverflowError": ModelRejected,
    "OpenAIAPIContextOverflowError": ModelRejected,
    "OpenAIAuthenticationError": ModelRejected,
    "OpenAIPermissionDeniedError": ModelRejected,
    "OpenAIInvalidRequestError": ModelRejected,
    "OpenAIModelNotFoundError": ModelRejected,
    "OpenAIRateLimitError": ModelUnavailable,
    "OpenAIAPIError": ModelUnavailable,
    "OpenAIConnectionError": ModelUnavailable,
    "OpenAITimeoutError": ModelTimeout,
}


def library_errors() -> dict[str, type[openai.OpenAIError]]:
    found: dict[str, type[openai.OpenAIError]] = {}
    waiting: list[type[openai.OpenAIError]] = [openai.OpenAIError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__.partition(".")[0] in ("openai", "langchain_openai"):
            found[kind.__name__] = kind
        waiting += kind.__subclasses__()
    return found


def test_every_error_of_the_client_libraries_is_known_here() -> None:
    assert sorted(library_errors()) == sorted(BY_CLASS)


@pytest.mark.parametrize("name", sorted(BY_CLASS))
def test_an_error_of_the_client_library_becomes_the_ports_own(name: str) -> None:
    kind = library_errors()[name]
    error = kind.__new__(kind)
    if isinstance(error, openai.APIStatusError) and not hasattr(kind, "status_code"):
        error.status_code = 500
    if isinstance(error, openai.InternalServerError):
        error.status_code = 503
    assert type(translated(error)) is BY_CLASS[name]


def test_an_error_of_no_library_is_unavailable() -> None:
    assert type(translated(ValueError("broken JSON"))) is ModelUnavailable
    assert type(translated(TimeoutError())) is ModelTimeout
