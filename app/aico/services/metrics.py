"""The metrics, in the names and text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from aico.core.db.sums_reader import Group, SessionCounts
from aico.core.errors import LedgerError, ObserverError, SessionsError, SourceError, StorageError
from aico.core.events import WatcherState, WatcherStateChanged
from aico.core.filters import UsageFilter
from aico.core.money import usd
from aico.core.receipts import ImportReceipt
from aico.core.sums import NOTHING, Sums
from aico.core.telemetry import Outcome
from aico.core.terms import THRESHOLDS
from aico.core.usage import UNKNOWN_MODEL, Tokens
from aico.services.budget_standings import BudgetStanding
from aico.services.histogram import Histogram
from aico.services.limit_windows import LimitWindow, take_limits
from aico.services.queries import CLINE
from aico.services.service import ObserverService
from aico.services.source_states import SourceState
from aico.services.status import LEDGER, SESSIONS, ClineStatus, get_cline_status

MODELS_MAX = 100
"""Models with a label of their own, the first that were seen; the others are counted together, by source.

The first, not the greatest: a model that lost its label to another one would make the counter of the others jump, and
its own end."""
OTHER_MODELS = "(other)"
UNKNOWN_MODEL_LABEL = "(unknown)"
KIMI_STATES = ("up", "secret_refused", "down", "unknown")
_BY_MODEL = ["source", "model"]
_BY_DIRECTION = [*_BY_MODEL, "direction"]
_REASONS = ("unpriced", "unmeasured", "interrupted", "at_least", "lacking_cache", "partial")
"""Why a request is not known as a whole; each is told only of models that have any."""
_DIRECTIONS = {"in": "input", "out": "output"}
_CACHE_DIRECTIONS = {name: name for name in ("cache_read", "cache_write_5m", "cache_write_1h")}
"""Told only of models that have any: not every tool knows its cache."""
_Label = tuple[str, str]
"""Source and model."""


async def render_metrics(service: ObserverService) -> bytes:
    """Return the text of all metrics of ``service``. Raises StorageBusy, StorageError."""
    async with service.reader.snapshot() as snapshot:
        counters = await snapshot.list_counters()
        plan_values = await snapshot.list_plan_values(counters)
        standings = await service.budgets.take_standings(snapshot)
        limits = await take_limits(snapshot, service.now_ms(), service.budgets.plans)
        named = {UNKNOWN_MODEL, *await snapshot.list_first_models(MODELS_MAX)}
        totals = await snapshot.list_totals()
        sessions = await snapshot.count_by(UsageFilter(), (Group.SOURCE, Group.MODEL))
        stored = {source.name: source.session_count for source in await snapshot.list_sources()}
        gaps = {source: await snapshot.list_gaps(source) for source in stored}
    states = await service.sources.list_states()
    cline = await get_cline_status(service)
    registry = CollectorRegistry()
    families = [
        *_growth_families(_bounded(counters, named), _bounded_values(plan_values, named)),
        *_current_families(_bounded(totals, named), _bounded_counts(sessions, named)),
        *_gap_families(gaps),
        *_import_families(service, states, stored),
        *_last_families(service, cline),
        *_state_families(service, states),
        *_export_families(service),
        *_budget_families(service, standings),
        *_limit_families(limits),
    ]
    registry.register(_Fixed(families))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Fixed(Collector):
    """Families that were put together before: a collector may not wait for a database."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _label_of(source: str, model: str, named: set[str]) -> _Label:
    return source, (model or UNKNOWN_MODEL_LABEL) if model in named else OTHER_MODELS


def _bounded(amounts: Mapping[_Label, Sums], named: set[str]) -> dict[_Label, Sums]:
    """Return ``amounts`` by label, with all models of a source outside ``named`` added up."""
    found: dict[_Label, list[Sums]] = {}
    for (source, model), sums in amounts.items():
        found.setdefault(_label_of(source, model, named), []).append(sums)
    return {label: Sums.total(many) for label, many in found.items()}


def _bounded_counts(counts: Mapping[tuple[str, ...], SessionCounts], named: set[str]) -> dict[_Label, int]:
    found: dict[_Label, int] = {}
    for (source, model), count in counts.items():
        label = _label_of(source, model, named)
        found[label] = found.get(label, 0) + count.counted
    return found


def _add_tokens(family: Metric, label: _Label, sums: Sums) -> None:
    if not isinstance(family, CounterMetricFamily | GaugeMetricFamily):
        raise TypeError("no family of single numbers")
    for direction, name in _DIRECTIONS.items():
        family.add_metric([*label, direction], sums.get(name))
    for direction, name in _CACHE_DIRECTIONS.items():
        if sums.get(name):
            family.add_metric([*label, direction], sums.get(name))


def _bounded_values(values: Mapping[_Label, int], named: set[str]) -> dict[_Label, int]:
    found: dict[_Label, int] = {}
    for (source, model), nano in values.items():
        label = _label_of(source, model, named)
        found[label] = found.get(label, 0) + nano
    return found


def _growth_families(counters: Mapping[_Label, Sums], plan_values: Mapping[_Label, int]) -> list[Metric]:
    tokens = CounterMetricFamily("aico_tokens", "Tokens spent; growth only.", labels=_BY_DIRECTION)
    cost = CounterMetricFamily("aico_cost_usd", "US dollars spent; growth only.", labels=_BY_MODEL)
    value = CounterMetricFamily(
        "aico_plan_value_usd", "Value at list prices of what plans have paid for; growth only.", labels=_BY_MODEL
    )
    for label, sums in counters.items():
        paid = plan_values.get(label, 0)
        _add_tokens(tokens, label, sums)
        cost.add_metric([*label], usd(sums.cost_nano - paid))
        if paid:
            value.add_metric([*label], usd(paid))
    return [tokens, cost, value]


def _current_families(totals: Mapping[_Label, Sums], sessions: Mapping[_Label, int]) -> list[Metric]:
    tokens = GaugeMetricFamily("aico_current_tokens", "Tokens of all stored tasks.", labels=_BY_DIRECTION)
    cost = GaugeMetricFamily("aico_current_cost_usd", "US dollars of all stored tasks.", labels=_BY_MODEL)
    tasks = GaugeMetricFamily("aico_current_tasks", "Stored tasks that used the model.", labels=_BY_MODEL)
    requests = GaugeMetricFamily("aico_current_requests", "Stored requests.", labels=_BY_MODEL)
    incomplete = GaugeMetricFamily(
        "aico_current_incomplete_requests",
        "Stored requests, or growths of a task, of which something is not known.",
        labels=[*_BY_MODEL, "reason"],
    )
    for label, count in sessions.items():
        sums = totals.get(label, NOTHING)
        _add_tokens(tokens, label, sums)
        cost.add_metric([*label], usd(sums.cost_nano))
        tasks.add_metric([*label], count)
        requests.add_metric([*label], sums.get("requests"))
        for reason in _REASONS:
            if sums.get(reason):
                incomplete.add_metric([*label, reason], sums.get(reason))
    return [tokens, cost, tasks, requests, incomplete]


def _gap_families(gaps: Mapping[str, Mapping[str, tuple[int | None, Tokens]]]) -> list[Metric]:
    """Return what tools billed and did not record, as far as they let it be known: in no other number."""
    labels = ["source", "kind"]
    requests = GaugeMetricFamily("aico_gap_requests", "Requests that were billed and not recorded.", labels=labels)
    tokens = GaugeMetricFamily(
        "aico_gap_tokens", "Tokens that were billed and not recorded.", labels=[*labels, "direction"]
    )
    for source, kinds in gaps.items():
        for kind, (count, known) in kinds.items():
            if count is not None:
                requests.add_metric([source, kind], count)
            for direction, name in (_DIRECTIONS | _CACHE_DIRECTIONS).items():
                if number := getattr(known, name):
                    tokens.add_metric([source, kind, direction], number)
    return [requests, tokens]


def _import_families(
    service: ObserverService, states: Sequence[SourceState], stored: Mapping[str, int]
) -> Iterator[Metric]:
    """Yield what became of imports since the start, of every source that is read or stored."""
    labels = ["source"]
    tasks = GaugeMetricFamily("aico_tasks", "Stored tasks.", labels=labels)
    runs = CounterMetricFamily("aico_import_runs", "Import runs that ended well since the start.", labels=labels)
    failures = CounterMetricFamily(
        "aico_import_failures", "Failed imports since the start, by error code.", labels=["source", "code"]
    )
    sources = list(dict.fromkeys([*(state.id for state in states if state.enabled), *stored]))
    for source in sources:
        tasks.add_metric([source], stored.get(source, 0))
        runs.add_metric([source], service.ingest.run_counts.get(source, 0))
        # All of them from the start on: a rate begins at a known 0.
        counts = dict.fromkeys(_codes_of(source), 0)
        counts |= {code: count for (name, code), count in service.ingest.failure_counts.items() if name == source}
        for code, count in sorted(counts.items()):
            failures.add_metric([source, code], count)
    yield from (tasks, runs, failures, _histogram(service.ingest.durations), _histogram(service.latency.histogram))


def _codes_of(source: str) -> set[str]:
    """Return the codes of what may go wrong with a source: Cline's have codes of their own."""
    own = _failure_codes(LedgerError) | _failure_codes(SessionsError)
    codes = own if source == CLINE else _failure_codes(SourceError) - own
    return codes | _failure_codes(StorageError)


def _failure_codes(root: type[ObserverError]) -> set[str]:
    """Return the codes that errors of ``root`` and below have of their own."""
    own = {root.code} if "code" in vars(root) else set()
    return own.union(*map(_failure_codes, root.__subclasses__()))


def _histogram(histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.documentation)
    bounds, counts = zip(*histogram.list_buckets(), strict=True)
    family.add_metric([], list(zip(map(floatToGoString, bounds), map(float, counts), strict=True)), histogram.sum_s)
    return family


def _last_families(service: ObserverService, cline: ClineStatus) -> Iterator[Metric]:
    """Yield when each source was read last, the ledger's entries that the last reading refused, and its file now.

    An event that never was has no sample.
    """
    last: dict[str, ImportReceipt] = {} if cline.last_receipt is None else {CLINE: cline.last_receipt}
    for key, receipt in service.ingest.last_receipts.items():
        if key.source not in last or receipt.finished_at_ms > last[key.source].finished_at_ms:
            last[key.source] = receipt
    family = GaugeMetricFamily("aico_last_import_timestamp_seconds", "When the last import ended.", labels=["source"])
    for source, receipt in last.items():
        family.add_metric([source], receipt.finished_at_ms / 1000)
    yield family
    ledgers = [receipt for key, receipt in service.ingest.last_receipts.items() if key[:2] == (CLINE, LEDGER)]
    if not ledgers and cline.sessions is None and cline.last_receipt is not None:
        # Before the first reading of this process. With two origins nobody knows whose the last one was.
        ledgers = [cline.last_receipt]
    rejected_count = sum(receipt.error_count for receipt in ledgers) if ledgers else None
    written_at_ms = cline.ledger_written_at_ms
    for name, documentation, value in (
        ("ledger_rejected_entries", "Entries that the last reading of the ledger refused.", rejected_count),
        ("ledger_size_bytes", "Size of the ledger.", cline.ledger_size_bytes),
        (
            "ledger_written_timestamp_seconds",
            "When the ledger was written last.",
            None if written_at_ms is None else written_at_ms / 1000,
        ),
    ):
        family = GaugeMetricFamily(f"aico_{name}", documentation, labels=["source"])
        if value is not None:
            family.add_metric([CLINE], value)
        yield family


def _state_families(service: ObserverService, states: Sequence[SourceState]) -> Iterator[Metric]:
    """Yield how the parts of the service are: one series per state, 1 for the one that holds."""
    sources = GaugeMetricFamily(
        "aico_source_state", "1 for the state that the source is in.", labels=["source", "state"]
    )
    for each in states:
        if each.enabled:
            for state in WatcherState:
                sources.add_metric([each.id, state.value], state.value == each.state)
    yield sources
    for name, origin, documentation in (
        ("aico_watcher_state", LEDGER, "1 for the state that the watcher is in."),
        ("aico_sessions_watcher_state", SESSIONS, "1 for the state that the watcher of the session store is in."),
    ):
        watcher = service.sources.find_watcher(CLINE, origin)
        if watcher is not None:
            yield _watcher_family(name, documentation, watcher.state)
    if service.kimi_monitor is not None:
        proxy = service.kimi_monitor.state
        holds = "secret_refused" if proxy.reason == "secret_refused" else proxy.state
        kimi = GaugeMetricFamily("aico_kimi_proxy_state", "1 for the state of the Kimi Proxy.", labels=["state"])
        for state_name in KIMI_STATES:
            kimi.add_metric([state_name], state_name == holds)
        yield kimi
    hub = service.hub
    yield GaugeMetricFamily("aico_revision", "Number of the last committed change.", value=hub.revision)
    yield GaugeMetricFamily("aico_sockets", "Open WebSocket connections.", value=hub.subscription_count)
    yield CounterMetricFamily("aico_sockets_dropped", "Connections dropped: they lagged.", value=hub.dropped_count)
    yield InfoMetricFamily("aico_build", "The running version.", value={"version": service.version})


def _watcher_family(name: str, documentation: str, now: WatcherStateChanged) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=["state"])
    for each in WatcherState:
        family.add_metric([each.value], now.state is each)
    return family


def _export_families(service: ObserverService) -> Iterator[Metric]:
    """Yield how the way out to a collector is, where one is set."""
    if service.exporter is None:
        return
    state = service.exporter.state
    exports = CounterMetricFamily(
        "aico_otlp_exports", "Exports to the collector since the start, by what became of them.", labels=["outcome"]
    )
    for outcome in Outcome:
        exports.add_metric([outcome.value], state.counts[outcome])
    yield exports
    accepted = GaugeMetricFamily("aico_otlp_accepted_timestamp_seconds", "When the collector took an export last.")
    if state.accepted_at_ms is not None:
        accepted.add_metric([], state.accepted_at_ms / 1000)
    yield accepted


def _limit_families(limits: Sequence[LimitWindow]) -> Iterator[Metric]:
    """Yield the windows of plans: an unknown number has no sample."""
    labels = ["source", "plan", "window", "origin"]
    share = GaugeMetricFamily("aico_limit_used_ratio", "Used share of a plan's window; 1 is all.", labels=labels)
    value = GaugeMetricFamily(
        "aico_limit_used_usd", "Value at list prices, or recorded cost, used within a window.", labels=labels
    )
    resets = GaugeMetricFamily("aico_limit_reset_timestamp_seconds", "When a window begins anew.", labels=labels)
    burn = GaugeMetricFamily(
        "aico_burn_usd_per_hour", "Value at list prices, or recorded cost, of the last 60 minutes.", labels=["source"]
    )
    burned: dict[str, int] = {}
    for each in limits:
        if each.source is None:
            continue
        names = [each.source, each.plan, each.window, each.origin]
        if each.used_share is not None:
            share.add_metric(names, each.used_share)
        if each.used_nano is not None:
            value.add_metric(names, usd(each.used_nano))
        if each.resets_at is not None:
            resets.add_metric(names, each.resets_at / 1000)
        if each.per_hour_nano is not None:
            burned[each.source] = each.per_hour_nano
    for source, nano in burned.items():
        burn.add_metric([source], usd(nano))
    yield from (share, value, resets, burn)


def _budget_families(service: ObserverService, standings: Sequence[BudgetStanding]) -> Iterator[Metric]:
    labels = ["budget", "period"]
    amount_of = GaugeMetricFamily("aico_budget_amount_usd", "What a budget allows in each period.", labels=labels)
    spent = GaugeMetricFamily("aico_budget_spent_usd", "What was spent of it in this period.", labels=labels)
    reached = GaugeMetricFamily(
        "aico_budget_reached", "1 once the share in per cent was reached in this period.", labels=[*labels, "threshold"]
    )
    for standing in standings:
        names = [standing.budget.name, standing.budget.period.value]
        told = {*standing.reached, *(each.key.threshold for each in service.budgets.list_told(standing))}
        amount_of.add_metric(names, usd(standing.budget.amount_nano))
        spent.add_metric(names, usd(standing.spent_nano))
        for threshold in THRESHOLDS:
            reached.add_metric([*names, str(threshold)], threshold in told)
    calls = CounterMetricFamily(
        "aico_webhook_calls", "Calls of the webhook since the start, by what came of them.", labels=["answer"]
    )
    for answer, count in service.budgets.webhook.counts.items():
        calls.add_metric([answer.value], count)
    yield from (amount_of, spent, reached, calls)
    settings = service.settings
    budget = GaugeMetricFamily("aico_budget_usd", "What the operator means to spend, in US dollars.", labels=["period"])
    for period, amount in (("day", settings.budget_daily_usd), ("month", settings.budget_monthly_usd)):
        if amount is not None:
            budget.add_metric([period], amount)
    yield budget
