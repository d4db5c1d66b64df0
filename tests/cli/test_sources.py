"""``aico sources`` and ``aico import --source``: alone, and beside a running service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from aico.cli.sources import changes_of
from aico.core.activity import KINDS
from aico.core.errors import SourceFixed, SourceOff
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Source
from bench.fake_session_store import SessionStore, editor_metadata
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.forked_aico import ForkedServerProcess, run_aico
from tests.e2e.server_process import ServerProcess, database_path, ledger_path, prepare_database

OFF = {"cline": False, "cline.ledger": False, "cline.sessions": False, "cline.hub": False}
NAMES = ", ".join(source.id for source in SOURCES)
LEDGER = {**OFF, "cline": True, "cline.ledger": True}


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger of two tasks."""
    ledger = LedgerFile(ledger_path(tmp_path))
    ledger.write(entry("1"), entry("2"))
    return ledger


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    """Open the store where newer Cline keeps it, with one session."""
    store = SessionStore(tmp_path.resolve() / ".cline/data/db/sessions.db")
    store.put("s", editor_metadata(1, 2, 0.75))
    try:
        yield store
    finally:
        store.close()


@pytest.fixture(params=[False, True], ids=["alone", "beside a service"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess | None]:
    """Let the command run by itself, and once more beside a service."""
    if not request.param:
        yield None
        return
    prepare_database(tmp_path)
    with ForkedServerProcess(tmp_path) as server:
        yield server


def switches(folder: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> dict[str, bool]:
    """Return what is on after ``aico sources`` with ``arguments``."""
    ended = run_aico(folder, "sources", *arguments, "--json", settings=settings)
    assert (ended.returncode, ended.stderr) == (0, "")
    known: dict[str, bool] = {}
    listed = json.loads(ended.stdout)
    assert [each["id"] for each in listed if not each["origins"]] == [f"activity.{kind}" for kind in KINDS]
    for source in listed:
        known[source["id"]] = source["enabled"]
        known |= {f"{source['id']}.{origin['id']}": origin["enabled"] for origin in source["origins"]}
    return {name: is_on for name, is_on in known.items() if name in OFF}


def refused(ended: CompletedProcess[str], code: int) -> str:
    """Return what a refused command said."""
    assert (ended.returncode, ended.stdout) == (code, "")
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_sources_are_switched_as_a_whole_and_in_part(server: ServerProcess | None, tmp_path: Path) -> None:
    """A switch stays, for the next command and the next start; the service follows at once."""
    assert switches(tmp_path) == LEDGER
    assert switches(tmp_path, "on", "cline.sessions") == {**LEDGER, "cline.sessions": True}
    assert switches(tmp_path, "off", "cline.ledger", "cline.sessions") == OFF
    assert switches(tmp_path, "on", "cline") == dict.fromkeys(OFF, True)
    assert switches(tmp_path) == dict.fromkeys(OFF, True)
    assert switches(tmp_path, "off", "cline", "cline.hub") == OFF
    listed = run_aico(tmp_path, "sources").stdout
    told = re.search(
        r"cline.ledger           off  ledger, 1 file, [0-9]+ bytes, switched off ([-0-9]+ [:0-9]+)", listed
    )
    assert told is not None
    age = datetime.now().astimezone() - datetime.fromisoformat(told[1]).astimezone()
    assert abs(age) < timedelta(hours=2)  # an hour may be there twice


def test_switch_tells_what_changed_and_nothing_of_the_others(server: ServerProcess | None, tmp_path: Path) -> None:
    """The list of all tools is what ``aico sources`` alone prints."""
    by_hand = "" if server is not None else " `aico serve` reads it."
    turned, tool, place, reading = run_aico(tmp_path, "sources", "on", "cline.sessions").stdout.splitlines()
    assert turned == f"Switched on: cline.sessions.{by_hand}"
    assert tool.startswith("cline                    on   Cline: ")
    assert place.startswith("  cline.sessions         on   session store")
    assert reading.strip().startswith("numbers, models, ids and times of ")
    assert run_aico(tmp_path, "sources", "on", "cline.sessions").stdout.splitlines()[0] == (
        "Nothing changed: cline.sessions stood like that."
    )
    lines = run_aico(tmp_path, "sources", "off", "cline", "activity.apps").stdout.splitlines()
    assert lines[0] == "Switched off: cline.ledger, cline.sessions. What was counted stays."
    assert [line.split()[:2] for line in lines[1:]] == [
        ["cline", "off"],
        ["cline.ledger", "off"],
        ["cline.sessions", "off"],
        ["cline.hub", "off"],
        ["activity.apps", "off"],
    ]


def test_service_reads_what_was_switched_on(tmp_path: Path, store: SessionStore) -> None:
    """Not after the next start only: the store that was switched on is watched when the command has ended."""
    prepare_database(tmp_path)
    with ForkedServerProcess(tmp_path) as server:
        server.wait_for_state("watching")
        run_aico(tmp_path, "sources", "on", "cline.sessions")
        receipt = json.loads(run_aico(tmp_path, "import", "--json").stdout)
        assert (receipt["trigger"], receipt["skipped_count"] + receipt["imported_count"]) == ("request", 3)
        listed = run_aico(tmp_path, "sources").stdout
        assert "cline.sessions         on   session store, watching" in listed
        run_aico(tmp_path, "sources", "off", "cline")
        assert refused(run_aico(tmp_path, "import", "--source", "cline"), 1)
        assert run_aico(tmp_path, "status").returncode == 0


def lines_of_absent(source: Source) -> list[str]:
    """Return what is listed of a source that is not there."""
    origins = [(f"{source.id}.{origin.id}", origin.title) for origin in source.origins]
    return [
        f"{source.id:<24} off  {source.title}: not found on this computer",
        *(f"  {name:<22} off  {title}, not there" for name, title in origins),
    ]


def test_listing_alone_makes_no_database(tmp_path: Path) -> None:
    """Looking is no start."""
    ended = run_aico(tmp_path, "sources")
    lines = ended.stdout.splitlines()
    assert re.match("cline                    on   Cline: 1 file, [0-9]+ bytes", lines[0])
    # Below each place stands what is read of it, and what never is.
    own = [line for line in lines[1:] if not line.startswith(" " * 25)]
    assert re.fullmatch("  cline.ledger           on   ledger, 1 file, [0-9]+ bytes", own[0])
    assert own[1:] == [
        "  cline.sessions         off  session store, not there",
        "  cline.hub              off  hub events, not there",
        *(line for source in SOURCES[1:] for line in lines_of_absent(source)),
        *(
            f"activity.{kind.id:<15} off  {kind.title}: {kind.reads}; never {kind.never_read}"
            for kind in KINDS.values()
        ),
    ]
    assert not database_path(tmp_path).exists()


@pytest.mark.usefixtures("store")
def test_newer_cline_without_a_ledger_is_told_that_all_is_well(
    server: ServerProcess | None, tmp_path: Path, ledger: LedgerFile
) -> None:
    """Nobody waits for what this Cline never writes, and no log warns of it."""
    ledger.unlink()
    if server is not None:
        server.wait_for_state("waiting", "ledger_not_found")
    told = "none, and none is needed: this Cline writes to its session store"
    off = run_aico(tmp_path, "sources").stdout
    assert f"  cline.ledger           on   ledger: {told}; `aico sources on cline.sessions` reads it\n" in off
    run_aico(tmp_path, "sources", "on", "cline.sessions")
    assert f"  cline.ledger           on   ledger: {told}\n" in run_aico(tmp_path, "sources").stdout
    if server is not None:
        assert run_aico(tmp_path, "import").returncode == 0
        status = run_aico(tmp_path, "status").stdout
        assert f"             ledger: {told}\n" in status
        assert f"\nledger       {told}\n" in status
        assert "waiting" not in status
        assert "WARN" not in server.log()
        assert '"level": "warning"' not in server.log()


def test_listing_tells_how_what_is_on_is_watched(tmp_path: Path) -> None:
    """Beside a service, with the reason; what configuration decides is told with the setting."""
    prepare_database(tmp_path)
    LedgerFile(ledger_path(tmp_path)).overwrite(b"{}")
    with ForkedServerProcess(tmp_path, {"AICO_CLINE_SESSIONS": "true"}) as server:
        server.wait_for_state("degraded", "ledger_format")
        lines = run_aico(tmp_path, "sources").stdout.splitlines()
    assert lines[1].startswith("  cline.ledger           on   ledger, degraded (ledger_format)")
    assert lines[1].endswith(". Not a known ledger: it is JSON, but no array.")
    assert lines[3].startswith("  cline.sessions         on   session store, waiting (")
    assert lines[3].endswith("), not there, fixed by cline_sessions")


def test_switch_says_what_is_read_and_what_never_is(server: ServerProcess | None, tmp_path: Path) -> None:
    """A user that switches all of a source on learns of each place, of the one with conversation above all."""
    lines = run_aico(tmp_path, "sources", "on", "cline").stdout.splitlines()
    hub = next(number for number, line in enumerate(lines) if line.startswith("  cline.hub"))
    path = tmp_path.resolve() / ".cline/data/db/hub-events-hub-production.db"
    assert lines[hub + 1].strip() == (
        f"numbers, models, ids and times of {path}; never the conversation in the other events of the same table"
    )
    assert sum(line.startswith(("cline ", "  cline.")) for line in lines) == 4


@pytest.mark.parametrize("setting", [{"AICO_CLINE_SESSIONS": "true"}, {"AICO_SOURCES_CLINE_ORIGINS": "ledger"}])
@pytest.mark.parametrize("is_running", [False, True], ids=["alone", "beside a service"])
def test_what_configuration_decides_is_not_switched(tmp_path: Path, setting: dict[str, str], is_running: bool) -> None:
    """The setting that decides is named, and nothing is changed."""
    word = "off" if "AICO_CLINE_SESSIONS" in setting else "on"
    name = "cline_sessions" if "AICO_CLINE_SESSIONS" in setting else "sources.cline.origins"
    prepare_database(tmp_path)
    if is_running:
        with ForkedServerProcess(tmp_path, setting):
            said = refused(run_aico(tmp_path, "sources", word, "cline.sessions", settings=setting), 1)
    else:
        said = refused(run_aico(tmp_path, "sources", word, "cline.sessions", settings=setting), 1)
    assert str(SourceFixed("cline.sessions", name)) in said
    assert "[source_fixed]" in said
    assert switches(tmp_path) == LEDGER


def test_what_may_not_be_read_is_told_from_what_is_not_there(
    server: ServerProcess | None,
    tmp_path: Path,
    ledger: LedgerFile,
) -> None:
    """A link in the ledger's place is refused by its sentence, on or off; only nothing at all is "not there"."""
    real = ledger.path.with_name("elsewhere.json")
    ledger.path.rename(real)
    ledger.path.symlink_to(real)
    for word in ("on", "off"):
        said = run_aico(tmp_path, "sources", word, "cline.ledger").stdout
        _, title, place, *_ = said.splitlines()
        assert "Cline: what is there cannot be read" in title
        assert place.endswith(f"{ledger.path} is a link to {real}, and no link is followed; the real path is {real}.")
        assert "Cline: not found" not in said


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (("sources", "on", "clime"), "did you mean cline?"),
        (("sources", "off", "cline.session"), "did you mean cline.sessions?"),
        (("sources", "on", "cline", "xyz"), f"known are {NAMES}, activity, cline.ledger, cline.sessions, cline.hub"),
        (("import", "--source", "clime"), "did you mean cline?"),
        (("import", "--source", "cline.ledger"), "known are cline"),
        (("sources", "on"), "which one"),
    ],
)
def test_unknown_name_is_a_mistake_of_usage(tmp_path: Path, arguments: tuple[str, ...], suggestion: str) -> None:
    """It is told with the nearest known one, exit 2, and nothing was made."""
    assert suggestion in refused(run_aico(tmp_path, *arguments), 2)
    assert not database_path(tmp_path).exists()


def test_import_of_a_source_is_a_receipt_of_that_source(server: ServerProcess | None, tmp_path: Path) -> None:
    """In words and as an object whose sums have the names of a single receipt."""
    if server is not None:
        server.wait_for_state("watching")
        LedgerFile(ledger_path(tmp_path)).write(entry("1"), entry("2"), entry("3"))
    ended = run_aico(tmp_path, "import", "--source", "cline")
    assert (ended.returncode, ended.stdout.startswith("Imported ")) == (0, True)
    told = json.loads(run_aico(tmp_path, "import", "--source", "cline", "--json").stdout)
    (receipt,) = told["receipts"]
    assert (receipt["source"], receipt["skipped_count"]) == ("cline", 2 if server is None else 3)
    assert told["skipped_count"] == receipt["skipped_count"]
    assert told["latest_ts"] == entry("1")["ts"]
    assert told["commit_seq"] == told["revision"] >= 1
    assert told["trigger"] == ("cli" if server is None else "request")


def test_import_of_what_is_off_is_refused(server: ServerProcess | None, tmp_path: Path) -> None:
    """A source that is off is not read by the way; without a name there is nothing to do, which is told."""
    switches(tmp_path, "off", "cline")
    said = refused(run_aico(tmp_path, "import", "--source", "cline"), 1)
    assert str(SourceOff("cline")) in said
    ended = run_aico(tmp_path, "import")
    assert (ended.returncode, " sources on NAME`" in ended.stdout) == (0, True)
    told = json.loads(run_aico(tmp_path, "import", "--json").stdout)
    assert (told["imported_count"], told["receipts"]) == (0, [])


def test_import_of_what_a_setting_switches_off_names_the_setting(tmp_path: Path) -> None:
    """The switch has no say there, so nobody is sent to it."""
    said = refused(run_aico(tmp_path, "import", "--source", "cline", settings={"AICO_SOURCES_CLINE_ENABLED": "no"}), 1)
    assert "The setting sources.cline.enabled decides it" in said
    assert "sources on" not in said


def test_import_reads_every_store_that_is_on(tmp_path: Path, store: SessionStore) -> None:
    """The receipt is the sum of the source's origins; a dry run says it before and writes nothing."""
    settings = {"AICO_CLINE_SESSIONS": "true"}
    before = json.loads(run_aico(tmp_path, "import", "--dry-run", "--json", settings=settings).stdout)
    assert before["added_count"] == 3
    assert not database_path(tmp_path).exists()
    ended = run_aico(tmp_path, "import", settings=settings)
    assert ended.stdout == "Imported 3 tasks (3 new), 0 unchanged.\n"
    after = json.loads(run_aico(tmp_path, "import", "--dry-run", "--json", settings=settings).stdout)
    assert (after["added_count"], after["skipped_count"]) == (0, 3)


def test_import_needs_one_of_the_stores_only(tmp_path: Path, ledger: LedgerFile, store: SessionStore) -> None:
    """That there is no ledger is an error only where nothing else was read; one that cannot be read always is."""
    ledger.unlink()
    settings = {"AICO_CLINE_SESSIONS": "true"}
    assert "There is no ledger" in refused(run_aico(tmp_path, "import"), 1)
    assert run_aico(tmp_path, "import", settings=settings).stdout.startswith("Imported 1 task (1 new)")
    store.connection.execute("DROP TABLE sessions")
    said = refused(run_aico(tmp_path, "import", settings=settings), 1)
    assert said.startswith("aico: Not a known session store: ")
    assert len(said.splitlines()) == 2


def test_names_become_one_change_for_each_source() -> None:
    """A source by itself means all of its origins, whatever else of it is named."""
    assert changes_of(["a", "b.x", "b.y"], is_on=True) == {
        "a": {"enabled": True},
        "b": {"origins": {"x": True, "y": True}},
    }
    assert changes_of(["a.x", "a", "a.y"], is_on=False) == {"a": {"enabled": False}}


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_import_keeps_the_receipt_beside_a_place_that_cannot_be_read(
    server: ServerProcess | None, tmp_path: Path, ledger: LedgerFile
) -> None:
    """A place that could be read is told as ever, the other by its sentence and code; a script can tell by exit 3."""
    assert switches(tmp_path, "on", "cline.sessions")["cline.sessions"]
    ledger.overwrite(b"{}")
    plain, as_json = run_aico(tmp_path, "import"), run_aico(tmp_path, "import", "--json")
    assert (plain.returncode, as_json.returncode) == (3, 3)
    assert plain.stdout.startswith("Imported ")
    assert "Not a known ledger: " in plain.stderr
    assert "[ledger_format]" in plain.stderr
    told = json.loads(as_json.stdout)
    assert [(each["source"], each["skipped_count"]) for each in told["receipts"]] == [("cline", 1)]
    assert [(each["origin"], each["code"]) for each in told["failures"]] == [("ledger", "ledger_format")]


def test_forget_works_through_the_running_service(tmp_path: Path, ledger: LedgerFile) -> None:
    """The service does it, and goes on: what is left is read on, what went does not come back."""
    prepare_database(tmp_path)
    with ForkedServerProcess(tmp_path) as server:
        server.wait_for_state("watching")
        assert json.loads(run_aico(tmp_path, "import", "--json").stdout)["skipped_count"] == 2
        first = run_aico(tmp_path, "forget", "1")
        assert "Would forget 1 task" in first.stdout
        assert "add --yes" in first.stdout
        ended = run_aico(tmp_path, "forget", "1", "--yes")
        assert (ended.returncode, ended.stdout.splitlines()[0][:13]) == (0, "Forgot 1 task")
        ledger.write(entry("1", cost=7.0), entry("2", cost=7.0))
        run_aico(tmp_path, "import")
        with server.client() as client:
            assert [item["task_id"] for item in client.get("/api/cline/usage").json()["items"]] == ["2"]
