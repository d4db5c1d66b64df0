"""Which files below a root are a tool's, by the names on their path alone. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from typing import TypeAlias

Rests: TypeAlias = "frozenset[tuple[str, ...]]"
"""The paths that may still follow below a folder: patterns of names, the last one that of a file."""
_ANY_DEPTH = "**"


class Shape:
    """The paths that are read, as patterns such as ``*/*.jsonl``; ``**`` stands for any number of folders.

    A folder that no pattern leads through is neither entered nor watched.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.root: Rests = frozenset(tuple(pattern.split("/")) for pattern in patterns)
        """The paths that may follow below the root."""
        self._same: dict[Rests, Rests] = {}
        """One object for all folders below which the same may follow: of few kinds there are thousands."""

    def descend(self, rests: Rests, name: str) -> Rests:
        """Return what may follow below the folder ``name`` that lies where ``rests`` may follow; nothing: not ours."""
        found: set[tuple[str, ...]] = set()
        for rest in rests:
            _descend(rest, name, found)
        rests = frozenset(found)
        return self._same.setdefault(rests, rests)

    def is_file(self, rests: Rests, name: str) -> bool:
        """Return whether a file called ``name`` is one of the tool's."""
        names = _compiled_names(rests)
        return names is not None and names.match(name) is not None

    def find_rests(self, folder: str) -> Rests:
        """Return what may follow below ``folder``, a path below the root; nothing: it is not ours."""
        rests = self.root
        for name in filter(None, folder.split("/")):
            rests = self.descend(rests, name)
        return rests


def _descend(rest: tuple[str, ...], name: str, found: set[tuple[str, ...]]) -> None:
    if len(rest) < 2:
        return
    if rest[0] == _ANY_DEPTH:
        found.add(rest)
        _descend(rest[1:], name, found)
    elif _matches(rest[0], name):
        found.add(rest[1:])


def _matches(pattern: str, name: str) -> bool:
    return pattern == "*" or _compiled(pattern).match(name) is not None


@lru_cache
def _compiled_names(rests: Rests) -> re.Pattern[str] | None:
    """Return what the names of files match where ``rests`` may follow: asked for thousands of names of a few places."""
    names = []
    for rest in rests:
        *folders, name = rest
        if all(each == _ANY_DEPTH for each in folders):
            names.append(translate(name))
    return re.compile("|".join(names)) if names else None


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
