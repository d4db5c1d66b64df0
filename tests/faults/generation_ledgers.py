"""Ledgers whose every entry says of which generation it is, so that a mixture of two shows itself. Pure data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random

from aico.core.usage import MeterReading, Record
from tests.emulator.ledger_truth import Task

_MARK = 7_777_777
"""As long as the number of every generation."""
_FIRST = 1_000_000
_TEMPLATES = 6


class Generations:
    """``entry_count`` tasks that all change from one generation to the next; half of the files are of equal length."""

    def __init__(self, entry_count: int, seed: int) -> None:
        self.entry_count = entry_count
        rng = Random(seed)  # noqa: S311 - reproducible on purpose
        plain = self._template([100] * entry_count)
        self._templates = [
            plain if number % 2 else self._template([rng.randrange(30, 170) for _ in range(entry_count)])
            for number in range(_TEMPLATES)
        ]

    def ledger(self, number: int) -> bytes:
        """Return the file of generation ``number``, compact like Cline's."""
        return self._templates[number % _TEMPLATES].replace(str(_MARK).encode(), str(_FIRST + number).encode())

    def find_number(self, records: Sequence[Record]) -> int | None:
        """Return the generation of which all ``records`` are, or None when they never stood in one file."""
        readings = [record for record in records if isinstance(record, MeterReading)]
        return self._find([(reading.ts or 0, reading.input, reading.output) for reading in readings])

    def are_of(self, number: int) -> Callable[[Mapping[str, Task]], bool]:
        """Return the wish that what is stored is generation ``number``."""
        return lambda tasks: (
            self._find([(each.ts, each.tokens_in, each.tokens_out) for each in tasks.values()]) == number
        )

    def _find(self, entries: Sequence[tuple[int, int | None, int | None]]) -> int | None:
        # Times as short as the mark are in seconds.
        numbers = {number for ts_ms, *tokens in entries for number in (ts_ms // 1000, *tokens)}
        if len(entries) != self.entry_count or len(numbers) != 1:
            return None
        number = numbers.pop()
        return None if number is None else number - _FIRST

    @staticmethod
    def _template(prompt_lengths: Sequence[int]) -> bytes:
        entries = [
            {
                "id": f"task-{number:06}",
                "ts": _MARK,
                "task": "x" * length,
                "tokensIn": _MARK,
                "tokensOut": _MARK,
                "totalCost": 0.5,
                "modelId": "m",
            }
            for number, length in enumerate(prompt_lengths)
        ]
        return json.dumps(entries, separators=(",", ":")).encode()
