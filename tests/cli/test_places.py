"""The places of sources, and the words of the box and the service's file about those that are on."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.cli.places import describe_others, describe_places
from aico.cli.service import program
from aico.core.db.choices import Switch, SwitchKey
from aico.core.errors import LedgerNotFound, SettingsError, StorageError
from aico.core.settings import load_settings
from aico.core.usage import digest
from aico.features.files.feed import Look
from aico.features.files.tree import Tree
from aico.features.sources.cline.places import find_session_stores, list_known_places, list_session_places
from aico.features.sources.registry import SOURCES
from aico.services.intake import IntakeKey
from aico.services.source_choices import SourceChoices
from bench.fake_session_store import SessionStore, editor_metadata
from tests.cli.reported_sources import EVERY, settings_of
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.files.folder_witness import witnessing

WAITING = "not there yet; the service waits for it and begins by itself"


@pytest.fixture
def store(home: Path) -> Iterator[SessionStore]:
    """Open the store where Cline's command line keeps it, with one session."""
    store = SessionStore(home / ".cline/data/db/sessions.db")
    store.put("s", editor_metadata(1, 2, 0.75))
    try:
        yield store
    finally:
        store.close()


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({}, "{home}/.cline/data/db/sessions.db"),
        ({"CLINE_DIR": "/c"}, "/c/data/db/sessions.db"),
        ({"CLINE_DIR": "/c", "CLINE_DATA_DIR": "/d/"}, "/d/db/sessions.db"),
        ({"CLINE_DATA_DIR": "/d", "CLINE_DB_DATA_DIR": "/e"}, "/e/sessions.db"),
        ({"CLINE_DB_DATA_DIR": "/e", "AICO_SESSIONS_PATH": "/f/sessions.db"}, "/f/sessions.db"),
    ],
)
def test_store_is_looked_for_where_cline_keeps_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], path: str
) -> None:
    """The variables are Cline's own; the operator's setting goes before them, for the hub's events likewise."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = settings_of()
    places = {choice.name: choice.places for choice in SourceChoices(EVERY, settings).list_all()}
    ((sessions, chosen_by),) = places["cline.sessions"]
    ((hub, _),) = places["cline.hub"]
    assert (sessions, settings.sessions_path) == (path.format(home=home), path.format(home=home))
    assert Path(hub) == Path(sessions).with_name("hub-events-hub-production.db")
    assert chosen_by in {"default", "sessions_path", *variables}
    assert (chosen_by == "default") is not bool(variables)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_switch_is_read_from_the_environment(home: Path, text: str, value: bool) -> None:
    """Off is the default."""
    assert load_settings({}, {"AICO_CLINE_SESSIONS": text}).settings.cline_sessions is value


@pytest.mark.parametrize("path", ["sessions.db", "/x/../sessions.db", "/x/other.db", "/x//sessions.db"])
def test_path_is_judged_when_the_store_is_asked_for(home: Path, path: str) -> None:
    """A wrong path stops the start before anything is opened; without the setting it is nobody's concern."""
    assert settings_of(sessions_path=path).sessions_path == path
    with pytest.raises(SettingsError) as refused:
        settings_of(sessions_path=path, cline_sessions=True)
    assert refused.value.setting == "sessions_path"


def test_known_places_follow_clines_variables(home: Path) -> None:
    """A data directory that was moved is looked at too; a relative one begins at the working directory."""
    environment = {"CLINE_DATA_DIR": "/d", "CLINE_DIR": "/c", "CLINE_DB_DATA_DIR": "relative"}
    assert [str(path) for path in list_session_places(home, environment)] == [
        f"{Path.cwd()}/relative/sessions.db",
        "/d/db/sessions.db",
        "/c/data/db/sessions.db",
        f"{home}/.cline/data/db/sessions.db",
    ]
    assert Path("/d/state/taskHistory.json") in list_known_places(home, environment)


def test_store_is_found_with_what_its_log_holds(home: Path, store: SessionStore) -> None:
    """Size and last write are those of database and log together; nothing is opened."""
    with witnessing(store.path.parent) as witness:
        (found,) = find_session_stores(home)
        assert witness.deeds() == set()
    assert found.path == store.path
    assert found.size_bytes > store.path.stat().st_size


def rows_of(**values: object) -> list[tuple[str, str]]:
    """Return what the box says of the sources."""
    settings = settings_of(**values)
    return describe_places(SourceChoices(EVERY, settings), settings)


def test_box_names_what_is_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source by its name, each place with what chose it and how it is, also of a source that nobody wrote."""
    ledger = LedgerFile(home / ".cline/data/state/taskHistory.json")
    ledger.write(entry("1"))
    (cline, path), (nothing, found) = rows_of()
    assert (cline, path) == ("Cline", f"ledger {ledger.path} (chosen by default)")
    assert nothing == ""
    assert re.match(f"found, {ledger.size_bytes} bytes[^0-9]", found)
    monkeypatch.setenv("AICO_SOURCES_INVENTED_ENABLED", "true")
    log = f"{home}/.invented/usage.json"
    assert rows_of()[2:] == [("Invented", f"Invented log {log} (chosen by default)"), ("", WAITING)]
    monkeypatch.setenv("AICO_SOURCES", "all")
    monkeypatch.delenv("AICO_SOURCES_INVENTED_ENABLED")
    assert rows_of()[-1] == ("Waiting for", ", ".join(source.title for source in EVERY[1:]))


def test_box_keeps_nothing_of_what_it_has_counted(home: Path) -> None:
    """Logs are counted as those of any other tool; what a look would keep of them stays until the collector comes."""
    folder = home / ".claude/projects/a"
    folder.mkdir(parents=True)
    (folder / "one.jsonl").write_bytes(b"{}\n" * 10)
    settings = settings_of(enabled_sources="claude-code")
    gc.collect()
    gc.disable()
    try:
        rows = describe_places(SourceChoices(SOURCES, settings), settings)
        kept = [each for each in gc.get_objects() if isinstance(each, Tree) and each.file_count]
    finally:
        gc.enable()
    assert rows[-1][1].startswith("found, 30 bytes")
    assert kept == []


def test_box_looks_at_nothing_that_was_seen_already(home: Path) -> None:
    """The watchers have looked at all logs a moment ago; of a place that they have not seen, the logs are counted."""
    folder = home / ".claude/projects/a"
    folder.mkdir(parents=True)
    (folder / "one.jsonl").write_bytes(b"{}\n" * 10)
    settings = settings_of(enabled_sources="claude-code")
    choices, path = SourceChoices(SOURCES, settings), str(folder.parent)
    [choice] = [each for each in choices.list_all() if each.is_on]
    seen = {IntakeKey("claude-code", choice.origin.id, path): Look(None, 0, 4_000, 7)}
    with witnessing(folder) as witness:
        rows = describe_places(choices, settings, seen)
        assert witness.deeds() == set()
    assert rows[-1][1].startswith("found, 4.0 kB")
    assert describe_places(choices, settings)[-1][1].startswith("found, 30 bytes")
    missing = {IntakeKey("claude-code", choice.origin.id, path): LedgerNotFound(path)}
    assert describe_places(choices, settings, missing) == [("Waiting for", "Claude Code")]


def test_box_says_how_other_tools_are_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who waits for no ledger is sent to the switches, unless settings decide everything."""
    ((label, text),) = describe_others(SourceChoices(EVERY, settings_of()))
    assert (label, "`python -m aico sources`" in text) == ("Other tools", True)
    assert describe_others(SourceChoices(EVERY, settings_of(enabled_sources="all"))) == []


def test_box_says_what_is_wrong_with_a_place(home: Path, store: SessionStore) -> None:
    """A place that is refused is said as such, and the service is started all the same."""
    (home / ".cline/data/state").mkdir()
    (home / ".cline/data/state/taskHistory.json").mkdir()
    assert rows_of()[1][1].startswith("The ledger is refused: ")
    (home / "sessions.db").symlink_to(store.path)
    assert rows_of(cline_sessions=True, sessions_path=f"{home}/sessions.db")[-1][1].startswith("The session store is")


def test_box_names_the_session_store_that_is_read(home: Path, store: SessionStore) -> None:
    """The box tells its path and its state; if it is on, nothing has to be switched."""
    assert "to read it" not in str(rows_of(cline_sessions=True))
    *_, (_, path), (_, found) = rows_of(cline_sessions=True)
    assert (path, found[:7]) == (f"session store {store.path} (chosen by default)", "found, ")
    assert rows_of(cline_sessions=True, sessions_path="/x/sessions.db")[-1] == ("", WAITING)


def test_box_leads_to_the_store_of_a_cline_that_keeps_no_ledger(
    home: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user of today's Cline misses nothing: its store is named with what switches it on, in the place of a ledger."""
    *_, (_, none), (_, found), (_, how) = rows_of()
    assert none == "none, and none is needed: this Cline writes to its session store"
    assert re.match(rf"session store {re.escape(str(store.path))}: found, [0-9.]+ .B, last written ", found)
    assert how == "to read it: `python -m aico sources on cline.sessions`, or the page"
    assert WAITING not in str(rows_of())
    monkeypatch.setenv("AICO_CLINE_SESSIONS", "false")
    assert rows_of()[-1][1] == "to read it: the setting cline_sessions"


@pytest.mark.parametrize("reads_sessions", [False, True])
def test_box_says_where_newer_cline_writes(home: Path, reads_sessions: bool) -> None:
    """A user that waits for a ledger of newer Cline is told the setting that reads its store, unless that is on."""
    text = str(rows_of(cline_sessions=reads_sessions))
    assert WAITING in text
    assert ("AICO_CLINE_SESSIONS=true" in text) is not reads_sessions
    assert ("`python -m aico sources on cline.sessions`" in text) is not reads_sessions
    assert ("`python -m aico doctor`" in text) is not reads_sessions


def test_box_says_that_nothing_is_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what switches something on."""
    monkeypatch.setenv("AICO_SOURCES_CLINE_ENABLED", "false")
    ((label, text),) = rows_of()
    assert (label, "`python -m aico sources on NAME`" in text) == ("Sources", True)


def test_service_shares_temporary_files_with_a_store_that_lies_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store below /tmp would be invisible to a service with a /tmp of its own; one that is not read is no reason."""
    monkeypatch.setattr(program, "__file__", "/x/program.py")
    monkeypatch.setattr(sys, "executable", "/x/python")
    monkeypatch.setenv("HOME", "/x")

    def needs(**flags: object) -> bool:
        paths = {"ledger_path": "/x/taskHistory.json", "database_path": "/x/observer.db"}
        loaded = load_settings({**paths, "sessions_path": "/tmp/sessions.db", **flags})  # noqa: S108  # never opened
        return program.make_program(loaded, {"AICO_CONFIG": "/x/config.toml"}).needs_shared_tmp

    assert (needs(), needs(cline_sessions=True), needs(enabled_sources="all")) == (False, True, True)


def test_service_shares_temporary_files_with_a_place_that_was_switched_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch of the user counts like a setting; a database that cannot be read counts for nothing."""
    monkeypatch.setattr(program, "__file__", "/x/program.py")
    monkeypatch.setattr(sys, "executable", "/x/python")
    settings = settings_of(database_path="/x/observer.db", sessions_path="/tmp/sessions.db")  # noqa: S108  # not opened
    settings = settings.model_copy(update={"ledger_path": "/x/taskHistory.json"})
    config = Path("/x/config.toml")
    key = SwitchKey("cline", "sessions", digest("/tmp/sessions.db").hex())  # noqa: S108  # neither
    monkeypatch.setattr(program, "list_switches", lambda *_: {key: Switch(is_on=True, changed_at=1)})
    assert program._needs_shared_tmp(settings, config)

    def fail(*_arguments: object) -> None:
        raise StorageError("SQLITE_NOTADB")

    monkeypatch.setattr(program, "list_switches", fail)
    assert not program._needs_shared_tmp(settings, config)
