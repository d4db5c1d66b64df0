"""Which stored events come next when prices are brought to them: in parts, and from where an ended process has left it.

Every function is part of a transaction of its caller: the events looked at are noted together with the result.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aico.core.db.driver import Value
from aico.core.db.statements import insert, put
from aico.core.money import NANO
from aico.core.receipts import UsageCommitted
from aico.core.sums import PROMPT

OWN, REVIEW = "own", "review"
"""Names of jobs: the own prices of now, or the list of now in the place of older ones."""
_WINDOW = 50_000
"""Events that one statement goes through: some milliseconds."""
_WINDOWS_MAX = 4
"""So many of them in one transaction where nothing is found."""
_JOB = "SELECT goal, source, after, is_done FROM pricing_job WHERE name = ?"
_PUT_JOB = put("pricing_job", ("name",), ("goal", "source", "after", "is_done"))
_DROP_JOB = "DELETE FROM pricing_job WHERE name = ?"
_LAST = "SELECT IFNULL(MAX(id), 0) FROM usage_event"
_WITH_MODELS = "SELECT DISTINCT source FROM usage_total WHERE model IN (SELECT value FROM json_each(?))"
_WITH_OWN = """
    SELECT id FROM source WHERE EXISTS (
        SELECT 1 FROM usage_event WHERE usage_event.source = source.id AND own_nano IS NOT NULL)
"""
_SOURCES = "SELECT id FROM source"
OWN_CONDITION = f"""
    kind <> {PROMPT.code} AND recorded_nano IS NULL
    AND (own_nano IS NOT NULL OR model IN (SELECT value FROM json_each(?)))
"""  # noqa: S608  # our own names
"""Events whose cost own prices may change; takes the numbers of their models."""
REVIEW_CONDITION = "list_nano IS NOT NULL AND price_ref IN (SELECT value FROM json_each(?))"
"""Events with a price of some lists; takes their numbers."""


_BEGIN_REVIEW = insert(
    "price_review", ("at", "list", "requests", "before_usd", "before_nano", "after_usd", "after_nano")
)
_NOTE_REVIEW = """
    UPDATE price_review SET at = ?, requests = requests + ?, before_usd = before_usd + ?,
        before_nano = before_nano + ?, after_usd = after_usd + ?, after_nano = after_nano + ?
    WHERE id = (SELECT MAX(id) FROM price_review)
"""
OLD_REFS = "SELECT id FROM price_ref WHERE list <> ?"
"""The numbers of what prices of other lists than one were taken from."""
REVIEWS = """
    SELECT at, list, requests, before_usd, before_nano, after_usd, after_nano FROM price_review
    WHERE requests > 0 ORDER BY id DESC
"""


class Review(NamedTuple):
    """A newer list that replaced the prices of older ones, and the change by that."""

    at_ms: int
    list: str
    requests: int
    before_nano: int
    after_nano: int


class Job(NamedTuple):
    """How far prices were brought to the stored events."""

    goal: str
    source: int = 0
    after: int = 0
    is_done: bool = False


class Step(NamedTuple):
    """The result of one transaction."""

    done: int
    total: int
    """How far it is: of so many, in no unit that means anything by itself."""
    committed: UsageCommitted | None
    """The fact to publish; None if no event has changed."""


class Part(NamedTuple):
    """The next part of a job."""

    job: Job
    """As it is when that is done."""
    rows: list[sqlite3.Row]
    done: int
    total: int


def find_job(connection: sqlite3.Connection, name: str) -> Job | None:
    """Return how far a job is; None if it was never begun."""
    row = connection.execute(_JOB, (name,)).fetchone()
    return None if row is None else Job(row[0], row[1], row[2], bool(row[3]))


def put_job(connection: sqlite3.Connection, name: str, job: Job | None) -> None:
    """Note how far a job is; None takes it away."""
    if job is None:
        connection.execute(_DROP_JOB, (name,))
    else:
        connection.execute(_PUT_JOB, (name, *job))


def begin_review(connection: sqlite3.Connection, name: str, now_ms: int) -> None:
    """Note that the list called ``name`` is to replace all older ones; one that was begun before goes on."""
    job = find_job(connection, REVIEW)
    if job is None or job.goal != name or job.is_done:
        put_job(connection, REVIEW, Job(name))
        connection.execute(_BEGIN_REVIEW, (now_ms, name, 0, 0, 0, 0, 0))


def note_review(connection: sqlite3.Connection, now_ms: int, requests: int, before_nano: int, after_nano: int) -> None:
    """Add to what the last review has changed."""
    connection.execute(_NOTE_REVIEW, (now_ms, requests, *divmod(before_nano, NANO), *divmod(after_nano, NANO)))


def review_of(row: sqlite3.Row) -> Review:
    """Return a row of :data:`REVIEWS`."""
    at, name, requests, before_usd, before_nano, after_usd, after_nano = row
    return Review(at, name, requests, before_usd * NANO + before_nano, after_usd * NANO + after_nano)


def sources_of_own(connection: sqlite3.Connection, models: str) -> list[int]:
    """Return the sources with anything that own prices of ``models``, or none any more, may change."""
    with_models = {source for (source,) in connection.execute(_WITH_MODELS, (models,))}
    return sorted(with_models | {source for (source,) in connection.execute(_WITH_OWN)})


def sources_of_all(connection: sqlite3.Connection) -> list[int]:
    """Return every source."""
    return sorted(source for (source,) in connection.execute(_SOURCES))


def find_part(
    connection: sqlite3.Connection,
    job: Job,
    sources: Sequence[int],
    columns: Iterable[str],
    condition: str,
    values: Sequence[Value],
    limit: int,
) -> Part:
    """Return the next events of ``job`` that fulfil ``condition``: at most ``limit``, all of one source."""
    statement = f"""
        SELECT id, {", ".join(columns)} FROM usage_event
        WHERE id > ? AND id <= ? AND +source = ? AND {condition} ORDER BY id LIMIT ?
    """  # noqa: S608  # our own names
    [(last,)] = connection.execute(_LAST)
    total = last * len(sources)
    windows = 0
    for place, source in enumerate(sources):
        if source < job.source:
            continue
        after = job.after if source == job.source else 0
        while after < last:
            upto = min(last, after + _WINDOW)
            rows = connection.execute(statement, (after, upto, source, *values, limit)).fetchall()
            after = rows[-1][0] if len(rows) == limit else upto
            windows += 1
            if rows or windows == _WINDOWS_MAX:
                return Part(Job(job.goal, source, after), rows, place * last + after, total)
    return Part(Job(job.goal, is_done=True), [], total, total)
