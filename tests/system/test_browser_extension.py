"""The extension in a real Chromium: real minutes although its worker dies, and each second once whatever gets lost."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import urllib.request
from collections.abc import Awaitable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Page, Worker

from tests.system.extended_chromium import ExtendedChromium
from tests.system.listed_pages import ListedPages, Stay
from tests.ui.restartable_service import Service

CANARY = "Xq7canary"
STRETCH_S = int(os.environ.get("TEST_STRETCH_S", "240"))
"""Four minutes; shorter by hand."""
HANG_S = 60


def call(url: str, method: str, body: object = None) -> object:
    """Call the service as a program does."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method)  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # loopback
        return json.load(answer)


def seconds_of(service: Service) -> dict[str, float]:
    """Return the seconds of each site."""
    answer = call(f"{service.url}/api/activity", "GET")
    assert isinstance(answer, dict)
    return {each["subject"]: each["seconds"] for each in answer["subjects"]}


async def test_time_on_one_page_counts_in_full_though_the_worker_dies(tmp_path: Path) -> None:
    """Nobody touches the page: its worker ends and begins again, the service is restarted; no second is lost."""
    chromium = ExtendedChromium(tmp_path)
    pages = ListedPages([Stay("chat.poe.com", STRETCH_S), Stay(f"{CANARY.lower()}.example", 5)], CANARY)
    (tmp_path / "service").mkdir()
    with Service(tmp_path / "service") as service:
        service.start()
        call(f"{service.url}/api/activity/extension", "PUT", {"enabled": True})
        pairing = call(f"{service.url}/api/activity/pairings", "PUT")
        assert isinstance(pairing, dict)
        async with chromium.driven() as (context, worker):
            assert "Paired" in await chromium.pair(context, worker, service.url, str(pairing["token"]))
        pages.began_at = time.monotonic()
        running = chromium.start_alone(pages.address(0))
        try:
            deaths, has_restarted, step = 0, False, 0
            while not await asyncio.to_thread(pages.has_ended.wait, 1):
                step += 1
                assert time.monotonic() - pages.began_at < STRETCH_S + HANG_S
                if step % 17 == 0 and await asyncio.to_thread(chromium.end_worker):
                    await asyncio.sleep(1)
                    deaths += not await asyncio.to_thread(chromium.has_worker)
                if not has_restarted and step > STRETCH_S // 3:
                    service.stop()
                    service.start()
                    has_restarted = True
            low, _ = pages.truth()["chat.poe.com"]
            # A worker that was ended has to begin anew before it sees that the page is another one.
            high = pages.shown_at[2] - pages.began_at
            for _ in range(HANG_S):  # a report comes every 30 seconds
                if seconds_of(service).get("poe.com", 0) >= low * 0.9:
                    break
                await asyncio.sleep(1)
        finally:
            running.terminate()
            running.wait(HANG_S)
            pages.close()
        found = seconds_of(service)
        assert found.keys() == {"poe.com"}
        assert low * 0.9 <= found["poe.com"] <= high
        assert deaths >= max(1, STRETCH_S // 48), "the worker did not die, so nothing is shown"
        stored = b"".join(each.read_bytes() for each in service.database.parent.iterdir() if each.is_file())
        assert CANARY.lower().encode() not in stored.lower()
        assert CANARY.lower() not in service.output().lower()


_IS_WAITING = """chrome.storage.local.get(["queue", "sending"]).then(
  ({ queue, sending }) => queue === undefined || queue.length > 0 || sending !== undefined && sending !== null)"""
"""True if something is still to be reported."""


class LossyService:
    """Takes reports, and loses answers."""

    def __init__(self) -> None:
        self.reports: list[dict[str, object]] = []
        self.heads: list[str] = []
        self.answers: list[int] = []
        """The next ones; 0 hangs up without an answer. Then all are 200."""
        lossy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(f"<title>{CANARY}</title>{CANARY}".encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                lossy.reports.append(json.loads(body))
                lossy.heads.append(f"{self.path}\n{self.headers}{body.decode()}")
                status = lossy.answers.pop(0) if lossy.answers else 200
                if status:
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def sums(self) -> dict[str, float]:
        """Return the seconds of each site, each batch once."""
        found: dict[str, float] = {}
        for report in {str(report["batch"]): report for report in self.reports}.values():
            beats = report["beats"]
            assert isinstance(beats, list)
            for beat in beats:
                found[beat["domain"]] = found.get(beat["domain"], 0) + beat["ms"] / 1000
        return found


class Clock:
    """The script's steps: the seconds of each site at least and at most.

    A step takes its time on a busy machine; meanwhile it may be the one site's or the other's.
    """

    def __init__(self) -> None:
        self.low: dict[str, float] = {}
        self.high: dict[str, float] = {}
        self._at = "", 0.0, 0.0
        """The site, when it was asked for, and when it was there."""

    async def go(self, site: str, *steps: Awaitable[object]) -> None:
        """Take the steps after which it is the time of ``site``."""
        began = time.monotonic()
        for step in steps:
            await step
        there = time.monotonic()
        last, last_began, last_there = self._at
        self._at = site, began, there
        if last:
            self.low[last] = self.low.get(last, 0) + began - last_there
            self.high[last] = self.high.get(last, 0) + there - last_began

    async def stay(self, page: Page, site: str, seconds: float, *, address: str | None = None) -> None:
        """Bring a page to the front, and stay there."""
        await self.go(site, page.bring_to_front(), *([] if address is None else [page.goto(address)]))
        await asyncio.sleep(seconds)


async def look(worker: Worker) -> None:
    """Let the worker look and report now, as its alarm does."""
    await worker.evaluate("chrome.alarms.onAlarm.dispatch({name: 'look'})")
    await asyncio.sleep(0.5)


@pytest.mark.parametrize("answers", [[], [0, 503, 429, 0]])
async def test_tabs_windows_and_lost_answers(answers: list[int], tmp_path: Path) -> None:
    """The tab in front has the time; a lost answer is asked for under its old id; idle and other sites have none."""
    chromium, service, clock = ExtendedChromium(tmp_path), LossyService(), Clock()
    try:
        async with chromium.driven() as (context, worker):
            await chromium.pair(context, worker, f"http://127.0.0.1:{service.port}", "a-token")
            service.answers = list(answers)
            one, two, three = context.pages[0], await context.new_page(), await context.new_page()
            await clock.stay(one, "poe.com", 3, address=f"http://x.poe.com:{service.port}/{CANARY}?q={CANARY}")
            await clock.stay(two, "pi.ai", 2, address=f"http://pi.ai:{service.port}/{CANARY}")
            await look(worker)
            await clock.stay(three, "", 2, address=f"http://notpoe.com.{CANARY}.example:{service.port}/")
            await clock.stay(one, "poe.com", 2)
            await look(worker)
            await clock.go("", worker.evaluate("chrome.idle.queryState = async () => 'idle'"), look(worker))
            await asyncio.sleep(2)
            await look(worker)
            await clock.go("poe.com", worker.evaluate("chrome.idle.queryState = async () => 'active'"), look(worker))
            await clock.stay(two, "pi.ai", 2)
            await clock.go("", three.bring_to_front())
            for _ in range(5):
                await look(worker)
            async with asyncio.timeout(HANG_S):
                while await worker.evaluate(_IS_WAITING):  # a busy machine takes longer
                    await look(worker)
            popup = await context.new_page()
            await popup.goto(worker.url.replace("background.js", "popup.html"))
            await popup.wait_for_selector("td")
            shown = await popup.inner_text("body")
    finally:
        service.close()
    assert "poe.com" in shown
    assert "Paired" in shown
    found = service.sums()
    assert found.keys() == {"poe.com", "pi.ai"}
    for site, seconds in found.items():
        assert 0.9 * clock.low[site] - 0.5 <= seconds <= clock.high[site] + 1.5, (found, clock.low, clock.high)
    ids = [str(report["batch"]) for report in service.reports]
    assert (len(ids) > len(set(ids))) == bool(answers)
    assert CANARY.lower() not in "".join(service.heads).lower()


async def test_time_ends_with_the_change_however_late_the_look_at_it_comes(tmp_path: Path) -> None:
    """On a busy machine a look has its turn seconds later: these belong to nobody, not to the page that was left."""
    chromium, service, clock = ExtendedChromium(tmp_path), LossyService(), Clock()
    try:
        async with chromium.driven() as (context, worker):
            await chromium.pair(context, worker, f"http://127.0.0.1:{service.port}", "a-token")
            one, two = context.pages[0], await context.new_page()
            await clock.stay(one, "poe.com", 3, address=f"http://poe.com:{service.port}/")
            await worker.evaluate(_HOLD)
            await clock.stay(two, "", 10)
            await worker.evaluate("letGo()")
            await look(worker)
            async with asyncio.timeout(HANG_S):
                while await worker.evaluate(_IS_WAITING):
                    await look(worker)
    finally:
        service.close()
    found = service.sums()
    assert found.keys() == {"poe.com"}
    assert 0.9 * clock.low["poe.com"] - 0.5 <= found["poe.com"] <= clock.high["poe.com"] + 1.5, (found, clock.high)


_HOLD = """(() => {
  const held = new Promise((resolve) => { globalThis.letGo = resolve; });
  chrome.idle.queryState = async () => { await held; return "active"; };
})()"""
"""Lets every look wait until ``letGo`` is called."""
