"""Writes the locks in ``requirements`` from ``pyproject.toml``: names, versions and hashes, no addresses.

One lock serves Python 3.11 to 3.14 on Linux and macOS. ``--upgrade`` takes newer versions, else those in the locks
stay as far as ``pyproject.toml`` allows. Uses the ``uv`` on PATH, else one of its own in ``.make``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWN = ROOT / ".make" / "uv"
LOCKS = ROOT / "requirements"


def main(arguments: list[str]) -> int:
    """Write all three locks; return the first exit code that is not 0."""
    # The widest comes first, so that a package has one version in all of them.
    narrow = [f"--constraints={LOCKS / 'dev.txt'}"]
    for name, options in (
        ("dev", ["pyproject.toml", "--extra=activity", "--extra=otlp", "--group=dev"]),
        ("runtime", ["pyproject.toml", "--extra=activity", "--extra=otlp", *narrow]),
        ("build", ["--group=build", *narrow]),
    ):
        output = f"--output-file={LOCKS / name}.txt"
        common = ["--universal", "--python-version=3.11", "--generate-hashes", "--custom-compile-command=make lock"]
        command = [find_uv(), "pip", "compile", "--quiet", *common, output, *options, *arguments]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code != 0:
            return code
    return 0


def find_uv() -> str:
    """Return the command ``uv``, installing it into ``.make`` when there is none."""
    if found := shutil.which("uv"):
        return found
    if not (OWN / "bin" / "uv").exists():
        print("Getting uv into .make ...", flush=True)
        venv.create(OWN, clear=True, with_pip=True)
        subprocess.run([OWN / "bin" / "python", "-m", "pip", "-qq", "install", "uv"], check=True)
    return str(OWN / "bin" / "uv")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
