"""The database's bytes at one moment, put together without SQLite: no lock, no name opened twice, nothing written.

SQLite itself cannot be used on the files: it opens by name, makes ``-wal`` and ``-shm`` where there are none, and as
root changes the owner, and so the change time, of those that are there. Standard library only.

Source: "Write-Ahead Logging" and "WAL-mode File Format" in SQLite's documentation.
"""

from __future__ import annotations

import os
import struct
import time

from aico.features.files.opening import WAL, DatabaseFiles, Refused, translated

_ATTEMPTS = 6
_FIRST_PAUSE_S = 0.02
_YOUNG_NS = 50_000_000
"""Time stamps are as coarse as the system's tick: a file written less than this ago may change without a trace."""
_HEADER, _FRAME = 32, 24
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
"""First word of a log, and the byte order of its checksums."""
_WORD = 0xFFFFFFFF
_DATABASE_HEADER = 100
_FORMAT_VERSIONS = slice(18, 20)


def read_image(directory: DatabaseFiles) -> bytearray:
    """Return a whole, committed state of the database, as a file without a log. Raises Refused."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
        directory.check()
        with translated():
            image = _attempt(directory)
        directory.check()
        if image is not None:
            return image
    raise Refused("busy", "")


def _attempt(directory: DatabaseFiles) -> bytearray | None:
    """Return an image, or None when the files did something meanwhile that could have mixed two moments.

    The database is read before its log. What a checkpoint copies into it meanwhile is in the log too, and is laid
    over it; so only a log that began anew, or another one, could hide something. That shows in its header or name.
    """
    with directory.open() as database, directory.open(WAL) as log:
        if database is None:
            raise Refused("not_found", "")
        began = b"" if log is None else os.pread(log, _HEADER, 0)
        before = os.fstat(database)
        image = _read(database, directory.max_bytes)
        frames = b"" if log is None else _read(log, directory.max_bytes)
        if (b"" if log is None else os.pread(log, _HEADER, 0)) != began:
            return None
        after = os.fstat(database)
        if not (_is_same(directory, "", database) and _is_same(directory, WAL, log)):
            return None
    if len(began) < _HEADER:
        # Without a log, or with one that holds nothing yet: it could have been filled and emptied meanwhile.
        is_old = time.time_ns() - before.st_mtime_ns > _YOUNG_NS
        if not is_old or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            return None
    lay_over(image, bytes(frames), directory.max_bytes)
    return image


def lay_over(image: bytearray, log: bytes, max_bytes: int) -> None:
    """Write the committed pages of ``log`` into ``image``, in place, and mark it as a file without a log.

    Raises Refused when the database would be longer than ``max_bytes``: a log of one page may claim any length.
    """
    pages, page_count, page_size = _committed(log)
    if page_count:
        size = page_count * page_size
        if size > max_bytes:
            raise Refused("too_large", str(size))
        image.extend(bytes(max(0, size - len(image))))
        del image[size:]
        for number, start in pages.items():
            if number <= page_count:
                image[(number - 1) * page_size : number * page_size] = log[start : start + page_size]
    if len(image) >= _DATABASE_HEADER:
        image[_FORMAT_VERSIONS] = b"\x01\x01"


def _committed(log: bytes) -> tuple[dict[int, int], int, int]:
    """Return where in ``log`` each page lies that it holds, the number of pages after its last commit, their size.

    What follows the last commit whose checksums are right is of no transaction, or of one that is under way.
    """
    nothing: tuple[dict[int, int], int, int] = {}, 0, 0
    if len(log) < _HEADER:
        return nothing
    magic, _version, page_size, _number, salt1, salt2, sum1, sum2 = struct.unpack_from(">8I", log)
    order = _MAGIC.get(magic)
    if order is None or not 512 <= page_size <= 65536 or page_size & (page_size - 1):
        return nothing
    if _checksum(log[:24], order, 0, 0) != (sum1, sum2):
        return nothing
    pages: dict[int, int] = {}
    pending: dict[int, int] = {}
    count = 0
    for start in range(_HEADER, len(log) - _FRAME - page_size + 1, _FRAME + page_size):
        number, committed, frame_salt1, frame_salt2, *told = struct.unpack_from(">6I", log, start)
        if (frame_salt1, frame_salt2) != (salt1, salt2) or number == 0:
            break
        sum1, sum2 = _checksum(log[start : start + 8], order, sum1, sum2)
        sum1, sum2 = _checksum(log[start + _FRAME : start + _FRAME + page_size], order, sum1, sum2)
        if told != [sum1, sum2]:
            break
        pending[number] = start + _FRAME
        if committed:
            pages.update(pending)
            pending.clear()
            count = committed
    return pages, count, page_size


def _checksum(data: bytes, order: str, sum1: int, sum2: int) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        sum1 = (sum1 + first + sum2) & _WORD
        sum2 = (sum2 + second + sum1) & _WORD
    return sum1, sum2


def _is_same(directory: DatabaseFiles, suffix: str, descriptor: int | None) -> bool:
    """Return whether the name still leads to what was opened, or still to nothing."""
    named = directory.find(suffix)
    if named is None or descriptor is None:
        return named is None and descriptor is None
    held = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


def _read(descriptor: int, max_bytes: int) -> bytearray:
    """Return the whole file; it may grow meanwhile, and what came after the look at its size is left out.

    Raises Refused when it has grown beyond ``max_bytes`` since it was opened.
    """
    size = os.fstat(descriptor).st_size
    if size > max_bytes:
        raise Refused("too_large", str(size))
    data = bytearray(size)
    view = memoryview(data)
    length = 0
    while length < len(view):
        count = os.preadv(descriptor, [view[length:]], length)
        if count == 0:
            break
        length += count
    view.release()
    del data[length:]
    return data
