"""The metrics, in the names and text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from app.core.accounting import Amount
from app.core.domain import CLINE
from app.core.events import WatcherState
from app.core.money import usd
from app.services.service import ObserverService

MODELS_MAX = 100
"""Models with a label of their own, the first that were seen; the others are counted together."""
OTHER_MODELS = "(other)"
UNKNOWN_MODEL_LABEL = "(unknown)"
_BY_MODEL = ["source", "model"]
_BY_DIRECTION = [*_BY_MODEL, "direction"]


async def render_metrics(service: ObserverService) -> bytes:
    """Return the text of all metrics of ``service``. Raises StorageBusy, StorageError."""
    async with service.reader.snapshot() as snapshot:
        counters = await snapshot.list_counters()
        totals = await snapshot.list_model_totals()
    state = await service.repository.get_state()
    named = set(list(counters)[:MODELS_MAX])
    registry = CollectorRegistry()
    families = [
        *_usage_families(_bounded(counters, named), _bounded(totals, named)),
        *_service_families(service, state.task_count, state.revision),
    ]
    registry.register(_Fixed(families))
    return generate_latest(registry)


class _Fixed(Collector):
    """Families that were put together before: a collector may not wait for a database."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _bounded(amounts: Mapping[str, Amount], named: set[str]) -> dict[str, Amount]:
    """Return ``amounts`` by label, with all models outside ``named`` added up."""
    result: dict[str, Amount] = {}
    for model, amount in amounts.items():
        label = (model or UNKNOWN_MODEL_LABEL) if model in named else OTHER_MODELS
        before = result.get(label, Amount(0, 0, 0))
        result[label] = Amount(*(a + b for a, b in zip(before, amount, strict=True)))
    return result


def _usage_families(counters: Mapping[str, Amount], totals: Mapping[str, Amount]) -> list[Metric]:
    tokens = CounterMetricFamily("aico_tokens", "Tokens spent; growth only.", labels=_BY_DIRECTION)
    cost = CounterMetricFamily("aico_cost_usd", "US dollars spent; growth only.", labels=_BY_MODEL)
    for model, amount in counters.items():
        tokens.add_metric([CLINE, model, "in"], amount.tokens_in)
        tokens.add_metric([CLINE, model, "out"], amount.tokens_out)
        cost.add_metric([CLINE, model], usd(amount.cost_nano_usd))
    current_tokens = GaugeMetricFamily("aico_current_tokens", "Tokens of all stored tasks.", labels=_BY_DIRECTION)
    current_cost = GaugeMetricFamily("aico_current_cost_usd", "US dollars of all stored tasks.", labels=_BY_MODEL)
    for model, amount in totals.items():
        current_tokens.add_metric([CLINE, model, "in"], amount.tokens_in)
        current_tokens.add_metric([CLINE, model, "out"], amount.tokens_out)
        current_cost.add_metric([CLINE, model], usd(amount.cost_nano_usd))
    return [tokens, cost, current_tokens, current_cost]


def _service_families(service: ObserverService, task_count: int, revision: int) -> list[Metric]:
    tasks = GaugeMetricFamily("aico_tasks", "Stored tasks.", labels=["source"])
    tasks.add_metric([CLINE], task_count)
    runs = CounterMetricFamily("aico_import_runs", "Import runs that ended well since the start.", labels=["source"])
    runs.add_metric([CLINE], service.imports.run_count)
    failures = CounterMetricFamily(
        "aico_import_failures", "Failed imports since the start, by error code.", labels=["source", "code"]
    )
    for code, count in service.imports.failure_counts.items():
        failures.add_metric([CLINE, code], count)
    state = GaugeMetricFamily("aico_watcher_state", "1 for the state that the watcher is in.", labels=["state"])
    for each in WatcherState:
        state.add_metric([each.value], service.watcher.state.state is each)
    build = InfoMetricFamily("aico_build", "The running version.", value={"version": service.version})
    return [
        tasks,
        runs,
        failures,
        state,
        GaugeMetricFamily("aico_revision", "Number of the last committed change.", value=revision),
        GaugeMetricFamily("aico_sockets", "Open WebSocket connections.", value=service.hub.subscription_count),
        CounterMetricFamily(
            "aico_sockets_dropped", "Connections dropped because they lagged.", value=service.hub.dropped_count
        ),
        build,
    ]
