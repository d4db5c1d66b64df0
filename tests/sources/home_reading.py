"""Reads a home of a tool with the real readers into a real database, in any order, and says what came of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.db.upkeep.verification import verify
from aico.core.errors import SourceNotFound
from aico.core.usage import TOKENS
from aico.features.sources.source import Source
from tests.core.repository_on_file import copy_of_template
from tests.sources.pipeline import pipeline


class Spent(NamedTuple):
    """The sums that are booked, without prompts."""

    requests: int = 0
    input: int = 0
    cache_read: int = 0
    output: int = 0
    reasoning: int = 0


class Books:
    """The database in a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "observer.db"

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Return the rows of a question to the database."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()

    def lose_checkpoints(self) -> None:
        """Let everything be read from its beginning the next time."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("DELETE FROM checkpoint")

    def by_model(self) -> dict[str, Spent]:
        """Return what is booked by model."""
        return self._sums("m.name")

    def by_session(self) -> dict[str, Spent]:
        """Return what is booked by session."""
        return self._sums("s.key")

    def total(self) -> Spent:
        """Return everything that is booked."""
        return Spent(*map(sum, zip(*self.by_model().values(), strict=True))) if self.by_model() else Spent()

    def states(self) -> dict[int, int]:
        """Return how many requests there are in each state."""
        return self._counts("SELECT state, COUNT(*) FROM usage_event WHERE kind = 0 GROUP BY state")

    def prompts(self) -> int:
        """Return how many prompts there are."""
        return sum(self._counts("SELECT 0, SUM(prompts) FROM usage_total HAVING SUM(prompts) > 0").values())

    def everything(self) -> tuple[object, ...]:
        """Return all that must not depend on the order of reading. All sums agree after any reading."""
        assert [check for check in verify(self.path) if not check.ok] == []
        days = self._sums("m.name || ' ' || d.day")
        parents = self.ask("SELECT key, parent_key FROM session WHERE first_ts IS NOT NULL ORDER BY 1")
        return self.by_session(), days, self.states(), self.prompts(), parents

    def _counts(self, statement: str) -> dict[int, int]:
        return {int(str(key)): int(str(count)) for key, count in self.ask(statement)}

    def _sums(self, name: str) -> dict[str, Spent]:
        names = ("requests", *(each for each in TOKENS if each in Spent._fields))
        columns = ", ".join(f"SUM(d.{each})" for each in names)
        rows = self.ask(
            f"SELECT {name}, {columns} FROM usage_session_day AS d JOIN model AS m ON m.id = d.model "  # noqa: S608
            "JOIN session AS s ON s.id = d.session GROUP BY 1 HAVING SUM(d.requests) > 0"
        )
        return {str(name): Spent(*(int(str(number)) for number in numbers)) for name, *numbers in rows}


@asynccontextmanager
async def new_books() -> AsyncIterator[Books]:
    """Yield an empty database."""
    with TemporaryDirectory() as folder:
        yield Books(copy_of_template(Path(folder)).parent)


async def read(
    books: Books,
    source: Source,
    home: Path,
    *,
    origins: Sequence[str] = (),
    roots: tuple[str, ...] = (),
    size: int = 10_000,
) -> list[int]:
    """Read what there is of ``origins`` in their order, by default all, each as a new process; return what failed.

    The numbers are those of entries that were refused, and of those that were taken in part.
    """
    failed = [0, 0]
    for name in origins or [origin.id for origin in source.origins]:
        part = Source(source.id, source.title, tuple(each for each in source.origins if each.id == name))
        paths = {"": roots} if roots else None
        async with pipeline(books.path.parent, [part], home, paths=paths, max_entries_per_run=size) as reading:
            with suppress(SourceNotFound):
                for receipt in await reading.read():
                    failed[0] += receipt.error_count
                    failed[1] += receipt.partial_count
    return failed


async def read_anew(source: Source, home: Path, **how: object) -> tuple[object, ...]:
    """Return everything that comes of a home, read once into an empty database."""
    async with new_books() as books:
        await read(books, source, home, **how)  # type: ignore[arg-type]
        return books.everything()


def set_order(paths: Iterable[Path], begin_s: int = 1_795_000_000) -> None:
    """Let ``paths`` be written one after the other: of many files the one written last is read first."""
    for place, path in enumerate(paths):
        os.utime(path, (begin_s + place, begin_s + place))


def logs_of(home: Path) -> list[Path]:
    """Return all files of a home that hold lines, by name."""
    return sorted(path for path in home.rglob("*") if path.is_file() and path.name != "truth.json")


def cut(home: Path, whole: Mapping[Path, bytes], length_of: Callable[[Path], int]) -> None:
    """Leave of each file below ``home`` as much as ``length_of`` says."""
    for path, data in whole.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(data[: length_of(path)])


def hold_in_any_order(source: Source, home: Path, below: str, moved: str) -> None:
    """Assert that a home is booked alike whatever file is read first, and once more where ``below`` lies ``moved``."""
    expected = asyncio.run(read_anew(source, home))

    async def read_twice(paths: list[Path], size: int) -> tuple[object, ...]:
        set_order(paths)
        async with new_books() as books:
            await read(books, source, home, size=size)
            shutil.rmtree(home / moved, ignore_errors=True)
            shutil.copytree(home / below, home / moved)
            await read(books, source, home, roots=(str(home / moved),), size=size)
            shutil.rmtree(home / moved)
            return books.everything()

    @settings(max_examples=5)
    @given(st.permutations(logs_of(home)), st.sampled_from([1, 2, 7]))
    def hold(paths: list[Path], size: int) -> None:
        assert asyncio.run(read_twice(paths, size)) == expected

    hold()


def hold_from_any_prefix(source: Source, home: Path) -> None:
    """Assert that a home is booked alike where each file is read up to any byte, and on from there in a new process."""
    whole = {path.relative_to(home): path.read_bytes() for path in logs_of(home)}
    expected = asyncio.run(read_anew(source, home))

    async def read_twice(length_of: Callable[[Path], int]) -> tuple[object, ...]:
        with TemporaryDirectory() as folder:
            other = Path(folder)
            async with new_books() as books:
                cut(other, whole, length_of)
                await read(books, source, other)
                cut(other, whole, lambda path: len(whole[path]))
                await read(books, source, other)
                return books.everything()

    @settings(max_examples=8)
    @given(st.fixed_dictionaries({path: st.integers(0, len(data)) for path, data in whole.items()}))
    def hold(ends: dict[Path, int]) -> None:
        assert asyncio.run(read_twice(ends.__getitem__)) == expected

    hold()
