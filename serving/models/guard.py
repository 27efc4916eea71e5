"""Runs one command and leaves nothing of it behind, however this or the parent ends.

The supervisor starts this as ``python -I guard.py GRACE COMMAND…`` and holds the other end
of its standard input. It ends the command's whole process group (SIGTERM, after GRACE
seconds SIGKILL) when

- the parent goes away in any manner: the pipe's end closes with it, SIGKILL included;
- it is told to by SIGTERM or SIGINT;
- the command's own process ends while others of its group live.

The parent-death signal alone would not do: it fires when the *thread* that started the child
ends, and reaches no grandchildren. Here it only covers the guard's own sudden death.
Orphans are adopted (``PR_SET_CHILD_SUBREAPER``), so that none stays a zombie in a container
without an init, and ended too when they left the group. Linux only; standard library only, so
that it starts at once.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

WAKING = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT})


def guard(grace: float, command: list[str]) -> int:
    """Run ``command`` to its end, or until told; return its exit status (128 + n for signal n)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKING)

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAKING)

    child = subprocess.Popen(  # noqa: S603  the supervisor's command
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=in_child,  # no thread runs yet
    )
    threading.Thread(target=_tell_when_parent_is_gone, daemon=True).start()
    status: int | None = None
    told = False
    while status is None and not told:
        told = signal.sigwait(WAKING) != signal.SIGCHLD
        status = _reap(child.pid)
    deadline = time.monotonic() + grace
    _signal_group(child.pid, signal.SIGTERM)
    while (left := deadline - time.monotonic()) > 0 and _has_children():
        signal.sigtimedwait({signal.SIGCHLD}, left)
        status = _first(status, _reap(child.pid))
    while _has_children():
        strays = _children()
        if not _signal_group(child.pid, signal.SIGKILL) and not strays:
            break
        for pid in strays:
            os.kill(pid, signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, 0.1)
        status = _first(status, _reap(child.pid))
    return 0 if status is None else status


def _tell_when_parent_is_gone() -> None:
    """Turn the end of standard input into a SIGTERM to this process."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _reap(main: int) -> int | None:
    """Collect every child that ended; return the main one's status when it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == main:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _has_children() -> bool:
    """Whether a child is left, ended ones not yet collected included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    """Children, adopted ones and ones that left the group included; empty where the kernel
    does not list them."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children") as file:  # noqa: PTH123  starts faster without pathlib
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _signal_group(group: int, number: int) -> bool:
    """Signal every process of the group; say whether there was one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(guard(float(sys.argv[1]), sys.argv[2:]))
