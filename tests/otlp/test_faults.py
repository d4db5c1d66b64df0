"""Kills, restores, outages, foreign variables: no total falls, none counts twice, and the service notices nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest

from aico.core.db.upkeep.backups import write_backup
from aico.core.db.upkeep.recovery import restore
from aico.core.export_file import ExportFile
from aico.core.telemetry import Outcome
from aico.proxy.otlp.sender import make_sender
from aico.services import exporter as exporter_module
from aico.services.exporter import FLUSH_S, Exporter, no_activity
from aico.services.forgetting import forget_sessions
from aico.services.service import ObserverService
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms
from tests.e2e.server_process import ServerProcess
from tests.otlp.fake_collector import HANG_S, TOKEN, Export, FakeCollector, collector
from tests.otlp.test_export import exporting
from tests.services.heard_service import Heard, observer, running

pytestmark = pytest.mark.slow
COST = "ai.tokens.cost_usd_total"
OPUS = "claude-opus-4-8 cline"
FOREIGN = {
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-other=of-another-backend",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "x-other=of-another-backend",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
    "OTEL_EXPORTER_OTLP_INSECURE": "true",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "none-such",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_RESOURCE_ATTRIBUTES": "leak=1,service.name=other",
    "OTEL_SERVICE_NAME": "other",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process,none-such",
    "OTEL_METRICS_EXEMPLAR_FILTER": "none-such",
    "OTEL_METRIC_EXPORT_INTERVAL": "soon",
    "OTEL_METRIC_EXPORT_TIMEOUT": "soon",
    "OTEL_PYTHON_CONTEXT": "none-such",
    "OTEL_PYTHON_METER_PROVIDER": "none-such",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "none-such",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "grpc_proxy": "http://127.0.0.1:9",
    "all_proxy": "http://127.0.0.1:9",
}
"""Variables that a user may have set for other programs; most break or bend an exporter that looks at them."""


def ledger_of(folder: Path) -> LedgerFile:
    """Return the ledger that the services of these tests read."""
    return LedgerFile(folder / "cline" / "taskHistory.json")


def spend(folder: Path, cost: float, **others: float) -> None:
    """Let the ledger hold one task of Opus at ``cost``, and others by model."""
    tasks = [entry(model, model=model, cost=each) for model, each in others.items()]
    ledger_of(folder).write(entry("1", model="claude-opus-4-8", cost=cost), *tasks)


async def until(fake: FakeCollector, cost: float, *, after: int = 0) -> Export:
    """Return the first export that tells ``cost``."""
    return await asyncio.to_thread(fake.wait_for, lambda each: each.values(COST).get(OPUS) == cost, after=after)


def never_falls(fake: FakeCollector) -> bool:
    """Return whether no series of an instance was ever told lower than before."""
    last: dict[str, dict[object, float]] = {}
    for export in fake.accepted:
        known = last.setdefault(export.resource.get("service.instance.id", ""), {})
        for key, point in export.points.items():
            if point.value < known.get(key, 0):
                return False
            known[key] = point.value
    return True


def variables(fake: FakeCollector, certificates: Path, **others: str) -> dict[str, str]:
    """Return the settings of a process that exports every second."""
    return {
        "AICO_OTLP_ENDPOINT": f"https://localhost:{fake.port}",
        "AICO_OTLP_TOKEN": TOKEN,
        "AICO_OTLP_CA_FILE": str(certificates / "ca.pem"),
        "AICO_OTLP_INTERVAL_S": "1",
        **others,
    }


def test_process_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, certificates: Path, receiver: FakeCollector
) -> None:
    """One instance over kills and restarts, no total ever lower, nothing twice; no secret where others can read."""
    for number, how in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM), 1):
        settings = variables(receiver, certificates, **FOREIGN)
        with ServerProcess(tmp_path, settings) as server:
            LedgerFile(server.ledger).write(entry("1", model="claude-opus-4-8", cost=number / 10))
            receiver.wait_for(lambda each, cost=number / 10: each.values(COST).get(OPUS) == cost)  # type: ignore[misc]
            command = Path(f"/proc/{server.process.pid}/cmdline")
            if command.exists():
                assert TOKEN.encode() not in command.read_bytes()
            with server.client() as client:
                told = [client.get(route).text for route in ("/api/status", "/metrics", "/openapi.json")]
            server.stop(how)
            assert TOKEN not in server.log() + server.output() + "".join(told)
            kept = ExportFile(server.database).path
            assert TOKEN not in kept.read_text(encoding="utf-8")
    assert never_falls(receiver)
    assert len({each.resource["service.instance.id"] for each in receiver.accepted if each.points}) == 1
    assert receiver.accepted[-1].values("ai.tokens.input_total") == {OPUS: 1000}
    assert not any("x-other" in call for call in receiver.metadata)
    names = {"service.name", "service.version", "service.instance.id"}
    assert set(receiver.accepted[-1].resource) == {*names, "host.name", "os.type", "deployment.environment"}


@pytest.mark.parametrize("name", FOREIGN)
async def test_variable_of_another_program_changes_nothing(
    tmp_path: Path, certificates: Path, receiver: FakeCollector, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each of them alone: the export is the same, and the variable is still there afterwards."""
    spend(tmp_path, 0.5)
    monkeypatch.setenv(name, FOREIGN[name])
    async with running(exporting(tmp_path, certificates, receiver.port)):
        export = await until(receiver, 0.5)
    assert export.resource["service.name"] == "ai-cost-observer"
    assert len(export.resource) == 6
    assert not any("x-other" in call for call in receiver.metadata)
    assert os.environ[name] == FOREIGN[name]


@pytest.mark.parametrize("fault", ["hangs", "is gone", "refuses"])
def test_service_answers_and_ends_whatever_the_collector_does(
    tmp_path: Path, certificates: Path, receiver: FakeCollector, fault: str
) -> None:
    """It answers meanwhile, and has ended well while the collector is still as it was."""
    receiver.is_hanging = fault == "hangs"
    receiver.answer = grpc.StatusCode.UNAVAILABLE if fault == "refuses" else None
    settings = variables(receiver, certificates)
    if fault == "is gone":
        settings["AICO_OTLP_ENDPOINT"] = "https://192.0.2.1:4317"
    with ServerProcess(tmp_path, settings) as server, server.client() as client:
        if fault != "is gone":
            receiver.wait_for_calls(1)
        assert client.get("/healthz").status_code == 200
        assert server.stop() == 0
    assert receiver.accepted == []


async def test_end_waits_for_the_collector_no_longer_than_two_seconds(
    tmp_path: Path, certificates: Path, receiver: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts of its patience come to that, and it is they that end the waiting: no answer would."""
    assert FLUSH_S + 2 * exporter_module._CANCEL_S <= 2.0
    monkeypatch.setattr(
        exporter_module, "_make_sender", lambda settings, trust: make_sender(settings, trust, 10 * HANG_S)
    )
    receiver.is_hanging = True
    async with asyncio.timeout(HANG_S / 2), running(exporting(tmp_path, certificates, receiver.port)):
        await asyncio.to_thread(receiver.wait_for_calls, 1)
    assert receiver.accepted == []


async def test_restored_backup_and_forgotten_task_take_nothing_back(
    tmp_path: Path, certificates: Path, receiver: FakeCollector
) -> None:
    """Usage that a backup lacks is told again only beyond the highest value; forgotten usage stays told."""
    backup = tmp_path / "backup.db"
    spend(tmp_path, 1.0)
    service = exporting(tmp_path, certificates, receiver.port)
    path = service.database.path
    async with running(service):
        await until(receiver, 1.0)
        await asyncio.to_thread(write_backup, path, backup)
        spend(tmp_path, 3.0)
        await until(receiver, 3.0)
    ledger_of(tmp_path).path.unlink()
    # As a hand copies it, and as our own command does: the first knows nothing of what was shown.
    for is_by_hand in (True, False):
        if is_by_hand:
            for end in ("", "-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)
            shutil.copy(backup, path)
        else:
            restore(path, backup, now_ms())
        count = len(receiver.accepted)
        async with running(exporting(tmp_path, certificates, receiver.port)):
            await asyncio.to_thread(receiver.wait_for, lambda each: bool(each.points), after=count + 2)
            assert receiver.accepted[-1].values(COST)[OPUS] == 3.0
    service = exporting(tmp_path, certificates, receiver.port)
    async with running(service):
        spend(tmp_path, 3.5)
        await until(receiver, 3.5)
        await forget_sessions(service, "cline", ["1"], None)
        count = len(receiver.accepted)
        ledger_of(tmp_path).write(entry("2", model="claude-opus-4-8", cost=0.25))
        await until(receiver, 3.75, after=count)
    assert never_falls(receiver)
    assert len({each.resource["service.instance.id"] for each in receiver.accepted if each.points}) == 1


async def test_clock_that_is_set_changes_no_total(tmp_path: Path, certificates: Path, receiver: FakeCollector) -> None:
    """Years back or ahead: starts stay, no export ends before it began, and nothing is told twice."""
    moment = [now_ms()]
    for shift_years, cost in ((0, 1.0), (-20, 2.0), (30, 3.0), (0, 4.0)):
        moment[0] = now_ms() + shift_years * 365 * 86_400_000
        spend(tmp_path, cost)
        service = exporting(tmp_path, certificates, receiver.port)
        assert service.exporter is not None
        service.exporter._book._now_ms = lambda: moment[0]
        async with running(service):
            await until(receiver, cost)
    assert never_falls(receiver)
    points = [point for each in receiver.accepted for point in each.points.values()]
    assert len({point.start_ns for point in points}) == 1
    assert all(point.at_ns >= point.start_ns for point in points)


async def test_outage_is_told_and_costs_nothing(tmp_path: Path, certificates: Path, receiver: FakeCollector) -> None:
    """Refused, gone, back again, and what was spent meanwhile is in the first export that is taken."""
    spend(tmp_path, 1.0)
    service = exporting(tmp_path, certificates, receiver.port)
    exporter = service.exporter
    assert exporter is not None
    async with running(service) as heard:
        await until(receiver, 1.0)
        for answer, outcome in (
            (grpc.StatusCode.UNAVAILABLE, Outcome.UNREACHABLE),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, Outcome.REFUSED),
            (grpc.StatusCode.PERMISSION_DENIED, Outcome.TOKEN_REFUSED),
        ):
            receiver.answer = answer
            await told(heard, outcome)
        spend(tmp_path, 2.0)
        await heard.until_stored(lambda costs: costs == {"1": 2.0})
        receiver.answer = None
        await told(heard, Outcome.ACCEPTED)
        await until(receiver, 2.0)
        receiver.rejected_points = 1
        await told(heard, Outcome.REFUSED)
    assert never_falls(receiver)


async def told(heard: Heard, outcome: Outcome) -> None:
    """Return when the socket has told ``outcome``."""
    await heard.until(lambda message: message["type"] == "otlp_state" and message["state"] == outcome.value)


async def test_collector_that_comes_back_is_found_again(tmp_path: Path, certificates: Path, free_port: int) -> None:
    """It was not there when the service started; a second one at the same address is taken for the first."""
    spend(tmp_path, 1.0)
    service = exporting(tmp_path, certificates, free_port)
    async with running(service) as heard:
        await told(heard, Outcome.UNREACHABLE)
        with collector(certificates, port=free_port) as second:
            await until(second, 1.0)
            await told(heard, Outcome.ACCEPTED)  # one whose answer got lost would be unreachable as before
        await told(heard, Outcome.UNREACHABLE)
        with collector(certificates, port=free_port) as third:
            await until(third, 1.0)


async def test_nothing_is_sent_that_cannot_be_kept(tmp_path: Path, certificates: Path, receiver: FakeCollector) -> None:
    """A folder that takes no file stops exports, with a word, and they go on when it does."""
    service = exporting(tmp_path, certificates, receiver.port)
    barred = ExportFile(service.database.path).path.with_suffix(".json.part")
    (barred / "in the way").mkdir(parents=True)
    spend(tmp_path, 1.0)
    async with running(service) as heard:
        await told(heard, Outcome.NOT_KEPT)
        assert receiver.metadata == []
        shutil.rmtree(barred)
        await until(receiver, 1.0)


async def test_damaged_file_begins_another_instance_at_0(
    tmp_path: Path, certificates: Path, receiver: FakeCollector, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that was told is told again; the damaged file is kept; a folder that was copied is another one, too."""
    spend(tmp_path, 1.0)
    first = exporting(tmp_path, certificates, receiver.port)
    async with running(first):
        await until(receiver, 1.0)
    file = ExportFile(first.database.path)
    file.path.write_text("{", encoding="utf-8")
    count = len(receiver.accepted)
    async with running(exporting(tmp_path, certificates, receiver.port)):
        await asyncio.to_thread(receiver.wait_for, lambda _each: True, after=count)
        spend(tmp_path, 1.5)
        await until(receiver, 0.5, after=count)
    assert "exports begin anew" in caplog.text
    assert file.list_all()[-1].read_text(encoding="utf-8") == "{"
    elsewhere = tmp_path / "copy"
    shutil.copytree(tmp_path / "own", elsewhere / "own")
    spend(elsewhere, 1.5)
    count = len(receiver.accepted)
    async with running(exporting(elsewhere, certificates, receiver.port)):
        await asyncio.to_thread(receiver.wait_for, lambda _each: True, after=count)
        spend(elsewhere, 1.75)
        await until(receiver, 0.25, after=count)
    ids = {each.resource["service.instance.id"] for each in receiver.accepted if each.points}
    assert len(ids) == 3
    assert never_falls(receiver)


class HttpCollector:
    """The requests to a collector over HTTP, and its answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, str | None]] = []
        """Path, authorization, content type."""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.released = threading.Event()
        self.port = 0


@contextmanager
def http_collector() -> Iterator[HttpCollector]:
    """Run one without TLS on a port of its own."""
    fake = HttpCollector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            self.rfile.read(int(self.headers["Content-Length"]))
            fake.asked.append((self.path, self.headers["Authorization"], self.headers["Content-Type"]))
            if fake.status == 0:
                fake.released.wait(HANG_S)
                return
            self.send_response(fake.status)
            for name, value in {**fake.headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield fake
    finally:
        fake.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


async def test_http_says_the_same(tmp_path: Path) -> None:
    """Path, token and type are the protocol's; no redirect is followed; each refusal has its word."""
    spend(tmp_path, 1.0)
    with http_collector() as fake:
        otlp = {
            "endpoint": f"http://127.0.0.1:{fake.port}",
            "insecure": True,
            "protocol": "http/protobuf",
            "token": TOKEN,
        }
        service = observer(tmp_path, ledger_path=str(ledger_of(tmp_path).path), otlp=otlp)
        exporter = exporter_of(service)
        async with running(observer(tmp_path, ledger_path=str(ledger_of(tmp_path).path))) as heard:
            await heard.until_stored(bool)
            exporter._database, exporter._find_activity = heard.service.database, no_activity
            found = []
            for status in (200, 204, 302, 401, 403, 404, 500, 0):
                fake.status, fake.headers = status, {"Location": f"http://127.0.0.1:{fake.port}/elsewhere"}
                found.append(await exporter.export())
            await exporter.close()
    refused = Outcome.REFUSED
    words = [
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
        refused,
        Outcome.TOKEN_REFUSED,
        Outcome.TOKEN_REFUSED,
        refused,
        refused,
    ]
    assert found == [*words, Outcome.NO_ANSWER]
    assert set(fake.asked) == {("/v1/metrics", f"Bearer {TOKEN}", "application/x-protobuf")}


def exporter_of(service: ObserverService) -> Exporter:
    """Return what exports."""
    assert service.exporter is not None
    return service.exporter


async def test_bug_in_an_export_ends_no_service(
    tmp_path: Path, certificates: Path, receiver: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and the next export is tried."""
    spend(tmp_path, 1.0)
    service = exporting(tmp_path, certificates, receiver.port)
    exporter, real, calls = exporter_of(service), exporter_of(service).export, [0]

    async def export() -> Outcome:
        calls[0] += 1
        if calls[0] == 1:
            raise ZeroDivisionError
        return await real()

    monkeypatch.setattr(exporter, "export", export)
    async with running(service):
        await until(receiver, 1.0)
    assert FLUSH_S < 2
    assert json.loads(ExportFile(service.database.path).path.read_text(encoding="utf-8"))["format"] == 1
