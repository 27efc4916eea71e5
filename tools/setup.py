"""Make ``.venv`` from the lock files, once, and say what is missing on the machine.

Usage: ``python3 tools/setup.py base serve [--browser] [--postgres]``. Needs CPython 3.11 or
later and pip, nothing else. Runs again in no time when nothing has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
NEEDED_GIB = 6.0
"""The environment and pip's temporary files."""
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch publishes its CPU builds; asked only when pip's own places have none."""
DEBIAN = {
    "browser": ("chromium", ["chromium", "fonts-noto-cjk"]),
    "postgres": ("postgres", ["postgresql"]),
}


def main(arguments: list[str]) -> int:
    """Set up; return the exit status."""
    locks = [ROOT / "requirements" / f"{name}.txt" for name in arguments if not name.startswith("--")]
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever python3 is
        return fail(f"CPython 3.11 or later is needed, this is {sys.version.split()[0]}")
    if (status := environment(locks)) != 0:
        return status
    for wanted in arguments:
        if wanted.startswith("--"):
            system(wanted[2:])
    return 0


def environment(locks: list[Path]) -> int:
    """Create or update ``.venv``."""
    # The environment must hold all files ever asked for, so that `demo` and `test` share it.
    stamp = VENV / "installed.txt"
    wanted = {lock.name: hashlib.sha256(lock.read_bytes()).hexdigest() for lock in locks}
    have = dict(line.split() for line in stamp.read_text().splitlines()) if stamp.exists() else {}
    if have.items() >= wanted.items():
        return 0
    wanted = {name: hashlib.sha256((ROOT / "requirements" / name).read_bytes()).hexdigest()
              for name in {*have, *wanted}}  # fmt: skip
    if (free := shutil.disk_usage(ROOT).free / 2**30) < NEEDED_GIB:
        return fail(f"{NEEDED_GIB:.0f} GiB of disk are needed in {ROOT}, {free:.1f} are free")
    say("setting up .venv (a few minutes the first time)")
    if not (BIN / "python").exists():
        try:
            venv.create(VENV, with_pip=True, clear=True)
        except (subprocess.CalledProcessError, OSError) as error:
            return fail(
                f"a virtual environment could not be made ({error}); on Debian: apt install python3-venv"
            )
    files = [word for name in sorted(wanted) for word in ("-r", str(ROOT / "requirements" / name))]
    pip = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install = [*pip, "--progress-bar", "on", "--no-deps", "--require-hashes", *files]
    if install_with(install) != 0:
        say("trying again with PyTorch's own index of CPU builds")
        if install_with([*install, "--extra-index-url", TORCH_INDEX]) != 0:
            shutil.rmtree(VENV, ignore_errors=True)
            return fail("the packages could not be installed; see pip's message above")
    if subprocess.call([*pip, "--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)]) != 0:
        return fail("the project itself could not be installed; see pip's message above")
    stamp.write_text("".join(f"{name} {digest}\n" for name, digest in wanted.items()))
    return 0


def install_with(command: list[str]) -> int:
    """Run pip without its warnings about places it did not find."""
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if "is ignored: it is neither a file" not in line]
    if done.returncode != 0:
        sys.stderr.write("\n".join(lines[-20:]) + "\n")
    return done.returncode


def system(part: str) -> None:
    """Install a Debian package where that is possible, else say how; tests that need it skip."""
    program, packages = DEBIAN[part]
    places = (
        f"{os.environ.get('PATH', '')}:/usr/local/bin:/usr/lib/postgresql/17/bin:/usr/lib/postgresql/15/bin"
    )
    if shutil.which(program, path=places):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {' '.join(packages)} with apt-get")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.call(["apt-get", "update", "-qq"], **quiet)
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.call(["apt-get", "install", "-y", "-qq", *packages], env=environ, **quiet) == 0:
            return
    say(
        f"{program} is missing: install it with your package manager (Debian: apt install {' '.join(packages)})"
    )


def say(words: str) -> None:
    """Tell the operator."""
    print(f"amends: {words}", flush=True)


def fail(words: str) -> int:
    """Tell the operator why it stopped."""
    sys.stderr.write(f"amends: {words}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
