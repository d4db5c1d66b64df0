"""Whole lines of a file, found in windows of bounded size; only a line that may tell of usage is ever handed on."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from aico.core.digests import end_digest
from aico.features.files.line_bytes import LineBytes
from aico.features.files.line_format import LineFormat
from aico.features.files.memory import allocate, wipe

WINDOW_BYTES = 1 << 20
"""Memory for lines that are looked through. A longer line is looked through piece by piece."""
RECORD_BYTES_MAX = 16 << 20
"""A longer line that is of use is refused."""
_MARK_BYTES = 512


class LinePosition(NamedTuple):
    """How far lines were read."""

    offset: int
    """The beginning of the next line."""
    lines: int
    """Lines before it."""
    is_done: bool
    """False when there may be further whole lines before the end that was named."""


class LineReader:
    """Reads lines of an open file, into memory that :meth:`wipe` leaves without a trace of them."""

    def __init__(
        self, line_format: LineFormat, take: Callable[[memoryview, int], bool], refuse: Callable[[int], bool]
    ) -> None:
        """Look for lines of which ``line_format`` says that they are of use.

        Each is given to ``take`` without its newline, with its number from 0; the number of one that is too long to
        ``refuse``. Both return whether to go on. ``take`` keeps no view of the memory.
        """
        self._format = line_format
        self._needles = line_format.needles
        self._overlap = max(map(len, self._needles)) - 1
        self._take = take
        self._refuse = refuse
        self._window = bytearray()

    def read(self, data: LineBytes, start: LinePosition, end: int, budget: int) -> LinePosition:
        """Read whole lines from ``start`` to at most ``end``, after ``budget`` bytes no more. Raises OSError, Refusal.

        A last line without a newline is left for later.
        """
        offset, count = start.offset, start.lines
        first = offset
        goes_on = True
        while goes_on and offset < end:
            if offset - first >= budget:
                return LinePosition(offset, count, is_done=False)
            window = self._make_room(end - offset)
            got = data.fill(window, offset, end - offset)
            last = window.rfind(b"\n", 0, got)
            if last >= 0:
                head = self._format.head
                used, count, goes_on = (
                    self._look_for_needles(last + 1, count)
                    if head is None
                    else self._look_at_heads(head, last + 1, count)
                )
                offset += used
            elif got < len(window) or offset + got >= end:
                break  # half a line, or the file is shorter now
            else:
                length, goes_on = self._read_long(data, offset, end, count)
                if length is None:
                    break
                offset, count = offset + length + 1, count + 1
        # Told to stop at the last line: there is nothing behind it, and a later reading would take it for written over.
        return LinePosition(offset, count, is_done=goes_on or offset >= end)

    def mark(self, data: LineBytes, offset: int) -> str:
        """Return a digest of the first bytes of the file and of the last ones before ``offset``.

        Raises OSError, Refusal.
        """
        size = min(offset, _MARK_BYTES)
        window = self._make_room(2 * _MARK_BYTES)
        with memoryview(window) as view:
            got = data.fill(view[:size], 0, size)
            got += data.fill(view[size : 2 * size], offset - size, size)
            return end_digest(blake2b(view[:got], digest_size=12)).hex()

    def wipe(self) -> None:
        """Leave nothing but zeros in the memory."""
        wipe(self._window)

    def _make_room(self, size: int) -> bytearray:
        size = min(size, WINDOW_BYTES)
        if len(self._window) < size:
            self.wipe()
            self._window = bytearray(size)
        return self._window

    def _look_at_heads(self, head: re.Pattern[bytes], end: int, count: int) -> tuple[int, int, bool]:
        """Do as :meth:`_look_for_needles` does, and ask the head of each line first."""
        window, take, find_head = self._window, self._take, head.match
        find, has_needle = window.find, self._format.has_needle
        begin = 0
        with memoryview(window) as view:
            while begin < end:
                stop = find(b"\n", begin, end)
                # As LineFormat.is_of_use says it; a call for each line would be a tenth of all this.
                found = find_head(window, begin, stop)
                if has_needle(window, begin, stop) if found is None else found.lastindex is None:
                    with view[begin:stop] as line:
                        goes_on = take(line, count)
                    if not goes_on:
                        return stop + 1, count + 1, False
                count += 1
                begin = stop + 1
        return end, count, True

    def _look_for_needles(self, end: int, count: int) -> tuple[int, int, bool]:
        """Hand on the lines before ``end`` that hold a needle; return end, number of lines and whether to go on."""
        window = self._window
        begin = 0
        hits = [window.find(needle, 0, end) for needle in self._needles]
        with memoryview(window) as view:
            while True:
                for number, hit in enumerate(hits):
                    if 0 <= hit < begin:
                        hits[number] = window.find(self._needles[number], begin, end)
                hit = min((hit for hit in hits if hit >= 0), default=-1)
                if hit < 0:
                    return end, count + window.count(b"\n", begin, end), True
                first = max(window.rfind(b"\n", begin, hit) + 1, begin)
                count += window.count(b"\n", begin, first)
                begin = window.find(b"\n", hit, end) + 1
                with view[first : begin - 1] as line:
                    goes_on = self._take(line, count)
                count += 1
                if not goes_on:
                    return begin, count, False

    def _read_long(self, data: LineBytes, offset: int, end: int, count: int) -> tuple[int | None, bool]:
        """Read one line that is longer than the window; return its length and whether to go on.

        The length is None when its end is not there yet.
        """
        length, is_of_use = self._measure(data, offset, end)
        if length is None or not is_of_use:
            return length, True
        if length > RECORD_BYTES_MAX:
            return length, self._refuse(count)
        buffer = allocate(length)
        try:
            if data.fill(memoryview(buffer), offset, length) < length:
                return None, True  # it is shorter now
            with memoryview(buffer) as line:
                return length, self._take(line, count)
        finally:
            wipe(buffer)

    def _measure(self, data: LineBytes, offset: int, end: int) -> tuple[int | None, bool]:
        """Return how long the line at ``offset`` is, None without an end, and whether it is of use."""
        window = self._window
        head, has_needle = None, False
        at = offset
        while at < end:
            got = data.fill(window, at, end - at)
            newline = window.find(b"\n", 0, got)
            stop = got if newline < 0 else newline
            if at == offset:
                head = self._format.find_head(window, 0, stop)
            if head is None:
                has_needle = has_needle or self._format.has_needle(window, 0, stop)
            if newline >= 0:
                return at + newline - offset, has_needle if head is None else head.lastgroup is None
            if got <= self._overlap or at + got >= end:
                break
            at += got - self._overlap
        return None, False
