"""Figures: the page and its answers from 1,000,000 requests of five sources in 100,000 sessions."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from random import Random
from statistics import median

import httpx
from playwright.async_api import Browser

from aico.core.money import usd
from aico.core.settings import Settings
from aico.main import create_app
from bench.fake_store import SESSIONS, Truth, invent_store
from bench.figure import Figure, Measurement, Setup, blocking
from bench.intervals import median_interval, percentile_interval
from bench.page import browse, measure_longest_tasks, open_page, time_until
from bench.served import Served, serve, serve_anywhere
from bench.served_home import wait_until_quiet

_SAMPLES = 1_000
_PAGE = 100
_SLOT_MS, _DAY_MS = 900_000, 86_400_000
_MONTH_DAYS = 30
_BEAT_S = 0.005
_HANG_S = 60.0
_TZ = "tz=Europe/Paris"
_AS_THE_PAGE = f"by=source,model&split=source&brief=true&{_TZ}"
_LIST = f"/api/sessions?fold=true&brief=true&limit={_PAGE}"


class _Store:
    """The database, invented once for all figures: it goes when the bench ends."""

    def __init__(self) -> None:
        self._kept = tempfile.TemporaryDirectory(prefix="bench-million-")
        self.path = Path(self._kept.name) / "data" / "observer.db"
        self.truth = invent_store(self.path)

    def copy_to(self, folder: Path) -> Path:
        """Copy it to where a service of ``folder`` looks; return the path of a ledger that is not there."""
        (folder / "data").mkdir(mode=0o700)
        shutil.copyfile(self.path, folder / "data" / "observer.db")
        return folder / "cline" / "taskHistory.json"


_the_store = cache(_Store)


def _since(truth: Truth, days: int) -> int:
    return truth.end_ms - days * _DAY_MS


def _verify(client: httpx.Client, truth: Truth) -> None:
    """Compare sums of all time and of 30 days with the invented ones."""
    for days, bounds in ((None, ""), (_MONTH_DAYS, f"&from={_since(truth, _MONTH_DAYS)}&to={truth.end_ms}")):
        answer = client.get(f"/api/summary?by=source&tz=UTC{bounds}").raise_for_status().json()
        told = {
            group["source"]: (group["requests"], _tokens(group), group["cost_usd"] or 0.0) for group in answer["groups"]
        }
        true = {name: (*sums[:2], usd(sums[2])) for name, sums in truth.sums_of(days).items()}
        if told != true or answer["totals"]["sessions"] != truth.count_sessions(days):
            raise AssertionError(f"wrong sums of {days or 'all'} days")


def _tokens(group: dict[str, int]) -> int:
    names = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    return sum(group[f"{name}_tokens"] for name in names)


@contextmanager
def _served(setup: Setup) -> Iterator[tuple[Served, httpx.Client, Truth]]:
    store = _the_store()
    with serve(store.copy_to(setup.folder), setup.folder) as served:
        served.wait_until_ready()
        with httpx.Client(base_url=served.url, timeout=_HANG_S, trust_env=False) as client:
            _verify(client, store.truth)
            # A service asks its price list once about all that has no price, and stores that it did: here it has to.
            wait_until_quiet(served)
            yield served, client, store.truth


def _tail(setup: Setup, address: Callable[[Truth, int], str]) -> Measurement:
    """Return the 99th percentile of the time of many requests, and the processor time of the service for each."""
    with _served(setup) as (served, client, truth):
        client.get(address(truth, 0)).raise_for_status()
        samples = []
        busy_s = served.run_s()
        for number in range(_SAMPLES):
            began = time.perf_counter()
            client.get(address(truth, number)).raise_for_status()
            samples.append((time.perf_counter() - began) * 1000)
        processor_ms = (served.run_s() - busy_s) * 1000 / _SAMPLES
    details = {"median_ms": median(samples), "processor_ms": processor_ms}
    return Measurement(percentile_interval(samples, 99), len(samples), details)


def _measure_page(setup: Setup) -> Measurement:
    rng = Random(1)  # noqa: S311 - reproducible on purpose
    orders = ("last_at", "cost_usd")
    return _tail(setup, lambda _truth, _: f"{_LIST}&sort={rng.choice(orders)}&offset={rng.randrange(0, 90_000, _PAGE)}")


def _measure_month(setup: Setup) -> Measurement:
    # Another period each time: nothing of the last answer can be used.
    return _tail(
        setup,
        lambda truth, number: (
            f"/api/summary?{_AS_THE_PAGE}&bucket=day&from={_since(truth, _MONTH_DAYS) - number * _SLOT_MS}"
        ),
    )


def _measure_all(setup: Setup) -> Measurement:
    return _tail(setup, lambda _truth, _number: f"/api/summary?{_AS_THE_PAGE}&bucket=month")


def _answers(truth: Truth) -> Sequence[str]:
    """Return every kind of question that the page asks, and the largest ones that may be asked."""
    month = f"&from={_since(truth, _MONTH_DAYS)}&to={truth.end_ms}"
    hours = f"&from={_since(truth, 40)}&to={truth.end_ms}"
    summary = f"/api/summary?{_AS_THE_PAGE}"
    return (
        *(f"{summary}{bounds}{part}" for bounds in (month, "") for part in ("", "&source=codex", "&project=project-7")),
        f"{summary}{month}&q=opus",
        f"{summary}{hours}&bucket=hour",
        f"/api/summary?by=source,model&{_TZ}",
        f"/api/summary?by=day{month}&{_TZ}",
        *(f"{_LIST}{bounds}{part}" for bounds in (month, "") for part in ("", "&sort=cost_usd", "&q=label")),
        f"{_LIST}&offset=50000",
        "/api/sessions?limit=1000",
        f"/api/overview?{_TZ}",
        *(f"/api/heatmap?{_TZ}&by={by}" for by in ("hour", "day")),
        *("/api/limits", "/api/budgets", "/api/plans", "/api/status", "/api/cline/status", "/metrics"),
        f"/api/export?format=csv{month}",
    )


async def _measure_block(setup: Setup) -> Measurement:
    """Ask everything of a service in this process, and look how long its loop computes between two beats."""
    store = _the_store()
    ledger = store.copy_to(setup.folder)
    settings = Settings(ledger_path=str(ledger), database_path=setup.folder / "data" / "observer.db")
    app = create_app(settings)
    samples = []
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://127.0.0.1:{settings.port}") as client,
    ):
        for address in _answers(store.truth):
            with _beating() as beats:
                (await client.get(address, timeout=_HANG_S)).raise_for_status()
                await asyncio.sleep(2 * _BEAT_S)
            samples.append(beats.longest_s * 1000)
    return Measurement(percentile_interval(samples, 100), len(samples), {"median_ms": median(samples)})


class _Beats:
    longest_s = 0.0
    """The most processor time of the loop's thread between two beats: the time of other programs is not in it."""

    async def beat(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(_BEAT_S)
            now = time.thread_time()
            self.longest_s, before = max(self.longest_s, now - before), now


@contextmanager
def _beating() -> Iterator[_Beats]:
    beats = _Beats()
    task = asyncio.get_running_loop().create_task(beats.beat())
    try:
        yield beats
    finally:
        task.cancel()


@asynccontextmanager
async def _stage(setup: Setup) -> AsyncIterator[tuple[Browser, str]]:
    ledger = _the_store().copy_to(setup.folder)
    with serve_anywhere(ledger, setup.folder) as service:
        service.wait_until_ready()
        async with browse() as browser:
            yield browser, service.url


async def _measure_first_row(setup: Setup) -> Measurement:
    samples, bare = [], []
    async with _stage(setup) as (browser, url):
        for _ in range(setup.pair_count + 1):
            page, ready_ms = await open_page(browser, url)
            samples.append(ready_ms)
            nodes = await page.locator("*").count()
            await page.context.close()
            bare.append(await time_until(browser, f"{url}/healthz", "body"))
    ratio = median(ours / theirs for ours, theirs in zip(samples[1:], bare[1:], strict=True))
    details = {"first_ms": samples[0], "dom_nodes": nodes, "beside_text_ratio": ratio, "text_ms": median(bare[1:])}
    return Measurement(median_interval(samples[1:]), setup.pair_count, details)


async def _measure_longest_task(setup: Setup) -> Measurement:
    async with _stage(setup) as (browser, url):
        samples = await measure_longest_tasks(browser, url, setup.pair_count)
    return Measurement(median_interval(samples), len(samples), {"worst_ms": max(samples)})


_OF = f"1,000,000 requests of five sources in {SESSIONS:,} sessions"
MILLION_FIGURES = (
    Figure(
        "million_page",
        f"100 of the sessions, anywhere in the list, 99th percentile; {_OF}",
        "ms",
        20.0,
        blocking(_measure_page),
    ),
    Figure("million_month", "their summary of 30 days, 99th percentile", "ms", 40.0, blocking(_measure_month)),
    Figure("million_all", "their summary of all time, 99th percentile", "ms", 60.0, blocking(_measure_all)),
    Figure(
        "million_block",
        "the longest time that any answer kept the event loop busy at one piece, in processor time",
        "ms",
        50.0,
        _measure_block,
    ),
    Figure("million_first_row", "from the address to the first row of all time", "ms", 1000.0, _measure_first_row),
    Figure(
        "million_longest_task",
        "the longest time that this page was busy at one piece during 100 updates",
        "ms",
        50.0,
        _measure_longest_task,
    ),
)
