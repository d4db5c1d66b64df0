"""Checks for Cline alone: its older ledger that newer editions leave as it is, and which of its stores is written.

Metadata only: origins that are on were read before, and nothing else is opened.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from aico.cli.box import describe_age, describe_size
from aico.cli.doctor.finding import Finding, ok, warn
from aico.cli.doctor.places import PlaceReport, SourcesReport
from aico.core.settings import CLINE, ENV_PREFIX, SESSIONS_NAME, Settings, config_path
from aico.features.files.feed import Look
from aico.features.sources.cline import LEDGER
from aico.features.sources.cline.places import (
    FROZEN_DAYS,
    FoundStore,
    find_ledgers,
    find_session_stores,
    list_known_places,
    list_session_places,
)
from aico.features.sources.cline.sessions import SESSIONS
from aico.services.sights import setting_of_list
from aico.services.source_choices import OriginChoice


def examine_cline(report: SourcesReport, settings: Settings) -> Iterator[Finding]:
    """Say whether a ledger has ended, where else stores lie, and which was written last and is read or not."""
    cline = report.of_source(CLINE)
    if not cline:
        return
    yield from _ages(cline)
    yield from _places(settings)
    yield from _live(cline, settings)


def setting_of_place(report: PlaceReport, path: str, settings: Settings) -> str | None:
    """Return the setting, as a shell takes it, by which ``path`` is read in the place of ``report``.

    None for other sources than Cline.
    """
    if report.source_id != CLINE:
        return None
    if report.choice.origin.id == LEDGER.id:
        return _setting_of_ledger(path, settings, report.place.path)
    store = Path(path) if report.choice.origin.id == SESSIONS.id else Path(path).with_name(SESSIONS_NAME)
    return f"AICO_SESSIONS_PATH={shlex.quote(str(store))}"


def _setting_of_ledger(path: str, settings: Settings, instead_of: str | None = None) -> str:
    """Return the setting that has ``path`` read; with a list of ledgers in the place of one of them, or besides."""
    if not _names_ledgers(settings):
        return f"AICO_LEDGER_PATH={shlex.quote(path)}"
    ledgers = [path if ledger == instead_of else ledger for ledger in settings.ledgers]
    if path not in ledgers:
        ledgers.append(path)
    return f"AICO_SOURCES_CLINE_LEDGERS={shlex.quote(','.join(ledgers))}"


def _how_to_watch(path: str, settings: Settings) -> str:
    named = settings.ledgers if _names_ledgers(settings) or Path(settings.ledger_path).exists() else ()
    by_variable = settings.ledger_chosen_by.startswith(ENV_PREFIX)
    setting = setting_of_list(CLINE, LEDGER.list_setting, [*named, path], is_by_variable=by_variable)
    too = " too" if named else ""
    if by_variable:
        return f"To watch it{too}: {setting}"
    header, line = setting.split("\n")
    return f"To watch it{too}, write below {header} in {config_path(os.environ)}: {line}"


def _names_ledgers(settings: Settings) -> bool:
    named = settings.sources.get(CLINE)
    return named is not None and bool(named.ledgers)


def _ages(cline: list[PlaceReport]) -> Iterator[Finding]:
    for ledger in cline:
        if ledger.choice.origin.id != LEDGER.id or not ledger.choice.is_on or not isinstance(ledger.found, Look):
            continue
        age_s = time.time() - ledger.found.written_ns / 1e9
        if age_s <= FROZEN_DAYS * 86_400:
            continue
        text = f"it was last written {describe_age(age_s)}"
        if any(other.choice.origin.id == SESSIONS.id and other.is_well for other in cline):
            yield ok(ledger.choice.name, f"{text}. The session store is read too", "age")
            continue
        frozen = (
            "Cline has not been used since; or it is newer, writes a session store and leaves this file as it is; or it"
            " runs with another folder. The line `live` names the setting"
        )
        yield warn(ledger.choice.name, f"{text}. {frozen}", "age")


def _places(settings: Settings) -> Iterator[Finding]:
    """Say in how many places was looked, for an empty home, and name the stores that no setting names."""
    ledgers, sessions = (
        len(list_places(_home(), os.environ)) for list_places in (list_known_places, list_session_places)
    )
    yield ok("places", f"looked in {ledgers} known places for ledgers and {sessions} for session stores")
    # A place refused for a link on its path is told at its refusal.
    named = {*settings.ledgers, *map(os.path.realpath, settings.ledgers)}
    for ledger in find_ledgers(_home(), os.environ):
        if str(ledger.path) not in named:
            yield ok("other ledger", f"{_describe(ledger)}. {_how_to_watch(str(ledger.path), settings)}")
    for store in find_session_stores(_home(), os.environ):
        if str(store.path) != settings.sessions_path:
            yield ok("session store", f"{_describe(store)}. It is not read")


def _live(cline: list[PlaceReport], settings: Settings) -> Iterator[Finding]:
    """Say which store was written last, and the one setting that makes the service read it."""
    ledgers, sessions = find_ledgers(_home(), os.environ), find_session_stores(_home(), os.environ)
    found = [*sessions, *ledgers]
    if not found:
        return
    newest = max(found, key=lambda store: store.written_at_s)
    path = str(newest.path)
    known = next((report for report in cline if path in {report.place.path, os.path.realpath(report.place.path)}), None)
    last = f"{path} was written last of all known stores, and it"
    if known is not None and known.choice.is_on:
        if known.is_well:
            yield ok("live", f"{last} is read")
        else:
            yield warn("live", f"{last} cannot be read: see the line `{known.choice.name}`")
    elif newest in sessions:
        yield warn("live", f"{last} is not read. {_how_to_read_sessions(cline, known, path)}")
    elif known is not None:
        yield warn("live", f"{last} is not read. {_how_to_switch(known.choice)}")
    else:
        yield warn("live", f"{last} is not read. To read it: {_setting_of_ledger(path, settings)}")


def _how_to_switch(choice: OriginChoice) -> str:
    if choice.fixed_by is not None:
        return f"To read it: correct the setting {choice.fixed_by}"
    return f"To read it: `aico sources on {choice.name}`"


def _how_to_read_sessions(cline: list[PlaceReport], known: PlaceReport | None, path: str) -> str:
    choice = next((report.choice for report in cline if report.choice.origin.id == SESSIONS.id), None)
    if choice is not None and choice.fixed_by not in {None, "cline_sessions"} and not choice.is_on:
        advice = f"To read it: correct the setting {choice.fixed_by}"
        return advice if known else f"{advice}, with AICO_SESSIONS_PATH={shlex.quote(path)}"
    if known is None:
        return f"To read it: AICO_CLINE_SESSIONS=true AICO_SESSIONS_PATH={shlex.quote(path)}"
    if known.choice.fixed_by is None:
        return f"To read it: `aico sources on {known.choice.name}`, or AICO_CLINE_SESSIONS=true"
    return "To read it: AICO_CLINE_SESSIONS=true"


def _describe(store: FoundStore) -> str:
    age = describe_age(max(0.0, time.time() - store.written_at_s))
    return f"{store.path}, {describe_size(store.size_bytes)}, last written {age}"


def _home() -> Path:
    return Path(os.path.realpath(Path("~").expanduser()))
