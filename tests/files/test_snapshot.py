"""The reader: all bytes of one moment, with the fingerprint from before the first of them."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from aico.core.errors import SourceNotFound, SourcePathRefused, SourceTooLarge, SourceUnreadable
from aico.features.files.guard import FileGuard
from aico.features.files.identity import identity_of
from aico.features.files.snapshot import AHEAD_MS, YOUNG_MS, Fingerprint, Snapshot, digest_of, read_snapshot
from tests.files.interference import DisturbedGuard, disturb_reading
from tests.files.places import MAX_BYTES, guard_of

CANARY = "CANARY-prompt"
LONG_AGO_MS = 1_772_000_000_000
NOW_MS = LONG_AGO_MS + 60_000


@pytest.fixture
def guard(path: Path) -> FileGuard:
    """Return the guard of a file that was written long ago."""
    path.write_bytes(b"0123456789")
    set_mtime(path, LONG_AGO_MS)
    return guard_of(path)


def set_mtime(path: Path, moment_ms: int) -> None:
    """Say that the file was written at that moment."""
    os.utime(path, ns=(moment_ms * 1_000_000, moment_ms * 1_000_000))


def test_snapshot_holds_every_byte_and_the_fingerprint(path: Path, guard: FileGuard) -> None:
    """A file at rest is read whole, stable, not young, with its identity and digest."""
    snapshot = read_snapshot(guard, NOW_MS)
    digest = digest_of(b"0123456789")
    assert bytes(snapshot.buffer) == b"0123456789"
    assert snapshot.fingerprint == Fingerprint(identity_of(path.stat()), digest)
    assert snapshot.stable
    assert not snapshot.young


def test_digest_tells_any_two_states_of_a_file_apart() -> None:
    """A bit, an end, an order: each makes another one, and the same bytes make the same in any memory."""
    data = bytes(range(256)) * 1_000
    states = {digest_of(data), digest_of(data[:-1]), digest_of(data + b"\0"), digest_of(data[::-1])}
    for place in range(0, len(data), 997):
        for bit in (1, 128):
            state = bytearray(data)
            state[place] ^= bit
            states.add(digest_of(state))
    assert len(states) == 4 + 2 * len(range(0, len(data), 997))
    with memoryview(bytearray(data)) as view:
        assert digest_of(view) == digest_of(data)


def test_snapshot_of_an_empty_file_is_empty_and_stable(path: Path, guard: FileGuard) -> None:
    """No byte is a whole reading of no byte."""
    path.write_bytes(b"")
    snapshot = read_snapshot(guard, NOW_MS)
    assert bytes(snapshot.buffer) == b""
    assert snapshot.stable
    assert snapshot.fingerprint.digest == digest_of(b"")
    snapshot.wipe()
    assert bytes(snapshot.buffer) == b""


def test_snapshot_is_put_together_from_small_pieces(guard: FileGuard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may hand out less than was asked for; the reading goes on to the end."""
    disturb_reading(monkeypatch, lambda: None, piece_bytes=3)
    snapshot = read_snapshot(guard, NOW_MS)
    assert bytes(snapshot.buffer) == b"0123456789"
    assert snapshot.stable


def cut(path: Path) -> None:
    """Truncate, and hide it from the times."""
    os.truncate(path, 5)
    set_mtime(path, LONG_AGO_MS)


def grow(path: Path) -> None:
    """Append, and hide it from the times."""
    with path.open("ab") as file:
        file.write(b"more")
    set_mtime(path, LONG_AGO_MS)


def overwrite(path: Path) -> None:
    """Write other bytes of the same number in place."""
    with path.open("r+b") as file:
        file.write(b"abcdefghij")
    set_mtime(path, LONG_AGO_MS + 1)


def cut_and_write_again(path: Path) -> None:
    """Truncate and write as much again, as Cline 3.28 does."""
    path.write_bytes(b"abcdefghij")
    set_mtime(path, LONG_AGO_MS + 1)


@pytest.mark.parametrize("change", [cut, grow, overwrite, cut_and_write_again])
def test_snapshot_is_unstable_when_the_file_changes_while_it_is_read(
    path: Path, guard: FileGuard, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    """Any change after the first piece is noticed, and the fingerprint stays the one from before it."""
    identity = identity_of(path.stat())
    disturb_reading(monkeypatch, lambda: change(path))
    snapshot = read_snapshot(guard, NOW_MS)
    assert not snapshot.stable
    assert snapshot.fingerprint.identity == identity
    assert snapshot.fingerprint.identity != identity_of(path.stat())


def test_snapshot_is_unstable_when_the_file_grows_after_the_last_byte(
    path: Path, guard: FileGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte more than the size that was seen first is a byte too many."""
    disturb_reading(monkeypatch, lambda: grow(path), piece_bytes=100)
    snapshot = read_snapshot(guard, NOW_MS)
    assert bytes(snapshot.buffer) == b"0123456789"
    assert not snapshot.stable


def test_snapshot_stays_stable_when_another_file_takes_the_name(
    path: Path, guard: FileGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename over the file touches only the ctime of the file we hold: it is one whole file, not the newest."""
    newer = path.with_name("newer.json")
    newer.write_bytes(b"newer")
    disturb_reading(monkeypatch, lambda: newer.replace(path))
    snapshot = read_snapshot(guard, NOW_MS)
    assert bytes(snapshot.buffer) == b"0123456789"
    assert snapshot.stable
    assert snapshot.fingerprint.identity != identity_of(path.stat())


def test_snapshot_is_bounded_when_the_file_grows_after_the_check(path: Path, guard: FileGuard) -> None:
    """A file that becomes huge between the guard's check and the reader's first look is refused, not allocated."""
    disturbed = DisturbedGuard(path, MAX_BYTES, lambda: os.truncate(path, 1 << 40))
    with pytest.raises(SourceTooLarge, match="1099511627776 bytes"):
        read_snapshot(disturbed, NOW_MS)


def test_snapshot_is_refused_when_a_second_name_appears_after_the_check(path: Path, guard: FileGuard) -> None:
    """The check is of the descriptor at the moment of the fingerprint."""
    disturbed = DisturbedGuard(path, MAX_BYTES, lambda: path.with_name("second.json").hardlink_to(path))
    with pytest.raises(SourcePathRefused, match="hard link"):
        read_snapshot(disturbed, NOW_MS)


@pytest.mark.parametrize(
    ("age_ms", "young"),
    [
        (0, True),
        (YOUNG_MS - 1, True),
        (YOUNG_MS, False),
        (LONG_AGO_MS, False),
        (-(AHEAD_MS - 1), True),
        (-AHEAD_MS, False),
        (-4_000_000_000_000, False),
    ],
)
def test_snapshot_is_young_only_near_the_moment_of_the_last_write(
    path: Path, guard: FileGuard, age_ms: int, young: bool
) -> None:
    """Less than 100 ms ago is young, and so is later than the look at the clock; 1970 and the next century are not."""
    set_mtime(path, LONG_AGO_MS - age_ms)
    assert read_snapshot(guard, LONG_AGO_MS).young is young


def test_reading_fails_by_name_when_the_device_fails(guard: FileGuard, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error while reading is an error of the closed tree, and no descriptor stays."""

    def fail(descriptor: int, buffers: list[memoryview]) -> int:
        raise OSError(errno.EIO, "broken")

    before = os.listdir("/dev/fd")  # noqa: PTH208 - names, not paths
    monkeypatch.setattr(os, "readv", fail)
    with pytest.raises(SourceUnreadable, match="EIO"):
        read_snapshot(guard, NOW_MS)
    assert os.listdir("/dev/fd") == before  # noqa: PTH208


def test_reading_passes_on_what_the_guard_says(path: Path, guard: FileGuard) -> None:
    """A missing file is missing for the reader, too."""
    path.unlink()
    with pytest.raises(SourceNotFound):
        read_snapshot(guard, NOW_MS)


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 200_001])
def test_wipe_leaves_only_zeros_in_the_same_buffer(length: int, guard: FileGuard) -> None:
    """The very bytes are overwritten, of every length, also while a view of them is alive."""
    buffer = bytearray(b"x" * length)
    view = memoryview(buffer)
    snapshot = Snapshot(buffer, (), read_snapshot(guard, NOW_MS).fingerprint, stable=True, young=False)
    snapshot.wipe()
    assert bytes(view) == bytes(length)


def buffers_of(error: BaseException) -> list[bytearray]:
    """Return every buffer that the trace of ``error`` keeps alive."""
    frames = [frame for frame, _line in traceback.walk_tb(error.__traceback__)]
    return [value for frame in frames for value in frame.f_locals.values() if isinstance(value, bytearray)]


def test_reading_that_fails_half_way_leaves_no_byte_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk keeps the buffer alive as long as somebody keeps the error: it is wiped before."""
    path.write_bytes(CANARY.encode())
    read = os.readv
    calls: list[int] = []

    def fail_second(descriptor: int, buffers: list[memoryview]) -> int:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ESTALE, "stale")
        return read(descriptor, [buffers[0][: len(buffers[0]) - 1]])

    monkeypatch.setattr(os, "readv", fail_second)
    with pytest.raises(SourceUnreadable) as raised:
        read_snapshot(guard_of(path), 0)
    kept = [raised.value, raised.value.__context__, raised.value.__cause__]
    buffers = [buffer for error in kept if error is not None for buffer in buffers_of(error)]
    assert all(not any(buffer) for buffer in buffers)
    assert len(calls) == 2


def test_snapshot_is_cut_where_it_is_told(path: Path, guard: FileGuard) -> None:
    """Each piece has the digest of its bytes, and the whole that of all digests: what stands around makes none."""
    first = read_snapshot(guard, NOW_MS, lambda _buffer: [1, 4, 9])
    assert [(span.first, span.last) for span in first.spans] == [(1, 4), (4, 9)]
    assert [span.digest for span in first.spans] == [digest_of(part) for part in (b"123", b"45678")]
    path.write_bytes(b"x12345678yz")
    again = read_snapshot(guard, NOW_MS, lambda _buffer: [1, 4, 9])
    assert again.fingerprint.digest == first.fingerprint.digest
    assert read_snapshot(guard, NOW_MS).fingerprint.digest != first.fingerprint.digest
