"""The metrics: what they count, that counters never fall, and that no ledger can make them many."""

from __future__ import annotations

from itertools import pairwise

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from aico.core.db.writer import Batch
from aico.core.usage import AnyRecord, GapReading, ReadingCounts, RequestState, Tokens, Trigger, UsageEvent, digest
from aico.proxy.kimi_answer import KimiProxyAnswer
from aico.proxy.kimi_proxy import KimiProxyClient
from aico.services import metrics
from aico.services.kimi_monitor import KimiMonitor, KimiProxyState
from tests.api.answer_checks import check_security_headers
from tests.api.application_on_port import live
from tests.api.conftest import Api, Serve
from tests.e2e.fake_cline_ledger import PRIVATE, LedgerFile, entry, now_ms
from tests.e2e.fake_page_socket import listening

LABELS = ("source", "model", "direction", "code", "kind", "reason", "state", "period", "le")


def families(text: str) -> dict[str, Metric]:
    """Return the metrics of ``text`` by name."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family: Metric) -> dict[tuple[str, ...], float]:
    """Return the samples of ``family`` by their labels' values, in the order of ``LABELS``."""
    return {
        tuple(sample.labels[label] for label in LABELS if label in sample.labels): sample.value
        for sample in family.samples
    }


async def test_metrics_tell_what_was_spent_and_how_the_service_is(api: Api) -> None:
    """The text parses; a total that fell takes nothing away; labels are only sources, models and codes."""
    api.ledger.write(entry("1", model="m/one", tokens_in=100, tokens_out=10, cost=0.5), entry("2", model=None, cost=0))
    await api.import_ledger()
    api.ledger.write(entry("1", model="m/one", tokens_in=40, tokens_out=10, cost=0.25), entry("2", model=None, cost=0))
    await api.import_ledger()
    api.ledger.unlink()
    await api.import_ledger()
    response = await api.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    check_security_headers(response.headers)
    found = families(response.text)
    assert values(found["aico_tokens"])["cline", "m/one", "in"] == 100
    assert values(found["aico_current_tokens"])["cline", "m/one", "in"] == 100
    assert values(found["aico_cost_usd"])["cline", "m/one"] == 0.5
    assert values(found["aico_current_cost_usd"])["cline", "m/one"] == 0.5
    assert values(found["aico_current_tokens"])["cline", "(unknown)", "out"] == 100
    assert values(found["aico_tasks"]) == {("cline",): 2}
    assert values(found["aico_revision"]) == {(): 2}
    assert values(found["aico_sockets"]) == {(): 0}
    assert values(found["aico_import_failures"])["cline", "ledger_not_found"] >= 1
    assert values(found["aico_import_runs"])["cline",] >= 2
    assert sum(values(found["aico_watcher_state"]).values()) == 1
    assert PRIVATE not in response.text


async def test_metrics_tell_what_is_not_known(api: Api) -> None:
    """No request without a price or without tokens is a 0 in silence, and what was never recorded stands apart."""
    told = Tokens(input=5, cache_read=7, output=3)
    records: list[AnyRecord] = [
        UsageEvent(digest(1), "s", 1_795_000_000_000, "m", told),
        UsageEvent(digest(2), "s", 1_795_000_000_000, "m", Tokens(), state=RequestState.UNMEASURED),
        GapReading("s", None, "compaction", 2, told, at=1_795_000_000_000),
    ]
    await api.service.writer.apply(Batch("tool", "log", "log", records, ReadingCounts(Trigger.WATCH)))
    found = families((await api.get("/metrics")).text)
    assert values(found["aico_current_requests"])["tool", "m"] == 2
    incomplete = values(found["aico_current_incomplete_requests"])
    assert {labels[-1]: value for labels, value in incomplete.items() if labels[0] == "tool"} == {
        "unpriced": 1,
        "unmeasured": 1,
        "lacking_cache": 1,
    }
    assert values(found["aico_gap_requests"]) == {("tool", "compaction"): 2}
    gap = values(found["aico_gap_tokens"])
    assert gap == {
        ("tool", "in", "compaction"): 5,
        ("tool", "cache_read", "compaction"): 7,
        ("tool", "out", "compaction"): 3,
    }


async def test_metrics_bound_their_labels(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit, models are counted together: no ledger can make a thousand series, and no token is lost."""
    monkeypatch.setattr(metrics, "MODELS_MAX", 2)
    api.ledger.write(*(entry(str(number), model=f"model-{number}", tokens_in=number) for number in range(1, 6)))
    await api.import_ledger()
    found = families((await api.get("/metrics")).text)
    tokens = {model: value for (_, model, way), value in values(found["aico_tokens"]).items() if way == "in"}
    assert len(tokens) == 3
    assert metrics.OTHER_MODELS in tokens
    assert sum(tokens.values()) == 15


async def test_metrics_take_any_model_for_a_label(api: Api) -> None:
    """Quotes, backslashes and other scripts in a model's name come through the text format unharmed."""
    model = 'a"b\\c{d}=観測 \u2028b'
    api.ledger.write(entry("1", model=model, tokens_in=7))
    await api.import_ledger()
    found = families((await api.get("/metrics")).text)
    assert values(found["aico_tokens"])["cline", model, "in"] == 7


async def scrape(api: Api) -> dict[str, Metric]:
    """Return the metrics as they are now."""
    return families((await api.get("/metrics")).text)


def counters(found: dict[str, Metric]) -> dict[tuple[str, ...], float]:
    """Return every sample of the counters that are kept in the database."""
    names = ("aico_tokens", "aico_cost_usd")
    return {(name, *labels): value for name in names for labels, value in values(found[name]).items()}


async def test_counters_never_fall(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by corrections, vanished entries, models beyond the limit, a task that changes its model, or a restart."""
    monkeypatch.setattr(metrics, "MODELS_MAX", 3)
    histories = [
        [entry("1", model="a", tokens_in=100, cost=1), entry("2", model="b", tokens_in=50, cost=0.5)],
        [entry("1", model="a", tokens_in=10, cost=0.1), entry("2", model="c", tokens_in=60, cost=0.6)],
        [entry("1", model="d", tokens_in=20, cost=0.2)],
        [entry("3", model="e", tokens_in=7, cost=0.07), entry("4", model=None, tokens_in=9, cost=0.09)],
        [entry("3", model="e", tokens_in=8, cost=0.08), entry("5", model="f", tokens_in=5, cost=0.05)],
        [],
    ]
    seen: list[dict[tuple[str, ...], float]] = []
    for entries in histories:
        async with serve() as api:
            api.ledger.write(*entries)
            await api.import_ledger()
            seen.append(counters(await scrape(api)))
    for before, after in pairwise(seen):
        assert all(after[labels] >= value for labels, value in before.items())
    assert {labels[2] for labels in seen[-1]} == {"a", "b", "c", metrics.UNKNOWN_MODEL_LABEL, metrics.OTHER_MODELS}
    total = sum(value for labels, value in seen[-1].items() if labels[0] == "aico_tokens" and labels[-1] == "in")
    assert total == 100 + 60 + 8 + 9 + 5


async def test_metrics_of_an_empty_service_leave_out_what_never_was(api: Api) -> None:
    """Without a ledger there is no last import, no size and no budget, and every failure stands at 0."""
    found = await scrape(api)
    for name in ("last_import_timestamp_seconds", "ledger_size_bytes", "ledger_written_timestamp_seconds"):
        assert values(found[f"aico_{name}"]) == {}
    assert values(found["aico_budget_usd"]) == {}
    failures = values(found["aico_import_failures"])
    assert {("cline", "ledger_format"), ("cline", "ledger_unreadable"), ("cline", "storage_busy")} <= set(failures)
    assert set(failures.values()) == {0}
    assert not {"aico_kimi_proxy_state", "aico_sessions_watcher_state"} & set(found)


async def test_metrics_tell_of_the_last_reading(serve: Serve) -> None:
    """When it was, what it refused, and how large and old the file is."""
    begun = now_ms() / 1000 - 1
    async with serve(budget_daily_usd=5) as api:
        api.ledger.write(entry("1"), {"id": ""}, 7)
        await api.import_ledger()
        found = await scrape(api)
    assert values(found["aico_ledger_rejected_entries"]) == {("cline",): 2}
    assert values(found["aico_ledger_size_bytes"]) == {("cline",): api.ledger.size_bytes}
    for name in ("aico_last_import_timestamp_seconds", "aico_ledger_written_timestamp_seconds"):
        (moment,) = values(found[name]).values()
        assert begun <= moment <= now_ms() / 1000 + 1
    assert values(found["aico_budget_usd"]) == {("day",): 5}


async def test_metrics_measure_imports_and_the_way_to_the_page(ledger: LedgerFile) -> None:
    """Each import and each noticed write is counted once, in cumulative buckets that end at all of them."""
    ledger.write(entry("1"))
    async with live(ledger, rescan_interval_s=0) as served, listening(served.socket_url) as page:
        for number in range(2, 5):
            revision = served.service.hub.revision
            ledger.write(*(entry(str(each)) for each in range(1, number + 1)))
            await page.until(lambda listener, least=revision: served.service.hub.revision > least)  # type: ignore[misc]  # bound now
        found = families((await metrics.render_metrics(served.service)).decode())
    durations, latencies = (
        buckets(found[name]) for name in ("aico_import_duration_seconds", "aico_write_to_publish_seconds")
    )
    assert durations[-1] >= 2
    assert latencies[-1] >= 2
    for counts in (durations, latencies):
        assert counts == sorted(counts)


def buckets(family: Metric) -> list[float]:
    """Return the cumulative counts of a histogram, by their bounds."""
    found = {sample.labels["le"]: sample.value for sample in family.samples if sample.name.endswith("_bucket")}
    assert list(found)[-1] == "+Inf"
    total = next(sample.value for sample in family.samples if sample.name.endswith("_count"))
    assert list(found.values())[-1] == total
    return list(found.values())


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (None, "unknown"),
        (KimiProxyAnswer.WELL, "up"),
        (KimiProxyAnswer.SECRET_REFUSED, "secret_refused"),
        (KimiProxyAnswer.NO_ANSWER, "down"),
        (KimiProxyAnswer.BAD_ANSWER, "down"),
        (KimiProxyAnswer.UNREACHABLE, "down"),
    ],
)
async def test_metrics_tell_the_state_of_kimi_proxy(
    api: Api, monkeypatch: pytest.MonkeyPatch, answer: KimiProxyAnswer | None, state: str
) -> None:
    """One series per state, of which one is 1."""
    monitor = KimiMonitor(KimiProxyClient("http://127.0.0.1:9"), now_ms)  # never asks: nobody runs it
    monitor.state = KimiProxyState(answer, 1)
    monkeypatch.setattr(api.service, "kimi_monitor", monitor)
    found = values((await scrape(api))["aico_kimi_proxy_state"])
    assert found == {(each,): float(each == state) for each in metrics.KIMI_STATES}
