"""How many tasks stand behind a sum, and how many of them are unpriced, by the signs of their rows. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from aico.core.accounting import Amount

_decode = msgspec.json.Decoder(list[str]).decode


class TaskSigns(NamedTuple):
    """Ids of the tasks with a row of each kind; one with rows of several kinds is in several."""

    priced: set[str]
    """That cost something."""
    free: set[str]
    """Tokens that cost nothing."""
    blank: set[str]
    """Neither tokens nor cost."""
    odd: set[str]
    """Less than nothing, by a correction: what such a task adds up to, signs do not tell."""

    @classmethod
    def of(cls, parts: Iterable[Sequence[str]]) -> TaskSigns:
        """Return those of ``parts``, each of them four JSON arrays of ids in the order above."""
        return cls(*(set().union(*map(_decode, arrays)) for arrays in zip(*parts, strict=True)))

    @classmethod
    def unite(cls, parts: Sequence[TaskSigns]) -> TaskSigns:
        """Return those of all ``parts`` together."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(set().union(*(part[kind] for part in parts)) for kind in range(len(cls._fields))))

    def count_tasks(self, spent: Mapping[str, Amount]) -> tuple[int, int]:
        """Return the number of distinct tasks, and of those that spent tokens at a cost of 0.

        ``spent`` holds what the odd ones spent.
        """
        unpriced_count = len(self.free - self.priced - self.odd)
        unpriced_count += sum(spent[task_id].is_unpriced for task_id in self.odd)
        # Most often there are none but the priced: nothing large is copied.
        others = self.free | self.blank | self.odd
        return len(self.priced) + len(others - self.priced), unpriced_count
