"""Builds of the service, each installed in a virtual environment of its own, and how they are driven from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Unmeasurable
from bench.pairs import Sample

_DRIVER = Path(__file__).with_name("driver.py")
_NAMES = """
from importlib.metadata import version
from importlib.util import find_spec
package = next((name for name in ("aico", "app") if find_spec(name) and find_spec(name + ".services")), "")
print(package, version("ai-cost-observer") if package else "")
"""


@dataclass(frozen=True, slots=True)
class Build:
    """One build."""

    python: Path
    """The interpreter of the environment that it is installed in."""
    package: str
    version: str


@dataclass(frozen=True, slots=True)
class Import:
    """One import, as the build's own process measured it."""

    until_told: Sample
    later_cpu_s: float
    """Processor time of what the build puts off until nobody waits."""
    imported_count: int

    @property
    def cpu_s(self) -> float:
        """Processor time of all that the import causes."""
        return self.until_told.cpu_s + self.later_cpu_s


def this_build() -> Build:
    """Return the build that the benchmark belongs to."""
    return _build_of(Path(sys.executable))


def find_build(environment: Path) -> Build:
    """Return the build in the virtual environment at ``environment``. Raises Unmeasurable where there is none."""
    python = environment / "bin" / "python"
    if not python.exists():
        raise Unmeasurable(f"{environment} is no virtual environment")
    return _build_of(python.absolute())


def _build_of(python: Path) -> Build:
    # Not from here: a folder of the working directory would be found before what is installed.
    done = subprocess.run([python, "-I", "-c", _NAMES], capture_output=True, text=True, check=False, cwd="/")
    package, _blank, version = done.stdout.strip().partition(" ")
    if not package:
        raise Unmeasurable(f"{python} has no build of the service")
    return Build(python, package, version)


class Driven:
    """A build that imports a ledger when it is told to; :func:`drive` starts and ends it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def first(self) -> Import:
        """Import everything into a new database."""
        return self._ask("first")

    def later(self) -> Import:
        """Import the ledger once more."""
        return self._ask("later")

    def _ask(self, what: str) -> Import:
        if self._process.stdin is None:
            raise Unmeasurable("the build takes no requests")
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        answer = json.loads(self.read_line())
        return Import(Sample(answer["wall_s"], answer["cpu_s"]), answer["later_cpu_s"], answer["imported_count"])

    def read_line(self) -> str:
        """Return the next line that the build says. Raises Unmeasurable when it has ended."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise Unmeasurable("the build ended; its inside is perhaps none that bench/driver.py knows")
        return line


@contextmanager
def drive(build: Build, ledger: Path, folder: Path) -> Iterator[Driven]:
    """Yield ``build``, ready to import ``ledger`` into databases in ``folder``, which is made."""
    folder.mkdir()
    process = subprocess.Popen(
        [build.python, "-I", _DRIVER, ledger, folder],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        driven = Driven(process)
        driven.read_line()
        yield driven
        if process.stdin is not None:
            process.stdin.close()
