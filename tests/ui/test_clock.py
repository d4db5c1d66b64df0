"""Left open across midnight, and in a hidden tab."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.calm_zone import calm_zone
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import hide, make_hideable, moment_ms, stop_clock
from tests.ui.observed_page import GONE
from tests.ui.restartable_service import Service, entry

PARIS = ZoneInfo("Europe/Paris")


def _late() -> tuple[str, dt.datetime]:
    """Return a zone and a moment shortly before the end of today there: the clock of a page may stand at it."""
    zone = calm_zone()
    return zone, dt.datetime.now(ZoneInfo(zone)).replace(hour=23, minute=58, second=30, microsecond=0)


@pytest.mark.slow
def test_today_begins_anew_at_local_midnight(service: Service, open_page: Opener) -> None:
    """A page left open on Today shows the new day when midnight has passed, without a reload."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    zone, late = _late()
    page = open_page(service, "/?period=today", zone=zone, prepare=lambda page: stop_clock(page, late)).page
    expect(page.locator("[data-field=cost]")).to_have_text("$0.50")
    expect(page).to_have_title("$0.50 today · AI Cost Observer")

    stop_clock(page, late + dt.timedelta(minutes=2))

    expect(page.locator("[data-field=cost]")).to_have_text("$0.00")
    expect(page).to_have_title("$0.00 today · AI Cost Observer")
    expect(page.locator("[data-field=sessions]")).to_have_text("0")


@pytest.mark.slow
def test_nothing_is_said_of_a_day_that_nobody_told_us_about(make_service: ServiceMaker, open_page: Opener) -> None:
    """When the service is gone and midnight passes, yesterday's cost is not today's, and today's is unknown, not 0."""
    service = make_service(budget_daily_usd="1", budget_monthly_usd="100")
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    zone, late = _late()
    observed = open_page(service, zone=zone, prepare=lambda page: stop_clock(page, late))
    observed.allow(GONE)
    page = observed.page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page).to_have_title("$0.50 today · AI Cost Observer")
    expect(page.locator("[data-card=limits] [data-field=budget]")).to_have_text("Today 50% of $1.00, $0.50 left")

    service.stop()
    expect(page.locator("main")).to_have_class("stale")
    stop_clock(page, late + dt.timedelta(hours=12))

    expect(page).to_have_title("AI Cost Observer")
    expect(page.locator("[data-card=limits] [data-field=budget]")).to_have_text("Today \u2013 of $1.00")
    day = f"{late:%a}, {late:%b} {late.day}"
    expect(page.locator("[data-field=live]")).to_have_text(
        re.compile(rf"Offline since {day}, 11:58 PM, trying again in \d+ s")
    )
    expect(page.locator("[data-field=live]")).to_have_attribute("title", f"Data as of {day}, 11:58 PM")


@pytest.mark.slow
def test_hidden_tab_notices_the_new_day(service: Service, open_page: Opener) -> None:
    """A tab that nobody looks at does not carry yesterday's cost as today's in its title."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    zone, late = _late()

    def prepare(page: Page) -> None:
        stop_clock(page, late)
        make_hideable(page)

    page = open_page(service, zone=zone, prepare=prepare).page
    expect(page).to_have_title("$0.50 today · AI Cost Observer")

    hide(page)
    stop_clock(page, late + dt.timedelta(minutes=2))

    expect(page).to_have_title("$0.00 today · AI Cost Observer")


@pytest.mark.slow
def test_week_keeps_every_task_across_the_change_of_clocks(service: Service, open_page: Opener) -> None:
    """In the week in which the clocks go back, a task of each hour around the change is counted once."""
    change = dt.datetime(2025, 10, 26, 1, 0, tzinfo=dt.UTC)
    moments = [change + dt.timedelta(minutes=30 * step) for step in range(-4, 5)]
    service.ledger.write(*(entry(str(n), ts=int(at.timestamp() * 1000), cost=1) for n, at in enumerate(moments)))
    service.start()
    after = dt.datetime(2025, 10, 27, 12, 0, tzinfo=PARIS)
    page = open_page(service, "/?period=7d&table=true", prepare=lambda page: stop_clock(page, after)).page

    expect(page.locator("[data-field=cost]")).to_have_text("$9.00")
    expect(page.locator(".astable tbody tr")).to_have_count(7)
    expect(page.locator(".astable tbody tr").nth(1)).to_contain_text("Sun, Oct 26")
    expect(page.locator(".astable tbody tr").nth(1).locator("td").first).to_have_text("$9.00")


@pytest.mark.slow
def test_last_24_hours_hold_what_is_of_this_moment(service: Service, open_page: Opener) -> None:
    """Also when a quarter of an hour has just begun: the page asks for whole ones."""
    service.ledger.write(entry("1001", ts=moment_ms(), cost=0.5))
    service.start()

    page = open_page(service, "/?period=24h", prepare=stop_clock).page

    expect(page.locator("[data-field=cost]")).to_have_text("$0.50")
