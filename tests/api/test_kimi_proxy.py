"""A Kimi Proxy beside the service: its state is told, its secret never, and no import waits for it."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from pydantic import SecretStr

from aico.core.settings import Settings
from aico.core.usage import Trigger
from aico.services import kimi_monitor
from aico.services.kimi_monitor import KimiMonitor
from tests.api.application_on_port import live
from tests.api.conftest import Api, Serve
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.fake_page_socket import Listener, listening
from tests.services.fake_kimi_proxies import Answer, kimi_proxy, never, saying

HANG_S = 60
SECRET = "secret-of-the-proxy"  # noqa: S105  # of a test


async def read_status(api: Api, *wanted: str | None) -> httpx.Response:
    """Return the status as soon as state and reason of the proxy are as ``wanted``; on a busy machine, a probe late."""
    async with asyncio.timeout(HANG_S):
        while True:
            status = await api.get("/api/cline/status")
            proxy = status.json()["kimi_proxy"]
            if (proxy["state"], proxy["reason"]) == wanted:
                return status


def state_of(monitor: KimiMonitor | None) -> str:
    """Return whether the proxy is up."""
    assert monitor is not None
    return monitor.state.state


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [(saying(200), "up", None), (saying(401), "up", "secret_refused"), (saying(500), "down", "bad_answer")],
)
async def test_status_tells_the_state_and_never_the_secret(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    state: str,
    reason: str | None,
) -> None:
    """Up, up with a wrong secret, or down; no answer, log line, metric or text of the settings holds the secret."""
    monkeypatch.setattr(kimi_monitor, "BACKOFF_FIRST_S", 0.1)
    caplog.set_level(logging.DEBUG)
    async with kimi_proxy(answer) as proxy, serve(kimi_proxy_url=proxy.url, kimi_proxy_secret=SECRET) as api:
        status = await read_status(api, state, reason)
        page, metrics = await api.get("/"), await api.get("/metrics")
        said = f"{api.settings!r} {api.settings} {api.settings.model_dump()} {api.settings.model_dump_json()}"
    assert isinstance(status.json()["kimi_proxy"]["since"], int)
    assert any(f"bearer {SECRET}" in head.lower() for head in proxy.heads)
    assert SECRET not in status.text + page.text + metrics.text + caplog.text + said


async def test_page_hears_when_the_proxy_changes(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that goes and comes back is told to every page at once, as a flat message."""
    for name in ("PROBE_S", "BACKOFF_FIRST_S", "BACKOFF_MAX_S"):
        monkeypatch.setattr(kimi_monitor, name, 0.05)
    async with (
        kimi_proxy(saying(200)) as proxy,
        live(ledger, kimi_proxy_url=proxy.url) as served,
        listening(served.socket_url) as page,
    ):
        proxy.answer = saying(503)
        await page.until(lambda listener: "bad_answer" in reasons(listener))
        proxy.answer = saying(200)
        await page.until(lambda listener: None in reasons(listener)[reasons(listener).index("bad_answer") :])
    message = page.of_kind("kimi_proxy_state")[0]
    assert set(message) == {"type", "state", "reason", "since"}


def reasons(listener: Listener) -> list[object]:
    """Return what was wrong with the proxy, change by change."""
    return [message["reason"] for message in listener.of_kind("kimi_proxy_state")]


async def test_imports_do_not_wait_for_a_proxy_that_hangs(ledger: LedgerFile) -> None:
    """While a probe waits for its answer, what Cline writes is imported, and so is what is asked for."""
    async with kimi_proxy(never) as proxy, live(ledger, kimi_proxy_url=proxy.url) as served:
        async with listening(served.socket_url) as page, asyncio.timeout(HANG_S):
            await proxy.asked.wait()
            ledger.write(entry("1"))
            await page.until_kind("cline_usage_updated")
            (receipt,) = await served.service.sources.read(Trigger.REQUEST, "cline")
        assert state_of(served.service.kimi_monitor) in {"unknown", "down"}
    assert receipt.skipped_count == 1


def test_secret_is_kept_as_one() -> None:
    """The setting is of the kind that shows itself as stars."""
    settings = Settings.model_validate({"ledger_path": "/a/taskHistory.json", "kimi_proxy_secret": SECRET})
    assert settings.kimi_proxy_secret == SecretStr(SECRET)
