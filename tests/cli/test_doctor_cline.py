"""The doctor's findings on Cline alone: a ledger that has ended, stores elsewhere, and the one that is written."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aico.cli.doctor import cline, sources
from aico.cli.doctor.finding import Verdict
from aico.core.settings import Settings, config_path
from bench.fake_session_store import SessionStore, editor_metadata
from tests.cli.reported_sources import Told, report_of, settings_of, told
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.files.folder_witness import witnessing

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
LAST = "was written last of all known stores, and it"
DAY_S = 86_400


@pytest.fixture
def ledger(home: Path) -> LedgerFile:
    """Return the ledger where Cline's command line kept it, with one task."""
    file = LedgerFile(home / ".cline/data/state/taskHistory.json")
    file.write(entry("1", cost=0.25))
    file.path.chmod(0o600)
    return file


@pytest.fixture
def store(home: Path) -> Iterator[SessionStore]:
    """Open the store where Cline's command line keeps it, with one session."""
    store = SessionStore(home / ".cline/data/db/sessions.db")
    store.put("s", editor_metadata(1, 2, 0.75))
    try:
        yield store
    finally:
        store.close()


def lines_of(settings: Settings | None = None, **values: object) -> Mapping[str, Told]:
    """Return what is said of the sources, in general and of Cline."""
    settings = settings or settings_of(**values)
    report = asyncio.run(report_of(settings))
    return told([*sources.examine_sources(report, settings), *cline.examine_cline(report, settings)])


def age(path: Path, days: float) -> None:
    """Let ``path`` be written so many days ago."""
    written_s = path.stat().st_mtime - days * DAY_S
    os.utime(path, (written_s, written_s))


def test_ledger_in_each_state(ledger: LedgerFile) -> None:
    """Fresh, missing, too large, behind a link: each has its verdict and says what to do."""
    lines = lines_of()
    assert (lines["cline.ledger place"].verdict, str(ledger.path) in lines["cline.ledger place"].text) == (OK, True)
    assert lines["cline.ledger entries"] == (OK, "1 entry can be read, 0 skipped, 0 refused, 0 in part")
    assert lines_of(max_ledger_bytes=5)["cline.ledger place"].verdict is FAIL
    ledger.unlink()
    missing = lines_of()["cline.ledger place"]
    assert (missing.verdict, missing.text.startswith(f"There is no ledger at {ledger.path}.")) == (WARN, True)
    assert "AICO_CLINE_SESSIONS=true" in missing.text
    ledger.path.symlink_to("/etc/passwd")
    lines = lines_of()
    assert (lines["cline.ledger place"].verdict, "cline.ledger entries" in lines) == (FAIL, False)
    assert lines["cline.ledger place"].text.endswith("Set AICO_LEDGER_PATH=/etc/passwd")


def test_linked_folder_is_one_fault_with_the_setting_that_mends_it(ledger: LedgerFile, home: Path) -> None:
    """The link, the real path and the setting; the file behind it is no other ledger, and nothing says it is read."""
    folder = home / ".cline"
    folder.rename(home / "real")
    folder.symlink_to("real")
    lines = lines_of()
    real = f"{home}/real/data/state/taskHistory.json"
    refused = f"The ledger is refused: {folder} is a link to real, and no link is followed; the real path is {real}."
    assert lines["cline.ledger place"] == (FAIL, f"{refused} Set AICO_LEDGER_PATH={real}")
    assert f"off. The session store is refused: {folder} is a link to real" in lines["cline.sessions place"].text
    assert "other ledger" not in lines
    assert lines["live"] == (WARN, f"{real} {LAST} cannot be read: see the line `cline.ledger`")
    assert not [line for line in lines.values() if line.verdict is OK and "is read" in line.text]


def test_sessions_without_numbers_are_counted(ledger: LedgerFile, store: SessionStore) -> None:
    """Beside them nobody says that nothing is missing."""
    store.put("silent", {})
    entries = lines_of(cline_sessions=True)["cline.sessions entries"].text
    assert entries.endswith("; 1 entry without numbers, whose cost is not known")


def test_sessions_whose_numbers_another_store_has_are_told_apart(ledger: LedgerFile, store: SessionStore) -> None:
    """The page counts one session without numbers, for it has read those of the other one elsewhere."""
    ledger.write(entry("told"))
    for name in ("silent", "told"):
        store.put(name, {})
    assert lines_of(cline_sessions=True)["cline.sessions entries"].text.endswith(
        "; 1 entry without numbers, which another store has; 1 entry without numbers, whose cost is not known"
    )


def test_missing_ledger_that_nobody_asked_for_is_well_beside_another_tool(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cline's ledger alone is on from the start; a user that names it in a setting wants it."""
    assert lines_of()["cline.ledger place"].verdict is WARN
    log = home / ".invented/usage.json"
    log.parent.mkdir()
    log.write_bytes(b"[]")
    monkeypatch.setenv("AICO_SOURCES_INVENTED_ENABLED", "true")
    assert lines_of()["cline.ledger place"].verdict is OK
    monkeypatch.setenv("AICO_LEDGER_PATH", str(home / "taskHistory.json"))
    assert lines_of()["cline.ledger place"].verdict is WARN


def test_duplicates_and_refused_entries_are_counted(ledger: LedgerFile) -> None:
    """Refused entries are told by their places and the reasons, three of them."""
    ledger.write(entry("1"), entry("1"), None)
    found = lines_of()["cline.ledger entries"]
    assert found.verdict is WARN
    counts = "1 entry can be read, 1 skipped, 1 refused, 0 in part."
    assert found.text == f"{counts} Refused: entry 3 is not an object. The others are counted"
    ledger.write(entry("1"), None, {**entry("2"), "ts": "SECRET"}, None, None, None)
    assert lines_of()["cline.ledger entries"].text.endswith(
        " Refused: entry 2 is not an object; entry 3 ts is not a time; entry 4 is not an object; and 2 more."
        " The others are counted"
    )


def test_frozen_ledger_is_told_until_the_session_store_is_read(ledger: LedgerFile, store: SessionStore) -> None:
    """A ledger of last week is well beside a session store that can be read, and only beside such a one."""
    assert "cline.ledger age" not in lines_of()
    age(ledger.path, 8)
    old = lines_of()["cline.ledger age"]
    assert (old.verdict, "leaves this file as it is" in old.text) == (WARN, True)
    read = lines_of(cline_sessions=True)["cline.ledger age"]
    assert read == (OK, "it was last written 8 days ago. The session store is read too")
    store.connection.execute("DROP TABLE sessions")
    assert lines_of(cline_sessions=True)["cline.ledger age"].verdict is WARN


def test_missing_ledger_is_well_beside_a_store_that_can_be_read(home: Path, store: SessionStore) -> None:
    """A user of newer Cline alone is not sent to look for a file that never comes."""
    assert lines_of()["cline.ledger place"].verdict is WARN
    found = lines_of(cline_sessions=True)["cline.ledger place"]
    assert (found.verdict, found.text.endswith("The session store is read too")) == (OK, True)
    store.connection.execute("DROP TABLE sessions")
    assert lines_of(cline_sessions=True)["cline.ledger place"].verdict is WARN


def test_store_that_is_off_is_looked_at_and_not_opened(home: Path, store: SessionStore) -> None:
    """Metadata only."""
    with witnessing(store.path.parent) as witness:
        found = lines_of()["cline.sessions place"]
        assert witness.deeds() == set()
    assert (found.verdict, found.text.startswith(f"{store.path} (chosen by default), ")) == (OK, True)
    assert "It is not read" in found.text


def test_store_that_is_on_is_read_once(home: Path, store: SessionStore) -> None:
    """A readable store is counted; one that may not be read is a failure, and an absent one is waited for."""
    lines = lines_of(cline_sessions=True)
    assert lines["cline.sessions place"].text.endswith("; on by the setting cline_sessions")
    assert lines["cline.sessions entries"] == (OK, "1 entry can be read, 0 skipped, 0 refused, 0 in part")
    elsewhere = f"{home}/sessions.db"
    absent = lines_of(cline_sessions=True, sessions_path=elsewhere)["cline.sessions place"]
    assert absent.verdict is WARN
    Path(elsewhere).symlink_to(store.path)
    refused = lines_of(cline_sessions=True, sessions_path=elsewhere)
    assert refused["cline.sessions place"].verdict is FAIL
    assert refused["cline.sessions place"].text.endswith(f"Set AICO_SESSIONS_PATH={store.path}")
    assert "cline.sessions entries" not in refused
    assert "cannot" in refused["live"].text or "not read" in refused["live"].text


@pytest.mark.parametrize(("has_ledger", "verdict"), [(True, WARN), (False, FAIL)])
def test_store_of_another_version_is_told(home: Path, store: SessionStore, has_ledger: bool, verdict: Verdict) -> None:
    """It looks well from outside; that nothing of a source can be read is worse than that one of two cannot."""
    if has_ledger:
        LedgerFile(home / ".cline/data/state/taskHistory.json").write(entry("1"))
    store.connection.execute("DROP TABLE sessions")
    found = lines_of(cline_sessions=True)["cline.sessions entries"]
    assert (found.verdict, "Not a known session store" in found.text) == (verdict, True)


def test_live_store_is_named_with_the_one_setting_that_reads_it(
    home: Path, ledger: LedgerFile, store: SessionStore
) -> None:
    """Whichever of the known stores was written last is named, with what to paste unless it is read already."""
    age(ledger.path, 1)
    live = lines_of()["live"]
    assert live.verdict is WARN
    assert live.text.startswith(f"{store.path} {LAST} is not read. To read it: ")
    assert live.text.endswith("To read it: `aico sources on cline.sessions`, or AICO_CLINE_SESSIONS=true")
    live = lines_of(sessions_path="/x/sessions.db")["live"]
    assert live.text.endswith(f"To read it: AICO_CLINE_SESSIONS=true AICO_SESSIONS_PATH={store.path}")
    assert lines_of(cline_sessions=True)["live"] == (OK, f"{store.path} {LAST} is read")
    age(ledger.path, -2)
    assert lines_of()["live"].verdict is OK
    live = lines_of(ledger_path="/x/taskHistory.json")["live"]
    assert live.text.endswith(f"To read it: AICO_LEDGER_PATH={ledger.path}")


@pytest.mark.parametrize(
    ("variables", "advice"),
    [
        ({"AICO_CLINE_SESSIONS": "false"}, "AICO_CLINE_SESSIONS=true"),
        ({"AICO_SOURCES_CLINE_ORIGINS": "ledger"}, "correct the setting sources.cline.origins"),
    ],
)
def test_live_store_that_a_setting_switches_off_names_it(
    ledger: LedgerFile, store: SessionStore, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], advice: str
) -> None:
    """No advice that another setting would defeat."""
    age(ledger.path, 1)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert lines_of()["live"].text.endswith(f"To read it: {advice}")


def test_live_ledger_that_is_off_names_what_switches_it_on(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting where one decides."""
    monkeypatch.setenv("AICO_SOURCES_CLINE_ENABLED", "false")
    live = lines_of()["live"]
    assert (live.verdict, live.text.endswith("correct the setting sources.cline.enabled")) == (WARN, True)


def test_live_store_that_cannot_be_read_is_never_said_to_be(ledger: LedgerFile) -> None:
    """The file that was written last may be no ledger at all."""
    ledger.overwrite(b"{}")
    lines = lines_of()
    assert lines["cline.ledger entries"].verdict is FAIL
    assert lines["live"] == (WARN, f"{ledger.path} {LAST} cannot be read: see the line `cline.ledger`")


def test_other_ledgers_are_named_with_the_setting_to_paste(
    home: Path, ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user of Cline in an editor is told the one setting to paste; the file is looked at, not read."""
    looked = lines_of()["places"]
    assert looked.verdict is OK
    assert re.fullmatch(r"looked in \d+ known places for ledgers and 1 for session stores", looked.text)
    other = home / ".config/Code - Insiders/User/globalStorage/saoudrizwan.claude-dev/state/taskHistory.json"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"never read")
    config = config_path(os.environ)
    found = lines_of()["other ledger"]
    assert found.verdict is OK
    assert found.text.endswith(f'write below [sources.cline] in {config}: ledgers = ["{ledger.path}", "{other}"]')
    monkeypatch.setenv("AICO_SOURCES_CLINE_LEDGERS", str(ledger.path))
    found = lines_of()["other ledger"]
    assert found.text.endswith(f"AICO_SOURCES_CLINE_LEDGERS='{ledger.path},{other}'")


def test_each_of_several_ledgers_has_its_lines(home: Path, ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one behind a link is a failure beside the first one, and the setting names both."""
    second = LedgerFile(home / "second/taskHistory.json")
    second.write(entry("2"))
    (home / "link").symlink_to("second")
    monkeypatch.setenv("AICO_SOURCES_CLINE_LEDGERS", f"{ledger.path},{home}/link/taskHistory.json")
    settings = settings_of()
    found = [*sources.examine_sources(asyncio.run(report_of(settings)), settings)]
    places = [one for one in found if (one.subject, one.aspect) == ("cline.ledger", "place")]
    assert [one.verdict for one in places] == [OK, FAIL]
    assert places[1].text.endswith(f"Set AICO_SOURCES_CLINE_LEDGERS={ledger.path},{second.path}")


def test_nothing_is_said_of_stores_where_there_are_none(home: Path) -> None:
    """Without Cline there is nothing to name."""
    assert not {"live", "other ledger", "session store"} & set(lines_of())


def test_other_session_stores_are_named(home: Path, store: SessionStore) -> None:
    """A setting that names another place does not hide the known one."""
    found = lines_of(sessions_path=f"{home}/sessions.db")["session store"]
    assert (found.verdict, found.text.startswith(str(store.path)), "It is not read" in found.text) == (OK, True, True)
