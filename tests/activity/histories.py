"""Fakes histories of browsers: the tables of Chromium 150, Firefox ESR 140 and published ones of Safari, with rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

CANARY = "Xq7canary"
"""Stands in each path, search and title, and in the names of sites that are not listed."""
NOW_US = 1_795_000_000_000_000
_CHROMIUM = """
CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT,url LONGVARCHAR,title LONGVARCHAR);
CREATE TABLE visits(id INTEGER PRIMARY KEY AUTOINCREMENT,url INTEGER NOT NULL,visit_time INTEGER NOT NULL,
    transition INTEGER DEFAULT 0 NOT NULL,visit_duration INTEGER DEFAULT 0 NOT NULL,originator_cache_guid TEXT);
CREATE TABLE visit_source(id INTEGER PRIMARY KEY,source INTEGER NOT NULL);
CREATE TABLE context_annotations(visit_id INTEGER PRIMARY KEY,total_foreground_duration INTEGER);
CREATE INDEX urls_url_index ON urls (url);
CREATE INDEX visits_url_index ON visits (url);
"""
_FIREFOX = """
CREATE TABLE moz_places(id INTEGER PRIMARY KEY,url LONGVARCHAR,title LONGVARCHAR,rev_host LONGVARCHAR);
CREATE TABLE moz_places_metadata(id INTEGER PRIMARY KEY,place_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL DEFAULT 0,updated_at INTEGER NOT NULL DEFAULT 0,
    total_view_time INTEGER NOT NULL DEFAULT 0);
CREATE INDEX moz_places_hostindex ON moz_places (rev_host);
"""
_SAFARI = """
CREATE TABLE history_items(id INTEGER PRIMARY KEY AUTOINCREMENT,url TEXT NOT NULL UNIQUE,domain_expansion TEXT);
CREATE TABLE history_visits(id INTEGER PRIMARY KEY AUTOINCREMENT,history_item INTEGER NOT NULL,
    visit_time REAL NOT NULL,title TEXT,redirect_destination INTEGER,origin INTEGER NOT NULL DEFAULT 0);
"""
LINK = 0x3000_0001
"""The transition of a link: beginning and end of its chain of redirects."""


class Row(NamedTuple):
    """A visit as a test wants it."""

    url: str
    at_us: int
    foreground_us: int = -1_000_000
    transition: int = LINK
    originator: str = ""
    source: int | None = None


def make_chromium(path: Path, rows: Iterable[Row] = ()) -> Path:
    """Make a history of Chromium."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_CHROMIUM)
    add_chromium(path, rows)
    return path


def add_chromium(path: Path, rows: Iterable[Row]) -> None:
    """Add visits to a history of Chromium."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for row in rows:
            write_chromium(connection, row)


def write_chromium(connection: sqlite3.Connection, row: Row) -> int:
    """Write one visit, and return its id."""
    title = f"{CANARY} title"
    url = connection.execute("INSERT INTO urls (url, title) VALUES (?, ?)", (row.url, title)).lastrowid
    values = (url, row.at_us + 11_644_473_600_000_000, row.transition, 25_000_000, row.originator)
    visit = connection.execute(
        "INSERT INTO visits (url, visit_time, transition, visit_duration, originator_cache_guid) VALUES (?,?,?,?,?)",
        values,
    ).lastrowid
    connection.execute("INSERT INTO context_annotations VALUES (?, ?)", (visit, row.foreground_us))
    if row.source is not None:
        connection.execute("INSERT INTO visit_source VALUES (?, ?)", (visit, row.source))
    return visit or 0


def leave_chromium(path: Path, visit: int, foreground_us: int) -> None:
    """Note that a page was left."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE context_annotations SET total_foreground_duration = ? WHERE visit_id = ?", (foreground_us, visit)
        )


def make_firefox(path: Path, rows: Iterable[Row] = ()) -> Path:
    """Make a history of Firefox."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_FIREFOX)
        for row in rows:
            host = row.url.partition("//")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
            values = (row.url, CANARY, host[::-1] + ".")
            place = connection.execute(
                "INSERT INTO moz_places (url, title, rev_host) VALUES (?, ?, ?)", values
            ).lastrowid
            at_ms = row.at_us // 1000
            connection.execute(
                "INSERT INTO moz_places_metadata (place_id, created_at, updated_at, total_view_time) VALUES (?,?,?,?)",
                (place, at_ms, at_ms + 10, row.foreground_us // 1000),
            )
    return path


def make_safari(path: Path, rows: Iterable[Row] = ()) -> Path:
    """Make a history of Safari."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SAFARI)
        for row in rows:
            item = connection.execute("INSERT INTO history_items (url) VALUES (?)", (row.url,)).lastrowid
            connection.execute(
                "INSERT INTO history_visits (history_item, visit_time, title, origin, redirect_destination) "
                "VALUES (?, ?, ?, ?, ?)",
                (item, row.at_us / 1e6 - 978_307_200, CANARY, int(bool(row.originator)), row.source),
            )
    return path
