"""Figures: three hundred sockets, thirty of which never read."""

from __future__ import annotations

import selectors
import socket
import time
from pathlib import Path

from bench.figure import Figure, Measurement, Setup, Unmeasurable, blocking
from bench.intervals import median_interval
from bench.ledgers import LedgerFile
from bench.served import Served, serve

_CLIENTS = 300
_SILENT = 30
_HANG_S = 30.0
_SETTINGS = {"AICO_MAX_SOCKETS": "320", "AICO_RESCAN_INTERVAL_S": "0"}


def _connect(served: Served) -> socket.socket:
    """Return a socket that has had its greeting."""
    client = socket.create_connection(("127.0.0.1", served.port), _HANG_S)
    client.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while b'"hello"' not in answer:
        part = client.recv(4096)
        answer += part
        if not part or not answer.startswith(b"HTTP/1.1 101"[: len(answer)]):
            raise Unmeasurable("a socket was refused; are descriptors scarce?")
    client.setblocking(False)
    return client


def _spread_ms(ledger: LedgerFile, readers: list[socket.socket]) -> float:
    """Change the ledger; return how long after the first reader the last one had the message."""
    ledger.change_one()
    ledger.replace()
    deadline = time.monotonic() + _HANG_S
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        moments: list[float] = []
        while len(moments) < len(readers):
            if time.monotonic() > deadline:
                raise Unmeasurable(f"{len(readers) - len(moments)} sockets heard nothing")
            for key, _events in selector.select(1.0):
                if isinstance(key.fileobj, socket.socket) and b"cline_usage_updated" in key.fileobj.recv(1 << 16):
                    moments.append(time.perf_counter())
                    selector.unregister(key.fileobj)
    return (moments[-1] - moments[0]) * 1000


def _measure_spread(setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, 1_000)
    with serve(ledger.path, setup.folder, _SETTINGS) as served:
        served.wait_until_ready()
        clients = [_connect(served) for _ in range(_CLIENTS)]
        samples = [_spread_ms(ledger, clients[_SILENT:]) for _ in range(setup.pair_count + 1)][1:]
        for client in clients:
            client.close()
    return Measurement(median_interval(samples), len(samples), {"worst_ms": max(samples)})


def _measure_memory(setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, 1_000)
    samples = []
    for number in range(3):
        folder = setup.folder / str(number)
        folder.mkdir()
        samples.append(_memory_kib(ledger, folder))
    return Measurement(median_interval(samples), len(samples))


def _memory_kib(ledger: LedgerFile, folder: Path) -> float:
    """Return the memory that each of the clients adds to the service."""
    with serve(ledger.path, folder, _SETTINGS) as served:
        served.wait_until_ready()
        _connect(served).close()
        before = served.memory_mb()
        clients = [_connect(served) for _ in range(_CLIENTS)]
        grown = served.memory_mb() - before
        for client in clients:
            client.close()
    return grown * 1e6 / 1024 / _CLIENTS


FANOUT_FIGURES = (
    Figure(
        "fanout_300",
        "300 sockets, 30 of which never read: from the first to the last of the others that has the message",
        "ms",
        100.0,
        blocking(_measure_spread),
    ),
    Figure("client_memory", "memory for each of 300 sockets", "KiB", 64.0, blocking(_measure_memory)),
)
