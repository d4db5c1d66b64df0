"""Reads logs as the reader of line files does, but at once and in any order, into a real database."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from aico.core.usage import TOKENS, AnyRecord, Rejection, Tokens
from aico.features.files.line_format import LineFile, LineFormat, PlainState
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import Store, copy_of_template, open_store

SEEN_MS = 1_796_000_000_000
"""When files are seen first: after everything that recorded homes hold."""


class Tool(NamedTuple):
    """A tool that appends lines."""

    source: str
    origin: str
    format: LineFormat
    names: str = "*.jsonl"
    """The pattern of its logs' names."""

    def logs_of(self, root: Path) -> list[Path]:
        """Return every log below ``root``, by name."""
        return sorted(root.rglob(self.names))


class Sum(NamedTuple):
    """The sums that are booked, without prompts."""

    requests: int
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int


class FileReader:
    """One file, read on from where it was left."""

    def __init__(self, tool: Tool, root: Path, path: Path, first_seen_ms: int = SEEN_MS) -> None:
        self.path = path
        self._format = tool.format
        written = int(path.stat().st_mtime * 1000)
        self._file = LineFile(path.relative_to(root).parts, first_seen_ms, written)
        self._state: PlainState = None
        self._offset = self._index = 0
        self.refused: list[Rejection] = []

    def read(self, end: int | None = None) -> list[AnyRecord]:
        """Return the records of the new whole lines before ``end``; the state goes through JSON."""
        data = self.path.read_bytes()[self._offset : end]
        parser = self._format.open(self._file, self._state)
        records: list[AnyRecord] = []
        whole, newline, _rest = data.rpartition(b"\n")
        for line in whole.split(b"\n") if newline else ():
            if self._format.is_of_use(line, 0, len(line)):
                said = parser.parse(memoryview(line), self._index)
                self.refused += [each for each in said if isinstance(each, Rejection)]
                records += [each for each in said if not isinstance(each, Rejection)]
            self._index += 1
        self._offset += len(whole) + len(newline)
        encoded = msgspec.json.encode(parser.state)
        assert len(encoded) < 16_384
        self._state = msgspec.json.decode(encoded)
        return records


class Home:
    """The readers of one folder of logs, and the store of their records."""

    def __init__(self, tool: Tool, root: Path, store: Store) -> None:
        self.tool = tool
        self.root = root
        self.store = store
        store.now_ms = SEEN_MS
        self.readers: dict[Path, FileReader] = {}

    async def read(
        self,
        paths: Iterable[Path] | None = None,
        *,
        size: int = 10_000,
        end: Callable[[Path], int | None] | None = None,
    ) -> None:
        """Read files in the order of ``paths``, each up to ``end``, and store it in batches of ``size`` records."""
        records: list[AnyRecord] = []
        for path in self.tool.logs_of(self.root) if paths is None else paths:
            reader = self.readers.setdefault(path, FileReader(self.tool, self.root, path))
            records += reader.read(None if end is None else end(path))
        for start in range(0, max(1, len(records)), size):
            await self.store.take_in_of(self.tool.source, records[start : start + size], self.tool.origin)
        assert failed_checks(self.store.path) == []

    def refused(self) -> list[Rejection]:
        """Return what could not be used."""
        return [each for reader in self.readers.values() for each in reader.refused]

    async def gaps(self) -> dict[str, tuple[int | None, Tokens]]:
        """Return what was billed and not recorded, as far as it is known, by kind."""
        async with self.store.reader.snapshot() as snapshot:
            return await snapshot.list_gaps(self.tool.source)

    async def gap(self) -> Tokens | None:
        """Return the tokens of the kind of gap that Claude Code has."""
        gaps = await self.gaps()
        return gaps["unrecorded"][1] if gaps else None

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Return the rows of a question to the database."""
        with closing(sqlite3.connect(self.store.path)) as connection:
            return connection.execute(statement).fetchall()

    def by_model(self) -> dict[str, Sum]:
        """Return what is booked by model."""
        return self._sums("m.name")

    def by_session(self) -> dict[str, Sum]:
        """Return what is booked by session."""
        return self._sums("s.key")

    def by_model_and_day(self) -> dict[str, Sum]:
        """Return what is booked by model and day."""
        return self._sums("m.name || ' ' || d.day")

    def _sums(self, name: str) -> dict[str, Sum]:
        columns = ", ".join(f"SUM(d.{each})" for each in ("requests", *TOKENS[:5]))
        rows = self.ask(
            f"SELECT {name}, {columns} FROM usage_session_day AS d JOIN model AS m ON m.id = d.model "  # noqa: S608
            "JOIN session AS s ON s.id = d.session GROUP BY 1 HAVING SUM(d.requests) > 0"
        )
        return {str(name): Sum(*(int(str(number)) for number in numbers)) for name, *numbers in rows}

    def total(self) -> Sum:
        """Return everything that is booked."""
        return Sum(*map(sum, zip(*self.by_model().values(), strict=True))) if self.by_model() else Sum(0, 0, 0, 0, 0, 0)

    async def everything(self) -> dict[str, object]:
        """Return all that must not depend on the order in which something was read."""
        return {
            "by_model_and_day": self.by_model_and_day(),
            "by_session": self.by_session(),
            "states": self.states(),
            "prompts": self.prompts(),
            "gaps": await self.gaps(),
        }

    def states(self) -> dict[int, int]:
        """Return how many requests there are in each state."""
        rows = self.ask("SELECT state, COUNT(*) FROM usage_event WHERE kind = 0 GROUP BY state")
        return {int(str(state)): int(str(count)) for state, count in rows}

    def prompts(self) -> dict[str, int]:
        """Return how many prompts there are in each session."""
        rows = self.ask(
            "SELECT s.key, COUNT(*) FROM usage_event AS e JOIN session AS s ON s.id = e.session "
            "WHERE e.kind = 2 GROUP BY 1"
        )
        return {str(key): int(str(count)) for key, count in rows}


@asynccontextmanager
async def home_of(tool: Tool, root: Path) -> AsyncIterator[Home]:
    """Yield the logs below ``root`` with an empty database."""
    with TemporaryDirectory() as folder:
        async with open_store(copy_of_template(Path(folder))) as store:
            yield Home(tool, root, store)


async def read_whole(
    tool: Tool, root: Path, paths: Sequence[Path] | None = None, size: int = 10_000
) -> dict[str, object]:
    """Return everything that must not depend on the order of reading, of files read in the order of ``paths``."""
    async with home_of(tool, root) as home:
        await home.read(paths, size=size)
        return await home.everything()
