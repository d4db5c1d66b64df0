"""The doctor's findings on every source: an invented source stands in the report like any other."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from aico.cli import doctor
from aico.cli.doctor import places, sources
from aico.cli.doctor.finding import Finding, Verdict
from aico.cli.doctor.places import look_at_places
from aico.core.db.choices import Switch, set_switch
from aico.core.db.database import Database
from aico.core.errors import SourceUnstable
from aico.core.settings import Settings, load_settings
from aico.features.files import line_feed
from aico.features.files.walk import explain_link, find_link
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Source
from aico.services.source_choices import SourceChoices
from tests.cli.reported_sources import EVERY, Told, report_of, settings_of, told
from tests.e2e.fake_cline_ledger import PRIVATE, LedgerFile, entry
from tests.sources.invented import FILE, LOG
from tests.sources.invented import SOURCE as INVENTED
from tests.sources.invented_lines import SOURCE as INVENTED_LINES
from tests.sources.invented_lines import LogFolder, use

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
ON = {"AICO_SOURCES_INVENTED_ENABLED": "true"}


@pytest.fixture
def log(home: Path) -> Path:
    """Return the file of the invented source, with two entries."""
    path = home / ".invented/usage.json"
    path.parent.mkdir()
    path.write_bytes(b'[["a",1000,1],["b",2000,2]]')
    path.chmod(0o600)
    return path


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the invented source on by a setting."""
    for name, value in ON.items():
        monkeypatch.setenv(name, value)


def lines_of(settings: Settings | None = None) -> Mapping[str, Told]:
    """Return what is said of the sources."""
    settings = settings or settings_of()
    return told(sources.examine_sources(asyncio.run(report_of(settings)), settings))


def collected(known: Sequence[Source] = EVERY) -> list[Finding]:
    """Return the whole report."""
    return asyncio.run(doctor.collect(load_settings({"port": 0}), known))


def test_invented_source_is_in_the_whole_report(log: Path, on: None) -> None:
    """Place, owner, entries, dates, file system and notifications follow from the registry alone."""
    found = collected()
    lines = {f"{one.subject} {one.aspect}".strip() for one in found if one.verdict is OK}
    assert {f"invented.log {aspect}" for aspect in ("place", "permissions", "entries", "dates")} <= lines
    assert any(one.subject == "watcher" and str(log.parent) in one.text for one in found)
    assert not any(one.subject.startswith("invented") for one in collected(SOURCES))


def test_place_is_told_with_what_chose_it_and_who_switched_it_on(log: Path, on: None) -> None:
    """Path, size, last write, and the setting that decides."""
    place = lines_of()["invented.log place"]
    assert place.verdict is OK
    assert place.text.startswith(f"{log} (chosen by default), 27 bytes, last written ")
    assert place.text.endswith("; on by the setting sources.invented.enabled")


def test_source_that_is_off_is_looked_at_and_not_read(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its metadata are told, and what switches it on; a setting that switches it off is named instead."""
    log.write_bytes(b"no list at all")
    lines = lines_of()
    assert {name: line.verdict for name, line in lines.items() if "invented" in name} == {"invented.log place": OK}
    text = lines["invented.log place"].text
    assert text.endswith("It is not read; `aico sources on invented.log` switches it on")
    monkeypatch.setenv("AICO_SOURCES_INVENTED_ENABLED", "false")
    text = lines_of()["invented.log place"].text
    assert text.endswith("It is not read; the setting sources.invented.enabled decides that")


def test_source_that_is_nowhere_is_one_line(home: Path) -> None:
    """A tool that is not on this computer is no fault."""
    assert lines_of()["invented"] == Told(
        OK, "off, and nothing of it is found on this computer; `aico sources on invented` switches it on"
    )


async def switch_on(settings: Settings) -> None:
    """Switch the invented source on as the page does, in a new database."""
    database, choices = Database(settings.database_path), SourceChoices(EVERY, settings)
    await database.open()
    try:
        await set_switch(database, choices.machine, choices.key_of(INVENTED, LOG), Switch(is_on=True, changed_at=1))
    finally:
        await database.close()


def test_switch_decides_where_no_setting_does(log: Path) -> None:
    """An origin that the page switched on is read, and told as that; a database without switches has none."""
    settings = settings_of()
    asyncio.run(switch_on(settings))
    lines = lines_of()
    assert lines["invented.log place"].text.endswith("; on by the switch")
    assert lines["invented.log entries"].verdict is OK
    with closing(sqlite3.connect(settings.database_path)) as connection:
        connection.execute("DROP TABLE source_choice")
        connection.commit()
    assert "It is not read" in lines_of()["invented.log place"].text


def test_switches_that_cannot_be_read_are_told(log: Path) -> None:
    """A damaged database takes nothing else from the report."""
    settings = settings_of()
    settings.database_path.parent.mkdir(parents=True)
    settings.database_path.write_bytes(b"this is no database" * 100)
    lines = lines_of(settings)
    assert (lines["sources"].verdict, "the switches cannot be read" in lines["sources"].text) == (WARN, True)
    assert "It is not read" in lines["invented.log place"].text


@pytest.mark.parametrize(
    ("content", "verdict", "text"),
    [
        (b'[["a",1,1],null]', OK, "1 entry can be read, 1 skipped, 0 refused, 0 in part"),
        (b'[["a",1,1],["b",1,1],7]', WARN, "2 entries can be read, 0 skipped, 1 refused, 0 in part. Refused: entry 3 "),
        (b"{}", FAIL, "Not a known Invented log: it is no list of rows."),
        (b"", FAIL, "Not a known Invented log: "),
    ],
)
def test_entries_in_each_state(log: Path, on: None, content: bytes, verdict: Verdict, text: str) -> None:
    """One real reading is told by counts, and what is no log of the tool as that."""
    log.write_bytes(content)
    found = lines_of()["invented.log entries"]
    assert (found.verdict, found.text[: len(text)]) == (verdict, text)


def test_place_that_its_tool_writes_is_well(log: Path, on: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it did not stand still for one reading is no fault of anybody."""

    async def read(*_arguments: object) -> None:
        raise SourceUnstable(6, of=FILE.errors.name)

    monkeypatch.setattr("aico.features.files.whole_file.WholeFileFeed.read", read)
    lines = lines_of()
    assert lines["invented.log entries"] == Told(OK, "Invented is writing the Invented log just now")


def test_dates_in_each_state(log: Path, on: None) -> None:
    """An entry of next year is stored, but stands in no period that ends now."""
    assert lines_of()["invented.log dates"].verdict is OK
    log.write_text(f'[["a",{int(time.time() * 1000) + 400 * 86_400_000},1]]', encoding="ascii")
    found = lines_of()["invented.log dates"]
    assert (found.verdict, found.text.startswith("1 entry dated in the future")) == (WARN, True)


def test_permissions_in_each_state(log: Path, on: None) -> None:
    """A place that others can write may hold anybody's costs."""
    assert lines_of()["invented.log permissions"].verdict is OK
    log.chmod(0o666)
    found = lines_of()["invented.log permissions"]
    assert (found.verdict, found.text.endswith(f"chmod go-w {log}")) == (WARN, True)


def test_place_of_another_user_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's costs are not ours. Giving a file away takes root, so that here we are the other user."""
    monkeypatch.setattr(os, "geteuid", lambda: 4_242)
    status = list(home.stat())
    status[0], status[4] = 0o100600, 4_243
    found = sources.judge_permissions("invented.log", "/x", os.stat_result(status))
    assert (found.verdict, found.text.startswith("belongs to user 4243, mode 0600: another user's")) == (WARN, True)


def test_link_is_named_with_the_real_path_and_the_setting(log: Path, on: None, home: Path) -> None:
    """A part of the path, or the file itself, that is a link is a failure, and never said to be read."""
    real = home / "disk"
    log.parent.rename(real)
    log.parent.symlink_to("disk")
    lines = {name: line for name, line in lines_of().items() if "invented" in name}
    ((name, line),) = lines.items()
    assert (name, line.verdict) == ("invented.log place", FAIL)
    assert f"{log.parent} is a link to disk" in line.text
    assert f"the real path is {real}/usage.json" in line.text
    assert "Set AICO_SOURCES_INVENTED_ROOTS to" in line.text
    assert "read;" not in line.text
    log.parent.unlink()
    log.parent.mkdir()
    log.symlink_to(real / "usage.json")
    line = lines_of()["invented.log place"]
    assert (line.verdict, f"{log} is a link to {real}/usage.json" in line.text) == (FAIL, True)


def test_refusal_without_a_link_says_what_is_wrong(log: Path, on: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second name of the file is no link to name; one that is off is told without a verdict against it."""
    log.with_name("other").hardlink_to(log)
    line = lines_of()["invented.log place"]
    assert (line.verdict, "it has a second name" in line.text) == (FAIL, True)
    monkeypatch.setenv("AICO_SOURCES_INVENTED_ENABLED", "false")
    off = lines_of()["invented.log place"]
    assert (off.verdict, off.text.startswith("off. ")) == (OK, True)


def test_place_that_is_not_there_is_missed_where_it_was_asked_for(
    home: Path, on: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If all tools are read, one that is not on this computer is waited for."""
    line = lines_of()["invented.log place"]
    assert (line.verdict, line.text.startswith("There is no Invented log at ")) == (WARN, True)
    monkeypatch.delenv("AICO_SOURCES_INVENTED_ENABLED")
    monkeypatch.setenv("AICO_SOURCES", "all")
    line = lines_of()["invented.log place"]
    assert (line.verdict, line.text.endswith("The service waits for it")) == (OK, True)


def test_what_older_versions_of_a_tool_left_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read: that matters where the tool is read and nothing newer is found."""
    old, sessions = home / ".local/share/opencode/storage/message", home / ".vibe/logs/session"
    for folder in (old, sessions / "session_1", sessions / "session_2"):
        folder.mkdir(parents=True)
    lines = lines_of()
    assert lines["opencode.messages outdated"].verdict is lines["vibe.sessions outdated"].verdict is OK
    assert lines["vibe.sessions outdated"].text.startswith(
        f"{sessions}/session_1 and 1 more is not read: Vibe before 3.0"
    )
    monkeypatch.setenv("AICO_SOURCES_OPENCODE_ENABLED", "true")
    told_now = lines_of()["opencode.messages outdated"]
    assert told_now.verdict is WARN
    assert told_now.text.startswith(f"{old} is not read: OpenCode before 1.2")


def test_place_of_another_shape_is_refused_like_any_other(home: Path) -> None:
    """A path that a switch reads later is not judged at the start; here it is told."""
    settings = settings_of(sessions_path="sessions.db")
    line = (lines_of(settings))["cline.sessions place"]
    assert line.text == "off. The session store is refused: its path must be an absolute path."


def test_first_link_of_a_path_is_found(tmp_path: Path) -> None:
    """The outermost one decides where everything below it lies."""
    folder = tmp_path.resolve()
    (folder / "a").mkdir()
    assert find_link(f"{folder}/a/b") is None
    (folder / "b").symlink_to("a")
    (folder / "a/c").symlink_to("/nowhere")
    assert find_link(f"{folder}/b/c/d") == (f"{folder}/b", "a")
    assert find_link(f"{folder}/a/c/d") == (f"{folder}/a/c", "/nowhere")
    assert explain_link(f"{folder}/a/b", "other") == "other"
    said = f"{folder}/b is a link to a, and no link is followed; the real path is {folder}/a/c"
    assert explain_link(f"{folder}/b/c", "other") == said.replace(f"{folder}/a/c", "/nowhere")


def test_report_holds_no_text_of_a_file(home: Path, log: Path, on: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and names of fields only, whatever a file says."""
    monkeypatch.setenv("AICO_READ_ATTEMPTS", "2")
    log.write_text(f'["{PRIVATE}", ["{PRIVATE}", 1, 1], 7]', encoding="ascii")
    LedgerFile(home / ".cline/data/state/taskHistory.json").write(entry("1"), {"id": PRIVATE})
    found = collected()
    assert any(one.subject == "cline.ledger" and one.verdict is WARN for one in found)
    assert not [one for one in found if PRIVATE in one.text]


def test_all_parts_of_a_tree_are_counted_while_there_is_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading ends after some thousand records; the doctor goes on, and says what it has left."""
    monkeypatch.setenv("AICO_SOURCES_INVENTED_LINES_ENABLED", "true")
    monkeypatch.setattr(line_feed, "CHUNK_RECORDS", 10)  # of which the first reading is a fifth
    logs = LogFolder(home / ".lines" / "logs")
    for number in range(4):
        logs.append(f"a/{number}.jsonl", use(f"a{number}", 1), use(f"b{number}", 2))

    def entries() -> str:
        report = asyncio.run(look_at_places(settings_of(), (INVENTED_LINES,)))
        return told(sources.examine_sources(report, settings_of()))["invented-lines.logs entries"].text

    assert entries() == "8 entries can be read, 0 skipped, 0 refused, 0 in part"
    monkeypatch.setattr(places, "PATIENCE_S", 0)
    assert re.fullmatch(
        r"of \d+ bytes of \d+ bytes, 2 entries can be read, .*; there was no time for the rest", entries()
    )


def test_links_of_a_tree_are_named_with_their_real_paths(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the root they are left out, which is a warning; a root behind a link is refused."""
    monkeypatch.setenv("AICO_SOURCES_INVENTED_LINES_ENABLED", "true")
    logs = LogFolder(home / ".lines" / "logs")
    logs.append("a/one.jsonl", use("1", 1), use("2", 2))
    elsewhere = LogFolder(home / "elsewhere")
    for number in range(7):
        (logs.path / f"linked{number}").symlink_to(elsewhere.path)

    def lines() -> Mapping[str, Told]:
        settings = settings_of()
        report = asyncio.run(look_at_places(settings, (INVENTED_LINES,)))
        return told(sources.examine_sources(report, settings))

    found = lines()
    assert found["invented-lines.logs place"].verdict is OK
    assert found["invented-lines.logs entries"] == (OK, "2 entries can be read, 0 skipped, 0 refused, 0 in part")
    verdict, text = found["invented-lines.logs unread"]
    assert verdict is WARN
    assert text.count(f"is a link to {elsewhere.path}") == 5
    assert text.endswith(". 2 more are not read")
    logs.path.rename(home / "real")
    logs.path.symlink_to(home / "real")
    refused = lines()["invented-lines.logs place"]
    assert refused.verdict is FAIL
    assert f"the real path is {home}/real" in refused.text
    assert "AICO_SOURCES_INVENTED_LINES_ROOTS" in refused.text
