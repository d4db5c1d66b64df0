"""The file in which what was exported is kept: beside the database, for its user alone, in no backup. Blocking."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from aico.core.errors import StorageError
from aico.core.exported import Exported, Instance, Seen
from aico.core.private_file import open_private, refuse_planted
from aico.core.sums import COUNTS, MONEY, Sums
from aico.core.telemetry import INSTRUMENTS, Series
from aico.core.units import TOKENS

T = TypeVar("T")
_FORMAT = 1
_COLUMNS = (*TOKENS, *COUNTS, *MONEY)
_OTHERS = Seen._fields[1:]
_BYTES_MAX = 1024 * 1024 * 1024
"""Far beyond what this program writes: each pair of a tool and a model takes some hundred bytes."""
_DAMAGED = ".damaged"
_UNFINISHED = ".part"


class ExportFile:
    """One per database: two databases in one folder are two instances."""

    def __init__(self, database_path: Path) -> None:
        self.path = database_path.with_suffix(".export.json")

    def list_all(self) -> list[Path]:
        """Return the file and what may lie beside it, there or not."""
        return [self.path.with_name(self.path.name + end) for end in ("", _UNFINISHED, _DAMAGED)]

    def load(self) -> Exported | None:
        """Return what is kept, None where nothing ever was.

        Raises ExportDamagedError, and StorageError for a file that is not ours alone, or larger than any of ours: cut
        off, it would count as damaged.
        """
        try:
            descriptor = open_private(self.path, create=False)
        except FileNotFoundError:
            return None
        try:
            with os.fdopen(descriptor, "rb") as file:
                if os.fstat(descriptor).st_size > _BYTES_MAX:
                    raise StorageError(f"{self.path} is larger than {_BYTES_MAX // 1024**2:,} MB and is left as it is")
                text = file.read()
        except OSError as error:
            raise StorageError(f"cannot read {self.path}: {error.strerror}") from error
        try:
            return _parse(json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ExportDamagedError from error

    def set_aside(self) -> None:
        """Keep a file that cannot be read under another name. Raises StorageError."""
        try:
            self.path.replace(self.path.with_name(self.path.name + _DAMAGED))
        except OSError as error:
            raise StorageError(f"cannot rename {self.path}: {error.strerror}") from error

    def save(self, exported: Exported) -> None:
        """Put ``exported`` in its place, whole and on the disk. Raises StorageError; then what was kept is kept."""
        unfinished = self.path.with_name(self.path.name + _UNFINISHED)
        try:
            refuse_planted(self.path)
            unfinished.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(unfinished, flags, 0o600), "w", encoding="utf-8") as file:
                json.dump(_fields(exported), file, separators=(",", ":"))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror}") from error


class ExportDamagedError(Exception):
    """The file is there and says nothing that can be used. Never leaves the exporter."""


def _fields(exported: Exported) -> dict[str, object]:
    return {
        "format": _FORMAT,
        "begun": sorted(exported.begun),
        "columns": [*_COLUMNS, *_OTHERS],
        "seen": [[*key, [*seen.sums.vector, *seen[1:]]] for key, seen in exported.seen.items()],
        "spans": [[each.metric, each.labels, amount] for each, amount in exported.seen_spans.items()],
        "instances": [
            {
                "machine": each.machine,
                "id": each.id,
                "begun_at": each.begun_at_ms,
                "totals": [
                    [one.metric, one.labels, amount, one in each.announced] for one, amount in each.totals.items()
                ],
            }
            for each in exported.instances
        ],
    }


def _parse(data: object) -> Exported:
    """Return what ``data`` says. Raises ValueError, TypeError, KeyError for what this module did not write."""
    fields = _as(dict, data)
    if fields["format"] != _FORMAT:
        raise ValueError("of another version")
    exported = Exported(begun={_as(str, name) for name in _as(list, fields["begun"])})
    columns = [_as(str, name) for name in _as(list, fields["columns"])]
    for source, model, numbers in _rows(fields["seen"], 3):
        # Another version may count more, or less.
        known = dict(zip(columns, map(_amount, _as(list, numbers)), strict=True))
        vector = tuple(known.get(name, 0) for name in _COLUMNS)
        exported.seen[_as(str, source), _as(str, model)] = Seen(Sums(vector), *(known.get(name, 0) for name in _OTHERS))
    for metric, labels, amount in _rows(fields["spans"], 3):
        exported.seen_spans[_series(metric, labels)] = _amount(amount)
    for each in _as(list, fields["instances"]):
        kept = _as(dict, each)
        instance = Instance(_as(str, kept["machine"]), _as(str, kept["id"]), _amount(kept["begun_at"]))
        for metric, labels, amount, is_announced in _rows(kept["totals"], 4):
            one = _series(metric, labels)
            instance.totals[one] = _amount(amount)
            if _as(bool, is_announced):
                instance.announced.add(one)
        exported.instances.append(instance)
    if not exported.instances:
        raise ValueError("of nobody")
    return exported


def _as(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise TypeError("of another kind")
    return value


def _amount(value: object) -> int:
    number = _as(int, value)
    if isinstance(number, bool) or number < 0:
        raise ValueError("no amount")
    return number


def _rows(value: object, width: int) -> Iterator[Sequence[object]]:
    for row in _as(list, value):
        if len(_as(list, row)) != width:
            raise ValueError("of another width")
        yield row


def _series(metric: object, labels: object) -> Series:
    if _as(str, metric) not in INSTRUMENTS:
        raise ValueError("no metric of ours")
    named = ((_as(str, name), _as(str, text)) for name, text in _as(dict, labels).items())
    return Series(_as(str, metric), tuple(sorted(named)))
