"""The locks name versions and hashes, no addresses, and agree with ``pyproject.toml`` and each other."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {name: ROOT / "requirements" / f"{name}.txt" for name in ("runtime", "build", "dev")}
ADDRESS = re.compile(
    r"://|file:|\bgit\+|--(?:extra-)?index-url|--find-links|--trusted-host|^-[ief]\b|\s@\s", re.MULTILINE
)
PINNED = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+)(?: ; .*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


class Project(msgspec.Struct):
    """The table ``[project]``, as far as the locks go."""

    dependencies: list[str]


class BuildSystem(msgspec.Struct):
    """The table ``[build-system]``."""

    requires: list[str]


class PyProject(msgspec.Struct, rename="kebab"):
    """The requirements of ``pyproject.toml``."""

    build_system: BuildSystem
    project: Project
    dependency_groups: dict[str, list[str]]


@pytest.fixture
def asked() -> dict[str, list[str]]:
    """Return what ``pyproject.toml`` asks for, by the lock that must hold it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = msgspec.convert(tomllib.loads(text), type=PyProject)
    groups = found.dependency_groups
    return {
        "runtime": found.project.dependencies,
        "build": [*found.build_system.requires, *groups["build"]],
        "dev": [*found.project.dependencies, *groups["dev"]],
    }


def pins(name: str) -> dict[str, str]:
    """Return what the lock ``name`` pins: canonical name to version."""
    return {canonicalize_name(found[1]): found[2] for found in PINNED.finditer(LOCKS[name].read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_no_address(name: str) -> None:
    """A lock says what, never where from."""
    assert ADDRESS.findall(LOCKS[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    """Each requirement names one version and at least one SHA-256."""
    lines = LOCKS[name].read_text(encoding="utf-8").splitlines()
    requirements = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(requirements) == len(pins(name)) > 0


@pytest.mark.parametrize("name", LOCKS)
def test_lock_satisfies_what_is_asked_for(name: str, asked: dict[str, list[str]]) -> None:
    """Each requirement of ``pyproject.toml`` is locked, in a version that it allows."""
    locked = pins(name)
    missing = [
        text
        for text in asked[name]
        if (wanted := Requirement(text)) and locked.get(canonicalize_name(wanted.name), "") not in wanted.specifier
    ]
    assert missing == []


def test_locks_agree_on_every_version() -> None:
    """A package that stands in two locks has the same version in both, so that one .venv can hold them all."""
    widest = pins("dev")
    differing = {
        name
        for lock in ("runtime", "build")
        for name, version in pins(lock).items()
        if widest.get(name, version) != version
    }
    assert differing == set()


def test_development_holds_everything_that_runs() -> None:
    """The tests run with exactly what users run with."""
    assert pins("runtime").items() <= pins("dev").items()


@pytest.mark.slow
def test_what_the_locks_install_lacks_nothing() -> None:
    """They are installed without resolving anything, so all requirements of a package must stand in them."""
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
