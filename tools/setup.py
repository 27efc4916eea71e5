"""Make ``.venv`` from the lock files, once, and say what is missing on the machine.

Usage: ``python3 tools/setup.py base serve [--browser] [--postgres] [--without-project]``.
Needs CPython and its ``venv`` module, nothing else. Run again, it does nothing when nothing
has changed, and goes on where it can when it was cut off.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.txt"
"""Which lock files the environment holds, with their digests: written last, so it tells the truth."""
UNFINISHED = VENV / "unfinished"
"""There while files are being unpacked; what a run that was cut off then left behind is made anew."""
SCRATCH = VENV / "tmp"
"""For pip's temporary files: a small ``/tmp`` must not matter."""

LOCKED_FOR = (3, 11)
"""The locks know PyTorch's CPU build for this CPython on Linux x86-64 only. Everything else in
them fits later ones too (base and postgres were installed on 3.13)."""
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch publishes its CPU builds; asked for torch alone, when pip's own places have none."""
NEEDED_GIB = {"base": 1.2, "serve": 5.0, "finetune": 5.0, "dev": 0.6}
"""The environment and pip's temporary files; 0.1 for a file not named."""
DEBIAN = {
    "browser": ("chromium", ["chromium", "fonts-noto-cjk"]),
    "postgres": ("postgres", ["postgresql"]),
}
NETWORK_WORDS = ("NewConnectionError", "NameResolutionError", "name resolution", "ConnectTimeoutError",
                 "ProxyError", "Max retries exceeded", "Read timed out", "SSLError", "Connection refused")  # fmt: skip
"""What pip says when the network, not a package, is missing."""
HEARTBEAT_SECONDS = 30.0
"""Between two lines of progress where no terminal is watching."""


class SetupError(Exception):
    """It cannot go on; the message says why and what to do."""


def main(arguments: list[str]) -> int:
    """Set up; return the exit status: 0 done, 1 failed for the reason printed, 130 stopped by Ctrl-C."""
    locks = [name for name in arguments if not name.startswith("--")]
    options = {name for name in arguments if name.startswith("--")}
    try:
        if why := unfit(locks):
            go_on_with_another(why, arguments)
        with alone():
            environment(locks, project="--without-project" not in options)
        for part in DEBIAN.keys() & {option[2:] for option in options}:
            system(part)
    except SetupError as error:
        sys.stderr.write(f"amends: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"amends: {reason(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("amends: stopped; run it again to go on\n")
        return 130
    return 0


def unfit(
    locks: list[str],
    version: tuple[int, ...] = sys.version_info[:2],
    machine: tuple[str, str] = (platform.system(), platform.machine()),
) -> str:
    """Say why this Python cannot install ``locks``, and what to do; empty when it can."""
    here, locked = ".".join(map(str, version)), ".".join(map(str, LOCKED_FOR))
    get = (
        f"Install CPython {locked} (Debian 12: apt install python{locked}-venv; elsewhere: "
        f"uv python install {locked}, or pyenv install {locked}) so that python{locked} is on the PATH, "
        f"or name it: make demo PYTHON=/path/to/python{locked}"
    )
    if version < LOCKED_FOR:
        return f"CPython {locked} or later is needed, this is {here}. {get}"
    if not any(pins_torch(name) for name in locks):
        return ""
    if machine != ("Linux", "x86_64"):
        return (
            f"the model server's packages are locked for Linux on x86-64, this is {' on '.join(machine)}. "
            "Without a model of its own it runs here: python3 tools/setup.py base, then "
            "AMENDS_MODEL__URL=http://host:port/v1 .venv/bin/amends up"
        )
    if version != LOCKED_FOR:
        return f"the model server's packages are locked for CPython {locked}, this is {here}. {get}"
    return ""


def pins_torch(name: str) -> bool:
    """Whether a lock file holds PyTorch, the one package that is locked for one CPython."""
    return bool(re.search(r"^torch==", lock(name).read_text(), re.MULTILINE))


def go_on_with_another(why: str, arguments: list[str]) -> NoReturn:
    """Run this again with the locked CPython, or fail for the reason given when there is none that works."""
    found = shutil.which("python{}.{}".format(*LOCKED_FOR))
    if found and sys.version_info[:2] != LOCKED_FOR:
        if subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            os.execv(found, [found, __file__, *arguments])  # noqa: S606 - the same script
    raise SetupError(why)


def lock(name: str) -> Path:
    """The lock file called ``name``."""
    path = ROOT / "requirements" / f"{name}.txt"
    if not path.exists():
        raise SetupError(f"{path} does not exist")
    return path


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep a second set-up of the same checkout waiting."""
    with Path(__file__).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def environment(names: list[str], *, project: bool) -> None:
    """Create or update ``.venv``.

    Raises:
        SetupError: It could not be done; the environment is as before or marked as unfinished.
    """
    have = dict(line.split() for line in STAMP.read_text().splitlines()) if STAMP.exists() else {}
    # It holds every file ever asked for, so that `demo` and `test` share it.
    kept = {name for name in have if name != "project" and (ROOT / "requirements" / f"{name}.txt").exists()}
    wanted = {name: hashlib.sha256(lock(name).read_bytes()).hexdigest() for name in sorted({*names, *kept})}
    if project:
        wanted["project"] = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    usable = PYTHON.exists() and not UNFINISHED.exists() and same_python()
    if usable and have.items() >= wanted.items():
        return
    require_disk([name for name in names if not usable or name not in have])
    say(f"setting up {VENV} (a few minutes the first time)")
    if not usable:
        make_venv()
    STAMP.unlink(missing_ok=True)
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir()
    packages = {name: digest for name, digest in wanted.items() if name != "project"}
    if not (usable and have.items() >= packages.items()):
        files = [lock(name) for name in packages]
        install_torch(files)
        total = sum(len(re.findall(r"^[\w.-]+==", file.read_text(), re.MULTILINE)) for file in files)
        Pip("packages", total).install(*(word for file in files for word in ("-r", str(file))))
    if project:
        Pip("amends", 1).run("--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT))
    shutil.rmtree(SCRATCH, ignore_errors=True)
    STAMP.write_text("".join(f"{name} {digest}\n" for name, digest in wanted.items()))


def same_python() -> bool:
    """Whether the environment was made by this CPython's version."""
    config = VENV / "pyvenv.cfg"
    match = (
        re.search(r"^version\s*=\s*(\d+)\.(\d+)", config.read_text(), re.MULTILINE)
        if config.exists()
        else None
    )
    return match is not None and (int(match[1]), int(match[2])) == sys.version_info[:2]


def require_disk(names: list[str]) -> None:
    """Refuse to begin what the disk has no room for."""
    needed = sum(NEEDED_GIB.get(name, 0.1) for name in names)
    if (free := shutil.disk_usage(ROOT).free / 2**30) < needed:
        raise SetupError(f"{needed:.1f} GiB of disk are needed in {ROOT}, {free:.1f} are free")


def make_venv() -> None:
    """Make an empty environment, in place of whatever a run that was cut off left there."""
    how = f"on Debian and Ubuntu: apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    UNFINISHED.touch()
    try:
        import ensurepip  # noqa: F401 - Debian splits it off
        import venv

        venv.create(VENV, with_pip=True)
    except ImportError:
        raise SetupError(f"this Python has no venv module; {how}") from None
    except subprocess.CalledProcessError as error:
        said = error.output.decode(errors="replace") if isinstance(error.output, bytes) else str(error)
        raise SetupError(f"a virtual environment could not be made ({reason(said)}); {how}") from None
    UNFINISHED.unlink()


def install_torch(files: list[Path]) -> None:
    """Install PyTorch by itself, so that its own index is asked for nothing else.

    The registry's build of it is for CUDA and three gigabytes larger.
    """
    pins = [
        match[0]
        for file in files
        if (match := re.search(r"^torch==.*\n(?:\s+--hash=.*\n?)*", file.read_text(), re.MULTILINE))
    ]
    if not pins:
        return
    only = SCRATCH / "torch.txt"
    only.write_text(pins[0] + "\n")
    try:
        Pip("torch", 1).install("-r", str(only), quiet=True)
    except NoDistribution:
        say("asking PyTorch's own index for its CPU build")
        Pip("torch", 1).install("-r", str(only), "--index-url", TORCH_INDEX)


class NoDistribution(SetupError):
    """The index has no such version for this machine."""


class Pip:
    """One run of pip in the environment, with progress worth reading.

    Which packages it has found, and how large what it fetched for them is, pip prints one a line.
    While it unpacks, the environment is looked at. Modules are compiled when they are first
    imported: compiling all of them takes as long as installing them, and few are ever used.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self.found = 0
        self.megabytes = 0.0
        self.current = ""
        self.said: list[str] = []
        self.unpacking = False
        self._began = time.monotonic()
        self._there = 0

    def install(self, *arguments: str, quiet: bool = False) -> None:
        """Install exactly what hashed requirement files say."""
        self.run("--no-deps", "--require-hashes", *arguments, quiet=quiet)

    def run(self, *arguments: str, quiet: bool = False) -> None:
        """Run ``pip install``; ``quiet`` leaves out pip's own words on failure.

        Raises:
            NoDistribution: No index has one of the packages.
            SetupError: Anything else; the message says what is the matter.
        """
        command = [
            str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-color", "--no-input",
            "--no-compile", "--progress-bar", "off", *arguments,
        ]  # fmt: skip
        environ = {
            **os.environ,
            "TMPDIR": str(SCRATCH),
            "PYTHONUNBUFFERED": "1",
            "PIP_QUIET": "0",
            "PIP_VERBOSE": "0",
        }
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environ,
        )
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        try:
            self._show(process)
        except BaseException:  # Ctrl-C reaches pip too; nothing of it may outlive this
            process.terminate()
            process.wait()
            raise
        reader.join()
        if process.returncode == 0:
            UNFINISHED.unlink(missing_ok=True)
            return
        text = "\n".join(self.said)
        missing = "No matching distribution found" in text and not any(word in text for word in NETWORK_WORDS)
        if not (quiet and missing):
            errors = [line for line in self.said if line.lstrip().startswith(("ERROR", "error:"))]
            sys.stderr.write("\n".join((errors or self.said)[-8:]) + "\n")
        raise (NoDistribution if missing else SetupError)(reason(text))

    def saw(self, line: str) -> None:
        """Take note of one line of pip's output."""
        if match := re.match(r"(Collecting|Processing|Requirement already satisfied:|Obtaining) (\S+)", line):
            self.found += 1
            self.current = Path(match[2]).name
        elif match := re.match(r"\s+Downloading (\S+?) \(([\d.]+) ([kMG]?)B\)", line):
            if not match[1].endswith(".metadata"):
                size = float(match[2]) * {"": 1e-6, "k": 1e-3, "M": 1.0, "G": 1e3}[match[3]]
                self.megabytes += size
                self.current = (
                    f"{match[1].split('/')[-1].split('-')[0]} ({size:.0f} MB)" if size >= 1 else self.current
                )
        elif line.startswith("Installing collected packages"):
            self._there = self._count()
            UNFINISHED.touch()
            self.unpacking = True
        if "is ignored: it is neither a file" not in line:
            self.said = [*self.said[-200:], line.rstrip()]

    def describe(self) -> str:
        """Where it is, in one line."""
        elapsed = int(time.monotonic() - self._began)
        clock = f"{elapsed // 60}:{elapsed % 60:02}"
        fetched = f", {self.megabytes:.0f} MB fetched" if self.megabytes >= 1 else ""
        if self.unpacking:
            done = min(self._count() - self._there, self.total)
            return f"{self.label}: {self.found}/{self.total} found{fetched}, {done} installed, {clock}"
        return f"{self.label}: {self.found}/{self.total} found{fetched}, {clock} {self.current}".rstrip()

    def _read(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                self.saw(line)

    def _show(self, process: subprocess.Popen[str]) -> None:
        watched = sys.stdout.isatty()
        shown = time.monotonic()
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
            if watched:
                width = shutil.get_terminal_size().columns - 1
                print(f"\r\x1b[K{('amends: ' + self.describe())[:width]}", end="", flush=True)
            elif time.monotonic() - shown > HEARTBEAT_SECONDS:
                shown = time.monotonic()
                say(self.describe())
        if watched:
            print("\r\x1b[K", end="")
        if process.returncode == 0:
            self.current = ""
            say(self.describe())

    @staticmethod
    def _count() -> int:
        """Packages in the environment."""
        return len(list(VENV.glob("lib/python*/site-packages/*.dist-info")))


def reason(text: str) -> str:
    """What a tool's output means for whoever ran this, most telling sign first."""
    if "No space left on device" in text or "Errno 28" in text:
        free = ", ".join(
            f"{shutil.disk_usage(place).free / 2**30:.1f} GiB in {place}" for place in (ROOT, Path.home())
        )
        return f"the disk is full ({free}); make room and run it again"
    if "DO NOT MATCH THE HASHES" in text:
        return (
            "a package is not the one in requirements/*.txt, so nothing was installed. If those files are "
            "unchanged (git status), the package index, or a proxy before it, serves other files"
        )
    if any(word in text for word in NETWORK_WORDS):
        return (
            "the package index could not be reached. Check the network, or name an index or proxy that can "
            "be (PIP_INDEX_URL, HTTPS_PROXY, pip.conf), and run it again"
        )
    if match := re.search(r"No matching distribution found for (\S+)", text):
        return f"no package index that pip asks has {match[1]} for this machine (CPython {platform.python_version()})"
    if "Permission denied" in text or "Read-only file system" in text:
        return f"{ROOT} cannot be written to by this user ({text.strip().splitlines()[-1]})"
    return f"it failed: {text.strip().splitlines()[-1] if text.strip() else 'no reason given'}"


def system(part: str) -> None:
    """Install a Debian package where that is possible, else say how; tests that need it skip."""
    program, packages = DEBIAN[part]
    places = [os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    if shutil.which(program, path=os.pathsep.join(places)):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {' '.join(packages)} with apt-get")
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-qq", *words], env=environ, capture_output=True, text=True, check=False
            )
        if done.returncode == 0:
            return
        sys.stderr.write("\n".join(done.stderr.splitlines()[-5:]) + "\n")
    say(f"{program} is missing and its tests will skip. Install it with your package manager "
        f"(Debian: apt install {' '.join(packages)})")  # fmt: skip


def say(words: str) -> None:
    """Tell the operator."""
    print(f"amends: {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
