"""The emulator's messages to its parent: one JSON line for each completed update. No I/O, no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.emulator.harsh_ledger import AnyStep, step_of
from tests.emulator.ledger_truth import Task
from tests.emulator.ways_of_writing import Way


@dataclass(frozen=True, slots=True)
class Update:
    """One update that stands completely on the disk."""

    number: int
    """From 0, the ledger as it was at the start."""
    kind: AnyStep | None
    """None for the ledger at the start."""
    way: Way
    changed: tuple[Task, ...]
    """Tasks whose numbers are new or differ from the update before, exactly as an observer must hold them."""
    gone: tuple[str, ...]
    """Tasks that were there one update before."""
    entry_count: int
    """Elements of the array, broken ones and duplicates included."""

    def to_line(self) -> str:
        """Return the update as one line of JSON, with its line break."""
        fields = {
            "update": self.number,
            "kind": self.kind,
            "way": self.way,
            "changed": self.changed,
            "gone": self.gone,
            "entries": self.entry_count,
        }
        return json.dumps(fields, separators=(",", ":")) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Update:
        """Return the update of one line. Any exception is a bug."""
        fields = json.loads(line)
        return cls(
            number=int(fields["update"]),
            kind=step_of(fields["kind"]) if fields["kind"] else None,
            way=Way(fields["way"]),
            changed=tuple(Task(*row) for row in fields["changed"]),
            gone=tuple(fields["gone"]),
            entry_count=int(fields["entries"]),
        )
