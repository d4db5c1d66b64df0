"""Which definition a program belongs to: exactly, or by whole parts. No I/O, no clock, no logging.

A definition names a program in one of four ways:

- ``claude``: the last part of a path is exactly that;
- ``cursor/cursor``: the path ends with these whole parts;
- ``Cursor.app/``: these whole parts are folders, anywhere in the path;
- ``ollama run``: a program and the first word after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aico.features.activity.definitions import Definition

INTERPRETERS = {"node", "nodejs", "bun", "deno", "sh", "bash", "zsh", "dash", "ruby", "python", "python3"}
"""Programs that run another one, which counts in their place."""


class Invocation(NamedTuple):
    """The facts about a running program, for as long as it takes to compare it."""

    paths: tuple[str, ...]
    """Its file, the name that it was called by, and the program that an interpreter runs."""
    word: str = ""
    """The first word after it."""


class ProgramNames:
    """The programs of all definitions, ready to be asked for."""

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self._names: dict[str, str] = {}
        self._words: dict[tuple[str, str], str] = {}
        self._ends: list[tuple[tuple[str, ...], str]] = []
        self._folders: list[tuple[tuple[str, ...], str]] = []
        for definition in definitions:
            for program in definition.programs:
                self._add(program, definition.name)

    def _add(self, program: str, name: str) -> None:
        first, blank, word = program.rpartition(" ")
        parts = tuple(program.removesuffix("/").split("/"))
        if program.endswith("/"):
            self._folders.append((parts, name))
        elif len(parts) > 1:
            self._ends.append((parts, name))
        elif blank and word:
            self._words.setdefault((first, word), name)
            self._names.setdefault(program, name)  # a name may hold a blank
        else:
            self._names.setdefault(program, name)

    def find(self, invocation: Invocation) -> str | None:
        """Return the name of the definition that a program belongs to, None for all others."""
        for path in invocation.paths:
            parts = tuple(path.split("/"))
            name = self._names.get(parts[-1]) or self._words.get((parts[-1], invocation.word)) or self._by_parts(parts)
            if name is not None:
                return name
        return None

    def find_typed(self, words: Sequence[str]) -> str | None:
        """Return the definition that the first words of a line in a shell call."""
        if not words:
            return None
        return self.find(Invocation((words[0],), words[1] if len(words) > 1 else ""))

    def _by_parts(self, parts: tuple[str, ...]) -> str | None:
        for end, name in self._ends:
            if parts[-len(end) :] == end:
                return name
        for folders, name in self._folders:
            size = len(folders)
            if any(parts[start : start + size] == folders for start in range(len(parts) - size)):
                return name
        return None


def invocation_of(executable: str, arguments: Sequence[str]) -> Invocation:
    """Return the parts of a program that are compared: its file and the first of ``arguments``, its command line.

    Behind an interpreter, options are left out; ``-m NAME`` names its program. Nothing further is looked at.
    """
    called = arguments[0] if arguments else ""
    paths, rest = [executable, called], list(arguments[1:5])
    if _is_interpreter(executable) or _is_interpreter(called):
        while rest:
            first = rest.pop(0)
            if first in {"-m", "run"} and rest:
                paths.append(rest.pop(0).partition(".")[0])
                break
            if first == "-c":
                break
            if not first.startswith("-"):
                paths.append(first)
                break
    return Invocation(tuple(path for path in paths if path), rest[0] if rest else "")


def _is_interpreter(path: str) -> bool:
    name = path.rpartition("/")[2].removeprefix("-")
    return name in INTERPRETERS or name.startswith("python3.")
