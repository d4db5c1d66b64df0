"""Holding a database against everything that must be true of it: pages, keys, accounts, permissions."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from aico.core.accounting import ZERO, Amount
from aico.core.migrations import list_revisions
from aico.core.money import NANO, nano_usd
from aico.core.upkeep.inspection import find_known_revision
from aico.core.upkeep.sqlite_files import connect, in_our_words, says_damaged

Sums: TypeAlias = dict[tuple[object, ...], Amount]

_NANO_SPLIT = f"SUM(cost_nano_usd / {NANO}), SUM(cost_nano_usd % {NANO})"
_ROWS_APART = """
    SELECT COUNT(*) FROM cline_task_usage AS u LEFT JOIN (
        SELECT task_id, SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out, SUM(cost_nano_usd) AS nano
        FROM usage_delta WHERE source = 'cline' GROUP BY task_id
    ) AS d USING (task_id)
    WHERE u.tokens_in IS NOT d.tokens_in OR u.tokens_out IS NOT d.tokens_out OR nano_usd(u.total_cost) IS NOT d.nano
"""
_ORPHANS = """
    SELECT COUNT(DISTINCT task_id) FROM usage_delta
    WHERE source = 'cline' AND task_id NOT IN (SELECT task_id FROM cline_task_usage)
"""
_RETURNED = """
    SELECT COUNT(*) FROM forgotten_task JOIN cline_task_usage USING (task_id) WHERE source = 'cline'
"""
_IS_SUMMED = "SELECT COUNT(*) FROM summed_source"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str
    """What was found, in a few words."""


def verify(path: Path) -> list[Check]:
    """Return every check of the existing database at ``path``, which may be in use; nothing is changed.

    What cannot be looked at because the pages are damaged is left out. Raises StorageForeign, StorageNewer,
    StorageBusy, StorageError. Blocking: call it in a thread.
    """
    checks = [_check_permissions(path)]
    with in_our_words():
        try:
            with closing(connect(path, "ro")) as connection:
                checks += _verify(connection)
        except sqlite3.Error as error:
            if not says_damaged(error):
                raise
            name = getattr(error, "sqlite_errorname", "damaged")
            checks.append(Check("pages", ok=False, text=f"{name}: start the service, it sets the file aside"))
    return checks


def _verify(connection: sqlite3.Connection) -> Iterator[Check]:
    connection.create_function("nano_usd", 1, nano_usd, deterministic=True)
    connection.execute("BEGIN")
    # First of all: a check of what a newer version keeps would say nothing.
    revision, newest = find_known_revision(connection), list_revisions()[-1]
    pages = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    yield Check("pages", pages == ["ok"], "every page is intact" if pages == ["ok"] else f"{len(pages)} damages found")
    if pages != ["ok"]:
        return
    keys = len(connection.execute("PRAGMA foreign_key_check").fetchall())
    yield Check("keys", not keys, f"{keys} keys lead nowhere")
    text = f"revision {revision or 'none'} of {newest}"
    if revision != newest:
        text += ": start the service, it brings it to the newest, then check again"
    yield Check("schema", revision == newest, text)
    if revision == newest:
        yield from _verify_accounts(connection)


def _verify_accounts(connection: sqlite3.Connection) -> Iterator[Check]:
    for name, statement, text in (
        ("tasks", _ROWS_APART, "tasks differ from the sum of their deltas"),
        ("deltas", _ORPHANS, "tasks have deltas and no row"),
        ("forgotten", _RETURNED, "forgotten tasks are stored"),
    ):
        count = connection.execute(statement).fetchone()[0]
        yield Check(name, not count, f"{count} {text}")
    totals = _sums(connection, "usage_total", "source, model", split=True)
    yield _compare("totals", _sums(connection, "usage_delta", "source, model"), totals)
    counters = _sums(connection, "usage_counter", "source, model", split=True)
    fallen = any(have < need for have, need in zip(_all(counters), _all(totals), strict=True))
    yield Check("counters", not fallen, "counters are below the totals" if fallen else "no counter ever fell")
    if connection.execute(_IS_SUMMED).fetchone()[0]:
        rollup = _sums(connection, "usage_rollup", "source, quarter, model", split=True)
        yield _compare("rollup", _sums(connection, "usage_delta", "source, quarter, model"), rollup)
        day = "source, quarter / 96, task_id, model"
        days = _sums(connection, "usage_task_day", "source, day, task_id, model")
        yield _compare("days", _sums(connection, "usage_delta", day), days)
        models = _sums(connection, "usage_task_model", "source, model, task_id")
        yield _compare("models", _sums(connection, "usage_delta", "source, model, task_id"), models)


def _sums(connection: sqlite3.Connection, table: str, key: str, *, split: bool = False) -> Sums:
    """Return the sums of ``table`` by ``key``, those of nothing left out; of two columns of cost when ``split``."""
    cost = "SUM(cost_usd), SUM(cost_nano)" if split else _NANO_SPLIT
    statement = f"SELECT SUM(tokens_in), SUM(tokens_out), {cost}, {key} FROM {table} GROUP BY {key}"  # noqa: S608
    sums = {tuple(rest): Amount(i, o, usd * NANO + nano) for i, o, usd, nano, *rest in connection.execute(statement)}
    return {group: amount for group, amount in sums.items() if amount != ZERO}


def _compare(name: str, deltas: Sums, kept: Sums) -> Check:
    apart = sum(deltas.get(key) != kept.get(key) for key in deltas.keys() | kept.keys())
    return Check(name, not apart, f"{apart} of {len(deltas)} sums differ from the deltas")


def _all(sums: Sums) -> Amount:
    return Amount(*map(sum, zip(ZERO, *sums.values(), strict=True)))


def _check_permissions(path: Path) -> Check:
    files, folders = [each for each in path.parent.glob(f"{path.name}*") if each.is_file()], [path.parent / "backups"]
    open_to_others = [each.name for each in (*files, *filter(Path.is_dir, folders)) if _mode(each) & 0o077]
    text = ", ".join(open_to_others) + " can be read by other users" if open_to_others else "readable by its user alone"
    return Check("private", not open_to_others, text)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
