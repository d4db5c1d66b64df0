"""How many connections there may be, how slow a peer may be. uvicorn bounds neither by itself.

Nobody may hold a connection for nothing. One that waits for its peer, for the rest of a request or for a peer that does
not read, ends at a limit; and before it when all places are taken and a new one comes: the one that waits the longest
gives way then. Connections that are being served and pages that listen are left alone.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from aico.api.security import HEAD_MAX_BYTES

if TYPE_CHECKING:
    from fastapi import FastAPI  # its home is api and main; here it is a name only
    from starlette.types import ASGIApp, Receive, Scope, Send  # likewise

BACKLOG = 128
"""Connections that the operating system holds for us, and that may be accepted at one go."""
_REQUESTS = 128
"""Connections at once besides those of pages that listen: requests, and connections that only seem to make one."""
_DESCRIPTORS_KEPT = 100
"""Descriptors for everything that is no connection: database, files of the tools, folders that are watched."""
_FRAME_MAX_BYTES = 4_096
GRACE_S = 1
"""What answers under way may still take when the service ends."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be, and how long each may let us wait."""

    connection_count: int
    request_s: float = 10.0
    """From the first byte of a request to its last, and before the first byte of the first."""
    stalled_s: float = 30.0
    """How long a peer may leave sent bytes unread."""
    ping_s: float = 10.0
    """Distance of the pings to a page that listens, and how long it may leave one unanswered."""

    @classmethod
    def of(cls, max_sockets: int) -> ConnectionLimits:
        """Return the limits beside ``max_sockets`` pages, as far as the descriptors of the process go."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = max_sockets + _REQUESTS
        if descriptors != resource.RLIM_INFINITY:
            wanted = min(wanted, descriptors - _DESCRIPTORS_KEPT - BACKLOG)
        return cls(max(1, wanted))


class BoundedConfig(uvicorn.Config):
    """How an application is served: by protocols that ask ``limits``."""

    def __init__(
        self, app: FastAPI, limits: ConnectionLimits, http: type[asyncio.Protocol], ws: type[asyncio.Protocol]
    ) -> None:
        super().__init__(
            _without_trace(app),
            http=http,
            ws=ws,
            lifespan="off",  # entered by run_server: its errors reach the user, its end comes after the server's
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            h11_max_incomplete_event_size=HEAD_MAX_BYTES,
            ws_max_size=_FRAME_MAX_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=limits.ping_s,
            ws_ping_timeout=limits.ping_s,
            timeout_graceful_shutdown=GRACE_S,
        )
        self.limits = limits


def _without_trace(app: FastAPI) -> ASGIApp:
    """Return ``app``, of which no answer that the end of the service breaks off is logged as a bug."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn cancels what takes longer than the grace, and nobody else does.
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return serve


class Patience:
    """Counts how long one connection has been waiting for its peer, and calls ``at_limit`` once at the limit."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float, at_limit: Callable[[], None]) -> None:
        self._loop, self._limit_s, self._at_limit = loop, limit_s, at_limit
        self._timer: asyncio.TimerHandle | None = None
        self.since: float | None = None

    def begin(self) -> None:
        """Count from now, unless it counts already."""
        if self._timer is None:
            self.since = self._loop.time()
            self._timer = self._loop.call_later(self._limit_s, self._at_limit)

    def end(self) -> None:
        """Count no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.since = None


def limits_of(config: uvicorn.Config) -> ConnectionLimits:
    """Return the limits that a protocol of ours was configured with."""
    if not isinstance(config, BoundedConfig):
        raise TypeError("these protocols are made for BoundedConfig")
    return config.limits
