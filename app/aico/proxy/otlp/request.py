"""An export as OpenTelemetry's SDK makes it, and the official encoder writes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias, cast

from aico.core.telemetry import INSTRUMENTS, SCOPE, Instrument, Kind, Sending

_ours = threading.Lock()


@contextmanager
def without_foreign_variables() -> Iterator[None]:
    """Let nobody see the user's own variables for OpenTelemetry while the block runs.

    They are meant for other programs, and there are many: one turns the SDK off, one sends totals again at each start,
    one puts paths on the wire, and a value that is none is an exception.
    """
    with _ours:
        kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("OTEL_")}
        try:
            yield
        finally:
            os.environ.update(kept)


with without_foreign_variables():
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
    )
    from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider, ObservableCounter, ObservableGauge
    from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricsData
    from opentelemetry.sdk.resources import Resource

Observer: TypeAlias = Callable[[CallbackOptions], Iterable[Observation]]
_CUMULATIVE: dict[type, AggregationTemporality] = {
    ObservableCounter: AggregationTemporality.CUMULATIVE,
    ObservableGauge: AggregationTemporality.CUMULATIVE,
}
_NS = 1_000_000


class RequestMaker:
    """Makes the bytes of exports, one after the other, all with the same resource."""

    def __init__(self, resource: Mapping[str, str]) -> None:
        self._values: dict[str, list[tuple[dict[str, str], int | float]]] = {}
        with without_foreign_variables():
            self._reader = InMemoryMetricReader(preferred_temporality=_CUMULATIVE)
            # Made by hand: `Resource.create` looks around for more.
            self._provider = MeterProvider(
                metric_readers=[self._reader],
                resource=Resource(dict(resource)),
                exemplar_filter=AlwaysOffExemplarFilter(),
                shutdown_on_exit=False,
            )
            meter = self._provider.get_meter(SCOPE, resource["service.version"])
            for instrument in INSTRUMENTS.values():
                make = (
                    meter.create_observable_counter
                    if instrument.kind is Kind.COUNTER
                    else meter.create_observable_gauge
                )
                make(instrument.name, [self._observer_of(instrument)], instrument.unit, instrument.description)

    def make(self, sending: Sending) -> bytes:
        """Return the request of ``sending``, whose instance is that of the resource."""
        self._values = sending.list_values()
        request = encode_metrics(self._reader.get_metrics_data() or MetricsData([]))
        # The SDK's own times are those at which this process saw a series first.
        for metric in (one for each in request.resource_metrics for part in each.scope_metrics for one in part.metrics):
            for point in (*metric.sum.data_points, *metric.gauge.data_points):
                point.start_time_unix_nano = sending.start_ms * _NS if metric.HasField("sum") else 0
                point.time_unix_nano = sending.at_ms * _NS
        return cast("bytes", request.SerializeToString())

    def close(self) -> None:
        """Let go of the SDK."""
        self._provider.shutdown(timeout_millis=100)

    def _observer_of(self, instrument: Instrument) -> Observer:
        # Everything was read before: an error here would lose a metric, or half of it.
        return lambda _options: [Observation(value, labels) for labels, value in self._values.get(instrument.name, ())]


def is_taken(answer: bytes) -> bool:
    """Return whether the collector took every point. Raises ValueError for what is no answer."""
    try:
        response = ExportMetricsServiceResponse.FromString(answer)
    except Exception as error:  # the library's own kinds
        raise ValueError("no answer of a collector") from error
    return bool(response.partial_success.rejected_data_points == 0)


def as_json(request: bytes) -> str:
    """Return ``request`` in the protocol's JSON, for people."""
    from google.protobuf.json_format import MessageToJson  # noqa: PLC0415  # for a look only

    return cast("str", MessageToJson(ExportMetricsServiceRequest.FromString(request)))
