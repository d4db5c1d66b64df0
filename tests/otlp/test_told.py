"""How the way out is told: by status, metrics and the command; the token by none of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from aico.cli import EXIT_OK, EXIT_USAGE, main
from aico.cli.doctor import otlp
from aico.cli.doctor.finding import Verdict
from aico.core.activity import ActivitySpan
from aico.core.instance_lock import InstanceLock
from aico.core.settings import CONFIG_VARIABLE, Settings
from aico.core.telemetry import WORDS, Outcome
from aico.main import create_app
from aico.proxy.running_service import RunningService
from aico.services import service
from tests.api.conftest import Serve
from tests.core.repository_on_file import copy_of_template
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.otlp.fake_collector import TOKEN, FakeCollector, take_apart
from tests.otlp.test_export import exporting
from tests.services.heard_service import running


async def test_status_and_metrics_tell_what_became_of_exports(serve: Serve) -> None:
    """State, since when, the last acceptance, and counts from 0 on; without an endpoint, nothing at all."""
    async with serve() as api:
        assert (await api.get("/api/status")).json()["otlp"] is None
        assert "aico_otlp" not in (await api.get("/metrics")).text
    async with serve(otlp={"endpoint": "http://127.0.0.1:9", "insecure": True, "token": TOKEN}) as api:
        exporter = api.service.exporter
        assert exporter is not None
        await exporter.close()
        before = exporter.state
        exporter.monitor.note(Outcome.ACCEPTED)
        exporter.monitor.note(Outcome.TOKEN_REFUSED)
        answer, metrics = await api.get("/api/status"), await api.get("/metrics")
    told = answer.json()["otlp"]
    assert (told["endpoint"], told["state"]) == ("127.0.0.1:9", "token_refused")
    assert told["since"] >= told["accepted_at"] > 0
    families = {family.name: family.samples for family in text_string_to_metric_families(metrics.text)}
    counts = {sample.labels["outcome"]: sample.value for sample in families["aico_otlp_exports"]}
    assert set(counts) == set(Outcome)
    assert (counts["accepted"], counts["token_refused"], counts["not_kept"]) == (1, 1, 0)
    assert families["aico_otlp_accepted_timestamp_seconds"][0].value == told["accepted_at"] / 1000
    assert TOKEN not in answer.text + metrics.text
    assert before.accepted_at_ms is None
    assert set(WORDS) == set(Outcome)


def test_framework_sends_nothing_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI would send requests, errors and their traces to wherever variables of the user's say."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    app = create_app(Settings(ledger_path=str(tmp_path / "taskHistory.json"), database_path=tmp_path / "observer.db"))
    assert not any(app._telemetry[name] for name in ("auto_configure", "tracing", "metrics", "logs"))
    assert not app._native_telemetry.enabled()


@pytest.mark.parametrize("state", [None, *Outcome])
async def test_doctor_says_how_the_way_out_is_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Outcome | None
) -> None:
    """Each state has advice; variables of other programs are named; without a service there is nothing to say yet."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    ways = {"ledger_path": str(tmp_path / "taskHistory.json"), "database_path": tmp_path / "observer.db"}
    [none] = [one async for one in otlp.examine_export(Settings.model_validate(ways))]
    assert (none.verdict, none.text) == (Verdict.OK, "none named; for other programs: OTEL_SDK_DISABLED")
    settings = Settings.model_validate({**ways, "otlp": {"endpoint": "h:1", "token": TOKEN}})
    first, variables = [one async for one in otlp.examine_export(settings)]
    assert (first.verdict, first.text) == (Verdict.OK, "h:1, as soon as the service runs")
    assert variables.text == "only the table [otlp] decides; for other programs: OTEL_SDK_DISABLED"
    told: dict[str, object] = {"endpoint": "h:1", "state": state, "since": 1, "accepted_at": None}

    async def get_export(_self: RunningService) -> dict[str, object]:
        return told

    monkeypatch.setattr(RunningService, "get_export", get_export)
    lock = InstanceLock(settings.database_path).acquire("http://127.0.0.1:9")
    found, _ = [one async for one in otlp.examine_export(settings)]
    lock.release()
    is_well = state in {None, Outcome.ACCEPTED}
    assert found.verdict is (Verdict.OK if is_well else Verdict.FAIL)
    assert "last accepted never" in found.text
    assert is_well or (state is not None and otlp._DO[state] in found.text)


def test_command_prints_exactly_what_would_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As lines, and as the protocol has it; nothing is sent or kept, and no secret is shown."""
    ledger = LedgerFile(tmp_path / "taskHistory.json")
    ledger.write(entry("1", model="claude-opus-4-8", cost=0.1), entry("2", model="mine", tokens_in=5, cost=0.2))
    (tmp_path / "config.toml").write_text(f'[otlp]\nendpoint = "h:1"\ntoken = "{TOKEN}"\nhost_name = "box"\n')
    database = copy_of_template(tmp_path)
    for name, value in (
        (CONFIG_VARIABLE, "config.toml"),
        ("AICO_LEDGER_PATH", ledger.path),
        ("AICO_DATABASE_PATH", database),
    ):
        monkeypatch.setenv(name, str(tmp_path / str(value)))
    assert main(["import"]) == EXIT_OK
    capsys.readouterr()
    assert main(["otlp", "show"]) == EXIT_OK
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["to", "h:1,", "grpc"] in lines
    assert ["host.name", "box"] in lines
    assert ["ai.tokens.cost_usd_total", "model.name=claude-opus-4-8,", "tool.name=cline", "0.1"] in lines
    assert ["ai.tokens.input_total", "model.name=other,", "tool.name=cline", "5"] in lines
    assert main(["otlp", "show", "--json"]) == EXIT_OK
    said = capsys.readouterr().out
    [sent] = json.loads(said)["resourceMetrics"]
    metrics = {metric["name"]: metric for metric in sent["scopeMetrics"][0]["metrics"]}
    assert {each["asInt"] for each in metrics["ai.tokens.input_total"]["sum"]["dataPoints"]} == {"1000", "5"}
    assert main(["config", "show"]) == EXIT_OK
    assert TOKEN not in said + capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if "export" in path.name] == []


async def test_command_prints_what_the_next_export_tells(
    tmp_path: Path,
    certificates: Path,
    receiver: FakeCollector,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every point, its value, kind and unit, and all that is said of the machine: of tokens, money and activity."""
    ledger = LedgerFile(tmp_path / "cline" / "taskHistory.json")
    ledger.write(entry("1", model="claude-opus-4-8", cost=0.1), entry("2", model="mine", tokens_in=5, cost=0.2))
    service = exporting(tmp_path, certificates, receiver.port)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: len(costs) == 2)
        await service.activity.store.add([ActivitySpan("apps", "Cursor", "editor", 1_779_012_000_000, 60_001)])
        await asyncio.to_thread(receiver.wait_for, lambda each: "ai.app.active.duration" in each.kinds)
        await service.activity.store.add([ActivitySpan("apps", "Cursor", "editor", 1_779_012_100_000, 500)])
    count = len(receiver.accepted)
    settings = {
        "AICO_LEDGER_PATH": ledger.path,
        "AICO_DATABASE_PATH": service.database.path,
        "AICO_OTLP_ENDPOINT": f"https://localhost:{receiver.port}",
        "AICO_OTLP_HOST_NAME": "ada-laptop",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    assert await asyncio.to_thread(main, ["otlp", "show", "--json"]) == EXIT_OK
    shown = take_apart(Parse(capsys.readouterr().out, ExportMetricsServiceRequest()).SerializeToString())
    assert len(receiver.accepted) == count
    async with running(exporting(tmp_path, certificates, receiver.port)):
        sent = await asyncio.to_thread(receiver.wait_for, lambda each: bool(each.points), after=count)
    assert {key: point.value for key, point in shown.points.items()} == {
        key: point.value for key, point in sent.points.items()
    }
    assert shown.kinds == sent.kinds
    assert shown.resource | {"service.version": ""} == sent.resource | {"service.version": ""}
    assert shown.values("ai.app.active.duration") == {"editor Cursor": 60.501}


def test_endpoint_without_the_libraries_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that installs them is named."""
    monkeypatch.setattr(service, "find_spec", lambda _name: None)
    monkeypatch.setenv("AICO_OTLP_ENDPOINT", "h:1")
    for name, value in (("LEDGER", "taskHistory.json"), ("DATABASE", "observer.db")):
        monkeypatch.setenv(f"AICO_{name}_PATH", str(tmp_path / value))
    monkeypatch.setenv("AICO_PORT", "0")
    assert main(["serve"]) == EXIT_USAGE
    assert "pip install 'ai-cost-observer[otlp]'" in capsys.readouterr().err
    create_app(Settings(ledger_path=str(tmp_path / "taskHistory.json"), database_path=tmp_path / "observer.db"))
