"""The connection over days: lost, silent, in a hidden tab, in a burst, and answers that do not belong together."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Request, Route, WebSocketRoute, expect

from tests.calm_zone import calm_zone
from tests.ui.conftest import Opener
from tests.ui.fake_surroundings import fix_luck, hide, make_hideable, observe_sockets
from tests.ui.fetching import fetch
from tests.ui.observed_page import GONE
from tests.ui.restartable_service import Service, entry

PROVOKED = f"{GONE}|503|500"
CEILINGS_MS = (500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000)


@contextmanager
def counted(page: Page, part: str) -> Iterator[list[str]]:
    """Yield the list of the requests whose address holds ``part``, growing."""
    found: list[str] = []

    def note(request: Request) -> None:
        if part in request.url:
            found.append(request.url)

    page.on("request", note)
    yield found
    page.remove_listener("request", note)


def stop_time(page: Page) -> None:
    """Let the page's time pass only when a test says so, from a moment after everything was read.

    Not a minute ahead: the page would take its socket for dead.
    """
    page.clock.pause_at(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=10))


def await_event(page: Page) -> None:
    """Wait until the page has been told of a change."""
    page.wait_for_function("() => sockets.last.events > 0")
    page.evaluate("sockets.last.events = 0")


def count_events(page: Page) -> None:
    """Count the changes that the page is told of; each is told in old words, too, which may come a moment later."""
    page.evaluate("""() => {
      sockets.last.events = 0;
      sockets.last.addEventListener("message", ({ data }) => {
        sockets.last.events += JSON.parse(data).type === "usage_updated";
      });
    }""")


@pytest.mark.slow
def test_page_retries_with_full_jitter_up_to_half_a_minute(service: Service, open_page: Opener) -> None:
    """Each attempt waits a random part of a ceiling that doubles from half a second to 30: here always half of it."""
    service.ledger.write(entry("1001"))
    service.start()

    def prepare(page: Page) -> None:
        page.clock.install()
        fix_luck(page, 0.5)
        observe_sockets(page)

    observed = open_page(service, prepare=prepare)
    observed.allow(PROVOKED)
    page = observed.page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    stop_time(page)

    service.stop()
    closed = 1
    for ceiling_ms in CEILINGS_MS:
        page.wait_for_function("(closed) => sockets.closed === closed", arg=closed)
        page.clock.run_for(ceiling_ms // 2 - 2)
        assert page.evaluate("sockets.opened.length") == closed
        page.clock.run_for(3)
        closed += 1
        assert page.evaluate("sockets.opened.length") == closed


@pytest.mark.slow
def test_offline_page_says_since_when_and_marks_what_is_old(service: Service, open_page: Opener) -> None:
    """After some seconds the words are of being offline, with the time of what is shown, which is set back."""
    service.ledger.write(entry("1001"))
    service.start()
    observed = open_page(service, prepare=lambda page: page.clock.install())
    observed.allow(PROVOKED)
    page = observed.page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator("[data-field=sessions]")).to_have_text("1")
    stop_time(page)  # the service may take longer to end than the page waits with its words

    service.stop()
    expect(page.locator("[data-field=live]")).to_have_text(re.compile(r"Reconnecting in \d+ s"))
    page.clock.fast_forward(15_000)

    state = page.locator("[data-field=live]")
    expect(state).to_have_text(re.compile(r"Offline since \d\d:\d\d [AP]M, trying again in \d+ s"))
    expect(state).to_have_attribute("title", re.compile(r"Data as of \d\d:\d\d [AP]M"))
    expect(page.locator("main")).to_have_class("stale")
    expect(page.locator("[data-field=sessions]")).to_have_text("1")


@pytest.mark.slow
def test_burst_of_updates_costs_one_reading(service: Service, open_page: Opener) -> None:
    """Three writes within 250 ms are one question to the server."""
    service.ledger.write(entry("1001"))
    service.start()

    def prepare(page: Page) -> None:
        page.clock.install()
        observe_sockets(page)

    page = open_page(service, prepare=prepare).page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    count_events(page)
    expect(page.locator("[data-field=sessions]")).to_have_text("1")
    stop_time(page)

    with counted(page, "/sessions?") as readings:
        for number in range(3):
            service.ledger.write(entry(f"200{number}"))
            await_event(page)
        page.clock.run_for(250)
        expect(page.locator("[data-field=sessions]")).to_have_text("4")
        assert len(readings) == 1


@pytest.mark.slow
def test_hidden_tab_pauses_and_catches_up_when_it_is_seen(service: Service, open_page: Opener) -> None:
    """In the background a change is read after half a minute, for the title; in the foreground at once."""
    service.ledger.write(entry("1001", cost=1))
    service.start()

    def prepare(page: Page) -> None:
        page.clock.install()
        make_hideable(page)
        observe_sockets(page)

    page = open_page(service, zone=calm_zone(), prepare=prepare).page
    expect(page).to_have_title("$1.00 today · AI Cost Observer")
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    count_events(page)
    stop_time(page)
    with page.expect_response("**/sessions?*"):
        page.keyboard.press("r")  # half a minute from here on: the reading before it may be long ago
    hide(page)

    with counted(page, "/sessions?") as readings:
        service.ledger.write(entry("1002", cost=2))
        await_event(page)
        page.clock.run_for(18_000)
        assert readings == []
        with page.expect_response("**/sessions?*"):
            page.clock.run_for(12_000)
        expect(page).to_have_title("$3.00 today · AI Cost Observer")

        service.ledger.write(entry("1003", cost=4))
        await_event(page)
        with page.expect_response("**/sessions?*"):
            hide(page, hidden=False)
            page.clock.run_for(250)
        expect(page.locator("[data-field=cost]")).to_have_text("$7.00")


def test_gap_in_the_stream_is_healed_by_reading_again(service: Service, open_page: Opener) -> None:
    """A heartbeat with a revision that the page has not seen, and a resync, both make it read."""
    service.ledger.write(entry("1001"))
    service.start()
    routes: list[WebSocketRoute] = []

    def connect(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    page = open_page(service, prepare=lambda page: page.route_web_socket("**/ws*", connect)).page
    expect(page.locator("[data-field=live]")).to_have_text("Live")

    for message in ({"type": "heartbeat", "revision": 99}, {"type": "resync", "epoch": "another", "revision": 1}):
        with page.expect_response("**/sessions?*"):
            routes[0].send(json.dumps(message))


@pytest.mark.slow
def test_busy_database_is_named_and_tried_again(service: Service, open_page: Opener) -> None:
    """A refusal is said in words of the page, what was read stays, and a later answer takes the words away."""
    service.ledger.write(entry("1001", cost=1))
    service.start()
    observed = open_page(service, language="fr-FR", prepare=lambda page: page.clock.install())
    observed.allow(PROVOKED)
    page = observed.page
    expect(page.locator("[data-field=sessions]")).to_have_text("1")
    body = json.dumps({"code": "storage_busy", "detail": "an English sentence of the server"})

    def refuse(route: Route) -> None:
        route.fulfill(status=503, content_type="application/problem+json", body=body)

    page.route("**/api/summary?*", refuse)
    page.get_by_role("button", name="30 j").click()
    notice = page.locator("[data-notice=problem]")
    expect(notice).to_contain_text("La base de données est occupée. Un nouvel essai suit.")
    expect(notice).to_contain_text(re.compile(r"\d\d:\d\d"))
    expect(page.locator("body")).not_to_contain_text("English sentence")
    expect(page.locator("[data-field=sessions]")).to_have_text("1")

    page.unroute("**/api/summary?*")
    page.clock.fast_forward(3_000)
    expect(notice).to_have_count(0)


@pytest.mark.slow
def test_broken_database_is_named_from_the_first_moment(service: Service, open_page: Opener) -> None:
    """When nothing could be read at all, the page says why and begins as soon as it can."""
    service.ledger.write(entry("1001"))
    service.start()

    def refuse(route: Route) -> None:
        route.fulfill(status=500, content_type="application/problem+json", body=json.dumps({"code": "storage_error"}))

    def prepare(page: Page) -> None:
        page.clock.install()
        page.route("**/api/summary?*", refuse)

    observed = open_page(service, prepare=prepare)
    observed.allow(PROVOKED)
    page = observed.page
    expect(page.locator(".welcome")).to_contain_text(re.compile("The database reports an error. Run .*aico doctor"))

    page.unroute("**/api/summary?*")
    page.clock.fast_forward(3_000)
    expect(page.locator("[data-field=sessions]")).to_have_text("1")


@pytest.mark.slow
def test_answers_of_two_moments_are_never_shown_together(service: Service, open_page: Opener) -> None:
    """When an import comes between two answers of one reading, the page asks again before it shows anything."""
    service.ledger.write(entry("1001", cost=1))
    service.start()
    given: list[str] = []

    def answer(route: Route) -> None:
        response = fetch(route)
        body = response.json()
        if not given:
            body["commit_seq"] -= 1
            body["totals"]["cost_usd"] = 0.25
        given.append(route.request.url)
        route.fulfill(response=response, body=json.dumps(body))

    def prepare(page: Page) -> None:
        page.route("**/api/summary?*", answer)
        page.add_init_script("""addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
          const text = document.querySelector("[data-field=cost]")?.textContent;
          if (text) (window.texts ??= new Set()).add(text);
        }).observe(document.body, { childList: true, subtree: true, characterData: true }))""")

    page = open_page(service, prepare=prepare).page

    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")
    assert page.evaluate("[...texts]") == ["$1.00"]
    assert len(given) > 3
