"""Write the exact, hash-checked lock files in ``requirements/`` from ``pyproject.toml``.

Everything is resolved once, so that any combination of files fits together. Then the base and
each extra are resolved again with that result as their constraint: a machine that only serves
the API gets no package, and no extra of a package, that the model server alone asks for. Files
are installed with ``pip install --no-deps --require-hashes``: the lock is complete by itself,
and the model server's optional ``torchvision``, ``torchaudio`` and ``torchcodec`` stay out
(their registry builds are for CUDA and break the CPU build of torch).

Usage: ``python tools/lock.py [--upgrade]``, by the oldest CPython that the files must fit and
with pip-tools beside it: what pip picks for a later one may refuse an older one. Versions already
locked stay as they are unless they no longer fit or ``--upgrade`` is given.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
OLDEST = (3, 11, 2)
"""Debian 12's."""
UNWANTED = ("torchvision", "torchaudio", "torchcodec")
HEADER = "# Made by tools/lock.py for CPython 3.11; install with --no-deps --require-hashes.\n"
COMPILE = [
    sys.executable, "-m", "piptools", "compile", "--quiet", "--no-header", "--no-annotate", "--strip-extras", "--allow-unsafe",
    "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host",
    *(word for name in UNWANTED for word in ("--unsafe-package", name)),
]  # fmt: skip


def parse(text: str) -> dict[str, str]:
    """Map each package to its pin and hashes, as they stand in a lock file."""
    blocks = re.split(r"\n(?=[a-z0-9][\w.-]*==)", "\n" + text)
    pinned = {match[1]: block for block in blocks if (match := re.match(r"([\w.-]+)==", block))}
    return {
        name: "\n".join(line for line in block.splitlines() if line.strip() and line.lstrip()[0] != "#")
        for name, block in pinned.items()
    }


def resolve(out: Path, *options: str) -> dict[str, str]:
    """Resolve ``pyproject.toml`` into ``out``; pins that are there already are preferred."""
    command = [*COMPILE, *options, "--output-file", str(out), str(ROOT / "pyproject.toml")]
    subprocess.run(command, check=True, cwd=ROOT)
    return {name: pin for name, pin in parse(out.read_text()).items() if name not in UNWANTED}


def main(arguments: list[str]) -> None:
    """Resolve and write ``requirements/*.txt``."""
    if not OLDEST[:2] <= sys.version_info[:3] <= OLDEST:
        raise SystemExit(f"run this with CPython {'.'.join(map(str, OLDEST))}, the oldest the files are for")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    groups: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "everything.txt"
        if "--upgrade" not in arguments:
            locked = {k: v for file in REQUIREMENTS.glob("*.txt") for k, v in parse(file.read_text()).items()}
            everything.write_text("\n".join(locked.values()) + "\n")
        packages = resolve(everything, "--all-extras", "--generate-hashes")
        constraints = Path(folder) / "constraints.txt"
        pins = re.findall(r"^[\w.-]+==[^\s\\]+", everything.read_text(), re.MULTILINE)
        constraints.write_text("\n".join(pins) + "\n")
        fitting = ("--constraint", str(constraints))
        groups["base"] = resolve(Path(folder) / "base.txt", *fitting)
        for extra in extras:
            found = resolve(Path(folder) / f"{extra}.txt", *fitting, "--extra", extra)
            groups[extra] = {name: pin for name, pin in found.items() if name not in groups["base"]}
    for group, members in groups.items():
        for name, pin in members.items():
            if packages[name].split()[0] != pin.split()[0]:
                raise SystemExit(f"{group}: {pin} does not fit {packages[name].split()[0]}")
    if stray := packages.keys() - set().union(*groups.values()):
        raise SystemExit(f"in no lock file: {', '.join(sorted(stray))}")
    for group, members in groups.items():
        lines = "\n".join(packages[name] for name in sorted(members))
        (REQUIREMENTS / f"{group}.txt").write_text(HEADER + lines + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
