"""The real service exports to a collector over gRPC, TLS and bearer: the same numbers as its database, to the digit."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path

import pytest

from aico.core.otlp_settings import OtlpSettings
from aico.core.telemetry import Outcome
from aico.proxy.otlp.sender import make_sender
from aico.services import exporter as exporter_module
from aico.services.exporter import no_activity
from aico.services.service import ObserverService
from tests.certificates import make_certificates
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.otlp.fake_collector import HANG_S, TOKEN, FakeCollector
from tests.services.heard_service import observer, running


def exporting(folder: Path, certificates: Path, port: int, **others: object) -> ObserverService:
    """Return a service that exports all the time; ``others`` are settings of the way out."""
    otlp = {
        "endpoint": f"https://localhost:{port}",
        "token": TOKEN,
        "ca_file": certificates / "ca.pem",
        "host_name": "ada-laptop",
        **others,
    }
    often = OtlpSettings.model_validate(otlp).model_copy(update={"interval_s": 0.02})
    return observer(folder, ledger_path=str(folder / "cline" / "taskHistory.json"), otlp=often)


async def test_database_is_exported_to_the_digit(tmp_path: Path, certificates: Path, receiver: FakeCollector) -> None:
    """Tokens, cost, resource, kinds, units and start are as promised, and nothing else leaves."""
    ledger = LedgerFile(tmp_path / "cline" / "taskHistory.json")
    ledger.write(entry("1", model="claude-opus-4-8", cost=0.1), entry("2", model="secret-model", tokens_in=7, cost=0.7))
    service = exporting(tmp_path, certificates, receiver.port)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: len(costs) == 2)
        first = await asyncio.to_thread(receiver.wait_for, lambda each: bool(each.points))
        ledger.write(
            entry("1", model="claude-opus-4-8", cost=0.3),
            entry("2", model="secret-model", tokens_in=7, cost=0.7),
            entry("3", model="gpt-5.5", cost=0.2),
        )
        new = await asyncio.to_thread(receiver.wait_for, lambda each: "gpt-5.5 cline" in each.values("ai.requests"))
        known = await asyncio.to_thread(
            receiver.wait_for, lambda each: each.values("ai.tokens.cost_usd_total").get("gpt-5.5 cline", 0) > 0
        )
    # Series from before the first export are told at once; later ones begin with a 0.
    assert first.values("ai.tokens.cost_usd_total") == {"claude-opus-4-8 cline": 0.1, "other cline": 0.7}
    assert new.values("ai.tokens.cost_usd_total")["gpt-5.5 cline"] == 0
    assert known.values("ai.tokens.cost_usd_total") == {
        "claude-opus-4-8 cline": 0.3,
        "gpt-5.5 cline": 0.2,
        "other cline": 0.7,
    }
    assert known.values("ai.tokens.cost") == {
        "recorded claude-opus-4-8 cline": 0.3,
        "recorded gpt-5.5 cline": 0.2,
        "recorded other cline": 0.7,
    }
    assert known.values("ai.tokens.input_total")["other cline"] == 7
    assert known.resource == {
        "service.name": "ai-cost-observer",
        "service.version": "1.2.3",
        "service.instance.id": first.resource["service.instance.id"],
        "host.name": "ada-laptop",
        "os.type": known.resource["os.type"],
        "deployment.environment": "personal",
    }
    assert {known.kinds[name][0] for name in known.kinds} == {"counter"}
    [(begun,)] = read_rows(service.database.path, "SELECT MIN(seen_at) FROM session")
    # The database's, or a moment before it, if the first export found nothing yet.
    [start_ns] = {point.start_ns for each in receiver.accepted for point in each.points.values()}
    assert 0 <= int(str(begun)) * 10**6 - start_ns < 60 * 10**9
    assert all(call["authorization"] == f"Bearer {TOKEN}" for call in receiver.metadata)
    assert not any(
        text in each.request for each in receiver.accepted for text in (b"secret-model", str(tmp_path).encode())
    )
    assert service.exporter is not None
    assert service.exporter.monitor.state.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_certificates_are_read_in_a_thread(
    tmp_path: Path,
    certificates: Path,
    receiver: FakeCollector,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
) -> None:
    """Their file may lie on a network that hangs, and no request waits for it."""
    readers: list[threading.Thread] = []
    make_context = ssl.create_default_context

    def make(*, cadata: str | None = None) -> ssl.SSLContext:
        readers.append(threading.current_thread())
        return make_context(cadata=cadata)

    service = exporting(tmp_path, certificates, receiver.port, protocol=protocol)
    exporter = service.exporter
    assert exporter is not None
    monkeypatch.setattr("aico.proxy.otlp.sender.ssl.create_default_context", make)
    await exporter._connect({"service.version": "1"})
    await exporter.close()
    assert readers
    assert threading.main_thread() not in readers


async def test_every_refusal_is_told_and_nothing_enters_twice(
    tmp_path: Path,
    certificates: Path,
    receiver: FakeCollector,
    free_port: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each fault has its word, the token is never told, and a new process goes on where the last one was."""
    LedgerFile(tmp_path / "cline" / "taskHistory.json").write(entry("1", model="claude-opus-4-8", cost=0.1))
    other = make_certificates(tmp_path / "other-ca", "localhost")
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate", encoding="ascii")
    # Each is tried once: a busy machine may take longer to answer than a service waits for a collector.
    monkeypatch.setattr(exporter_module, "_make_sender", lambda settings, trust: make_sender(settings, trust, HANG_S))
    cases: list[tuple[Outcome, dict[str, object]]] = [
        (Outcome.TOKEN_REFUSED, {"token": "wrong-" + TOKEN}),
        (Outcome.TOKEN_REFUSED, {"token": None}),
        (Outcome.CERTIFICATE_REFUSED, {"ca_file": other / "ca.pem"}),
        (Outcome.CERTIFICATE_REFUSED, {"ca_file": None}),
        (Outcome.CA_UNREADABLE, {"ca_file": tmp_path / "missing.pem"}),
        (Outcome.CA_UNREADABLE, {"ca_file": junk}),
        (Outcome.UNREACHABLE, {"endpoint": f"https://localhost:{free_port}"}),
        (Outcome.ACCEPTED, {}),
    ]
    service = exporting(tmp_path, certificates, receiver.port)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: len(costs) == 1)
        await asyncio.to_thread(receiver.wait_for, lambda each: bool(each.points))
    reached: list[Outcome] = []
    async with running(observer(tmp_path, ledger_path=str(tmp_path / "none" / "taskHistory.json"))) as heard:
        for _, others in cases:
            exporter = exporting(tmp_path, certificates, receiver.port, **others).exporter
            assert exporter is not None
            exporter._database, exporter._find_activity = heard.service.database, no_activity
            reached.append(await exporter.export())
            await exporter.close()
    assert reached == [outcome for outcome, _ in cases]
    told = [each for each in receiver.accepted if each.points]
    assert {each.values("ai.tokens.cost_usd_total")["claude-opus-4-8 cline"] for each in told} == {0.1}
    assert len({each.resource["service.instance.id"] for each in told}) == 1
    assert TOKEN not in caplog.text
