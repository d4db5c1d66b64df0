"""Fetches the other viewers into ``.make/peers``, apart from our own environment, and says which could not be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".make" / "peers"
PYTHON_PEERS = {"tokdash": "2.7.1", "agentsview": "0.46.1"}
CODEBURN = "0.9.15"
NODE = "22.23.3"
"""Codeburn needs Node 22.13 or later; npm has one as a package."""
_FETCH_S = 600


@dataclass
class Installed:
    """The programs that can be run, and why the others cannot."""

    tokdash: Path | None = None
    agentsview: Path | None = None
    codeburn: list[str] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)


def install() -> Installed:
    """Fetch missing programs; ``lacking`` names those that cannot be fetched."""
    found = Installed()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, version in PYTHON_PEERS.items():
        program = _python_peer(name, version, found.lacking)
        if program is not None:
            found.versions[name] = version
            if name == "tokdash":
                found.tokdash = program
            else:
                found.agentsview = program
    found.codeburn = _codeburn(found.lacking)
    if found.codeburn is not None:
        found.versions["codeburn"] = f"{CODEBURN}, Node {NODE}"
    return found


def _python_peer(name: str, version: str, lacking: list[str]) -> Path | None:
    """Give each an environment of its own: they must not have to agree on a library."""
    venv = FOLDER / f"{name}-{version}"
    program = venv / "bin" / name
    stamp = venv / ".complete"
    if stamp.exists():
        return program
    shutil.rmtree(venv, ignore_errors=True)
    pip = [
        str(venv / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--retries=1",
        "--disable-pip-version-check",
    ]
    if not _ran([sys.executable, "-m", "venv", str(venv)]):
        lacking.append(f"{name}: not measured, no environment could be made for it")
    elif not _ran([*pip, f"{name}=={version}"]):
        lacking.append(f"{name}: not measured, {name} {version} could not be fetched from the Python package registry")
    else:
        stamp.touch()
        return program
    return None


def _codeburn(lacking: list[str]) -> list[str] | None:
    npm = shutil.which("npm")
    folder = FOLDER / f"codeburn-{CODEBURN}"
    modules = folder / "node_modules"
    command = [str(modules / ".bin" / "node"), str(modules / "codeburn" / "dist" / "cli.js")]
    stamp = folder / ".complete"
    if stamp.exists():
        return command
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if npm is None:
        lacking.append("codeburn: not measured, npm is not on this machine")
    elif not _ran(
        [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"codeburn@{CODEBURN}", f"node@{NODE}"]
    ):
        lacking.append(f"codeburn: not measured, codeburn {CODEBURN} and node {NODE} could not be fetched from npm")
    elif not _ran([*command, "--version"]):
        lacking.append("codeburn: not measured, the fetched Node does not run here")
    else:
        stamp.touch()
        return command
    return None


def _ran(command: list[str]) -> bool:
    """Return whether ``command`` ended well."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    try:
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_FETCH_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0
