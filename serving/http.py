"""Listening: a port taken early, and uvicorn as something to start and stop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

STOP_SECONDS = 5
"""How long open requests and sockets may take to end when the server stops."""
STUCK_MILLISECONDS = 60_000
"""A client that takes nothing off its socket for this long is dropped by the kernel; without
it one that never reads would hold its connection for ever."""
LARGEST_FRAME = 1 << 20
"""Frames over this close the socket with 1009; smaller ones that are too large are answered."""


class CannotListen(Exception):
    """The address cannot be listened on; the message says what to do."""


class PortTaken(CannotListen):
    """Another program listens there."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is taken by another program: stop it, or choose another port "
            "with AMENDS_PORT or `port` in amends.toml"
        )
        self.port = port


class StartFailed(Exception):
    """The application did not start; why has been logged."""


def listen(host: str, port: int) -> socket.socket:
    """Take the port (0: any free one) before anything else is done. Connections wait from here on.

    Raises:
        PortTaken: Another program listens there.
        CannotListen: The address is not this machine's, or the port may not be used.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise CannotListen(f"{host} is no address of this machine: set AMENDS_HOST") from None
    family, _, _, _, address = found[0]
    try:
        listening = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port) from None
        if error.errno == errno.EACCES:
            raise CannotListen(
                f"port {port} needs rights this program does not have: choose one above 1023"
            ) from None
        raise CannotListen(f"{host} is no address of this machine: set AMENDS_HOST") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # accepted sockets inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MILLISECONDS)
    return listening


class _Uvicorn(uvicorn.Server):
    """Uvicorn inside somebody else's program: signals are not its business, nor is exiting."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise StartFailed("the application did not start") from None


class HttpServer:
    """A server on a socket that listens already. Start and stop it once, in one event loop."""

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        self._socket = listening
        self.host, self.port = listening.getsockname()[:2]
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                ws="websockets-sansio",
                ws_max_size=LARGEST_FRAME,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=STOP_SECONDS,
                lifespan="on",
                server_header=False,
                access_log=False,
                log_config=None,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it can be reached from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Return when requests are answered.

        Raises:
            StartFailed: The application's own start failed; the socket is closed then.
        """
        self._task = asyncio.create_task(self._uvicorn.serve(sockets=[self._socket]), name="http")
        while not self._uvicorn.started:
            if self._task.done():
                self._socket.close()
                await self._task
                raise StartFailed("the server ended before it began")
            await asyncio.sleep(0.01)

    async def wait(self) -> None:
        """Return when the server has ended; raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Close sockets with 1012, let requests finish for a moment, and run the app's shutdown."""
        self._uvicorn.should_exit = True
        if self._task is None:
            self._socket.close()
            return
        await self.wait()


async def serve(app: ASGIApp, host: str, port: int) -> HttpServer:
    """Listen, start, and return the running server.

    Raises:
        CannotListen, StartFailed: As in :func:`listen` and :meth:`HttpServer.start`.
    """
    server = HttpServer(app, listen(host, port))
    await server.start()
    return server
