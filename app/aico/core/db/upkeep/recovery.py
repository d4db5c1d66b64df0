"""The replacement of a database that is lost: the newest intact backup, else an empty one; and a restore."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Set
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import NamedTuple

from aico.core.db.counters import get_plan_values, hold_plan_values
from aico.core.db.forgotten_kinds import LATER_USE
from aico.core.db.keys import later_key
from aico.core.db.migrations import migrate
from aico.core.db.revisions import list_revisions
from aico.core.db.upkeep import rebuilding
from aico.core.db.upkeep.activity_forgetting import ForgottenTime, has_use, list_forgotten_times, remove_time
from aico.core.db.upkeep.backups import BackupFolder, get_position
from aico.core.db.upkeep.inspection import Condition, inspect
from aico.core.db.upkeep.replacement import CORRUPT, REPLACED, aside_path, build, list_aside, put_in_place
from aico.core.db.upkeep.sqlite_files import LOGS, connect, copy_database, in_our_words, sync
from aico.core.errors import BackupUnusable, StorageNewer
from aico.core.private_file import copy_own

_NOTE = ".json"
_ADDITIONS = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type IN ('trigger', 'view'))"
_FORGOTTEN = "SELECT s.name, f.key, f.forgotten_at FROM forgotten AS f JOIN source AS s ON s.id = f.source"
_FORGOTTEN_KEYS = """
    SELECT s.name, f.kind, f.key_high, f.key_low FROM forgotten_key AS f JOIN source AS s ON s.id = f.source
"""
_REMEMBER = "INSERT INTO forgotten (source, key, forgotten_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_REMEMBER_KEY = """
    INSERT INTO forgotten_key (source, kind, key_high, key_low) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_CHOSEN = "SELECT key FROM session JOIN chosen USING (id) ORDER BY key"
_SESSIONS = "SELECT t.name, s.key FROM session AS s JOIN source AS t ON t.id = s.source"
_EVENT_KEYS = "SELECT t.name, e.key_high, e.key_low FROM usage_event AS e JOIN source AS t ON t.id = e.source"
_SWITCHES = "SELECT source, origin, machine, root, is_on, changed_at FROM source_choice ORDER BY source, origin"
_SET_SWITCH = """
    INSERT OR REPLACE INTO source_choice (source, origin, machine, root, is_on, changed_at) VALUES (?, ?, ?, ?, ?, ?)
"""
_FIRED = """
    SELECT budget, terms, since, threshold, period, amount_nano, spent_nano, is_at_least, at, delivery, tries
    FROM budget_fired
"""
_NOTE_FIRED = """
    INSERT OR REPLACE INTO budget_fired (budget, terms, since, threshold, period, amount_nano, spent_nano, is_at_least,
        at, delivery, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_DROP_SWITCH = "DELETE FROM source_choice WHERE source = ? AND origin = ? AND machine = ? AND root = ?"


@dataclass(frozen=True, slots=True)
class Recovery:
    """The result of the recovery of a lost database."""

    at_ms: int
    condition: str
    set_aside: str
    """Name of the lost file, beside the database. As long as it lies there, the loss is told."""
    backup: str | None
    """Name of the backup that took its place; None when there was none."""
    backup_at_ms: int | None

    def describe(self) -> str:
        """Return what happened and what may be missing, in sentences."""
        text = f"The database was lost ({self.condition}) and set aside as {self.set_aside}; "
        if self.backup is None or self.backup_at_ms is None:
            return text + (
                "there was no intact backup, so an empty one took its place. Usage stored before is missing unless "
                "the tool's files still hold it, and tasks forgotten before may be back."
            )
        moment = datetime.fromtimestamp(self.backup_at_ms / 1000, UTC)
        return text + (
            f"the backup {self.backup} of {moment:%Y-%m-%d %H:%M} UTC took its place. Usage stored after that backup "
            "is missing unless the tool's files still hold it."
        )


def recover(path: Path, condition: Condition, now_ms: int) -> Recovery:
    """Set the lost database at ``path`` aside and put the newest intact backup in its place, under a new epoch.

    Without a backup an empty database takes the place. Nothing of the lost file is read. Raises StorageBusy or
    StorageError with everything as it was. Blocking: call it in a thread.
    """
    with in_our_words():
        origin = BackupFolder(path).find_intact()
        aside = aside_path(path, CORRUPT, now_ms)
        ready = build(aside, origin, lambda connection: rebuilding.begin_epoch(connection, 0))
        recovery = Recovery(
            at_ms=now_ms,
            condition=condition.value,
            set_aside=aside.name,
            backup=None if origin is None else origin.name,
            backup_at_ms=None if origin is None else origin.stat().st_mtime_ns // 1_000_000,
        )
        _write_note(aside, recovery)
        put_in_place(path, ready)
    return recovery


def find_recovery(path: Path) -> Recovery | None:
    """Return the last recovery of the database at ``path`` whose lost file still lies beside it."""
    known = {each.name for each in fields(Recovery)}
    for aside in reversed(list_aside(path)):
        try:
            note = json.loads(aside.with_name(aside.name + _NOTE).read_text(encoding="utf-8"))
            # An older version noted more: how much it had read of the lost file.
            return Recovery(**{name: value for name, value in note.items() if name in known})
        except (OSError, ValueError, TypeError, AttributeError):
            continue
    return None


def _write_note(aside: Path, recovery: Recovery) -> None:
    note = aside.with_name(aside.name + _NOTE)
    descriptor = os.open(note, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(recovery), file)
    sync(note)


def check_backup(origin: Path) -> None:
    """Raise BackupUnusable, StorageForeign, StorageNewer or StorageError for a file that cannot be restored."""
    with _checked_copy(origin):
        pass


@contextmanager
def _checked_copy(origin: Path) -> Iterator[Path]:
    """Yield a copy of ``origin`` that can be restored, in a folder of our own. Raises like :func:`check_backup`.

    SQLite never gets ``origin`` itself: it would take a log for the end of that file, and play a journal back, which
    may even name other files to be removed. Anybody who can write beside a backup could put one there.
    """
    if not origin.is_file():
        raise BackupUnusable(str(origin), "there is no such file")
    with in_our_words(), TemporaryDirectory(prefix="aico-") as folder:
        copy = Path(folder) / "backup"
        copyfile(origin, copy)
        for end in LOGS:
            copy_own(origin.with_name(origin.name + end), copy.with_name(copy.name + end))
        condition = inspect(copy).condition
        if condition is not Condition.SOUND:
            raise BackupUnusable(str(origin), f"it is {condition.value}")
        with closing(connect(copy, "ro")) as connection:
            # A trigger would run with every write from now on.
            if connection.execute(_ADDITIONS).fetchone()[0]:
                raise BackupUnusable(str(origin), "it holds triggers or views, and no backup of ours does")
        yield copy


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore, beside the backup itself."""

    set_aside: Path | None
    """The path of the database that was replaced; None when there was none."""
    switched_off: tuple[str, ...]
    """Sources, with their origins, that the backup would have switched on, and the database before it did not."""
    kept_away: int
    """Sessions of the backup that were forgotten since, and stay so."""
    kinds_kept_away: tuple[str, ...]
    """Kinds of activity of which that is true."""


class Returning(NamedTuple):
    """The forgotten usage that would be back."""

    sessions: list[str]
    kinds: list[str]
    """Of activity."""


def list_returning(path: Path, origin: Path) -> Returning:
    """Return the usage that was forgotten in the database at ``path`` and that the backup ``origin`` still holds.

    The sessions that forgotten ones have started are among it. Raises like :func:`check_backup`; changes nothing.
    Blocking.
    """
    with _checked_copy(origin) as copy, in_our_words():
        before = _read_shown(path)
        migrate(copy)
        with closing(connect(copy)) as connection:
            _choose_forgotten(connection, before)
            sessions = [str(key) for (key,) in connection.execute(_CHOSEN)]
            kinds = [time.kind for time in _list_new_times(connection, before) if has_use(connection, time)]
            return Returning(sessions, list(dict.fromkeys(kinds)))


def restore(
    path: Path,
    origin: Path,
    now_ms: int,
    on_by_default: Set[tuple[str, str]] = frozenset(),
    *,
    keeps_forgotten: bool = True,
) -> Restored:
    """Put a copy of the backup ``origin`` in the place of the database at ``path``, under a new epoch.

    Counters keep what they have shown, notices of budgets are not told again, and nothing is read that was not read
    before. Usage forgotten since stays forgotten, unless ``keeps_forgotten`` is False: then the backup's part of it is
    back. ``on_by_default`` are source and origin of what is read as long as no switch says otherwise.
    Raises like :func:`check_backup`, and StorageBusy, with everything as it was. Blocking: call it in a thread.
    """
    had_old = path.exists()
    switched_off: list[str] = []
    kept_away = [0]
    kinds_kept_away: list[str] = []
    with _checked_copy(origin) as copy, in_our_words():
        before = _read_shown(path)
        aside = aside_path(path, REPLACED, now_ms)

        def change(connection: sqlite3.Connection) -> None:
            rebuilding.raise_counters(connection, before.counters)
            hold_plan_values(connection, before.plan_values)
            connection.executemany(_NOTE_FIRED, before.fired)
            _choose_forgotten(connection, before)
            if keeps_forgotten:
                [kept_away[:]] = connection.execute("SELECT COUNT(*) FROM chosen").fetchall()
                _forget_again(connection, before)
            else:
                _forget_again(connection, _without_what_is_stored(connection, before))
            kinds_kept_away[:] = _forget_times_again(connection, before, keeps_forgotten=keeps_forgotten)
            switched_off[:] = _switch_off(connection, before, on_by_default)
            rebuilding.begin_epoch(connection, before.revision)

        put_in_place(path, build(aside, copy, change))
    return Restored(aside if had_old else None, tuple(switched_off), kept_away[0], tuple(kinds_kept_away))


class _Switch(NamedTuple):
    """How the user's switch of an origin stands."""

    source: str
    origin: str
    machine: str
    root: str
    is_on: int
    changed_at: int

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of its key in the database."""
        return self[:4]


@dataclass(frozen=True, slots=True)
class _Shown:
    """The contents of the replaced database that hold for the one in its place."""

    counters: rebuilding.Counters = field(default_factory=dict)
    plan_values: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """The parts of the counters that plans have paid for."""
    fired: list[sqlite3.Row] = field(default_factory=list)
    """The notices of budgets that were told."""
    forgotten: list[tuple[str, str, int]] = field(default_factory=list)
    """Source, key of the session, moment."""
    forgotten_keys: list[tuple[str, int, int, int]] = field(default_factory=list)
    """Source, kind and key of the event."""
    forgotten_times: list[ForgottenTime] = field(default_factory=list)
    """Of activity."""
    switches: list[_Switch] = field(default_factory=list)
    revision: int = 0


def _read_shown(path: Path) -> _Shown:
    """Return what the database at ``path`` has shown; nothing of one that is absent, damaged or of a newer version.

    Raises StorageForeign: another program's database is not ours to replace. Raises StorageBusy, StorageError.
    """
    with suppress(StorageNewer):
        found = inspect(path)
        if found.condition is Condition.SOUND:
            if found.revision == list_revisions()[-1]:
                return _read(path)
            with TemporaryDirectory(prefix="aico-") as folder:
                copy = Path(folder) / "replaced"
                copy_database(path, copy)
                migrate(copy)
                return _read(copy)
    return _Shown()


def _read(path: Path) -> _Shown:
    with in_our_words(), closing(connect(path, "ro")) as connection:
        connection.execute("BEGIN")
        return _Shown(
            rebuilding.get_counters(connection),
            get_plan_values(connection),
            connection.execute(_FIRED).fetchall(),
            connection.execute(_FORGOTTEN).fetchall(),
            connection.execute(_FORGOTTEN_KEYS).fetchall(),
            list_forgotten_times(connection),
            _list_switches(connection),
            get_position(path).revision,
        )


def _choose_forgotten(connection: sqlite3.Connection, before: _Shown) -> None:
    """Choose the sessions that were forgotten before and are stored."""
    names = {name for name, *_rest in before.forgotten}
    for name in names or {""}:
        rebuilding.choose_sessions(connection, name, [key for source, key, _at in before.forgotten if source == name])


def _without_what_is_stored(connection: sqlite3.Connection, before: _Shown) -> _Shown:
    """Return ``before`` without the forgotten sessions and requests that are stored; nothing is chosen any more."""
    connection.execute("DELETE FROM chosen")
    sessions, keys = set(connection.execute(_SESSIONS)), set(connection.execute(_EVENT_KEYS))
    back = {(source, later_key(key, None)[0]) for source, key in sessions}
    return replace(
        before,
        forgotten=[each for each in before.forgotten if each[:2] not in sessions],
        forgotten_keys=[
            (source, kind, high, low)
            for source, kind, high, low in before.forgotten_keys
            if (source, high, low) not in keys and (kind != LATER_USE or (source, high) not in back)
        ],
    )


def _forget_again(connection: sqlite3.Connection, before: _Shown) -> None:
    """Take away what was chosen, and keep it and all that was forgotten before away."""
    numbers = {name: rebuilding.number_of(connection, "source", name) for name, *_rest in before.forgotten}
    numbers |= {name: rebuilding.number_of(connection, "source", name) for name, *_rest in before.forgotten_keys}
    if not numbers:
        return
    connection.executemany(_REMEMBER, [(numbers[name], key, moment) for name, key, moment in before.forgotten])
    connection.executemany(_REMEMBER_KEY, [(numbers[name], *key) for name, *key in before.forgotten_keys])
    connection.execute("PRAGMA secure_delete=ON")
    rebuilding.remove_chosen(connection)


def _list_new_times(connection: sqlite3.Connection, before: _Shown) -> list[ForgottenTime]:
    """Return the times that were forgotten after the backup was made."""
    known = set(list_forgotten_times(connection))
    return [time for time in before.forgotten_times if time not in known]


def _forget_times_again(connection: sqlite3.Connection, before: _Shown, *, keeps_forgotten: bool) -> list[str]:
    """Keep forgotten activity away; return the kinds of which that took anything away."""
    taken: list[str] = []
    for time in _list_new_times(connection, before):
        is_there = has_use(connection, time)
        if is_there and not keeps_forgotten:
            continue
        connection.execute("PRAGMA secure_delete=ON")
        remove_time(connection, time)
        taken += [time.kind] if is_there else []
    return list(dict.fromkeys(taken))


def _list_switches(connection: sqlite3.Connection) -> list[_Switch]:
    return [_Switch(*row) for row in connection.execute(_SWITCHES)]


def _switch_off(connection: sqlite3.Connection, before: _Shown, on_by_default: Set[tuple[str, str]]) -> list[str]:
    """Let nothing be on that was not on before; return the names of what that changed.

    A backup is nobody's consent, and takes no refusal back.
    """
    known = {switch.key: bool(switch.is_on) for switch in before.switches}
    refused = [
        switch
        for switch in _list_switches(connection)
        if switch.is_on and not known.get(switch.key, (switch.source, switch.origin) in on_by_default)
    ]
    connection.executemany(_DROP_SWITCH, [switch.key for switch in refused])
    connection.executemany(_SET_SWITCH, [switch for switch in before.switches if not switch.is_on])
    return list(dict.fromkeys(f"{switch.source} ({switch.origin})" for switch in refused))
