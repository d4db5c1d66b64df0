"""Databases with something in them, and the ways in which the world damages them."""

from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from aico.core.upkeep.verification import Check, verify
from tests.core.repository_on_file import NOW_MS, copy_of_template, open_store, usage

PAGE_BYTES = 4096
HOUR_MS = 3_600_000


async def fill(path: Path, count: int = 2_000, growth: int = 0) -> None:
    """Store ``count`` tasks, one an hour, each on one of three models, and let them grow ``growth`` times."""
    async with open_store(path) as store:
        for round_number in range(growth + 1):
            store.now_ms = NOW_MS + round_number * HOUR_MS
            await store.take_in(
                [
                    usage(
                        f"task-{number:05}",
                        ts=NOW_MS - number * HOUR_MS + round_number * 60_000,
                        model_id=f"model-{number % 3}",
                        tokens_in=1_000 + number + 10 * round_number,
                        total_cost=round(0.001 * number + 0.5 * round_number, 6),
                    )
                    for number in range(count)
                ]
            )


_FILLED: list[bytes] = []


async def copy_of_filled(folder: Path) -> Path:
    """Return a closed database of 2,000 tasks that grew once, in ``folder``; made once and copied then."""
    path = copy_of_template(folder)
    if not _FILLED:
        await fill(path, growth=1)
        close_log(path)
        _FILLED.append(path.read_bytes())
    set_contents(path, _FILLED[0])
    path.chmod(0o600)
    return path


def close_log(path: Path) -> None:
    """Write the log back, so that the file alone is everything."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def find_pages(path: Path, table: str) -> list[int]:
    """Return the numbers of the leaf pages of ``table``, which has more than one page, in the order of its keys."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    data = path.read_bytes()
    return _leaves(data, root)


def _leaves(data: bytes, number: int) -> list[int]:
    start = (number - 1) * PAGE_BYTES
    page = data[start : start + PAGE_BYTES]
    if page[0] in {10, 13}:
        return [number]
    cells = int.from_bytes(page[3:5], "big")
    offsets = [int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell], "big") for cell in range(cells)]
    children = [int.from_bytes(page[offset : offset + 4], "big") for offset in offsets]
    children.append(int.from_bytes(page[8:12], "big"))
    return [leaf for child in children for leaf in _leaves(data, child)]


def break_page(path: Path, number: int) -> None:
    """Overwrite one page with what no page can be."""
    data = bytearray(path.read_bytes())
    data[(number - 1) * PAGE_BYTES : number * PAGE_BYTES] = b"\xa5" * PAGE_BYTES
    path.write_bytes(data)


def set_contents(path: Path, data: bytes) -> None:
    """Replace the file's bytes, and take its companions away."""
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(data)


def copy_to(path: Path, folder: Path) -> Path:
    """Copy a closed database into ``folder``."""
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(path, folder / path.name))


def contents(path: Path) -> bytes:
    """Return the bytes of a file."""
    return path.read_bytes()


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let this process write no file beyond a size, as if the disk were full there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def failed_checks(path: Path) -> list[Check]:
    """Return what is wrong with the database at ``path``."""
    return [check for check in verify(path) if not check.ok and check.name != "private"]
