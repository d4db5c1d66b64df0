"""How often listed commands stand first in new lines of a shell's history. Pure: bytes in, counts and a position out.

Of a line its first word is compared with the list; where a listed command has two words (``ollama run``), so is the
second. Nothing else is decoded or kept. The position is plain data: how far was read, a digest of the bytes before
that, and, of a history that tells times, the newest one.

A shell appends to its history, or writes it anew: shortened, without repetitions, in another file. Bytes behind the
known ones are new. If the known bytes are not found any more, lines later than the newest known time are new. Without
times no line is: a line that cannot be known to be new is not counted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, Self

from aico.core.digests import end_digest
from aico.features.activity.definitions import Definition
from aico.features.activity.matching import ProgramNames

ANCHOR_MAX = 512
"""Bytes before the position that must be found again."""
_WORD_MAX = 200
_ZSH_TIME = re.compile(rb": ([0-9]{1,12}):[0-9]+;")
_BASH_TIME = re.compile(rb"#([0-9]{9,12})")
_FISH_TIME = re.compile(rb"  when: ([0-9]{1,12})")
_FISH_COMMAND = b"- cmd: "
_BLANKS = b" \t"


class Shell(StrEnum):
    """A shell whose history is known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


class Entry(NamedTuple):
    """A line that was typed: only where it lies."""

    start: int
    """Of its command, in the bytes that were looked through."""
    end: int
    at_s: int
    """When, by the shell's own note; 0 where there is none."""


class Position(NamedTuple):
    """How far a history was read."""

    offset: int
    anchor: str
    """A digest of the bytes before it."""
    anchor_bytes: int
    newest_s: int
    """The newest time that was seen; 0 for a history without times."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the position that :meth:`text` wrote, None for any other text."""
        try:
            offset, anchor, size, newest = json.loads(text)
            return cls(int(offset), str(anchor), int(size), int(newest))
        except (ValueError, TypeError):
            return None

    def text(self) -> str:
        """Return it as text."""
        return json.dumps(self)


class FirstWords:
    """The first words of listed commands, as bytes."""

    def __init__(self, definitions: Mapping[str, Definition]) -> None:
        self._names = ProgramNames(definitions.values())
        words = {word for each in definitions.values() for word in map(_first, each.programs) if word}
        self._known = frozenset(words)

    def find(self, buffer: bytes | bytearray, entry: Entry) -> str | None:
        """Return the listed command that an entry calls; only words that can be one are decoded."""
        start, end = _next_word(buffer, entry.start, entry.end)
        last = buffer.rfind(b"/", start, end) + 1 or start
        if end - start > _WORD_MAX or bytes(buffer[last:end]) not in self._known:
            return None
        second, stop = _next_word(buffer, end, entry.end)
        words = [bytes(buffer[start:end])] + ([bytes(buffer[second:stop])] if stop - second <= _WORD_MAX else [])
        return self._names.find_typed([word.decode("ascii", "replace") for word in words])


def _first(program: str) -> bytes:
    return program.partition(" ")[0].rpartition("/")[2].encode()


def _next_word(buffer: bytes | bytearray, start: int, end: int) -> tuple[int, int]:
    while start < end and buffer[start] in _BLANKS:
        start += 1
    stop = start
    while stop < end and buffer[stop] not in b" \t\n;|&<>()":
        stop += 1
    return start, stop


def list_entries(shell: Shell, buffer: bytes | bytearray, start: int = 0) -> Iterator[Entry]:
    """Yield the typed commands of the whole lines in ``buffer`` from ``start`` on, which begins a line."""
    lines = _lines(buffer, start)
    if shell is Shell.FISH:
        yield from _fish(buffer, lines)
    elif shell is Shell.ZSH:
        yield from _zsh(buffer, lines)
    else:
        yield from _bash(buffer, lines)


def _lines(buffer: bytes | bytearray, start: int) -> Iterator[tuple[int, int]]:
    while (end := buffer.find(b"\n", start)) >= 0:
        yield start, end
        start = end + 1


def _bash(buffer: bytes | bytearray, lines: Iterable[tuple[int, int]]) -> Iterator[Entry]:
    """Yield each line; behind one with a time, only the next one: others go on with it."""
    at_s, is_timed, is_taken = 0, False, False
    for start, end in lines:
        time = _BASH_TIME.fullmatch(buffer, start, end)
        if time is not None:
            at_s, is_timed, is_taken = int(time[1]), True, False
        elif not (is_timed and is_taken):
            is_taken = True
            yield Entry(start, end, at_s)


def _zsh(buffer: bytes | bytearray, lines: Iterable[tuple[int, int]]) -> Iterator[Entry]:
    """Yield each line but those that go on with one that ends in a backslash."""
    goes_on = False
    for start, end in lines:
        is_new, goes_on = not goes_on, end > start and buffer[end - 1] == ord("\\")
        if is_new:
            time = _ZSH_TIME.match(buffer, start, end)
            yield Entry(start, end, 0) if time is None else Entry(time.end(), end, int(time[1]))


def _fish(buffer: bytes | bytearray, lines: Iterable[tuple[int, int]]) -> Iterator[Entry]:
    """Yield each line with a command behind which one with its time stands."""
    command: tuple[int, int] | None = None
    for start, end in lines:
        if buffer.startswith(_FISH_COMMAND, start, end):
            command = start + len(_FISH_COMMAND), end
        elif command is not None and (time := _FISH_TIME.fullmatch(buffer, start, end)) is not None:
            yield Entry(*command, int(time[1]))
            command = None


def end_of_lines(shell: Shell, buffer: bytes | bytearray) -> int:
    """Return the end of the last whole entry: one that is being written is left for the next time."""
    end = buffer.rfind(b"\n") + 1
    while shell is Shell.ZSH and end > 1 and buffer[end - 2] == ord("\\"):
        end = buffer.rfind(b"\n", 0, end - 1) + 1  # it goes on in a line that is not there yet
    if shell is Shell.FISH:
        command = buffer.rfind(b"\n" + _FISH_COMMAND, 0, end) + 1
        if (command or buffer.startswith(_FISH_COMMAND)) and _FISH_TIME.search(buffer, command, end) is None:
            end = command
    elif shell is Shell.BASH:
        last = buffer.rfind(b"\n", 0, max(0, end - 1)) + 1
        if end and _BASH_TIME.fullmatch(buffer, last, end - 1) is not None:
            end = last  # a time whose command is not there yet
    return end


def digest_before(buffer: bytes | bytearray, offset: int, size: int) -> str:
    """Return a digest of the ``size`` bytes before ``offset``."""
    return end_digest(hashlib.sha256(memoryview(buffer)[max(0, offset - size) : offset])).hex()


def position_at(buffer: bytes | bytearray, offset: int, base: int, newest_s: int) -> Position:
    """Return the position at ``offset`` in ``buffer``, which begins at ``base`` in the file."""
    size = min(ANCHOR_MAX, offset)
    return Position(base + offset, digest_before(buffer, offset, size), size, newest_s)


def find_anchor(buffer: bytes | bytearray, position: Position) -> int | None:
    """Return where the bytes before a position end in a history that was written anew; the last such place."""
    if not position.anchor_bytes:
        return 0
    end = len(buffer)
    while (end := buffer.rfind(b"\n", 0, end)) >= 0:
        if end + 1 < position.anchor_bytes:
            return None
        if digest_before(buffer, end + 1, position.anchor_bytes) == position.anchor:
            return end + 1
    return None
