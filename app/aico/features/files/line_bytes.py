"""The bytes of an open file as lines are read from them: as they stand, or unpacked, within bounds of memory."""

from __future__ import annotations

import os
from io import FileIO
from typing import Protocol

import zstandard

from aico.features.files.memory import allocate, wipe
from aico.features.files.tree_guard import Refusal

PACKED = ".zst"
"""How the name of a file ends that is compressed with zstd."""
_PIECE_BYTES = 1 << 17
_KEPT_BYTES = 1 << 21
"""Unpacked bytes that can be read again: a reader goes back to the beginning of a line."""
_HEAD_BYTES = 1 << 10
_WINDOW_BYTES_MAX = 1 << 25
"""Memory that unpacking may take. zstd's own levels ask for at most 8 MB, its ultra levels for more."""
_FRAME_HEAD_BYTES_MAX = 18
_BLOCK_HEAD_BYTES = 3
_REPEATED = 1
"""The type of a block that is one byte, many times."""
_CHECKSUM_BYTES = 4
_SKIPPABLE = b"\x2a\x4d\x18"
"""How the number of a frame that holds nothing goes on, behind 0x50 to 0x5f."""


class LineBytes(Protocol):
    """Bytes that can be read anywhere."""

    def fill(self, buffer: bytearray | memoryview, offset: int, size: int) -> int:
        """Read up to ``size`` bytes at ``offset`` into ``buffer``, as far as both reach; return their number.

        Raises OSError, Refusal.
        """

    def wipe(self) -> None:
        """Leave nothing but zeros in the memory."""


class PlainBytes:
    """Those of a file as they stand."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fill(self, buffer: bytearray | memoryview, offset: int, size: int) -> int:
        """See :class:`LineBytes`."""
        with memoryview(buffer) as whole, whole[:size] as view:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            length = 0
            while length < len(view):
                with view[length:] as rest:
                    count = os.readv(self._descriptor, [rest])
                if count == 0:
                    break
                length += count
            return length

    def wipe(self) -> None:
        """Do nothing: there is no memory."""


class UnpackedBytes:
    """Those that a compressed file holds, read from its beginning on; going far back begins anew."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._head = bytearray(_HEAD_BYTES)
        self._head_length = 0
        self._kept = allocate(2 * _KEPT_BYTES + _PIECE_BYTES)
        self._begin()

    def fill(self, buffer: bytearray | memoryview, offset: int, size: int) -> int:
        """See :class:`LineBytes`. Raises Refusal for bytes that are no zstd, or ask for too much memory."""
        with memoryview(buffer) as whole, whole[:size] as view:
            if offset + len(view) <= self._head_length:
                with memoryview(self._head) as head:
                    view[:] = head[offset : offset + len(view)]
                return len(view)
            if offset < self._first:
                self._begin()
            length = 0
            was_broken = self._is_broken
            while length < len(view):
                begin = offset + length - self._first
                if begin >= self._length:
                    if not self._unpack_more():
                        break
                    continue
                end = min(begin + len(view) - length, self._length)
                with memoryview(self._kept) as kept, kept[begin:end] as part:
                    view[length : length + len(part)] = part
                    length += len(part)
            if self._is_broken and (was_broken or not length):
                # Only now: the lines before are good.
                raise Refusal("cannot be unpacked: it is broken, or asks for more than 32 MB of memory")
            return length

    def is_cut_off(self) -> bool:
        """Return whether the file ends within a frame: unpacking tells only what is broken. Raises OSError."""
        end, offset = os.fstat(self._descriptor).st_size, 0
        while offset < end:
            offset = self._find_frame_end(offset, end)
        return offset > end

    def _find_frame_end(self, offset: int, end: int) -> int:
        """Return where the frame at ``offset`` ends; beyond ``end`` where it is not all there.

        Source: RFC 8878, 3.1.
        """
        head = os.pread(self._descriptor, _FRAME_HEAD_BYTES_MAX, offset)
        if head[1:4] == _SKIPPABLE:
            return offset + 8 + int.from_bytes(head[4:8], "little") if len(head) >= 8 else end + 1
        try:
            has_checksum = zstandard.get_frame_parameters(head).has_checksum
            offset += zstandard.frame_header_size(head)
        except zstandard.ZstdError:
            return end + 1
        is_last = False
        while not is_last and offset < end:
            block = int.from_bytes(os.pread(self._descriptor, _BLOCK_HEAD_BYTES, offset), "little")
            is_last = bool(block & 1)
            offset += _BLOCK_HEAD_BYTES + (1 if block >> 1 & 3 == _REPEATED else block >> 3)
        return offset + _CHECKSUM_BYTES * has_checksum if is_last else end + 1

    def _begin(self) -> None:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        unpacking = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
        packed = FileIO(self._descriptor, closefd=False)
        self._stream = unpacking.stream_reader(packed, read_across_frames=True)
        self._length = self._first = 0
        self._is_broken = False

    def _unpack_more(self) -> bool:
        """Unpack a piece, and let go of the oldest bytes; return whether there was one."""
        with memoryview(self._kept) as kept:
            if self._length > 2 * _KEPT_BYTES:
                gone = self._length - _KEPT_BYTES
                kept[:_KEPT_BYTES] = kept[gone : self._length]
                self._length -= gone
                self._first += gone
            try:
                # Not readinto(), which loses the good bytes before the broken ones.
                count = self._stream.readinto1(kept[self._length : self._length + _PIECE_BYTES])
            except zstandard.ZstdError:
                self._is_broken = True
                return False
            self._length += count
            if not self._first and self._head_length < _HEAD_BYTES:
                self._head_length = min(self._length, _HEAD_BYTES)
                with memoryview(self._head) as head:
                    head[: self._head_length] = kept[: self._head_length]
            return count > 0

    def wipe(self) -> None:
        """See :class:`LineBytes`. What the library has unpacked last is its own."""
        wipe(self._head)
        wipe(self._kept)
