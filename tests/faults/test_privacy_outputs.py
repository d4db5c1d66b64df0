"""Everything that leaves the service or stays behind on the disk: nothing of a conversation, nothing of a neighbour."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from bench.fake_session_store import SECRET
from tests.e2e.fake_page_socket import listening
from tests.e2e.forked_aico import run_aico
from tests.e2e.server_process import ServerProcess
from tests.emulator.forbidden_neighbours import NEIGHBOURS
from tests.faults.canary_databases import HELD_EVENT, HELD_SESSION, canary_databases, damage_databases, switched_on
from tests.faults.canary_ledger import DAMAGES, FIELD_MARK, HELD_MODEL, MARK, STRANGE, good_entry, ledger
from tests.faults.memory_search import encodings_of
from tests.faults.patched_server import BUG_IN_THE_DATABASES, BUG_IN_THE_PARSER, PatchedServer

DEBUG = {"AICO_LOG_LEVEL": "debug", "AICO_READ_ATTEMPTS": "2"}
JSON_LOG = {**DEBUG, "AICO_LOG_FORMAT": "json"}
ROUTES = (
    *("/api/cline/status", "/api/cline/summary", "/api/cline/usage?limit=1000", "/metrics", "/healthz", "/readyz"),
    *("/api/cline/export?format=csv", "/api/cline/export?format=json", "/api/cline/export?format=ndjson"),
    *("/api/status", "/api/sources", "/api/summary?by=source,model", "/api/sessions?limit=1000"),
    *("/api/export?format=csv", "/api/export?format=json", "/api/sessions?q=ZQX&sort=nothing"),
    *(f"/api/session?source=cline&session_id={each}-0" for each in (HELD_SESSION, HELD_EVENT)),
    *("/openapi.json", "/", "/api/cline/usage?q=ZQX&sort=nothing", "/api/cline/nothing"),
)


class Cline:
    """Cline's folder: canaries in every file of it."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "cline"
        self.ledger = self.folder / "data" / "state" / "taskHistory.json"
        for name in NEIGHBOURS:
            path = self.folder / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'[{good_entry("neighbour")}, "{MARK}"]', encoding="utf-8")
        self.data = self.folder / "data"
        self.settings = {**JSON_LOG, "AICO_LEDGER_PATH": str(self.ledger), **switched_on(self.data)}

    def states(self) -> Iterable[bytes]:
        """Yield what the ledger is, one after the other: good, strange, and no ledger at all."""
        yield ledger(damage="".join(STRANGE.values()))
        for damage in DAMAGES.values():
            yield ledger(damage=damage)


@pytest.fixture
def cline(tmp_path: Path) -> Cline:
    """Return Cline's folder, without a ledger."""
    return Cline(tmp_path.resolve())


def marks_in(data: bytes) -> list[bytes]:
    """Return the first places where a canary stands in ``data``, with its surroundings, in any encoding and case."""
    lower = data.lower()
    needles = [needle for mark in (MARK, FIELD_MARK, SECRET) for needle in encodings_of(mark.lower())]
    places = [place for needle in needles if (place := lower.find(needle)) >= 0]
    return [data[max(0, place - 40) : place + 80] for place in places]


def whole(response: httpx.Response) -> bytes:
    """Return head and body of an answer."""
    head = "".join(f"{name}: {value}\n" for name, value in response.headers.multi_items())
    return head.encode() + response.content


def ask_everything(client: httpx.Client) -> list[bytes]:
    """Return every answer that the service has."""
    answers = [client.get(route) for route in ROUTES]
    answers += [client.post("/api/cline/import", content=body) for body in (b"", b"[", b'{"path":"/etc/passwd"}')]
    answers += [client.post("/api/import", json=body) for body in ({}, {"source": "cline"}, {"source": MARK[:3]})]
    return [whole(answer) for answer in answers]


def stored(home: Path, cline: Cline) -> list[bytes]:
    """Return every file of the home that is not Cline's."""
    found = []
    for path in home.rglob("*"):
        # Files that the database makes for a moment may be gone again.
        with suppress(FileNotFoundError, IsADirectoryError):
            if cline.folder not in path.parents:
                found.append(path.read_bytes())
    return found


def commands(home: Path, settings: dict[str, str], *names: str) -> list[bytes]:
    """Return what the commands say."""
    said = [run_aico(home, name, settings=settings) for name in names]
    return [f"{answer.stdout}{answer.stderr}".encode() for answer in said]


async def test_nothing_that_leaves_the_service_holds_a_canary(tmp_path: Path, cline: Cline) -> None:
    """Answers, heads, frames, metrics, exports, logs, commands, database: through good, strange and broken stores."""
    written: list[bytes] = []
    with (
        canary_databases(cline.data),
        ServerProcess(tmp_path, cline.settings) as server,
        server.client() as client,
    ):
        async with listening(server.socket_url) as page:
            await page.until_kind("hello")
            for data in cline.states():
                cline.ledger.write_bytes(data)
                written += ask_everything(client)
                written += stored(tmp_path, cline)
            written += [frame.encode() for frame in page.frames]
        cline.ledger.write_bytes(ledger(damage=DAMAGES["no JSON"]))
        written += commands(tmp_path, cline.settings, "doctor")
        assert server.stop() == 0
        written += [server.log().encode(), server.output().encode()]
    cline.ledger.write_bytes(ledger())
    written += commands(tmp_path, cline.settings, "import", "export")
    damage_databases(cline.data)
    written += commands(tmp_path, cline.settings, "import", "doctor", "sources")
    written += stored(tmp_path, cline)
    for held in (HELD_MODEL, HELD_SESSION, HELD_EVENT):
        assert any(held.encode() in data for data in written)
    assert [places for data in written if (places := marks_in(data))] == []


@pytest.mark.parametrize("bug", [BUG_IN_THE_PARSER, BUG_IN_THE_DATABASES])
@pytest.mark.parametrize("settings", [DEBUG, JSON_LOG])
def test_trace_of_a_bug_holds_no_canary(tmp_path: Path, cline: Cline, settings: dict[str, str], bug: str) -> None:
    """A bug in the middle of an import is logged with its trace, and the trace holds lines of code alone."""
    cline.ledger.write_bytes(ledger())
    with canary_databases(cline.data), PatchedServer(tmp_path, {**cline.settings, **settings}, bug) as server:
        with server.client() as client:
            written = ask_everything(client)
        server.stop()
        log = server.log()
    assert "Traceback" in log
    assert "in bug" in log
    assert [places for data in (*written, log.encode(), *stored(tmp_path, cline)) if (places := marks_in(data))] == []


def test_search_for_canaries_finds_one_in_every_encoding() -> None:
    """The witness is awake."""
    for mark in (MARK, FIELD_MARK, SECRET):
        for text in (mark, mark.lower(), mark.title()):
            for encoded in encodings_of(f"x{text}y"):
                assert marks_in(b"before" + encoded + b"after")
