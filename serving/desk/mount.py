"""NiceGUI inside our application: under the staff's paths and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, cast
from urllib.parse import quote

from fastapi import FastAPI, Request
from nicegui import app as nicegui_app
from nicegui import ui
from nicegui.storage import Storage
from starlette.datastructures import MutableHeaders
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.desk.frame import desk_frame
from serving.desk.insights import insights_page
from serving.desk.queue import desk_page
from serving.desk.sign_in import sign_in_page
from serving.desk.visit import Desk, Visit, chosen_language
from serving.desk.words import Words
from serving.errors import log_unforeseen
from serving.services import Services

PATHS = ("/desk", "/insights", "/_nicegui", "/_nicegui_ws")
"""What NiceGUI may answer; anything else is the API's, its 404 included."""
COOKIE = "amends_desk"
_KEY = "amends.desk"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" '
    'fill="#2f5d50"/><path d="M9 11h14v9h-8l-4 4v-4H9z" fill="#fff"/></svg>'
)
_POLICY = (
    # NiceGUI starts with an inline script and compiles its templates in the browser.
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


def mount(app: FastAPI, services: Services, *, secret: str) -> None:
    """See :func:`serving.desk.mount_desk`."""
    nicegui = _nicegui()
    # Read when a session's data is first needed; they belong to the server's data.
    Storage.path = services.settings.data / "desk-sessions"
    desk = Desk(services)
    session = SessionMiddleware(
        _Policy(nicegui_app),
        secret_key=secret,
        session_cookie=COOKIE,
        max_age=14 * 24 * 3600,
        same_site="lax",
    )
    app.router.routes.append(_StaffDoors(session, desk))
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with nicegui.running(), inner(app) as state, desk.reader.running():
            yield state

    app.router.lifespan_context = cast("Any", lifespan)


class _StaffDoors(Mount):
    """Routes the staff's paths to NiceGUI and tells its pages which desk they belong to."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        super().__init__("", app=app, name="desk")
        self._desk = desk

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = str(scope.get("path", ""))
        if not any(path == ours or path.startswith(f"{ours}/") for ours in PATHS):
            return Match.NONE, {}
        match, child = super().matches(scope)
        return match, {**child, _KEY: self._desk}


class _Policy:
    """ASGI middleware: a content policy of the desk's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", _POLICY)
                headers.setdefault("Referrer-Policy", "same-origin")
            await send(message)

        await self._app(scope, receive, with_policy if scope["type"] == "http" else send)


class _NiceGui:
    """NiceGUI is one application per process: it runs while any server that mounts it does."""

    def __init__(self) -> None:
        self._servers = 0
        self._host = FastAPI()
        # Each server brings its own session middleware; this one only says that there is one.
        self._host.add_middleware(SessionMiddleware, secret_key="unused")  # noqa: S106
        ui.run_with(
            self._host, title="Amends", favicon=_ICON, dark=None, tailwind=False, show_welcome_message=False
        )
        # Its own handler logs an error's text, and that may quote a shopper.
        nicegui_app._exception_handlers[:] = [lambda error: log_unforeseen("the desk", error)]
        _register_pages()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if self._servers:
            self._servers += 1
            try:
                yield
            finally:
                self._servers -= 1
            return
        async with self._host.router.lifespan_context(self._host):
            self._servers += 1
            try:
                yield
            finally:
                self._servers -= 1


@cache
def _nicegui() -> _NiceGui:
    return _NiceGui()


def _desk(request: Request) -> Desk:
    return cast("Desk", request.scope[_KEY])


def _user() -> MutableMapping[str, Any]:
    return cast("MutableMapping[str, Any]", nicegui_app.storage.user)


def _words(request: Request) -> Words:
    return Words(chosen_language(_user(), request.headers.get("accept-language", "")))


def _enter(request: Request) -> Visit | Response:
    """The visit of a signed-in person, or the way to the sign-in."""
    desk, user = _desk(request), _user()
    staff = desk.signed_in(user)
    if staff is None:
        query = f"?{request.url.query}" if request.url.query else ""
        goal = quote(f"{request.url.path}{query}", safe="/")
        return RedirectResponse(f"/desk/login?next={goal}", status_code=303)
    visit = Visit(desk, ui.context.client, user, staff, _words(request))
    visit.open()
    return visit


def _register_pages() -> None:
    @ui.page("/desk/login", title="Amends")
    def sign_in(request: Request, next: str = "/desk") -> None:
        sign_in_page(_desk(request), _user(), _words(request), ui.context.client.ip, goal=next)

    @ui.page("/desk", title="Amends")
    async def desk(request: Request, c: str = "") -> Response | None:
        visit = _enter(request)
        if isinstance(visit, Response):
            return visit
        with desk_frame(visit, "desk"):
            await desk_page(visit, c)
        return None

    @ui.page("/insights", title="Amends")
    async def insights(request: Request) -> Response | None:
        visit = _enter(request)
        if isinstance(visit, Response):
            return visit
        with desk_frame(visit, "insights"):
            await insights_page(visit)
        return None
