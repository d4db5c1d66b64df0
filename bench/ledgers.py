"""Ledgers to measure with: about 870 bytes an entry, prompts included, and never a real one."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import count, islice
from pathlib import Path

from aico.features.demo.generator import LedgerGenerator
from aico.features.demo.js_json import stringify

_SEED = 1
_NOW_MS = 1_772_000_000_000
_PATTERNS = 10_000
"""Entries that are made up one by one; a larger ledger repeats them under other ids and at other times."""
_LAP_MS = 37 * 60_000
_MOMENTS = re.compile(rb'"(id|ts)":("?)(\d+)')
_TOKENS = re.compile(rb'"tokensIn":(\d)')
_LONG_AGO_S = 1_600_000_000


@lru_cache(maxsize=1)
def ledger_bytes(entry_count: int) -> bytes:
    """Return a ledger of ``entry_count`` entries, the same for every call, oldest first as Cline appends them."""
    patterns = LedgerGenerator(_SEED, _NOW_MS, days=365).entries(min(entry_count, _PATTERNS))
    texts = [stringify(pattern) for pattern in patterns]
    laps = -(-entry_count // _PATTERNS)
    return b"[" + b",".join(islice(_repeated(texts, laps), entry_count)) + b"]"


def _repeated(texts: list[bytes], laps: int) -> Iterator[bytes]:
    for lap in count():
        for text in texts:
            yield _moved(text, (laps - 1 - lap) * _LAP_MS)


def _moved(text: bytes, earlier_ms: int) -> bytes:
    """Return an entry whose id and ``ts`` lie earlier."""
    return _MOMENTS.sub(lambda part: b'"%b":%b%d' % (part[1], part[2], int(part[3]) - earlier_ms), text, count=2)


class LedgerFile:
    """The ledger that a measurement changes."""

    def __init__(self, folder: Path, entry_count: int) -> None:
        self.path = folder / f"ledger-{entry_count}" / "taskHistory.json"
        self.path.parent.mkdir()
        self.entry_count = entry_count
        self.data = bytearray(ledger_bytes(entry_count))
        self._digit = max(match.start(1) for match in _TOKENS.finditer(self.data, len(self.data) - 20_000))
        self._moment_s = _LONG_AGO_S
        self.path.write_bytes(self.data)
        self.rest()

    def change_one(self) -> None:
        """Let the newest entry spend one token more, or nine less, in memory; its length stays."""
        self.data[self._digit] = ord("1") + (self.data[self._digit] - ord("0")) % 9

    def write(self) -> None:
        """Write it in place, and let that be long ago: on the disk, and nothing has to wait for it to rest."""
        with self.path.open("wb") as file:
            file.write(self.data)
            file.flush()
            os.fsync(file.fileno())
        self.rest()

    def replace(self) -> float:
        """Write another file and put it in its place, as Cline does; return ``time.perf_counter`` of that moment."""
        newer = self.path.with_name("taskHistory.json.tmp.1.a.json")
        newer.write_bytes(self.data)
        began = time.perf_counter()
        newer.replace(self.path)
        return began

    def rest(self) -> None:
        """Give the file another time, long ago: touched, with the same bytes."""
        self._moment_s += 1
        os.utime(self.path, (self._moment_s, self._moment_s))
