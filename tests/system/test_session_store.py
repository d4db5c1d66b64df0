"""Which of Cline's files are opened when its databases are read too, as the system's own tracer sees it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from aico.features.sources.cline import hub
from bench.fake_session_store import FIRST_MS, editor_metadata
from tests.e2e.fake_cline_ledger import entry, ledger_bytes
from tests.emulator.fake_hub_events import HubEventsStore
from tests.emulator.fake_session_process import SessionProcess
from tests.emulator.forbidden_neighbours import lay_out_neighbours
from tests.files.folder_traits import traits_of
from tests.system.system_call_trace import read_calls
from tests.system.test_opened_files import LOOKS, WATCHES, TracedServer, lines, run_traced

STORE = "sessions.db"


ALL = {"AICO_SOURCES_CLINE_ENABLED": "true"}
"""The hub's events, too."""


@pytest.mark.parametrize("switch", [{"AICO_CLINE_SESSIONS": "true"}, ALL])
@pytest.mark.parametrize("has_writer", [True, False])
def test_only_ledger_database_and_log_are_opened_and_only_for_reading(
    tmp_path: Path, switch: dict[str, str], *, has_writer: bool
) -> None:
    """Index and rollback are looked at, everything else is not even named; no trait of any file changes."""
    home = tmp_path.resolve() / "home"
    cline = home / ".cline"
    data = cline / "data"
    ledger, database = data / "state" / "taskHistory.json", data / "db" / STORE
    neighbours = lay_out_neighbours(data, seed=3)
    ledger.write_bytes(ledger_bytes(entry("1")))
    settings = {"AICO_LEDGER_PATH": str(ledger), "CLINE_DATA_DIR": str(data), **switch}
    trace = tmp_path / "trace"
    events = data / "db" / hub.NAME
    databases = [database, events] if switch == ALL else [database]
    process = SessionProcess(database)
    with process, closing(HubEventsStore(events)) as store:
        process.put("2", editor_metadata(1, 2, 0.5))
        store.say("2", FIRST_MS)
        if has_writer:
            use(home, settings, trace, data)
    if not has_writer:
        use(home, settings, trace, data)
    calls = [call for call in read_calls(tmp_path / "trace*") if f"{call.path}/".startswith(f"{cline}/")]
    calls = [call for call in calls if call.name != "execve"]  # the child is told the path
    opened = [call for call in calls if call.opens and not call.only_walks]
    read = {str(ledger), *map(str, databases)}
    logs = {f"{each}-wal" for each in databases}
    # The presence of the events is looked at in any case.
    named = {*read, *logs, *(f"{each}{end}" for each in (database, events) for end in ("", "-wal", "-shm", "-journal"))}
    # The log is asked for by name also when it is not there; nothing is made of that.
    assert {call.path for call in opened} == {*read, *logs}, lines(opened)
    assert all(call.only_reads for call in opened), lines(opened)
    on_the_way = {str(folder) for file in (ledger, database) for folder in file.parents if folder.is_relative_to(cline)}
    assert {call.path for call in calls} <= {*named, *on_the_way}
    others = [call for call in calls if not call.opens and call.name not in LOOKS | WATCHES]
    assert lines(others) == []
    assert not {str(path) for path in neighbours if path.name != STORE} & {call.path for call in calls}


def use(home: Path, settings: dict[str, str], trace: Path, data: Path) -> None:
    """Serve, ask, and use the commands; all below ``data`` must be as it was."""
    traits_of(data)
    before = traits_of(data)
    with TracedServer(home, settings, trace) as server, server.client() as client:
        receipt = client.post("/api/cline/import").json()
        assert receipt["imported_count"] + receipt["skipped_count"] == 1  # the entries of the ledger alone
        assert client.get("/api/cline/status").json()["sessions"]["exists"] is True
        assert server.stop() == 0
    for command in ("doctor", "import"):
        run_traced(home, settings, trace.with_name(f"trace-{command}"), command)
    assert traits_of(data) == before
