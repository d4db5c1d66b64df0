"""How far the files of a tree were read: of all of them the fields that a look compares, of the few that change all."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from aico.core.usage import DIGEST_BYTES
from aico.features.files.digest_map import DigestMap
from aico.features.files.feed import Positions
from aico.features.files.line_window import LinePosition
from aico.features.files.tree import FILE
from aico.features.files.tree_guard import FileStat

_RECENT_MAX = 128
"""Checkpoints that are kept with all they say; of the others it is asked for when their files have changed."""
ASKED_MAX = 100
"""Checkpoints that are asked for at once: a question takes longer than its answers."""
_VERSION = struct.Struct("<H")
_KNOWN = struct.Struct("<HQqqqq")
"""The version, the metadata as :data:`aico.features.files.tree.FILE` packs them, and the offset."""
_INODE, _INODE_AT = struct.Struct("<Q"), _VERSION.size
_OFFSET_AT = _INODE_AT + FILE.size


class Point(msgspec.Struct, array_like=True, frozen=True):
    """How far a file was read: its checkpoint."""

    version: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    offset: int
    lines: int
    mark: str
    """A digest of the first bytes of the file and of the last ones before ``offset``."""
    first_seen_ms: int
    state: msgspec.Raw
    gone_ms: int = 0
    """When the file was first not there any more; 0 while it is."""

    @property
    def stat(self) -> FileStat:
        """The file as it was then."""
        return FileStat(self.inode, self.size, self.mtime_ns, self.ctime_ns)

    @property
    def position(self) -> LinePosition:
        """The position to go on from."""
        return LinePosition(self.offset, self.lines, is_done=True)


class KnownPoint(NamedTuple):
    """The part of every checkpoint that is kept in memory. It tells if the file has changed, and how good it is."""

    version: int
    stat: FileStat
    offset: int


class Points:
    """The checkpoints of the files of a tree, by the digests of their paths.

    A state takes a kilobyte, and there are thousands of files that never change again: their checkpoints are kept as
    bytes, a tenth of that, and the rest of them stays in the database. Not for two threads at once.
    """

    def __init__(self, version: int) -> None:
        """``version`` is that of lines as they are read now."""
        self._version = version
        self._version_bytes = _VERSION.pack(version)
        self._positions: Positions | None = None
        self._is_loaded = True
        self._known = DigestMap(DIGEST_BYTES, _KNOWN.size)
        self._recent: dict[bytes, Point] = {}
        """Those that were of use last are at the end. Without stored positions: all."""
        self.gone: set[bytes] = set()
        """Those whose files are noted as gone."""
        self._by_inode: dict[int, bytes] | None = None
        """Made when it is asked for, and let go of with the next change: few files ever move."""

    def resume(self, positions: Positions) -> None:
        """Take over the stored checkpoints; they are read by :meth:`load`."""
        self._positions, self._is_loaded = positions, False

    def load(self) -> None:
        """Read the stored checkpoints; one that cannot be understood is none."""
        if self._is_loaded or self._positions is None:
            return
        self._is_loaded = True
        decoder = msgspec.json.Decoder(Point)
        for key, position in self._positions.read_all():
            # Not suppress(): a call for each of thousands.
            try:
                point = decoder.decode(position)
                self._known.put(key, _pack(point))
            except (msgspec.DecodeError, struct.error, ValueError):
                continue
            if point.gone_ms:
                self.gone.add(key)

    def copy_keys(self) -> DigestMap:
        """Return the digests of all files that were read."""
        return self._known.copy_keys()

    def know(self, key: bytes) -> KnownPoint | None:
        """Return the part of a checkpoint that is kept in memory."""
        packed = self._known.get(key)
        return None if packed is None else _unpack(packed)

    def is_read(self, key: bytes, packed: bytes) -> bool | None:
        """Return whether a file with the metadata ``packed`` was read as lines are read now; None of an unknown one."""
        known = self._known.get(key)
        return None if known is None else known[:_OFFSET_AT] == self._version_bytes + packed

    def find(self, key: bytes, list_following: Callable[[], Collection[bytes]] = tuple) -> Point | None:
        """Return a checkpoint; None of a file that was not read, or whose checkpoint is lost.

        ``list_following`` says which are wanted next.
        """
        if key not in self._known:
            return None
        if key not in self._recent:
            following = (each for each in list_following() if each != key and each in self._known)
            self.ask([key, *following])
        point = self._recent.pop(key, None)
        if point is not None:
            self._recent[key] = point
        return point

    def find_recent(self, key: bytes) -> Point | None:
        """Return a checkpoint that was asked for."""
        return self._recent.get(key)

    def ask(self, keys: Sequence[bytes]) -> None:
        """Ask for checkpoints, so that they are found."""
        keys = [key for key in keys if key not in self._recent]
        found = {} if self._positions is None or not keys else self._positions.find(keys)
        for key in keys:
            with suppress(msgspec.DecodeError):
                self._recent[key] = msgspec.json.decode(found.get(key, ""), type=Point)

    def let_go(self, kept: Collection[bytes]) -> None:
        """Keep whole the checkpoints of the files that changed last, and ``kept``, which are not stored like that."""
        self._by_inode = None
        surplus = len(self._recent) - _RECENT_MAX
        if surplus > 0 and self._positions is not None:
            for key in [key for key in self._recent if key not in kept][:surplus]:
                del self._recent[key]

    def find_inode(self, inode: int) -> bytes | None:
        """Return which file had ``inode`` when it was read."""
        if self._by_inode is None:
            self._by_inode = self._list_inodes()
        return self._by_inode.get(inode)

    def put(self, key: bytes, point: Point) -> None:
        """Remember a checkpoint that is stored, or is as good as a stored one."""
        self.remove(key)
        self._recent[key] = point
        self._known.put(key, _pack(point))
        if point.gone_ms:
            self.gone.add(key)

    def remove(self, key: bytes) -> None:
        """Forget a checkpoint."""
        self._recent.pop(key, None)
        self._known.remove(key)
        self.gone.discard(key)
        self._by_inode = None

    def _list_inodes(self) -> dict[int, bytes]:
        """Return the file of each inode: of several the one that is known best."""
        found: dict[int, bytes] = {}
        for key, packed in self._known.items():
            [inode] = _INODE.unpack_from(packed, _INODE_AT)
            other = found.setdefault(inode, key)
            if other is key:
                continue  # as most are
            best = self._known.get(other)
            if best is not None and self._rank(best) < self._rank(packed):
                found[inode] = key
        return found

    def _rank(self, packed: bytes) -> tuple[bool, int, int]:
        """Return what makes a checkpoint a better one of several for the same inode."""
        known = _unpack(packed)
        return known.version == self._version, known.offset, known.stat.ctime_ns


def _pack(point: Point) -> bytes:
    return _KNOWN.pack(point.version, point.inode, point.size, point.mtime_ns, point.ctime_ns, point.offset)


def _unpack(packed: bytes) -> KnownPoint:
    version, inode, size, mtime_ns, ctime_ns, offset = _KNOWN.unpack(packed)
    return KnownPoint(version, FileStat(inode, size, mtime_ns, ctime_ns), offset)
