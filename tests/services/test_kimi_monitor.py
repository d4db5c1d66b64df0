"""The look at a Kimi Proxy: a state with its begin, a word per change, and a pace that grows while it is down."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest

from app.proxy.kimi_proxy import KimiProxyClient
from app.services import kimi_monitor
from app.services.kimi_monitor import KimiMonitor, KimiProxyState

HANG_S = 10


class Script:
    """Answers as it is told, then for ever as the last time."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.ended = asyncio.Event()

    async def is_well(self) -> bool:
        """Return the next answer."""
        if len(self.answers) == 1:
            self.ended.set()
            return self.answers[0]
        return self.answers.pop(0)


async def test_monitor_tells_a_change_once_and_keeps_its_begin(caplog: pytest.LogCaptureFixture) -> None:
    """A state lasts from its first answer on; the log hears of changes only."""
    caplog.set_level(logging.INFO, "app.services.kimi_monitor")
    moments = iter(range(100))
    monitor = KimiMonitor(Script(True, True, False, False, True), lambda: next(moments))
    states = [monitor.state]
    for _ in range(5):
        await monitor.probe_once()
        states.append(monitor.state)
    assert states == [
        KimiProxyState("unknown", None),
        *[KimiProxyState("up", 0)] * 2,
        *[KimiProxyState("down", 1)] * 2,
        KimiProxyState("up", 2),
    ]
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]


async def test_monitor_asks_less_often_while_the_proxy_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The distance doubles up to its limit, and one success brings the steady pace and the first distance back."""
    script = Script(False, False, False, False, True, False, False)
    delays: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(delay_s: float) -> None:
        delays.append(delay_s)
        await real_sleep(0)

    monkeypatch.setattr(kimi_monitor, "BACKOFF_MAX_S", 20.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    task = asyncio.create_task(KimiMonitor(script, lambda: 0).run())
    async with asyncio.timeout(HANG_S):
        await script.ended.wait()
    task.cancel()
    await asyncio.wait({task})
    assert delays[:6] == [5, 10, 20, 20, 15, 5]


@pytest.mark.parametrize(
    ("answer", "is_well"),
    [(200, True), (204, True), (302, False), (404, False), (503, False), (None, False)],
)
async def test_client_asks_for_the_health_and_nothing_else(answer: int | None, *, is_well: bool) -> None:
    """Success alone is well; a redirect is not followed, and a connection that fails raises nothing."""
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url}")
        if answer is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(answer, headers={"location": "http://evil.example/"})

    client = KimiProxyClient("http://kimi.example:8000/", httpx.MockTransport(handle))
    assert await client.is_well() is is_well
    await client.close()
    assert asked == ["GET http://kimi.example:8000/health"]
