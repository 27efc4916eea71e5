"""Heavy work in a process of its own, so that torch does not stay in this one."""

from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from agent.errors import AmendsError
from serving.models.errors import ConvertError


def apart(name: str, work: Callable[..., object], *arguments: object) -> None:
    """Call ``work(*arguments)`` in a fresh interpreter; blocking.

    Args:
        name: Of what is made, for messages.
        work: A function of a module, not of a block.
        arguments: What it takes; they are pickled.

    Raises:
        AmendsError: What ``work`` raises.
        ConvertError: The process was killed, or a library failed.
        OSError: The disk is full, or a file cannot be read or written.
    """
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(work, *arguments).result()
    except BrokenProcessPool:
        raise ConvertError(
            f"{name}: the process at work on it was killed, most likely for want of memory. "
            "Close other programs and run this again."
        ) from None
    except AmendsError:
        raise
    except Exception as error:
        if "No space left on device" in str(error):  # as safetensors says it, too
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        # Whatever else the libraries raise, the way on is the same.
        raise ConvertError(f"{name}: {type(error).__name__}: {error}") from error
