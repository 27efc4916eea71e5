"""Write the exact, hash-checked lock files in ``requirements/`` from ``pyproject.toml``.

One resolution covers every extra, so that any combination of files fits together; it is
then split, because an API-only machine need not install vLLM or torch. Files are installed
with ``pip install --no-deps --require-hashes``: the lock is complete by itself, and the
model server's optional ``torchvision``, ``torchaudio`` and ``torchcodec`` stay out (their
registry builds are for CUDA and break the CPU build of torch).

Usage: ``python tools/lock.py`` with pip-tools on the path.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNWANTED = ("torchvision", "torchaudio", "torchcodec")
HEADER = "# Made by tools/lock.py; install with --no-deps --require-hashes.\n"


def resolve() -> str:
    """Return the annotated, hashed resolution of everything."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "all.txt"
        unwanted = [word for name in UNWANTED for word in ("--unsafe-package", name)]
        command = [
            "pip-compile", "--quiet", "--all-extras", "--generate-hashes", "--no-header",
            "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host",
            "--strip-extras", "--allow-unsafe", *unwanted, "--output-file", str(out),
            str(ROOT / "pyproject.toml"),
        ]  # fmt: skip
        subprocess.run(command, check=True, cwd=ROOT)
        return out.read_text()


def parse(text: str) -> dict[str, tuple[str, set[str]]]:
    """Map each package to its pinned lines and the packages that asked for it."""
    packages: dict[str, tuple[str, set[str]]] = {}
    for block in re.split(r"\n(?=[a-z0-9][\w.-]*==)", "\n" + text):
        if not (match := re.match(r"([\w.-]+)==", block)):
            continue
        pins = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        wanted_by = set(re.findall(r"#\s+(?:via\s+)?([\w.-]+)", block)) - {"via"}
        packages[match[1]] = ("\n".join(line for line in pins if line.strip()), wanted_by)
    return packages


def closure(roots: set[str], packages: dict[str, tuple[str, set[str]]]) -> set[str]:
    """Return ``roots`` and all they need."""
    found = set(roots)
    grew = True
    while grew:
        more = {name for name, (_, by) in packages.items() if name not in found and by & found}
        found |= more
        grew = bool(more)
    return found


def names(requirements: list[str]) -> set[str]:
    """Return the normalised project names of requirement strings."""
    return {re.split(r"[\[<>=!~ ;]", item)[0].lower().replace("_", "-") for item in requirements}


def main() -> None:
    """Resolve and write ``requirements/*.txt``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else resolve()
    packages = {k: v for k, v in parse(text).items() if k not in UNWANTED}
    base = closure(names(project["dependencies"]), packages) & packages.keys()
    groups = {"base": base}
    for extra, wanted in project["optional-dependencies"].items():
        groups[extra] = (closure(names(wanted), packages) & packages.keys()) - base
    for group, members in groups.items():
        lines = "\n".join(packages[name][0] for name in sorted(members))
        (ROOT / "requirements" / f"{group}.txt").write_text(HEADER + lines + "\n")
    stray = packages.keys() - set().union(*groups.values())
    if stray:
        raise SystemExit(f"in no lock file: {', '.join(sorted(stray))}")


if __name__ == "__main__":
    main()
