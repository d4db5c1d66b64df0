"""Fakes a collector: OpenTelemetry's receiver over gRPC with TLS and bearer token, which keeps what it is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

HANG_S = 60.0
TOKEN = "bearer-0123456789-abcdef"  # noqa: S105  # opens nothing
_SERVICE, _METHOD = "opentelemetry.proto.collector.metrics.v1.MetricsService", "Export"


class Point(NamedTuple):
    """One point of an export."""

    value: float
    start_ns: int
    at_ns: int


class Export(NamedTuple):
    """One accepted request, taken apart."""

    resource: dict[str, str]
    points: dict[tuple[str, tuple[tuple[str, str], ...]], Point]
    kinds: dict[str, tuple[str, str]]
    """Of each metric ``counter``, ``sum`` or ``gauge``, and its unit."""
    request: bytes

    def values(self, metric: str) -> dict[str, float]:
        """Return the values of a metric by those of its attributes, joined by blanks, in the order of their names."""
        return {
            " ".join(value for _, value in labels): point.value
            for (name, labels), point in self.points.items()
            if name == metric
        }


def take_apart(request: bytes) -> Export:
    """Return what ``request`` says."""
    message = ExportMetricsServiceRequest.FromString(request)
    points: dict[tuple[str, tuple[tuple[str, str], ...]], Point] = {}
    kinds: dict[str, tuple[str, str]] = {}
    resource = message.resource_metrics[0] if message.resource_metrics else ResourceMetrics()
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            if metric.HasField("sum"):
                assert metric.sum.aggregation_temporality == 2, "not cumulative"
                kinds[metric.name] = ("counter" if metric.sum.is_monotonic else "sum", metric.unit)
            else:
                kinds[metric.name] = ("gauge", metric.unit)
            for point in (*metric.sum.data_points, *metric.gauge.data_points):
                labels = tuple(sorted((each.key, each.value.string_value) for each in point.attributes))
                value = point.as_int if point.HasField("as_int") else point.as_double
                assert (metric.name, labels) not in points
                points[metric.name, labels] = Point(value, point.start_time_unix_nano, point.time_unix_nano)
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    return Export(named, points, kinds, request)


class FakeCollector:
    """One that listens on a port of its own."""

    def __init__(self, token: str | None) -> None:
        self.port = 0
        self.token = token
        self.accepted: list[Export] = []
        self.metadata: list[dict[str, str]] = []
        """Of every call, refused ones included."""
        self.answer: grpc.StatusCode | None = None
        """The status of every refusal; None accepts."""
        self.rejected_points = 0
        self.is_hanging = False
        self._released = threading.Event()
        self._news = threading.Condition()

    def release(self) -> None:
        """Let go of everything that hangs."""
        self._released.set()

    def receive(self, request: bytes, context: grpc.ServicerContext) -> ExportMetricsServiceResponse:
        """Take one request."""
        metadata = {str(key): str(value) for key, value in context.invocation_metadata()}
        with self._news:
            self.metadata.append(metadata)
            self._news.notify_all()
        if self.is_hanging:
            self._released.wait(HANG_S)
        if self.token is not None and metadata.get("authorization") != f"Bearer {self.token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        if self.answer is not None:
            context.abort(self.answer, "no")
        export = take_apart(request)
        with self._news:
            self.accepted.append(export)
            self._news.notify_all()
        response = ExportMetricsServiceResponse()
        response.partial_success.rejected_data_points = self.rejected_points
        return response

    def wait_for(self, wanted: Callable[[Export], bool], *, after: int = 0) -> Export:
        """Return the first accepted export behind the first ``after`` that is as ``wanted``, once there is one."""
        deadline = time.monotonic() + HANG_S
        with self._news:
            while True:
                found = next((each for each in self.accepted[after:] if wanted(each)), None)
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, (
                    f"no such export among {len(self.accepted)}: {[each.points for each in self.accepted[-1:]]}"
                )
                self._news.wait(left)

    def wait_for_calls(self, count: int) -> None:
        """Return when it was called so often."""
        deadline = time.monotonic() + HANG_S
        with self._news:
            while len(self.metadata) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.metadata)} calls"
                self._news.wait(left)


@contextmanager
def collector(certificates: Path | None = None, *, token: str | None = TOKEN, port: int = 0) -> Iterator[FakeCollector]:
    """Run a collector until the block ends: with TLS where ``certificates`` are given."""
    fake = FakeCollector(token)
    server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
    handler = grpc.unary_unary_rpc_method_handler(
        fake.receive, response_serializer=ExportMetricsServiceResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: handler}),))
    address = f"127.0.0.1:{port}"
    if certificates is None:
        fake.port = server.add_insecure_port(address)
    else:
        pair = ((certificates / "server-key.pem").read_bytes(), (certificates / "server.pem").read_bytes())
        fake.port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield fake
    finally:
        fake.release()
        server.stop(grace=0).wait(HANG_S)
