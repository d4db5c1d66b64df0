"""A hundred thousand tasks, and a page that is left open for days."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import CDPSession, Route, expect

from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import observe_sockets
from tests.ui.fetching import fetch
from tests.ui.restartable_service import Service, entry, now_ms

pytestmark = pytest.mark.slow

TASKS = 100_000
UPDATES = 2_000
BURST = 40
MOST_NODES = 1_000
MOST_GROWTH = 1.5
_HOUR_MS = 3_600_000
# The same message as the service's, from the socket that is open: two thousand writes would take a quarter of an hour.
_BURST = """([epoch, revision, first, count]) => {
  for (let n = first; n < first + count; n++) {
    const rows = [{ source: "cline", session_id: String(n) }];
    const data = JSON.stringify({ type: "usage_updated", epoch, revision, rows });
    sockets.last.dispatchEvent(new MessageEvent("message", { data }));
  }
}"""


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve 100,000 tasks of the last thousand days."""
    service = make_shared(max_entries_per_run="1000000", rescan_interval_s="0")
    now = now_ms()
    models = [f"maker/model-{n}" for n in range(12)]
    service.ledger.write(
        *(
            entry(str(10**12 + n), ts=now - n * _HOUR_MS // 4, model=models[n % 12], cost=n % 977 / 1000)
            for n in range(TASKS)
        )
    )
    service.start(probe="/healthz")
    return service


def _heap_bytes(session: CDPSession) -> int:
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(int(metric["value"]) for metric in metrics if metric["name"] == "JSHeapUsedSize")


def test_document_stays_small_on_a_tall_screen(service: Service, open_page: Opener) -> None:
    """Of 100,000 tasks only those on the screen are in the document, at the top, in the middle and at the end."""
    page = open_page(service, "/?period=all", size=(2560, 1440)).page
    expect(page.locator(".tasks .count")).to_have_text("100,000")

    for place in (0, 0.5, 1):
        page.evaluate("(part) => scrollTo(0, part * document.documentElement.scrollHeight)", place)
        expect(page.locator("tr.wait")).to_have_count(0)
        assert page.evaluate("document.querySelectorAll('*').length") < MOST_NODES
    expect(page.locator(f"tr[data-task='{10**12 + TASKS - 1}']")).to_be_visible()


def test_rows_that_were_scrolled_to_during_a_reading_are_read(service: Service, open_page: Opener) -> None:
    """A reading that began at the top and ends at the bottom does not leave the bottom empty."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page = open_page(service, "/?period=all", prepare=observe_sockets).page
    expect(page.locator(".tasks .count")).to_have_text("100,000")
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator("tr.wait")).to_have_count(0)
    status = page.evaluate("async () => (await fetch('/api/cline/status')).json()")
    page.route("**/api/summary?*", hold)

    with page.expect_response("**/sessions?*offset=0*"):
        page.evaluate(_BURST, [status["epoch"], status["revision"], 0, 1])
    with page.expect_response("**/sessions?*offset=99900*"):
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    for route in held:
        response = fetch(route)
        summary = response.json()
        summary["totals"]["sessions"] = 424_242  # a number by which the end of this reading is known
        route.fulfill(response=response, body=json.dumps(summary))
    page.unroute("**/api/summary?*")

    expect(page.locator("[data-field=sessions]")).to_have_text("424,242")
    expect(page.locator("tr.wait")).to_have_count(0)
    expect(page.locator(f"tr[data-task='{10**12 + TASKS - 1}']")).to_be_visible()


def test_heap_does_not_grow_with_updates(service: Service, open_page: Opener) -> None:
    """After 2,000 updates in 50 readings the page holds no more than after the first 200."""
    page = open_page(service, "/?period=7d", prepare=observe_sockets).page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator("tr[data-task]").first).to_be_visible()
    status = page.evaluate("async () => (await fetch('/api/cline/status')).json()")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    early = 0
    for first in range(0, UPDATES, BURST):
        if first == UPDATES // 10:
            early = _heap_bytes(session)
        with page.expect_response("**/sessions?*"):
            page.evaluate(_BURST, [status["epoch"], status["revision"], first, BURST])
    expect(page.locator("main")).to_have_attribute("aria-busy", "false")

    assert _heap_bytes(session) < MOST_GROWTH * early, json.dumps(session.send("Performance.getMetrics"))
