"""Errors as clients see them: a stable code and a sentence that may be shown, nothing more."""

from __future__ import annotations

import logging
import traceback

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors import (
    AmendsError,
    ConfirmationRefused,
    ConversationNotFound,
    IdempotencyMismatch,
    OrderNotFound,
    SeqConflict,
    TokenRejected,
)
from agent.ids import Language
from retrieval.errors import RetrievalError
from serving.frames import ErrorFrame

BAD_FRAME = "protocol.bad_frame"
TOO_FAST = "protocol.too_fast"

_PROTOCOL: dict[str, dict[Language, str]] = {
    BAD_FRAME: {
        "en": "This message could not be understood.",
        "zh": "无法识别这条消息。",
    },
    TOO_FAST: {
        "en": "Too many messages at once. Please wait a moment.",
        "zh": "消息发送过于频繁，请稍候再试。",
    },
}

_CHINESE = {
    AmendsError.safe: "我们这边出了点问题，人工客服可以协助您。",
    ConversationNotFound.safe: "未找到该对话。",
    TokenRejected.safe: "您的登录已失效，请刷新页面。",
    ConfirmationRefused.safe: "此确认已失效，请重新提出。",
    OrderNotFound.safe: "在您的订单中未找到该订单。",
    "The order system does not answer at the moment.": "订单系统暂时没有响应。",
    "The shop's rules don't allow this change.": "本店规则不允许此项更改。",
}
"""The errors' safe sentences in Chinese, by the English."""

_STATUS: dict[type[AmendsError], int] = {
    ConversationNotFound: 404,
    OrderNotFound: 404,
    TokenRejected: 401,
    ConfirmationRefused: 409,
    SeqConflict: 409,
    IdempotencyMismatch: 409,
}

_log = logging.getLogger(__name__)


def sentence(error: Exception, language: Language) -> str:
    """Return what a shopper may be shown about ``error``, in their language."""
    safe = error.safe if isinstance(error, AmendsError) else AmendsError.safe
    return _CHINESE.get(safe, _CHINESE[AmendsError.safe]) if language == "zh" else safe


def protocol_frame(code: str, language: Language, *, id: str | None = None) -> ErrorFrame:
    """Return the frame for a breach of the protocol. Only what came too fast may be repeated."""
    return ErrorFrame(code=code, message=_PROTOCOL[code][language], retry=code == TOO_FAST, id=id)


def error_frame(error: Exception, language: Language, *, id: str | None = None) -> ErrorFrame:
    """Return the frame for an error; one that nobody foresaw looks like any other failure."""
    known = error if isinstance(error, AmendsError) else AmendsError()
    return ErrorFrame(code=known.code, message=sentence(known, language), retry=known.retryable, id=id)


def log_unforeseen(what: str, error: BaseException) -> None:
    """Log where an error came from, without its message: that may quote a shopper or a secret."""
    where = "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s failed: %s\n%s", what, type(error).__name__, where)


def json_error(status: int, code: str, message: str) -> JSONResponse:
    """Return an error as every route returns it: ``{"code", "message"}``."""
    return JSONResponse({"code": code, "message": message}, status)


class NotFound(HTTPException):
    """What was asked for does not exist, or not for this client."""

    def __init__(self, message: str) -> None:
        super().__init__(404, message)


def install(app: FastAPI) -> None:
    """Make ``app`` answer errors as JSON."""

    @app.exception_handler(AmendsError)
    async def known(_: Request, error: AmendsError) -> JSONResponse:
        status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
        return json_error(status or (503 if error.retryable else 500), error.code, error.safe)

    @app.exception_handler(RetrievalError)
    async def retrieval(_: Request, error: RetrievalError) -> JSONResponse:
        return json_error(503, error.code, error.safe)

    @app.exception_handler(StarletteHTTPException)
    async def http(_: Request, error: StarletteHTTPException) -> JSONResponse:
        response = json_error(error.status_code, f"http.{error.status_code}", str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        where = ", ".join(sorted({".".join(str(part) for part in item["loc"]) for item in error.errors()}))
        return json_error(422, "http.422", f"missing or wrong: {where}")


class LastResort:
    """ASGI middleware: an error nobody foresaw is logged safely and answered without its text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # whatever it is, its text must not reach the client
            log_unforeseen(f"{scope['method']} request", error)
            if begun:
                raise ConnectionAborted from None
            await json_error(500, AmendsError.code, AmendsError.safe)(scope, receive, send)


class ConnectionAborted(Exception):
    """A response broke off half way; its cause has been logged."""
