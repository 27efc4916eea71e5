"""Security headers on every response, and which sites may open a socket."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
_JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"
_PAGE_POLICY = "frame-ancestors 'self'; base-uri 'self'; object-src 'none'"
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class SecurityHeaders:
    """ASGI middleware: headers a route did not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                json = headers.get("content-type", "").startswith("application/json")
                headers.setdefault("Content-Security-Policy", _JSON_POLICY if json else _PAGE_POLICY)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def may_connect(origin: str | None, host: str | None, allowed: Sequence[str]) -> bool:
    """Whether a page of ``origin`` may open a socket to this server, known to it as ``host``.

    A client without an origin is no browser; it proves who it is like everybody else. The
    scheme is not compared: a proxy in front may speak TLS for us.
    """
    if origin is None:
        return True
    ours = _site(f"//{host}", origin)
    return (ours is not None and _site(origin, origin) == ours) or origin.rstrip("/") in {
        site.rstrip("/") for site in allowed
    }


def _site(url: str, scheme_of: str) -> tuple[str, int] | None:
    """Host and port, with the default port of the scheme of another address filled in."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(urlsplit(scheme_of).scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None
