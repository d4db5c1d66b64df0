"""The metrics, in the names and text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from aico.core.accounting import ZERO, Amount
from aico.core.domain import CLINE, ImportReceipt, Store
from aico.core.errors import ObserverError, SourceError, StorageError
from aico.core.events import WatcherState, WatcherStateChanged
from aico.core.money import usd
from aico.core.usage_reader import Totals
from aico.services.service import ObserverService
from aico.services.status import ServiceStatus, get_status

MODELS_MAX = 100
"""Models with a label of their own, the first that were seen; the others are counted together.

The first, not the greatest: a model that lost its label to another one would make the counter of the others jump, and
its own end."""
OTHER_MODELS = "(other)"
UNKNOWN_MODEL_LABEL = "(unknown)"
KIMI_STATES = ("up", "secret_refused", "down", "unknown")
_BY_MODEL = ["source", "model"]
_BY_DIRECTION = [*_BY_MODEL, "direction"]


async def render_metrics(service: ObserverService) -> bytes:
    """Return the text of all metrics of ``service``. Raises StorageBusy, StorageError."""
    async with service.reader.snapshot() as snapshot:
        counters = await snapshot.list_counters()
        _, sums = await snapshot.list_all_model_sums()
    status = await get_status(service)
    named = set(list(counters)[:MODELS_MAX])
    registry = CollectorRegistry()
    families = [
        *_growth_families(_bounded(counters, named)),
        *_current_families(_bounded_totals(sums, named)),
        *_import_families(service, status),
        *_last_families(status, service.imports.last_receipts.get(Store.LEDGER)),
        *_state_families(service),
        *_budget_families(service),
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


def _label_of(model: str, named: set[str]) -> str:
    return (model or UNKNOWN_MODEL_LABEL) if model in named else OTHER_MODELS


def _bounded(amounts: Mapping[str, Amount], named: set[str]) -> dict[str, Amount]:
    """Return ``amounts`` by label, with all models outside ``named`` added up."""
    result: dict[str, Amount] = {}
    for model, amount in amounts.items():
        label = _label_of(model, named)
        before = result.get(label, ZERO)
        result[label] = Amount(*(a + b for a, b in zip(before, amount, strict=True)))
    return result


def _bounded_totals(sums: Mapping[str, Totals], named: set[str]) -> dict[str, tuple[Amount, int]]:
    """Return amount and number of tasks by label, likewise."""
    amounts = _bounded({model: totals.amount for model, totals in sums.items()}, named)
    tasks = dict.fromkeys(amounts, 0)
    for model, totals in sums.items():
        tasks[_label_of(model, named)] += totals.task_count
    return {label: (amount, tasks[label]) for label, amount in amounts.items()}


def _growth_families(counters: Mapping[str, Amount]) -> list[Metric]:
    tokens = CounterMetricFamily("aico_tokens", "Tokens spent; growth only.", labels=_BY_DIRECTION)
    cost = CounterMetricFamily("aico_cost_usd", "US dollars spent; growth only.", labels=_BY_MODEL)
    for model, amount in counters.items():
        tokens.add_metric([CLINE, model, "in"], amount.tokens_in)
        tokens.add_metric([CLINE, model, "out"], amount.tokens_out)
        cost.add_metric([CLINE, model], usd(amount.cost_nano_usd))
    return [tokens, cost]


def _current_families(totals: Mapping[str, tuple[Amount, int]]) -> list[Metric]:
    tokens = GaugeMetricFamily("aico_current_tokens", "Tokens of all stored tasks.", labels=_BY_DIRECTION)
    cost = GaugeMetricFamily("aico_current_cost_usd", "US dollars of all stored tasks.", labels=_BY_MODEL)
    tasks = GaugeMetricFamily("aico_current_tasks", "Stored tasks that used the model.", labels=_BY_MODEL)
    for model, (amount, task_count) in totals.items():
        tokens.add_metric([CLINE, model, "in"], amount.tokens_in)
        tokens.add_metric([CLINE, model, "out"], amount.tokens_out)
        cost.add_metric([CLINE, model], usd(amount.cost_nano_usd))
        tasks.add_metric([CLINE, model], task_count)
    return [tokens, cost, tasks]


def _import_families(service: ObserverService, status: ServiceStatus) -> Iterator[Metric]:
    """Yield what became of imports since the start."""
    labels = ["source"]
    tasks = GaugeMetricFamily("aico_tasks", "Stored tasks.", labels=labels)
    tasks.add_metric([CLINE], status.task_count)
    runs = CounterMetricFamily("aico_import_runs", "Import runs that ended well since the start.", labels=labels)
    runs.add_metric([CLINE], service.imports.run_count)
    failures = CounterMetricFamily(
        "aico_import_failures", "Failed imports since the start, by error code.", labels=["source", "code"]
    )
    # All of them from the start on: a rate begins at a known 0.
    counts = (
        dict.fromkeys(_failure_codes(SourceError) | _failure_codes(StorageError), 0) | service.imports.failure_counts
    )
    for code, count in sorted(counts.items()):
        failures.add_metric([CLINE, code], count)
    yield from (tasks, runs, failures, service.imports.durations.family(), service.latency.histogram.family())


def _failure_codes(root: type[ObserverError]) -> set[str]:
    """Return the codes that errors of ``root`` and below have of their own."""
    own = {root.code} if "code" in vars(root) else set()
    return own.union(*map(_failure_codes, root.__subclasses__()))


def _last_families(status: ServiceStatus, ledger: ImportReceipt | None) -> Iterator[Metric]:
    """Yield the last import of any store, what the last one of the ledger refused, and that file as it is now.

    What never was has no sample.
    """
    receipt, written_at_ms = status.last_receipt, status.ledger_written_at_ms
    if ledger is None and status.sessions is None:
        # Before the first reading of this process. With two stores nobody knows whose the last one was.
        ledger = receipt
    at_s = None if receipt is None else receipt.finished_at_ms / 1000
    rejected_count = None if ledger is None else ledger.error_count
    written_at_s = None if written_at_ms is None else written_at_ms / 1000
    for name, documentation, value in (
        ("last_import_timestamp_seconds", "When the last import ended.", at_s),
        ("ledger_rejected_entries", "Entries that the last reading of the ledger refused.", rejected_count),
        ("ledger_size_bytes", "Size of the ledger.", status.ledger_size_bytes),
        ("ledger_written_timestamp_seconds", "When the ledger was written last.", written_at_s),
    ):
        family = GaugeMetricFamily(f"aico_{name}", documentation, labels=["source"])
        if value is not None:
            family.add_metric([CLINE], value)
        yield family


def _state_families(service: ObserverService) -> Iterator[Metric]:
    """Yield how the parts of the service are: one series per state, 1 for the one that holds."""
    yield _watcher_family("aico_watcher_state", "1 for the state that the watcher is in.", service.watcher.state)
    if service.sessions_watcher is not None:
        words = "1 for the state that the watcher of the session store is in."
        yield _watcher_family("aico_sessions_watcher_state", words, service.sessions_watcher.state)
    if service.kimi_monitor is not None:
        proxy = service.kimi_monitor.state
        holds = "secret_refused" if proxy.reason == "secret_refused" else proxy.state
        kimi = GaugeMetricFamily("aico_kimi_proxy_state", "1 for the state of the Kimi Proxy.", labels=["state"])
        for state in KIMI_STATES:
            kimi.add_metric([state], state == holds)
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


def _budget_families(service: ObserverService) -> Iterator[Metric]:
    settings = service.settings
    budget = GaugeMetricFamily("aico_budget_usd", "What the operator means to spend, in US dollars.", labels=["period"])
    for period, amount in (("day", settings.budget_daily_usd), ("month", settings.budget_monthly_usd)):
        if amount is not None:
            budget.add_metric([period], amount)
    yield budget
