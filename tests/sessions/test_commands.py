"""Settings and commands: the setting that is off by default, where the store is looked for, and what is said of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.cli import build_parser, export, imports
from aico.cli.doctor.finding import Finding, Verdict
from aico.cli.doctor.ledger import examine_ledger
from aico.cli.doctor.sessions import examine_live, examine_reading, examine_sessions
from aico.cli.serve import _rows
from aico.cli.service import program
from aico.cli.status import _is_well, _lines
from aico.core.errors import LedgerNotFound, SessionsBusy, SessionsFormat, SettingsError
from aico.core.settings import Settings, load_settings
from aico.features.ledger.places import find_session_stores, list_known_places, list_session_places
from bench.fake_session_store import SessionStore, editor_metadata
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.sessions.folder_witness import witnessing
from tests.sessions.store_imports import opened
from tests.users_things_guard import SETTINGS_OF_USERS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process one of a user whose home is empty."""
    for name in list(os.environ):
        if name.startswith(SETTINGS_OF_USERS):
            monkeypatch.delenv(name)
    folder = tmp_path.resolve() / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def store(home: Path) -> Iterator[SessionStore]:
    """Open the store where Cline's command line keeps it, with one session."""
    with opened(home / ".cline/data/db/sessions.db") as store:
        store.put("s", editor_metadata(1, 2, 0.75))
        yield store


@pytest.fixture
def ledger(home: Path) -> LedgerFile:
    """Return the ledger where Cline's command line kept it, with one task."""
    file = LedgerFile(home / ".cline/data/state/taskHistory.json")
    file.write(entry("1", cost=0.25))
    return file


def settings_of(home: Path, **values: object) -> Settings:
    """Return the settings of this user with ``values``."""
    return load_settings({"database_path": home / "own" / "observer.db", **values}).settings


def told(found: Iterator[Finding]) -> list[tuple[str, Verdict, str]]:
    """Return what was found."""
    return [(one.subject, one.verdict, one.text) for one in found]


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
def test_store_is_looked_for_where_cline_keeps_it(home: Path, variables: dict[str, str], path: str) -> None:
    """The variables are Cline's own; the operator's setting goes before them."""
    settings = load_settings({}, {"HOME": str(home), **variables}).settings
    assert settings.sessions_path == path.format(home=home)
    assert settings.cline_sessions is False


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_switch_is_read_from_the_environment(home: Path, text: str, value: bool) -> None:
    """Off is the default."""
    assert load_settings({}, {"AICO_CLINE_SESSIONS": text}).settings.cline_sessions is value


@pytest.mark.parametrize("path", ["sessions.db", "/x/../sessions.db", "/x/other.db", "/x//sessions.db"])
def test_path_is_judged_when_the_store_is_asked_for(home: Path, path: str) -> None:
    """A wrong path stops the start before anything is opened; without the setting it is nobody's concern."""
    assert settings_of(home, sessions_path=path).sessions_path == path
    with pytest.raises(SettingsError) as refused:
        settings_of(home, sessions_path=path, cline_sessions=True)
    assert refused.value.setting == "sessions_path"


def test_known_places_follow_clines_variables(home: Path) -> None:
    """A data directory that was moved is looked at too, and only when its path is absolute."""
    environment = {"CLINE_DATA_DIR": "/d", "CLINE_DIR": "/c", "CLINE_DB_DATA_DIR": "relative"}
    assert [str(path) for path in list_session_places(home, environment)] == [
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


def test_doctor_names_the_one_setting_that_reads_the_live_store(
    home: Path, ledger: LedgerFile, store: SessionStore
) -> None:
    """Whichever of the known stores was written last is named, with what to paste unless it is read already."""
    old_s = ledger.path.stat().st_mtime - 86_400
    os.utime(ledger.path, (old_s, old_s))
    ((subject, verdict, text),) = told(examine_live(settings_of(home)))
    assert (subject, verdict) == ("live", Verdict.WARN)
    assert text.endswith("To read it: AICO_CLINE_SESSIONS=true")
    ((_, verdict, text),) = told(examine_live(settings_of(home, sessions_path="/x/sessions.db")))
    assert text.endswith(f"To read it: AICO_CLINE_SESSIONS=true AICO_SESSIONS_PATH={store.path}")
    ((_, verdict, text),) = told(examine_live(settings_of(home, cline_sessions=True)))
    assert (verdict, text) == (Verdict.OK, f"{store.path} was written last of all known stores, and it is read")
    new_s = old_s + 2 * 86_400
    os.utime(ledger.path, (new_s, new_s))
    assert told(examine_live(settings_of(home)))[0][1] is Verdict.OK
    ((_, verdict, text),) = told(examine_live(settings_of(home, ledger_path="/x/taskHistory.json")))
    assert text.endswith(f"To read it: AICO_LEDGER_PATH={ledger.path}")


def test_doctor_says_nothing_of_stores_where_there_are_none(home: Path) -> None:
    """Without Cline there is nothing to name."""
    assert [*examine_live(settings_of(home)), *examine_sessions(settings_of(home))] == []


def test_doctor_tells_a_store_that_is_read_from_one_that_is_not(home: Path, store: SessionStore) -> None:
    """Metadata only; what may not be read fails, and what is not there yet is waited for."""
    ((_, verdict, text),) = told(examine_sessions(settings_of(home)))
    assert (verdict, text.endswith("It is not read")) == (Verdict.OK, True)
    ((_, verdict, text),) = told(examine_sessions(settings_of(home, cline_sessions=True)))
    assert (verdict, text.endswith("It is read too")) == (Verdict.OK, True)
    absent = settings_of(home, cline_sessions=True, sessions_path=f"{home}/sessions.db")
    assert [verdict for _, verdict, _ in told(examine_sessions(absent))] == [Verdict.OK, Verdict.WARN]
    (home / "sessions.db").symlink_to(store.path)
    assert told(examine_sessions(absent))[-1][1] is Verdict.FAIL


async def told_of_reading(settings: Settings) -> list[tuple[str, Verdict, str]]:
    """Return what a reading found."""
    return told(iter([one async for one in examine_reading(settings)]))


async def test_doctor_warns_of_a_store_that_cannot_be_read(
    home: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of another version looks well from outside; one that is not asked for is not opened."""
    settings = settings_of(home, cline_sessions=True)
    assert await told_of_reading(settings) == [("session read", Verdict.OK, "1 sessions can be read")]

    async def busy(*_arguments: object) -> None:
        raise SessionsBusy

    with monkeypatch.context() as patched:
        patched.setattr("aico.cli.doctor.sessions.read_sessions", busy)
        assert [verdict for _, verdict, _ in await told_of_reading(settings)] == [Verdict.OK]
    store.connection.execute("DROP TABLE sessions")
    ((_, verdict, text),) = await told_of_reading(settings)
    assert (verdict, "Not a known session store" in text) == (Verdict.WARN, True)
    assert await told_of_reading(settings_of(home)) == []
    assert await told_of_reading(settings_of(home, cline_sessions=True, sessions_path="/x/sessions.db")) == []


@pytest.mark.parametrize(("state", "is_well"), [("watching", True), ("waiting", True), ("degraded", False)])
def test_status_is_degraded_when_the_session_store_is(state: str, is_well: bool) -> None:
    """A script sees that a store which is asked for is not read; without the setting only the ledger counts."""
    well: dict[str, object] = {"watcher": {"state": "watching"}}
    assert _is_well({**well, "sessions": {"path": "/x", "watcher": {"state": state}}}) is is_well
    assert _is_well({**well, "sessions": None})
    assert not _is_well({"watcher": {"state": "degraded"}})


async def test_import_by_hand_reads_both_stores(home: Path, ledger: LedgerFile, store: SessionStore) -> None:
    """The receipt is the sum; a dry run says it before."""
    settings = settings_of(home, cline_sessions=True)
    assert (await imports._preview(settings)).added_count == 2
    assert (await imports._import(settings)).added_count == 2
    assert (await imports._preview(settings)).skipped_count == 2


@pytest.mark.parametrize("arguments", [[], ["--sort", "task_id"]])
async def test_export_says_in_which_store_a_row_was_read(
    home: Path, ledger: LedgerFile, store: SessionStore, arguments: list[str]
) -> None:
    """In either order, as the answer of /api/cline/usage does."""
    settings = settings_of(home, cline_sessions=True)
    await imports._import(settings)
    options = build_parser().parse_args(["export", "--format", "json", *arguments])
    rows = json.loads("".join(await export._read(settings, options)))
    assert {row["task_id"]: row["store"] for row in rows} == {"1": "ledger", "s": "sessions"}


async def test_import_by_hand_needs_one_of_the_stores_only(home: Path, store: SessionStore) -> None:
    """That there is no ledger is an error only where nothing else was read."""
    with pytest.raises(LedgerNotFound):
        await imports._import(settings_of(home))
    assert (await imports._import(settings_of(home, cline_sessions=True))).added_count == 1
    store.connection.execute("DROP TABLE sessions")
    with pytest.raises(SessionsFormat):
        await imports._import(settings_of(home, cline_sessions=True))


def test_status_says_how_the_session_store_is() -> None:
    """A line for it where it is asked for, with its trouble in words; a frozen ledger is named as that."""
    sessions = {"path": "/x", "exists": True, "written_at": 0, "task_count": 3, "watcher": {"state": "watching"}}
    assert "; watching, 3 tasks" in "\n".join(_lines("u", {"sessions": sessions}))
    assert "; It is so." in "\n".join(_lines("u", {"sessions": {**sessions, "problem": "It is so."}}))
    assert "not there (yet)" in "\n".join(_lines("u", {"sessions": {**sessions, "exists": False}}))
    assert "sessions     " not in "\n".join(_lines("u", {"sessions": None}))
    frozen: dict[str, object] = {"ledger": {"exists": True, "written_at": 1, "frozen_since": 1}}
    assert "or writes elsewhere by now" in "\n".join(_lines("u", frozen))


def test_status_says_how_kimi_proxy_is() -> None:
    """A line for it where one is named, with the reason."""
    proxy = {"state": "down", "reason": "no_answer", "since": 0}
    assert "kimi proxy   down (no_answer), since " in "\n".join(_lines("u", {"kimi_proxy": proxy}))
    assert "kimi" not in "\n".join(_lines("u", {"kimi_proxy": None}))


def test_box_of_serve_names_the_session_store_that_is_read(home: Path, store: SessionStore) -> None:
    """Where it lies and how it is, only where it is asked for."""

    def box(**values: object) -> str:
        return str(_rows(settings_of(home, **values), "http://127.0.0.1:1", demo=False))

    assert "Sessions" not in box()
    assert f"('Sessions', '{store.path}'), ('', 'found, " in box(cline_sessions=True)
    assert "('', 'not there yet; " in box(cline_sessions=True, sessions_path="/x/sessions.db")
    (home / "sessions.db").symlink_to(store.path)
    assert "is refused" in box(cline_sessions=True, sessions_path=f"{home}/sessions.db")


def test_service_shares_temporary_files_with_a_store_that_lies_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store below /tmp would be invisible to a service with a /tmp of its own; one that is not read is no reason."""
    monkeypatch.setattr(program, "__file__", "/x/program.py")
    monkeypatch.setattr(sys, "executable", "/x/python")

    def needs(**flags: object) -> bool:
        paths = {"ledger_path": "/x/taskHistory.json", "database_path": "/x/observer.db"}
        loaded = load_settings({**paths, "sessions_path": "/tmp/sessions.db", **flags})  # noqa: S108  # never opened
        return program.make_program(loaded, {"AICO_CONFIG": "/x/config.toml"}).needs_shared_tmp

    assert (needs(), needs(cline_sessions=True)) == (False, True)


def test_status_tells_who_waits_for_a_ledger_where_newer_cline_writes() -> None:
    """The setting is named while there is no ledger, and no longer when it is set."""
    missing: dict[str, object] = {"ledger": {"exists": False}}
    assert "AICO_CLINE_SESSIONS=true" in "\n".join(_lines("u", missing))
    degraded: dict[str, object] = {"path": "/x", "watcher": {"state": "degraded"}}
    text = "\n".join(_lines("u", {**missing, "sessions": degraded}))
    assert ("AICO_CLINE_SESSIONS" in text, "nothing is missing" in text) == (False, False)


@pytest.mark.parametrize("ledger", [{"exists": False}, {"exists": True, "written_at": 1, "frozen_since": 1}])
def test_status_gives_no_advice_that_was_followed(ledger: dict[str, object]) -> None:
    """With the session store read, a ledger that newer Cline leaves alone is nothing to look after."""
    text = "\n".join(_lines("u", {"ledger": ledger, "sessions": {"path": "/x", "watcher": {"state": "watching"}}}))
    assert "nothing is missing" in text
    assert "doctor" not in text


def test_doctor_gives_no_advice_that_was_followed(home: Path, ledger: LedgerFile, store: SessionStore) -> None:
    """A frozen or missing ledger is well beside a session store that is read, and only beside one that can be."""
    old_s = ledger.path.stat().st_mtime - 8 * 86_400
    os.utime(ledger.path, (old_s, old_s))
    settings = settings_of(home, cline_sessions=True)

    def verdict_of(settings: Settings) -> Verdict:
        return next(one.verdict for one in examine_ledger(settings) if one.subject == "ledger")

    assert (verdict_of(settings), verdict_of(settings_of(home))) == (Verdict.OK, Verdict.WARN)
    ledger.path.unlink()
    assert (verdict_of(settings), verdict_of(settings_of(home))) == (Verdict.OK, Verdict.WARN)
    store.connection.execute("DROP TABLE sessions")
    assert verdict_of(settings) is Verdict.WARN
