"""Logs that are compressed with zstd: read as if they were not, and within bounds of memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import zstandard

from aico.core.usage import UsageEvent
from aico.features.files import line_bytes, line_feed, line_window
from aico.features.files.feed import ReadLimits
from aico.features.files.line_bytes import UnpackedBytes
from aico.features.files.line_feed import LineFeed
from tests.sources.feeds import NOW_MS, FeedDriver
from tests.sources.invented_lines import ERRORS, FORMAT, say, use

LINES = [line for number in range(300) for line in (say("x" * number), use(f"{number}", 1))]


def open_feed(root: Path) -> LineFeed:
    """Return the feed of packed and plain logs, as in a new process."""
    return LineFeed(ERRORS, ("*.jsonl", "*.zst"), FORMAT, str(root), ReadLimits(1 << 20, 1, lambda: NOW_MS))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty root."""
    root = tmp_path.resolve() / "logs"
    root.mkdir()
    return root


def pack(data: bytes, window_log: int = 0) -> bytes:
    """Return ``data`` as one frame, which does not say how long it is."""
    parameters = zstandard.ZstdCompressionParameters(compression_level=3, window_log=window_log)
    packing = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packing.compress(data) + packing.flush()


def count_of(driver: FeedDriver) -> int:
    """Return how many requests were taken in."""
    return sum(isinstance(event, UsageEvent) for event in driver.stored.values())


async def test_packed_lines_are_read_like_plain_ones(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several frames, in windows smaller than a line, in readings of a few records, and no line twice."""
    monkeypatch.setattr(line_window, "WINDOW_BYTES", 128)
    monkeypatch.setattr(line_bytes, "_KEPT_BYTES", 256)
    monkeypatch.setattr(line_bytes, "_PIECE_BYTES", 50)
    monkeypatch.setattr(line_feed, "CHUNK_RECORDS", 70)
    half = len(LINES) // 2
    (root / "a.zst").write_bytes(pack(b"".join(LINES[:half])) + pack(b"".join(LINES[half:])))
    driver = FeedDriver(open_feed(root))
    readings = await driver.take_in_all()
    assert [len(reading.records) for reading in readings] == [14, 14, 14, 14, 70, 70, 70, 34]
    assert count_of(driver) == 300
    driver.restart(open_feed(root))
    (again,) = await driver.take_in_all()
    assert again.repeats


async def test_packed_file_that_grows_is_read_on(root: Path) -> None:
    """The lines of a part of it are taken, and the rest when it is there; until then it is named."""
    packed = b"".join(pack(line) for line in LINES)
    path = root / "a.zst"
    counts = []
    driver = FeedDriver(open_feed(root))
    for share in (0, 1, 2, 3, 4):
        with path.open("ab") as file:
            file.write(packed[len(packed) * share // 5 : len(packed) * (share + 1) // 5])
        for _ in range(2):
            feed = open_feed(root)
            driver.restart(feed)
            counts.append(sum(len(reading.records) for reading in await driver.take_in_all()))
            is_whole = share == 4
            assert feed.notes == (() if is_whole else (f"{path} is cut off: what it held behind that is missing.",))
    assert sum(counts) == count_of(driver) == 300
    assert min(counts[::2]) > 0
    assert not any(counts[1::2])
    path.rename(root / "b.zst")
    driver.restart(open_feed(root))
    assert [reading.records for reading in await driver.take_in_all()] == [[]]


@pytest.mark.parametrize(
    "tail",
    [
        b"no zstd at all" * 10,
        pack(b"".join(LINES))[:200] + b"\xff" * 4_000,
        pack(b"x", window_log=26),
    ],
    ids=["other", "broken", "large-window"],
)
async def test_what_cannot_be_unpacked_is_named_and_costs_no_other(root: Path, tail: bytes) -> None:
    """The lines before it count, and those of the other files."""
    (root / "a.zst").write_bytes(pack(b"".join(LINES[:100])) + tail)
    (root / "b.jsonl").write_bytes(use("other", 1))
    feed = open_feed(root)
    driver = FeedDriver(feed)
    await driver.take_in_all()
    assert count_of(driver) == 51
    (note,) = feed.notes
    assert note == f"{root}/a.zst cannot be unpacked: it is broken, or asks for more than 32 MB of memory."


def test_every_cut_within_a_frame_is_seen(tmp_path: Path) -> None:
    """At any byte of frames of each kind: with checksum or length, of repeated bytes, empty, skippable."""
    frames = [
        zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(LINES)),
        pack(b"".join(LINES)),
        zstandard.compress(b" " * 1_000_000),
        zstandard.compress(b""),
        b"\x53\x2a\x4d\x18\x05\0\0\0hello",
        zstandard.compress(b"x"),
    ]
    ends = {0, *(sum(map(len, frames[: count + 1])) for count in range(len(frames)))}
    path = tmp_path / "a.zst"
    path.write_bytes(b"".join(frames))
    with path.open("r+b") as file:
        data = line_bytes.UnpackedBytes(file.fileno())
        whole = set()
        for size in range(max(ends), -1, -1):
            file.truncate(size)
            whole |= set() if data.is_cut_off() else {size}
    assert whole == ends


async def test_unpacking_keeps_its_bounds(root: Path) -> None:
    """A small file may hold a hundred megabytes, in one line: they are passed by in a buffer."""
    packing = zstandard.ZstdCompressor().compressobj()
    blanks = b" " * (1 << 20)
    pieces = [packing.compress(use("1", 1)), *(packing.compress(blanks) for _ in range(100))]
    pieces += [packing.compress(b"\n" + use("2", 1)), packing.flush()]
    (root / "a.zst").write_bytes(b"".join(pieces))
    driver = FeedDriver(open_feed(root))
    tracemalloc.start()
    try:
        await driver.take_in_all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count_of(driver) == 2
    assert peak < 16 << 20


async def test_memory_of_unpacked_lines_is_wiped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any reading, and also after a bug, nothing of it stays where it was unpacked to."""
    held: list[bool] = []
    unpacked: list[UnpackedBytes] = []

    class Noted(UnpackedBytes):
        def wipe(self) -> None:
            held.append(all(b"CANARY" in bytes(memory) for memory in (self._head, self._kept)))
            super().wipe()
            unpacked.append(self)

    def break_down(_chunk: object, _line: memoryview, _index: int) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(line_feed, "UnpackedBytes", Noted)
    driver = FeedDriver(open_feed(root))
    (root / "a.zst").write_bytes(pack(say("CANARY" * 1_000) + use("1", 1)))
    await driver.take_in_all()
    monkeypatch.setattr(line_feed._Chunk, "take", break_down)
    (root / "b.zst").write_bytes(pack(say("CANARY" * 1_000) + use("2", 1)))
    with pytest.raises(ZeroDivisionError):
        await driver.read()
    assert held == [True, True]
    assert not any(bytes(memory).strip(b"\0") for each in unpacked for memory in (each._head, each._kept))
