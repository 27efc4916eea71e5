"""A real PostgreSQL server for tests: started once per run, a fresh database per test."""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

MISSING = "no PostgreSQL server found; on Debian: apt-get install postgresql"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, dropped after the test."""
    server = postgres_server()
    if server is None:
        pytest.skip(MISSING)
    name = f"test_{uuid4().hex}"
    server.execute(f"CREATE DATABASE {name}")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@functools.cache
def postgres_server() -> PostgresServer | None:
    """The server of this run, or ``None`` where no server is installed."""
    binaries = _binaries()
    if binaries is None:
        return None
    server = PostgresServer(binaries)
    atexit.register(server.remove)
    return server


class PostgresServer:
    """A cluster in a temporary folder, reachable on 127.0.0.1 alone."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        # PostgreSQL refuses to run as root.
        self._account = _unprivileged() if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="amends-postgres-"))
        if self._account is not None:
            shutil.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self._data = self.folder / "data"
        self._run(
            "initdb", "-D", self._data, "-U", "amends", "-E", "UTF8", "--no-locale", "-A", "trust", "-N"
        )
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start on a free port; the same one again after ``stop``."""
        # Nothing here has to survive a power cut, so no flushing.
        for _ in range(5):
            port = self.port or _free_port()
            options = f"-p {port} -h 127.0.0.1 -k {self.folder} -c fsync=off -c max_connections=60"
            try:
                self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self.folder / "log", "-o", options)
            except subprocess.CalledProcessError:
                if self.port:
                    raise
                continue  # somebody else took the port in between
            self.port = port
            return
        raise RuntimeError((self.folder / "log").read_text(errors="replace"))

    def stop(self) -> None:
        """Stop at once, connections or not."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self._data)

    def remove(self) -> None:
        """Stop and delete the cluster."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://amends@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run an administrator's statement."""
        with psycopg.connect(
            f"postgresql://amends@127.0.0.1:{self.port}/postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: object) -> None:
        account: dict[str, Any] = {}
        if self._account is not None:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        subprocess.run(
            [self._binaries / program, *map(str, arguments)],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open in the server that pg_ctl leaves behind
            stderr=subprocess.DEVNULL,
            **account,
        )


def _binaries() -> Path | None:
    """The folder with the newest server's programs."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)
    on_path = shutil.which("pg_ctl")
    for folder in [*newest_first, *([Path(on_path).resolve().parent] if on_path else [])]:
        if (folder / "pg_ctl").exists() and (folder / "initdb").exists():
            return folder
    return None


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL needs a user other than root, and there is neither postgres nor nobody")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
