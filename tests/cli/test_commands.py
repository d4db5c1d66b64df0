"""The commands as a user calls them: what they print, and the exit codes that scripts rely on."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aico import __version__
from aico.cli.words import build_parser
from aico.core.settings import setting_names
from tests.e2e.fake_cline_ledger import PRIVATE, LedgerFile, entry
from tests.e2e.forked_aico import ForkedServerProcess, run_aico
from tests.e2e.server_process import HANG_S, ROOT, database_path, environment, ledger_path, prepare_database
from tests.held_port import held_port
from tests.quick_variants import first_row_is_quick
from tests.sources.claude_code.claude_home import MODEL, SESSION, Clock, Transcript

TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger of two tasks."""
    ledger = LedgerFile(ledger_path(tmp_path))
    ledger.write(entry("1"), entry("2", model=None, cost=0))
    return ledger


@pytest.fixture
def server(tmp_path: Path, ledger: LedgerFile) -> Iterator[ForkedServerProcess]:
    """Serve the ledger."""
    prepare_database(tmp_path)
    with ForkedServerProcess(tmp_path) as server:
        yield server


def stored_count(folder: Path) -> int:
    """Return the number of rows in the database."""
    with closing(sqlite3.connect(f"{database_path(folder).as_uri()}?mode=ro", uri=True)) as connection:
        count: int = connection.execute("SELECT COUNT(*) FROM cline_task_usage").fetchone()[0]
        return count


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("['--version']", f"aico {__version__}"),
        ("['--help']", "serve"),
        ("['serve', '--help']", "--open"),
        ("['import', '--help']", "--dry-run"),
        ("['demo', '--help']", "--open"),
    ],
)
def test_aico_answers_what_it_is_without_the_framework(arguments: str, text: str) -> None:
    """Version and help need neither FastAPI nor a database, and end with 0."""
    program = (
        "import sys\nfrom aico.cli import main\n"
        f"try: main({arguments})\nexcept SystemExit as end: code = end.code\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'httpx', 'pydantic'} & set(sys.modules)\n"
        "sys.stderr.write(','.join(sorted(heavy)))\nsys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert ended.returncode == 0
    assert text in ended.stdout
    assert "fastapi" not in ended.stderr
    assert "starlette" not in ended.stderr
    assert "uvicorn" not in ended.stderr


def test_help_has_no_colours_on_any_python(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Python 3.14 and later would write them into a file of errors, too, if standard output is a terminal."""
    for name in ("NO_COLOR", "PYTHON_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    for words in (["--help"], ["serve", "--help"], ["--nosuch"], ["price", "set"]):
        with pytest.raises(SystemExit):
            build_parser().parse_args(words)
        out, errors = capsys.readouterr()
        assert "usage: aico" in out + errors
        assert "\x1b" not in out + errors


def test_service_does_without_the_old_models_of_a_library() -> None:
    """They would take a megabyte until its end; what else it needs is there when it meets a wrong setting."""
    program = (
        "import sys\nfrom aico.cli import main\nsys.argv = ['aico', 'serve', '--port', '70000']\n"
        "try: main()\nexcept SystemExit as end: code = end.code\nelse: code = None\n"
        "old = {name for name in sys.modules if name.startswith('pydantic.v1.')}\n"
        "sys.stdout.write(','.join(sorted(old | {'fastapi', 'aico.api.routes'} & set(sys.modules))))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=True
    )
    assert ended.stdout == "aico.api.routes,fastapi"


def test_service_puts_the_client_of_the_price_library_off() -> None:
    """Nothing is fetched, so that what the library would fetch with is not imported with it: 2 MB."""
    program = (
        "import sys\nfrom aico.cli import main\nsys.argv = ['aico', 'serve', '--port', '70000']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "import genai_prices\n"
        "sys.stdout.write(','.join(name for name in sys.modules if name.startswith('httpx2')))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=True
    )
    assert ended.stdout == "httpx2"


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("serve", "--nothing"), ("config",), ("export", "--format", "xls")]
)
def test_aico_refuses_words_that_it_does_not_know(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A mistyped command is a usage error: exit 2, and nothing was made."""
    ended = run_aico(tmp_path, *arguments)
    assert ended.returncode == 2
    assert "usage: " in ended.stderr
    assert not database_path(tmp_path).exists()


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"AICO_LEDGER_PATH": "relative/taskHistory.json"}, "ledger_path"),
        ({"AICO_LEDGER_PATH": "/tmp/other.json"}, "ledger_path"),  # noqa: S108  # never opened
        ({"AICO_PORT": "many"}, "port"),
        ({"AICO_PORT": "70000"}, "port"),
        ({"AICO_HOST": "0.0.0.0"}, "token"),  # noqa: S104  # refused
        ({"AICO_TOKEN": "short"}, "token"),
        ({"AICO_COLOUR": "blue"}, "colour"),
        ({"AICO_TICK_S": "0"}, "tick_s"),
        ({"AICO_CONFIG": "/no/such/file.toml"}, "AICO_CONFIG"),
    ],
)
def test_configuration_error_is_one_clear_line(tmp_path: Path, settings: dict[str, str], name: str) -> None:
    """A setting that cannot be is named, with exit 2, before anything is made or opened; its value is not repeated."""
    ended = run_aico(tmp_path, "serve", settings=settings)
    assert ended.returncode == 2
    first, second = ended.stderr.splitlines()
    assert first.startswith(f"aico: Setting {name}")
    assert "aico doctor" in second or "-m aico doctor" in second
    assert "short" not in ended.stderr
    if name != "AICO_CONFIG":
        assert f"(from {next(iter(settings))})" in first or name == "token"
    assert not database_path(tmp_path).exists()


def test_import_stores_the_ledger_and_prints_a_receipt(tmp_path: Path, ledger: LedgerFile) -> None:
    """Without a service the command imports by itself; a second time there is nothing to do."""
    first = run_aico(tmp_path, "import")
    assert (first.returncode, first.stdout) == (0, "Imported 2 tasks (2 new), 0 unchanged.\n")
    second = run_aico(tmp_path, "import", "--json")
    receipt = json.loads(second.stdout)
    assert (receipt["imported_count"], receipt["skipped_count"], receipt["revision"]) == (0, 2, 1)
    assert receipt["trigger"] == "cli"
    assert stored_count(tmp_path) == 2
    assert PRIVATE not in first.stdout + first.stderr + second.stdout + second.stderr


def test_import_goes_on_to_the_end_and_prints_the_sum(tmp_path: Path, ledger: LedgerFile) -> None:
    """However many runs an import takes, the command makes them all and prints one receipt."""
    ledger.write(*(entry(str(number)) for number in range(7)), {"id": "broken"})
    ended = run_aico(tmp_path, "import", "--json", settings={"AICO_MAX_ENTRIES_PER_RUN": "3"})
    receipt = json.loads(ended.stdout)
    assert ended.returncode == 3
    assert (receipt["imported_count"], receipt["remaining_count"], receipt["revision"]) == (7, 0, 3)
    assert receipt["error_count"] == 1
    assert receipt["rejections"][0]["index"] == 7
    assert stored_count(tmp_path) == 7


def test_dry_run_says_what_would_be_imported_and_writes_nothing(tmp_path: Path, ledger: LedgerFile) -> None:
    """Before the first import nothing is made; afterwards only what is new is counted."""
    first = run_aico(tmp_path, "import", "--dry-run")
    assert (first.returncode, first.stdout) == (0, "Would import 2 tasks (2 new), 0 unchanged.\n")
    assert not database_path(tmp_path).exists()
    run_aico(tmp_path, "import")
    ledger.write(entry("1", tokens_in=9), entry("2", model=None, cost=0), entry("3"))
    second = json.loads(run_aico(tmp_path, "import", "--dry-run", "--json").stdout)
    assert (second["added_count"], second["updated_count"], second["skipped_count"]) == (1, 1, 1)
    assert stored_count(tmp_path) == 2


@pytest.mark.parametrize(
    ("before", "arguments", "code"),
    first_row_is_quick(
        ((), ("sources",), 0),
        ((), ("export",), 0),
        ((), ("import", "--dry-run"), 0),
        ((), ("sources", "on", "cline.sessions"), 0),
        (("sources", "off", "cline"), ("import",), 0),
    ),
)
def test_command_leaves_nothing_beside_a_database_that_nobody_has_open(
    tmp_path: Path, ledger: LedgerFile, before: tuple[str, ...], arguments: tuple[str, ...], code: int
) -> None:
    """Neither a log nor an index: a database at rest is one file, with the note that it ended well."""
    for words in filter(None, [("import",), before]):
        assert run_aico(tmp_path, *words).returncode == 0
    path = database_path(tmp_path)
    alone = {path.name, *(each.name for each in path.parent.iterdir() if each.suffix in {".lock", ".sound"})}
    assert path.with_name(f"{path.name}.sound").name in alone
    assert run_aico(tmp_path, *arguments).returncode == code
    assert {each.name for each in path.parent.iterdir() if each.name.startswith(path.name)} == alone


def test_dry_run_works_beside_a_running_service(server: ForkedServerProcess, tmp_path: Path) -> None:
    """Looking needs no lock."""
    ended = run_aico(tmp_path, "import", "--dry-run")
    assert ended.returncode == 0
    assert ended.stdout.startswith("Would import ")


def test_import_exits_with_3_when_entries_were_refused(tmp_path: Path, ledger: LedgerFile) -> None:
    """Good entries are stored, refused ones are counted, and a script can tell."""
    ledger.write(entry("1"), {"id": PRIVATE, "task": PRIVATE}, None)
    for arguments in (("import",), ("import", "--dry-run")):
        ended = run_aico(tmp_path, *arguments)
        assert ended.returncode == 3
        assert "2 refused" in ended.stdout
        assert PRIVATE not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("content", "sentence"),
    first_row_is_quick(
        (None, "There is no ledger at "), (b"{}", "Not a known ledger: "), (b"", "Not a known ledger: ")
    ),
)
def test_import_says_why_it_failed(tmp_path: Path, ledger: LedgerFile, content: bytes | None, sentence: str) -> None:
    """A failure is a sentence and a hint on standard error, and exit 1."""
    ledger.unlink()
    if content is not None:
        ledger.overwrite(content)
    ended = run_aico(tmp_path, "import")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"aico: {sentence}")
    assert len(ended.stderr.splitlines()) == 2


def test_status_tells_that_nothing_runs(tmp_path: Path) -> None:
    """Without a service the status says how to start it, and exits with 1."""
    plain, as_json = run_aico(tmp_path, "status"), run_aico(tmp_path, "status", "--json")
    assert (plain.returncode, as_json.returncode) == (1, 1)
    assert "not running" in plain.stdout
    assert json.loads(as_json.stdout) == {"running": False, "ledger_path": str(ledger_path(tmp_path))}


def test_status_tells_what_is_watched(server: ForkedServerProcess, tmp_path: Path) -> None:
    """With a service it says where, what is watched, and what was imported last; exit 0."""
    server.wait_for_state("watching")
    plain, as_json = run_aico(tmp_path, "status"), run_aico(tmp_path, "status", "--json")
    assert (plain.returncode, as_json.returncode) == (0, 0)
    for text in (server.url, "cline        watching, 2 sessions", str(server.ledger), "last import"):
        assert text in plain.stdout
    assert "session store: off" in plain.stdout
    fields = json.loads(as_json.stdout)
    (cline,) = (source for source in fields["sources"] if source["id"] == "cline")
    assert [origin["enabled"] for origin in cline["origins"]] == [True, False, False]
    assert (fields["running"], fields["url"], fields["task_count"]) == (True, server.url, 2)


@pytest.mark.slow
def test_status_exits_with_3_when_the_watcher_is_degraded(server: ForkedServerProcess, tmp_path: Path) -> None:
    """A ledger that is none is seen from a script, with the reason."""
    LedgerFile(server.ledger).overwrite(b"{}")
    server.wait_for_state("degraded", "ledger_format")
    ended = run_aico(tmp_path, "status")
    assert ended.returncode == 3
    assert "degraded (ledger_format)" in ended.stdout
    LedgerFile(server.ledger).unlink()
    server.wait_for_state("waiting", "ledger_not_found")
    ended = run_aico(tmp_path, "status")
    assert ended.returncode == 0
    assert "not there (yet)" in ended.stdout


def test_serve_shows_a_box_with_everything_a_user_needs(server: ForkedServerProcess) -> None:
    """Address, ledger and what chose it, its size and age, database, and how to stop."""
    box = server.output()
    for text in (server.url, str(server.ledger), "AICO_LEDGER_PATH", "found", str(server.database), "Ctrl-C", "demo"):
        assert text in box
    widths = {len(line) for line in box.splitlines() if line[:1] in "╭│╰"}
    assert len(widths) == 1


def test_service_waits_for_a_ledger(tmp_path: Path) -> None:
    """Without a ledger it waits, and says for which file."""
    with ForkedServerProcess(tmp_path) as server:
        server.wait_for_state("waiting", "ledger_not_found" if server.ledger.parent.exists() else "directory_missing")
        assert "not there yet" in server.output()
        assert str(server.ledger) in server.output()
        LedgerFile(server.ledger).write(entry("1"))
        server.wait_for_state("watching")
        assert server.stop(signal.SIGINT) == 0
        assert "Traceback" not in server.log()


def test_serve_writes_its_log_as_json_where_no_terminal_is(tmp_path: Path, ledger: LedgerFile) -> None:
    """Every line of the log is one object, to the last one, and none holds text of the ledger."""
    with ForkedServerProcess(tmp_path) as server:
        server.wait_for_state("watching")
        server.stop()
        lines = server.log().splitlines()
    records = [json.loads(line) for line in lines]
    assert {"at", "level", "logger", "message"} <= set(records[0])
    assert any("2 imported (2 new)" in record["message"] for record in records)
    assert PRIVATE not in "".join(lines)


def test_serve_prints_a_link_that_works_once(tmp_path: Path) -> None:
    """With a token the box holds a one-time link instead of the token."""
    with ForkedServerProcess(tmp_path, {"AICO_TOKEN": TOKEN}) as server, server.client() as client:
        assert "/login?key=" in server.page
        assert TOKEN not in server.output() + server.log()
        assert client.get("/").status_code == 401
        assert client.get(server.page).status_code == 303
        assert client.get("/").status_code == 200
        client.cookies.clear()
        assert client.get(server.page).status_code == 401


def test_export_writes_what_is_stored(tmp_path: Path, ledger: LedgerFile) -> None:
    """Each format goes to standard output or to a file, without any text of the ledger's prompts."""
    run_aico(tmp_path, "import")
    plain = run_aico(tmp_path, "export")
    assert plain.returncode == 0
    assert {line["session_id"] for line in csv.DictReader(io.StringIO(plain.stdout.removeprefix("\ufeff")))} == {
        "1",
        "2",
    }
    target = tmp_path / "out.json"
    assert run_aico(tmp_path, "export", "--format", "json", "--output", str(target)).returncode == 0
    assert {one["session_id"] for one in json.loads(target.read_text(encoding="utf-8"))} == {"1", "2"}
    lines = run_aico(tmp_path, "export", "--cline", "--format", "ndjson").stdout.splitlines()
    assert {json.loads(line)["task_id"] for line in lines} == {"1", "2"}
    assert PRIVATE not in plain.stdout + target.read_text(encoding="utf-8")


def test_export_says_why_it_failed(tmp_path: Path, ledger: LedgerFile) -> None:
    """Without a database, or into a folder that is not there, it is exit 1 and a sentence, and nothing is made."""
    ended = run_aico(tmp_path, "export")
    assert ended.returncode == 1
    assert "There is no database" in ended.stderr
    assert not database_path(tmp_path).exists()
    run_aico(tmp_path, "import")
    ended = run_aico(tmp_path, "export", "--output", str(tmp_path / "no" / "such" / "folder.csv"))
    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_export_ends_quietly_when_its_reader_has_seen_enough(tmp_path: Path, ledger: LedgerFile) -> None:
    """A closed pipe is how ``head`` says thank you; it is no failure with a trace."""
    ledger.write(*(entry(str(number)) for number in range(5_000)))
    run_aico(tmp_path, "import")
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "aico", "export"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=write,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(write)
        os.close(read)
        _, errors = process.communicate(timeout=HANG_S)
    assert errors == b""
    assert process.returncode in {0, 1}


def test_config_show_names_every_setting_with_its_origin(tmp_path: Path) -> None:
    """A line per setting with its value and what chose it; a token is never shown."""
    config = tmp_path / "config.toml"
    config.write_text('debounce_ms = 70\nallowed_origins = ["http://a.example", "http://b.example"]\n')
    proxy = {"AICO_KIMI_PROXY_URL": "http://127.0.0.1:9", "KIMI_PROXY_SECRET": TOKEN}
    settings = {"AICO_CONFIG": str(config), "AICO_TOKEN": TOKEN, **proxy}
    ended = run_aico(tmp_path, "config", "show", settings=settings)
    rows = {line.split()[0]: re.split(r"\s{2,}", line) for line in ended.stdout.splitlines()}
    assert ended.returncode == 0
    assert set(rows) == set(setting_names())
    assert rows["port"][1:] == ["0", "AICO_PORT"]
    assert rows["debounce_ms"][1:] == ["10.0", "AICO_DEBOUNCE_MS"]
    assert rows["allowed_origins"][1:] == ["http://a.example, http://b.example", str(config)]
    assert rows["host"][1:] == ["127.0.0.1", "default"]
    assert rows["budget_daily_usd"][1] == "none"
    assert rows["kimi_proxy_secret"][2] == "KIMI_PROXY_SECRET"
    told = run_aico(tmp_path, "config", "show", "--json", settings=settings)
    fields = json.loads(told.stdout)
    assert {name: each["from"] for name, each in fields.items()} == {name: row[-1] for name, row in rows.items()}
    assert fields["allowed_origins"]["value"] == ["http://a.example", "http://b.example"]
    assert (fields["debounce_ms"]["value"], fields["budget_daily_usd"]["value"]) == (10.0, None)
    assert TOKEN not in ended.stdout + told.stdout
    assert not database_path(tmp_path).exists()


def test_config_show_names_what_is_set_for_a_source(tmp_path: Path) -> None:
    """Settings of a source have a line each where they are set, with the file or the variable that sets them."""
    config = tmp_path / "config.toml"
    config.write_text('enabled_sources = ["cline"]\n[sources.cline]\nenabled = true\norigins = ["hub"]\n')
    settings = {"AICO_CONFIG": str(config), "AICO_SOURCES_CLINE_ORIGINS": "ledger,hub"}
    ended = run_aico(tmp_path, "config", "show", settings=settings)
    rows = {line.split()[0]: re.split(r"\s{2,}", line)[1:] for line in ended.stdout.splitlines()}
    assert set(rows) == {*setting_names(), "sources.cline.enabled", "sources.cline.origins"}
    assert rows["enabled_sources"] == ["cline", str(config)]
    assert rows["sources.cline.enabled"] == ["true", str(config)]
    assert rows["sources.cline.origins"] == ["ledger, hub", "AICO_SOURCES_CLINE_ORIGINS"]


@pytest.mark.parametrize("setting", [{"AICO_SOURCES": "clina"}, {"AICO_SOURCES_CLINE_ORIGINS": "hubs"}])
def test_unknown_source_ends_a_command_with_the_known_ones(tmp_path: Path, setting: dict[str, str]) -> None:
    """Every command refuses a name that no source has, and says which it was and which there are."""
    ended = run_aico(tmp_path, "config", "show", settings=setting)
    assert ended.returncode == 2
    assert "known are" in ended.stderr
    assert "did you mean" in ended.stderr
    assert next(iter(setting)) in ended.stderr


def test_flag_wins_over_the_environment(tmp_path: Path) -> None:
    """A flag on the command line stands above everything."""
    ended = run_aico(tmp_path, "config", "show", "--port", "9000")
    assert re.search(r"^port +9000 +flag$", ended.stdout, re.MULTILINE)


VERDICTS = ["OK", "WARN", "FAIL"]
OF_THE_MACHINE = {"inotify", "file system", "database disk", "disk"}
"""The doctor's verdicts on these depend on the machine of the tests."""


def findings(folder: Path) -> dict[str, tuple[str, str]]:
    """Return what the doctor found: verdict and text by subject. A file that is none is not waited for long."""
    ended = run_aico(folder, "doctor", "--json", settings={"AICO_READ_ATTEMPTS": "2"})
    found = json.loads(ended.stdout)
    worst = max((VERDICTS.index(one["verdict"]) for one in found), default=0)
    assert ended.returncode == (0, 3, 1)[worst]
    assert PRIVATE not in ended.stdout + ended.stderr
    return {f"{one['subject']} {one['aspect']}".strip(): (one["verdict"], one["text"]) for one in found}


def test_doctor_finds_everything_well(server: ForkedServerProcess, tmp_path: Path) -> None:
    """Ledger, entries, database and service are told, each with what a user wants to know."""
    server.wait_for_state("watching")
    found = findings(tmp_path)
    assert {verdict for subject, (verdict, _) in found.items() if subject not in OF_THE_MACHINE} == {"OK"}
    assert str(server.ledger) in found["cline.ledger place"][1]
    assert found["cline.ledger entries"][1] == "2 entries can be read, 0 skipped, 0 refused, 0 in part"
    assert f"{server.url} (process {server.process.pid}): cline watching" in found["service"][1]
    plain = run_aico(tmp_path, "doctor")
    assert plain.returncode in {0, 3}
    assert sum(line.startswith("OK ") for line in plain.stdout.splitlines()) >= len(found) - len(OF_THE_MACHINE)


def test_doctor_exits_with_1_when_something_fails(tmp_path: Path, ledger: LedgerFile) -> None:
    """A ledger that is none is a failure that a script can see, beside everything that is well."""
    ledger.overwrite(b"{}")
    found = findings(tmp_path)
    assert found["cline.ledger entries"][0] == "FAIL"
    assert "first start" in found["database"][1]


def test_demo_serves_growing_usage_of_four_tools_and_leaves_nothing(tmp_path: Path) -> None:
    """It says that it is one, reads nothing of the user's, moves by itself, ends with 0 on Ctrl-C, and cleans up.

    Its port is a free one, whatever the user has set for the service.
    """
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    clock = Clock()
    clock.now_s = int(time.time()) - 3_600
    Transcript(tmp_path / ".claude/projects", SESSION, clock).turn(1)
    with (
        held_port() as port,
        ForkedServerProcess(
            tmp_path,
            {"TMPDIR": str(temporary), "CODEX_HOME": str(tmp_path), "AICO_PORT": str(port)},
            command=("demo",),
        ) as server,
        server.client() as client,
    ):
        assert server.url != f"http://127.0.0.1:{port}"
        assert "DEMO" in server.output()
        assert client.post("/api/import").status_code == 200
        status = client.get("/api/cline/status").json()
        assert status["demo"] is True
        assert status["task_count"] > 100
        sources = client.get("/api/sources").json()
        paths = [path for source in sources for origin in source["origins"] for path in origin["paths"]]
        assert [path for path in paths if not Path(path).is_relative_to(temporary)] == []
        requests = {source["id"]: source["requests"] for source in sources if source["found"]}
        assert set(requests) == {"cline", "claude-code", "codex", "gemini-cli"}
        assert min(count for name, count in requests.items() if name != "cline") > 100
        models = {group["model"] for group in client.get("/api/summary").json()["groups"]}
        assert "house-coder-32b" in models
        assert MODEL not in models
        revision = client.get("/api/cline/status").json()["revision"]
        deadline = time.monotonic() + HANG_S
        while client.get("/api/cline/status").json()["revision"] == revision:
            assert time.monotonic() < deadline, server.log()
        assert list(temporary.iterdir())
        assert server.stop(signal.SIGINT) == 0
        assert "Traceback" not in server.log()
    assert list(temporary.iterdir()) == []
    assert not server.database.exists()
