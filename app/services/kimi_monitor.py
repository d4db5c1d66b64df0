"""Looks after the Kimi Proxy beside us, without ever being in the way of an import."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

PROBE_S = 15.0
"""Between two probes while the proxy is well."""
BACKOFF_FIRST_S = 5.0
BACKOFF_MAX_S = 120.0

_log = logging.getLogger(__name__)


class Probe(Protocol):
    """What can be asked whether the proxy is well."""

    async def is_well(self) -> bool:
        """Return whether it is."""
        ...


@dataclass(frozen=True, slots=True)
class KimiProxyState:
    """How the proxy is, and since when it has been so."""

    state: Literal["unknown", "up", "down"]
    since_ms: int | None


class KimiMonitor:
    """Probes until cancelled: at a steady pace while the proxy is up, with growing distance while it is down."""

    def __init__(self, probe: Probe, now_ms: Callable[[], int]) -> None:
        self._probe = probe
        self._now_ms = now_ms
        self.state = KimiProxyState("unknown", None)

    async def run(self) -> None:
        """Probe until cancelled."""
        delay_s = BACKOFF_FIRST_S
        while True:
            if await self.probe_once():
                delay_s = BACKOFF_FIRST_S
                await asyncio.sleep(PROBE_S)
            else:
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, BACKOFF_MAX_S)

    async def probe_once(self) -> bool:
        """Ask once, take over the answer, and log a change; return whether the proxy is up."""
        state: Literal["up", "down"] = "up" if await self._probe.is_well() else "down"
        if state != self.state.state:
            self.state = KimiProxyState(state, self._now_ms())
            _log.log(logging.INFO if state == "up" else logging.WARNING, "Kimi Proxy is %s", state)
        return state == "up"
