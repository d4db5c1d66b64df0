"""Figures: the page on 100,000 tasks, in a real browser against the real service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict, cast

from playwright.async_api import Browser, Error, Page, async_playwright

from bench.figure import Figure, Measurement, Setup, Unmeasurable
from bench.installed_browser import FLAGS, BrowserMissing, find_browser
from bench.intervals import median_interval
from bench.observed_sockets import SOCKETS
from bench.served import serve_anywhere
from bench.sides import now_ms

_TASKS = 100_000
_EVENTS = 100
_EVENT_MS = 260
"""A little more than the page waits between two readings: each event costs one."""
_EVENTS_PART = 5
"""A sample of a hundred events takes half a minute: one for so many pairs."""
_QUARTER_MS = 900_000
_FIRST_ID = 10**12
_LAST_ID = str(_FIRST_ID + _TASKS - 1)
_VIEW = {"width": 2560, "height": 1440}
_ADDRESS = "/?period=all"

# Polled with every frame, and counted when that frame is painted.
_UNTIL = """([selector, jump]) => new Promise((done) => {
  const begin = jump ? performance.now() : 0;
  if (jump) scrollTo(0, document.documentElement.scrollHeight);
  const look = () => requestAnimationFrame(document.querySelector(selector)
    ? () => done(performance.now() - begin) : look);
  look();
})"""
_STREAM = """async ([count, pause]) => {
  const { epoch, revision } = await (await fetch("/api/cline/status")).json();
  for (let n = 0; n < count; n++) {
    const rows = [{ source: "cline", session_id: String(1e12 + n) }];
    const data = JSON.stringify({ type: "usage_updated", epoch, revision, rows });
    sockets.last.dispatchEvent(new MessageEvent("message", { data }));
    await new Promise((done) => setTimeout(done, pause));
  }
}"""


class _TraceEvent(TypedDict, total=False):
    name: str
    ph: str
    pid: int
    tid: int
    dur: int
    args: dict[str, object]


def _write_ledger(path: Path) -> None:
    """Write a ledger of tasks a quarter of an hour apart, the last one now, of twelve models."""
    now = now_ms()
    entries = [
        {
            "id": str(_FIRST_ID + number),
            "ts": now - number * _QUARTER_MS,
            "task": "a made-up prompt",
            "tokensIn": 1000,
            "tokensOut": 100,
            "totalCost": number % 977 / 1000,
            "modelId": f"maker/model-{number % 12}",
        }
        for number in range(_TASKS)
    ]
    path.parent.mkdir()
    path.write_text(json.dumps(entries))


@asynccontextmanager
async def _stage(folder: Path) -> AsyncIterator[tuple[Browser, str]]:
    """Yield a browser and the address of a service that has imported 100,000 tasks."""
    ledger = folder / "cline" / "taskHistory.json"
    _write_ledger(ledger)
    settings = {"AICO_MAX_ENTRIES_PER_RUN": str(_TASKS), "AICO_RESCAN_INTERVAL_S": "0"}
    with serve_anywhere(ledger, folder, settings) as service:
        service.wait_until_ready()
        async with browse() as browser:
            yield browser, service.url


@asynccontextmanager
async def browse() -> AsyncIterator[Browser]:
    """Yield a browser. Raises Unmeasurable."""
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        except Error as error:
            raise Unmeasurable(str(BrowserMissing())) from error
        yield browser
        await browser.close()


async def open_page(browser: Browser, url: str) -> tuple[Page, float]:
    """Return a page that nobody has opened before, and after how many milliseconds it was ready."""
    context = await browser.new_context(viewport={"width": _VIEW["width"], "height": _VIEW["height"]})
    page = await context.new_page()
    await page.add_init_script(SOCKETS)
    await page.goto(url + _ADDRESS, wait_until="commit")
    return page, cast("float", await page.evaluate(_UNTIL, ["tr[data-task]", False]))


async def time_until(browser: Browser, address: str, selector: str) -> float:
    """Return after how many milliseconds something of a page stands there."""
    context = await browser.new_context(viewport={"width": _VIEW["width"], "height": _VIEW["height"]})
    page = await context.new_page()
    await page.goto(address, wait_until="commit")
    found = cast("float", await page.evaluate(_UNTIL, [selector, False]))
    await context.close()
    return found


async def _measure_ready(setup: Setup) -> Measurement:
    samples = []
    async with _stage(setup.folder) as (browser, url):
        for _ in range(setup.pair_count + 1):
            page, ready_ms = await open_page(browser, url)
            samples.append(ready_ms)
            nodes = await page.locator("*").count()
            await page.context.close()
    return Measurement(median_interval(samples[1:]), setup.pair_count, {"first_ms": samples[0], "dom_nodes": nodes})


async def _measure_last_row(setup: Setup) -> Measurement:
    samples = []
    async with _stage(setup.folder) as (browser, url):
        for _ in range(setup.pair_count):
            page, _ready_ms = await open_page(browser, url)
            await page.wait_for_load_state("networkidle")
            samples.append(await page.evaluate(_UNTIL, [f"tr[data-task='{_LAST_ID}']", True]))
            await page.context.close()
    return Measurement(median_interval(samples), len(samples))


async def measure_longest_tasks(browser: Browser, url: str, pair_count: int) -> list[float]:
    """Return the longest task of the page, in milliseconds, during each of some series of updates."""
    samples = []
    for _ in range(max(2, pair_count // _EVENTS_PART)):
        page, _ready_ms = await open_page(browser, url)
        await page.wait_for_load_state("networkidle")
        await browser.start_tracing(page=page, categories=["toplevel"])
        await page.evaluate(_STREAM, [_EVENTS, _EVENT_MS])
        samples.append(_longest_task_ms(await browser.stop_tracing()))
        await page.context.close()
    return samples


async def _measure_longest_task(setup: Setup) -> Measurement:
    async with _stage(setup.folder) as (browser, url):
        samples = await measure_longest_tasks(browser, url, setup.pair_count)
    return Measurement(median_interval(samples), len(samples), {"worst_ms": max(samples)})


def _longest_task_ms(trace: bytes) -> float:
    """Return the longest task on the main thread of the page, which is the renderer with the most tasks."""
    events = cast("list[_TraceEvent]", json.loads(trace)["traceEvents"])
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"].get("name") == "CrRendererMain"
    }
    tasks: dict[tuple[int, int], list[int]] = {main: [] for main in mains}
    for event in events:
        if event["ph"] == "X" and (event["pid"], event["tid"]) in mains:
            tasks[event["pid"], event["tid"]].append(event.get("dur", 0))
    _count, longest = max((len(durations), max(durations, default=0)) for durations in tasks.values())
    return longest / 1000


PAGE_READY = Figure(
    name="page_ready_100000",
    sentence="from the address to the first row of 100,000 tasks, on a page that was never opened before",
    unit="ms",
    goal=1000,
    measure=_measure_ready,
)
PAGE_LAST_ROW = Figure(
    name="page_last_row_100000",
    sentence="from the jump to the end of 100,000 rows to the last one, never read before",
    unit="ms",
    goal=100,
    measure=_measure_last_row,
)
PAGE_LONGEST_TASK = Figure(
    name="page_longest_task_100000",
    sentence="the longest time that the page of 100,000 tasks was busy at one piece during 100 updates",
    unit="ms",
    goal=50,
    measure=_measure_longest_task,
)
PAGE_FIGURES = (PAGE_READY, PAGE_LAST_ROW, PAGE_LONGEST_TASK)
