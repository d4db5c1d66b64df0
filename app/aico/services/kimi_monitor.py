"""Looks after the Kimi Proxy beside us, without ever being in the way of an import."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from aico.proxy.kimi_answer import KimiProxyAnswer

PROBE_S = 15.0
"""Between two probes while the proxy is up."""
BACKOFF_FIRST_S = 5.0
BACKOFF_MAX_S = 120.0

State: TypeAlias = Literal["unknown", "up", "down"]
Reason: TypeAlias = Literal["secret_refused", "unreachable", "no_answer", "bad_answer"]
_REASONS: dict[KimiProxyAnswer | None, Reason] = {
    KimiProxyAnswer.SECRET_REFUSED: "secret_refused",
    KimiProxyAnswer.UNREACHABLE: "unreachable",
    KimiProxyAnswer.NO_ANSWER: "no_answer",
    KimiProxyAnswer.BAD_ANSWER: "bad_answer",
}
_WORDS = {
    KimiProxyAnswer.WELL: "up",
    KimiProxyAnswer.SECRET_REFUSED: "up, but refuses the secret",
    KimiProxyAnswer.UNREACHABLE: "down: it cannot be reached",
    KimiProxyAnswer.NO_ANSWER: "down: it does not answer in time",
    KimiProxyAnswer.BAD_ANSWER: "down: it answers, but not with success",
}

_log = logging.getLogger(__name__)


class Probe(Protocol):
    """A client that can be asked how the proxy is."""

    async def probe(self) -> KimiProxyAnswer:
        """Return how it is."""
        ...


@dataclass(frozen=True, slots=True)
class KimiProxyState:
    """How the proxy is, and since when it has been so. ``answer`` is None before the first probe."""

    answer: KimiProxyAnswer | None = None
    since_ms: int | None = None

    @property
    def state(self) -> State:
        """``up``, ``down`` or ``unknown``. A proxy that refuses our secret is up."""
        if self.answer is None:
            return "unknown"
        return "up" if self.answer in {KimiProxyAnswer.WELL, KimiProxyAnswer.SECRET_REFUSED} else "down"

    @property
    def reason(self) -> Reason | None:
        """The fault, if there is one."""
        return _REASONS.get(self.answer)


class KimiMonitor:
    """Probes until cancelled: at a steady pace while the proxy is up, with growing distance while it is down."""

    def __init__(
        self, probe: Probe, now_ms: Callable[[], int], publish: Callable[[KimiProxyState], None] = lambda _state: None
    ) -> None:
        self._probe = probe
        self._now_ms = now_ms
        self._publish = publish
        self.state = KimiProxyState()

    async def run(self) -> None:
        """Probe until cancelled."""
        delay_s = BACKOFF_FIRST_S
        while True:
            await self.probe_once()
            if self.state.state == "up":
                delay_s = BACKOFF_FIRST_S
                await asyncio.sleep(PROBE_S)
            else:
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, BACKOFF_MAX_S)

    async def probe_once(self) -> None:
        """Ask once, take over the answer, and tell a change to the log and the subscribers."""
        answer = await self._probe.probe()
        if answer is not self.state.answer:
            self.state = KimiProxyState(answer, self._now_ms())
            level = logging.INFO if answer is KimiProxyAnswer.WELL else logging.WARNING
            _log.log(level, "Kimi Proxy is %s", _WORDS[answer])
            self._publish(self.state)
