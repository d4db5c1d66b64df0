"""Reads the new lines of shells' histories: read-only, and without any link. Blocks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aico.core.activity import ACTIVITY, SHELL
from aico.core.errors import OriginName, SourceErrors
from aico.core.usage import digest
from aico.features.activity.shells import (
    FirstWords,
    Position,
    Shell,
    digest_before,
    end_of_lines,
    find_anchor,
    list_entries,
    position_at,
)
from aico.features.files.guard import FileGuard
from aico.features.files.memory import wipe

MAX_BYTES = 64 * 1024 * 1024
"""A longer history is refused."""
_APPENDED_MAX = 1 << 20
"""More than that is no typing: it is looked through whole, like a history that was written anew."""


class HistoryPlace(NamedTuple):
    """The place of a shell's history."""

    shell: Shell
    path: str

    @property
    def key(self) -> str:
        """A digest of the path: nothing else of it is stored."""
        return digest(ACTIVITY, self.path).hex()


class HistoryReading(NamedTuple):
    """The new part of a history."""

    counts: Mapping[str, int]
    """Calls of listed commands, by name."""
    position: Position


def list_places(home: Path, environment: Mapping[str, str]) -> list[HistoryPlace]:
    """Return where histories may be, whether they are or not. Nothing is looked up."""
    data = environment.get("XDG_DATA_HOME", "")
    fish = Path(data) if data.startswith("/") else home / ".local" / "share"
    dotted = environment.get("ZDOTDIR", "")
    zsh = dict.fromkeys([home, *([Path(dotted)] if dotted.startswith("/") else [])])
    return [
        HistoryPlace(Shell.BASH, str(home / ".bash_history")),
        *(HistoryPlace(Shell.ZSH, str(f / name)) for f in zsh for name in (".zsh_history", ".zhistory", ".histfile")),
        HistoryPlace(Shell.FISH, str(fish / "fish" / "fish_history")),
    ]


def read_history(place: HistoryPlace, words: FirstWords, known: Position | None) -> HistoryReading | None:
    """Return the new lines behind ``known``; of a history that was never read, only its end.

    None while nothing was added. Raises SourceError for a file that is absent, not plain, or cannot be read.
    """
    errors = SourceErrors(OriginName(ACTIVITY, SHELL.id, f"{place.shell} history"))
    guard = FileGuard(place.path, {place.path.rpartition("/")[2]}, MAX_BYTES, errors)
    with guard.open() as descriptor, guard.reading():
        size = os.fstat(descriptor).st_size
        if known is not None and known.offset <= size <= known.offset + _APPENDED_MAX:
            base = known.offset - known.anchor_bytes
            buffer = _read(descriptor, base, size)
            try:
                if digest_before(buffer, known.anchor_bytes, known.anchor_bytes) == known.anchor:
                    return _count(place.shell, words, buffer, known.anchor_bytes, base, known)
            finally:
                wipe(buffer)
        buffer = _read(descriptor, 0, size)
        try:
            if known is None:
                return HistoryReading({}, _end(place.shell, buffer))
            start = find_anchor(buffer, known)
            if start is not None:
                return _count(place.shell, words, buffer, start, 0, known)
            return _count_later(place.shell, words, buffer, known)
        finally:
            wipe(buffer)


def _read(descriptor: int, start: int, end: int) -> bytearray:
    buffer = bytearray(max(0, end - start))
    with memoryview(buffer) as view:
        done = 0
        while done < len(view):
            count = os.preadv(descriptor, [view[done:]], start + done)
            if count == 0:
                break
            done += count
    del buffer[done:]
    return buffer


def _count(
    shell: Shell, words: FirstWords, buffer: bytearray, start: int, base: int, known: Position
) -> HistoryReading | None:
    end = max(start, end_of_lines(shell, buffer))
    if end == start and base + end == known.offset:
        return None
    entries = [entry for entry in list_entries(shell, buffer, start) if entry.end < end]
    newest = max([known.newest_s, *(entry.at_s for entry in entries)])
    found = Counter(name for entry in entries if (name := words.find(buffer, entry)) is not None)
    return HistoryReading(found, position_at(buffer, end, base, newest))


def _count_later(shell: Shell, words: FirstWords, buffer: bytearray, known: Position) -> HistoryReading:
    """Count the lines that the shell itself dates behind everything that was seen; without such dates, none."""
    position = _end(shell, buffer)
    entries = [
        entry
        for entry in list_entries(shell, buffer)
        if entry.end < position.offset and 0 < known.newest_s < entry.at_s
    ]
    found = Counter(name for entry in entries if (name := words.find(buffer, entry)) is not None)
    return HistoryReading(found, position._replace(newest_s=max(known.newest_s, position.newest_s)))


def _end(shell: Shell, buffer: bytearray) -> Position:
    end = end_of_lines(shell, buffer)
    newest = max((entry.at_s for entry in list_entries(shell, buffer) if entry.end < end), default=0)
    return position_at(buffer, end, 0, newest)
