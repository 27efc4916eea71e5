"""Exit 0 when an address answers 200, else 1: the health check of every container.

Usage: ``python3 tools/healthy.py http://127.0.0.1:8080/healthz``. Standard library only, and no
proxy: it asks the machine it runs on.
"""

from __future__ import annotations

import sys
import urllib.request

SECONDS = 2.0


def healthy(url: str) -> bool:
    """Whether ``url`` answers 200 within two seconds."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            url, timeout=SECONDS
        ) as answer:
            return bool(answer.status == 200)
    except OSError:  # refused, timed out, or any other status
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy(sys.argv[1]) else 1)
