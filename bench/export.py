"""Figures: the cost of exporting to a collector, beside the same service without it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from bench.figure import Figure, Measurement, Setup, Unmeasurable, blocking
from bench.intervals import median_interval
from bench.ledgers import LedgerFile
from bench.served import serve

_METHOD = "opentelemetry.proto.collector.metrics.v1.MetricsService"
_SETTLE_S = 20.0
"""The first export brings the libraries; one more comes within this time."""
_IDLE_S = 60.0
"""Four exports."""
_SAMPLES = 3


class _Taken:
    """How many exports were taken."""

    def __init__(self) -> None:
        self.port = 0
        self.count = 0

    def take(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        """Take one; an empty answer says that nothing was refused."""
        self.count += 1
        return b""


@contextmanager
def _collector() -> Iterator[_Taken]:
    taken = _Taken()
    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(taken.take)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_METHOD, handlers),))
    taken.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield taken
    finally:
        server.stop(grace=0).wait()


def _measure(setup: Setup) -> tuple[list[float], list[float]]:
    """Return the memory and the share of a core that the exporting service has more, once for each sample."""
    ledger = LedgerFile(setup.folder, 1_000)
    memory, share = [], []
    for number in range(_SAMPLES):
        plain, exporting = (setup.folder / f"{name}-{number}" for name in ("plain", "exporting"))
        plain.mkdir()
        exporting.mkdir()
        with _collector() as taken:
            out = {"AICO_OTLP_ENDPOINT": f"http://127.0.0.1:{taken.port}", "AICO_OTLP_INSECURE": "true"}
            with serve(ledger.path, plain) as one, serve(ledger.path, exporting, out) as other:
                one.wait_until_ready()
                other.wait_until_ready()
                time.sleep(_SETTLE_S)
                before = other.run_s() - one.run_s()
                time.sleep(_IDLE_S)
                share.append((other.run_s() - one.run_s() - before) / _IDLE_S * 100)
                memory.append(other.memory_mb() - one.memory_mb())
        if taken.count < _IDLE_S / 15:
            raise Unmeasurable("too few exports arrived")
    return memory, share


def _measure_memory(setup: Setup) -> Measurement:
    memory, share = _measure(setup)
    return Measurement(median_interval(memory), len(memory), {"processor_percent": median_interval(share).median})


def _measure_processor(setup: Setup) -> Measurement:
    memory, share = _measure(setup)
    return Measurement(median_interval(share), len(share), {"memory_mb": median_interval(memory).median})


EXPORT_FIGURES = (
    Figure("export_memory", "memory that exporting to a collector adds", "MB", 35.0, blocking(_measure_memory)),
    Figure(
        "export_processor", "share of a core that exporting every 15 s adds", "%", 0.2, blocking(_measure_processor)
    ),
)
