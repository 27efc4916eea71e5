"""Takes vLLM's arguments and its place, for faults: a program of its own, standard library only.

``FAKE_ENGINE`` names a folder. It writes the process ids of itself and a child of its own to
``pids`` there, one line a start, and looks there for files that say what to do:

- ``dies``: print an error and end while starting
- ``deaf``: serve, but never say healthy
- ``dumb``: be healthy and fail every completion
- ``refuses``: take no LoRA adapter
- ``stubborn``: ignore SIGTERM, the child too
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(os.environ["FAKE_ENGINE"])
LOADED: list[str] = []
SLEEP = "import signal, sys, time; {}; print('ok', flush=True); time.sleep(600)"


def told(what: str) -> bool:
    return (FOLDER / what).exists()


def argument(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(503 if told("deaf") else 200, {})
        else:
            names = [argument("--served-model-name"), *LOADED]
            self.answer(200, {"data": [{"id": name, "object": "model"} for name in names]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("_lora_adapter"):
            name = json.loads(body)["lora_name"]
            if told("refuses"):
                self.answer(400, {"message": "unsupported rank"})
                return
            LOADED.append(name) if self.path.startswith("/v1/load") else LOADED.remove(name)
        self.answer(500 if told("dumb") else 200, {"choices": [{"text": "4"}]})

    def answer(self, status: int, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


def main() -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if told("stubborn") else "0"
    if told("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(
        [sys.executable, "-c", SLEEP.format(ignore)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert child.stdout is not None
    child.stdout.readline()
    with (FOLDER / "pids").open("a") as file:
        file.write(f"{os.getpid()} {child.pid}\n")
    print("(APIServer pid=1) INFO 01-01 00:00:00 [api_server.py:1] Loading weights", flush=True)
    print("(APIServer pid=1) WARNING 01-01 00:00:00 [u.py:1] may cause `OSError: [Errno 24]`", flush=True)
    if told("dies"):
        print("RuntimeError: the weights are damaged", flush=True)
        sys.exit(3)
    ThreadingHTTPServer(("127.0.0.1", int(argument("--port"))), Handler).serve_forever()


if __name__ == "__main__":
    main()
