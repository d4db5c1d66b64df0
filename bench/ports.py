"""Ports for services that are started later, and again after they were ended."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress


def free_ports(first: int, end: int) -> Iterator[int]:
    """Yield the ports from ``first`` to before ``end`` that nobody listens on, each once. ``OSError`` after the last.

    A range below the one from which the system gives ports by itself keeps a port free until it is used.
    """
    for port in range(first, end):
        if _is_free(port):
            yield port
    raise OSError(f"no port is left below {end}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
