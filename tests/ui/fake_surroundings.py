"""A test's changes of the world around a page: its clock, its visibility, its luck, and the service's answers."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, Route

from bench.observed_sockets import SOCKETS
from tests.ui.fetching import fetch

PARIS = ZoneInfo("Europe/Paris")
_HANG_S = 60.0
NOON = dt.datetime(2025, 11, 11, 12, 0, tzinfo=PARIS)
"""A Tuesday, in the middle of a day, a week and a month without a change of clocks."""

_VISIBILITY = """(() => {
  let hidden = false;
  Object.defineProperty(document, "hidden", { get: () => hidden });
  Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });
  window.hide = (value) => { hidden = value; document.dispatchEvent(new Event("visibilitychange")); };
})()"""


def moment_ms(days_ago: float = 0, now: dt.datetime = NOON) -> int:
    """Return a moment so many days before ``now``, as the ledger counts it."""
    return int((now - dt.timedelta(days=days_ago)).timestamp() * 1000)


def stop_clock(page: Page, at: dt.datetime = NOON) -> None:
    """Let the page's clock stand at ``at``; timers run."""
    page.clock.set_fixed_time(at)


def watch_since(moment: int | None, clock: Callable[[Page], None] = stop_clock) -> Callable[[Page], None]:
    """Return a preparation by which the service has been watching since ``moment`` and imported just now, at noon.

    ``clock`` makes it noon.
    """

    def answer(route: Route) -> None:
        response = fetch(route)
        route.fulfill(response=response, body=json.dumps({**response.json(), "exact_since": {"cline": moment}}))

    def answer_status(route: Route) -> None:
        response = fetch(route)
        status = response.json()
        for origin in status["origins"]:
            origin["since"] = origin["since"] and moment_ms() - 90_000
        route.fulfill(response=response, body=json.dumps(status))

    def answer_sources(route: Route) -> None:
        response = fetch(route)
        status = response.json()
        for source in status["sources"]:
            for origin in source["origins"]:
                origin["since"] = origin["since"] and moment_ms() - 90_000
            if source["last_reading"]:
                source["last_read_at"] = source["last_reading"]["at"] = moment_ms() - 12_000
        route.fulfill(response=response, body=json.dumps(status))

    def prepare(page: Page) -> None:
        clock(page)
        page.route("**/api/summary?*", answer)
        page.route("**/api/cline/status", answer_status)
        page.route("**/api/status", answer_sources)

    return prepare


@contextmanager
def stopped_timers(page: Page) -> Iterator[None]:
    """Let no timer of seconds begin within: what the page shows for a moment stays."""
    page.evaluate("""() => {
      window.timers = setTimeout;
      setTimeout = (work, ms, ...given) => (ms > 1000 ? 0 : timers(work, ms, ...given));
    }""")
    yield
    page.evaluate("void (setTimeout = window.timers)")


def until(page: Page, is_so: Callable[[], bool]) -> None:
    """Return when something is so that an event of the browser makes so; each look costs a round trip."""
    deadline = time.monotonic() + _HANG_S
    while not is_so():
        assert time.monotonic() < deadline, "it does not come"
        page.evaluate("0")


def make_hideable(page: Page) -> None:
    """Let :func:`hide` say that nobody sees the page, which a browser without a screen never says."""
    page.add_init_script(_VISIBILITY)


def hide(page: Page, *, hidden: bool = True) -> None:
    """Put the page into the background, or bring it back."""
    page.evaluate("(hidden) => hide(hidden)", hidden)


def observe_sockets(page: Page) -> None:
    """Note when the page opens sockets; ``sockets.last`` is the newest one."""
    page.add_init_script(SOCKETS)


def fix_luck(page: Page, luck: float) -> None:
    """Let every random number be ``luck``."""
    page.add_init_script(f"Math.random = () => {luck}")
