"""The look at a Kimi Proxy: what its answers mean, a word per change, and a pace that grows while it is down."""

from __future__ import annotations

import asyncio
import logging

import pytest
from pydantic import SecretStr

from aico.core.errors import SettingsError
from aico.proxy.kimi_answer import KimiProxyAnswer
from aico.proxy.kimi_proxy import BODY_MAX_BYTES, KimiProxyClient
from aico.services import kimi_monitor
from aico.services.kimi_monitor import KimiMonitor, KimiProxyState
from tests.held_port import held_port
from tests.services.fake_kimi_proxies import (
    Answer,
    babbling,
    dripping,
    endless,
    hanging_up,
    kimi_proxy,
    saying,
    silent_for,
)

HANG_S = 60
SECRET = "secret-of-the-proxy"  # noqa: S105  # of a test
WELL, REFUSED = KimiProxyAnswer.WELL, KimiProxyAnswer.SECRET_REFUSED
UNREACHABLE, NO_ANSWER, BAD_ANSWER = (
    KimiProxyAnswer.UNREACHABLE,
    KimiProxyAnswer.NO_ANSWER,
    KimiProxyAnswer.BAD_ANSWER,
)


class Script:
    """Answers as it is told, then for ever as the last time."""

    def __init__(self, *answers: KimiProxyAnswer) -> None:
        self.answers = list(answers)
        self.ended = asyncio.Event()

    async def probe(self) -> KimiProxyAnswer:
        """Return the next answer."""
        if len(self.answers) == 1:
            self.ended.set()
            return self.answers[0]
        return self.answers.pop(0)


async def ask(url: str, secret: str | None = None, patience_s: float = HANG_S) -> KimiProxyAnswer:
    """Probe once, with a client of its own."""
    client = KimiProxyClient(url, SecretStr(secret) if secret else None, patience_s=patience_s)
    try:
        return await client.probe()
    finally:
        await client.close()


async def test_monitor_tells_a_change_once_and_keeps_its_begin(caplog: pytest.LogCaptureFixture) -> None:
    """A state lasts from its first answer on; log and subscribers hear of changes only."""
    caplog.set_level(logging.INFO, "aico.services.kimi_monitor")
    moments = iter(range(100))
    published: list[KimiProxyState] = []
    script = Script(WELL, WELL, UNREACHABLE, UNREACHABLE, REFUSED, WELL)
    monitor = KimiMonitor(script, lambda: next(moments), published.append)
    states = [monitor.state]
    for _ in range(6):
        await monitor.probe_once()
        states.append(monitor.state)
    assert states == [
        KimiProxyState(None, None),
        *[KimiProxyState(WELL, 0)] * 2,
        *[KimiProxyState(UNREACHABLE, 1)] * 2,
        KimiProxyState(REFUSED, 2),
        KimiProxyState(WELL, 3),
    ]
    assert published == [states[1], states[3], states[5], states[6]]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Kimi Proxy is up"),
        ("WARNING", "Kimi Proxy is down: it cannot be reached"),
        ("WARNING", "Kimi Proxy is up, but refuses the secret"),
        ("INFO", "Kimi Proxy is up"),
    ]


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (None, "unknown", None),
        (WELL, "up", None),
        (REFUSED, "up", "secret_refused"),
        (UNREACHABLE, "down", "unreachable"),
        (NO_ANSWER, "down", "no_answer"),
        (BAD_ANSWER, "down", "bad_answer"),
    ],
)
def test_state_says_up_or_down_and_why(answer: KimiProxyAnswer | None, state: str, reason: str | None) -> None:
    """A proxy that refuses our secret is up; whatever else is no success is down, with its reason."""
    found = KimiProxyState(answer)
    assert (found.state, found.reason) == (state, reason)


async def test_monitor_asks_less_often_while_the_proxy_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The distance doubles up to its limit, and an answer brings the steady pace and the first distance back."""
    down = [UNREACHABLE, NO_ANSWER, BAD_ANSWER, UNREACHABLE]
    script = Script(*down, WELL, REFUSED, UNREACHABLE, UNREACHABLE)
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
    assert delays[:7] == [5, 10, 20, 20, 15, 15, 5]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (saying(200), WELL),
        (saying(204, b""), WELL),
        (saying(401), REFUSED),
        (saying(403), REFUSED),
        (saying(404), BAD_ANSWER),
        (saying(503), BAD_ANSWER),
        (babbling, BAD_ANSWER),
        (hanging_up, BAD_ANSWER),
    ],
)
async def test_client_takes_each_answer_for_what_it_is(answer: Answer, expected: KimiProxyAnswer) -> None:
    """Success is well, a refused secret is told apart, and everything else is no good answer; nothing is raised."""
    async with kimi_proxy(answer) as proxy:
        assert await ask(proxy.url) is expected
    assert [head.split("\r\n")[0] for head in proxy.heads] == ["GET /health HTTP/1.1"]


@pytest.mark.parametrize("answer", [silent_for(HANG_S), dripping(HANG_S / 4)])
async def test_client_gives_a_slow_proxy_up(answer: Answer) -> None:
    """Silence, and an answer that comes byte by byte, end with the patience as a whole."""
    async with kimi_proxy(answer) as proxy, asyncio.timeout(10 * HANG_S):
        assert await ask(proxy.url) is NO_ANSWER
    assert len(proxy.heads) == 1


async def test_client_reads_no_more_than_its_bound() -> None:
    """An answer without an end is good as soon as its bound is reached, and the connection is closed."""
    async with kimi_proxy(endless) as proxy, asyncio.timeout(HANG_S):
        assert await ask(proxy.url) is WELL
    async with kimi_proxy(saying(200, b"x" * 100 * BODY_MAX_BYTES)) as proxy, asyncio.timeout(HANG_S):
        assert await ask(proxy.url) is WELL


async def test_client_follows_no_redirect() -> None:
    """Another address is never called, by anybody's word."""
    async with kimi_proxy(saying(200)) as elsewhere:
        async with kimi_proxy(saying(302, header=f"Location: {elsewhere.url}/health")) as proxy:
            assert await ask(proxy.url, SECRET) is BAD_ANSWER
        assert elsewhere.heads == []


async def test_client_uses_one_connection_for_all_probes() -> None:
    """A proxy that answers in full is asked again over the same connection, and no cookie of its is sent back."""
    async with kimi_proxy(saying(200, header="Set-Cookie: track=1")) as proxy:
        client = KimiProxyClient(proxy.url)
        answers = [await client.probe() for _ in range(3)]
        await client.close()
    assert (answers, proxy.connection_count) == ([WELL] * 3, 1)
    assert all("cookie" not in head.lower() for head in proxy.heads)


async def test_client_shows_the_secret_only_where_there_is_one() -> None:
    """It is sent as bearer; without one there is no such header."""
    async with kimi_proxy(saying(200)) as proxy:
        await ask(f"{proxy.url}/", SECRET)
        await ask(proxy.url)
    with_secret, without = (head.lower() for head in proxy.heads)
    assert f"authorization: bearer {SECRET}\r\n" in with_secret
    assert "authorization" not in without


async def test_client_cannot_reach_a_port_at_which_nobody_listens() -> None:
    """Whose address is known, and who is not there."""
    with held_port() as port:
        assert await ask(f"http://127.0.0.1:{port}") is UNREACHABLE


@pytest.mark.parametrize("url", ["http://[12]", "http://127.0.0.1:99999"])
def test_address_that_is_none_is_a_configuration_error(url: str) -> None:
    """The error about a text that looks like an address and is none names the setting at the start."""
    with pytest.raises(SettingsError, match="kimi_proxy_url"):
        KimiProxyClient(url)
