"""Own prices beside exports: a request's cost is added when it is first priced, and never taken back or added again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from aico.core.otlp_settings import OtlpSettings
from aico.core.own_prices import OwnPrice
from aico.services.prices import Prices
from aico.services.service import ObserverService
from tests.otlp.fake_collector import TOKEN, Export, FakeCollector
from tests.otlp.test_faults import COST, never_falls
from tests.services.heard_service import observer, running
from tests.sources.claude_code.claude_home import Clock, Transcript

pytestmark = pytest.mark.slow
NOBODY, LISTED = "other claude-code", "claude-opus-4-8 claude-code"
BASIS, UNPRICED = "ai.tokens.cost", "ai.tokens.unpriced"
SESSION = "5c1f0d6e-0000-4000-8000-000000000001"


def exporting(folder: Path, certificates: Path, port: int) -> ObserverService:
    """Return a service that reads transcripts and exports all the time."""
    otlp = {"endpoint": f"https://localhost:{port}", "token": TOKEN, "ca_file": certificates / "ca.pem"}
    often = OtlpSettings.model_validate(otlp).model_copy(update={"interval_s": 0.02})
    sources = {"claude-code": {"enabled": True, "roots": (str(folder / "transcripts"),)}}
    return observer(folder, ledger_path=str(folder / "none" / "taskHistory.json"), otlp=often, sources=sources)


def price(model: str, usd: int) -> OwnPrice:
    """Return a price of ``usd`` a million tokens of input, and twice that of output."""
    return OwnPrice(model, 0, usd * 1_000_000, usd * 2_000_000)


def cost(number: int, usd: int) -> float:
    """Return what answer ``number`` costs at such a price: tokens in, read and written, and twice those out."""
    return ((100 + number) + (1000 + number) + 30 + 2 * (500 + number)) * usd * 1_000 / 1e9


async def change(prices: Prices, changing: Awaitable[None]) -> None:
    """Change a price, and bring it to what is stored."""
    await changing
    await prices.apply()


async def until(fake: FakeCollector, series: str, value: float) -> Export:
    """Return the first export from now on that tells ``value``."""
    wanted = pytest.approx(value, rel=0, abs=5e-10)
    return await asyncio.to_thread(fake.wait_for, lambda each: each.values(COST).get(series) == wanted)


async def stays(fake: FakeCollector, series: str, value: float) -> None:
    """Wait for two further exports, and hold that nothing was added to what was told, nor taken from it."""
    count = len(fake.accepted)
    await asyncio.to_thread(fake.wait_for, lambda each: bool(each.points), after=count + 1)
    assert fake.accepted[-1].values(COST)[series] == pytest.approx(value, rel=0, abs=5e-10)


async def test_own_prices_add_each_cost_once(tmp_path: Path, certificates: Path, receiver: FakeCollector) -> None:
    """Set, changed, removed, set again, over a restart: only what had no price, and what comes, adds anything."""
    written = Transcript(tmp_path / "transcripts", SESSION, Clock())
    written.model = "model-of-nobody"
    written.turn(1)
    written.model = "claude-opus-4-8"
    written.turn(2)
    async with running(exporting(tmp_path, certificates, receiver.port)) as heard:
        prices = heard.service.prices
        first = await asyncio.to_thread(receiver.wait_for, lambda each: each.values(COST).get(LISTED, 0) > 0)
        listed = first.values(COST)[LISTED]
        assert (first.values(COST)[NOBODY], first.values(UNPRICED)[NOBODY]) == (0, 2 * 1 + 1 + 100 + 1000 + 500 + 30)
        await change(prices, prices.set(price("model-of-nobody", 3)))
        await until(receiver, NOBODY, cost(1, 3))
        for usd in (9, 1):
            await change(prices, prices.set(price("model-of-nobody", usd)))
            await stays(receiver, NOBODY, cost(1, 3))
        await change(prices, prices.set(price("claude-opus-4-8", 90)))
        await stays(receiver, LISTED, listed)
        written.turn(3)
        await until(receiver, LISTED, listed + cost(3, 90))
        await change(prices, prices.remove("model-of-nobody", None, is_any_day=True))
        await stays(receiver, NOBODY, cost(1, 3))
    async with running(exporting(tmp_path, certificates, receiver.port)) as heard:
        prices = heard.service.prices
        await stays(receiver, NOBODY, cost(1, 3))
        await change(prices, prices.set(price("model-of-nobody", 2)))
        await change(prices, prices.remove("claude-opus-4-8", None, is_any_day=True))
        await stays(receiver, LISTED, listed + cost(3, 90))
        written.model = "model-of-nobody"
        written.turn(4)
        last = await until(receiver, NOBODY, cost(1, 3) + cost(4, 2))
    assert last.values(BASIS)[f"own {NOBODY}"] == pytest.approx(cost(1, 3) + cost(4, 2), rel=0, abs=5e-10)
    assert last.values(BASIS)[f"listed {LISTED}"] == pytest.approx(listed, rel=0, abs=5e-10)
    assert last.values(BASIS)[f"own {LISTED}"] == pytest.approx(cost(3, 90), rel=0, abs=5e-10)
    assert never_falls(receiver)
