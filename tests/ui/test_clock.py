"""Left open across midnight, and in a hidden tab."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from playwright.sync_api import Browser, expect

from tests.ui.service import Service, entry

PARIS = ZoneInfo("Europe/Paris")


def test_today_begins_anew_at_local_midnight(service: Service, browser: Browser) -> None:
    """A page left open on Today shows the new day when midnight has passed, without a reload."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    late = dt.datetime.now(PARIS).replace(hour=23, minute=59, second=30, microsecond=0)
    context = browser.new_context(timezone_id="Europe/Paris", locale="en-US")
    page = context.new_page()
    page.clock.install(time=late)
    page.goto(service.url + "/?period=today")
    expect(page.locator("[data-field=cost]")).to_have_text("$0.50")
    expect(page).to_have_title("$0.50 today · Cline (local)")

    page.clock.run_for(40_000)

    expect(page.locator("[data-field=cost]")).to_have_text("$0.00")
    expect(page).to_have_title("$0.00 today · Cline (local)")
    expect(page.locator("[data-field=tasks]")).to_have_text("0")
    context.close()


def test_week_keeps_every_task_across_the_change_of_clocks(service: Service, browser: Browser) -> None:
    """In the week in which the clocks go back, a task of each hour around the change is counted once."""
    change = dt.datetime(2025, 10, 26, 1, 0, tzinfo=dt.UTC)
    moments = [change + dt.timedelta(minutes=30 * step) for step in range(-4, 5)]
    service.ledger.write(*(entry(str(n), ts=int(at.timestamp() * 1000), cost=1) for n, at in enumerate(moments)))
    service.start()
    context = browser.new_context(timezone_id="Europe/Paris", locale="en-US")
    page = context.new_page()
    page.clock.install(time=dt.datetime(2025, 10, 27, 12, 0, tzinfo=PARIS))

    page.goto(service.url + "/?period=7d&table=true")

    expect(page.locator("[data-field=cost]")).to_have_text("$9.00")
    expect(page.locator(".astable tbody tr")).to_have_count(7)
    expect(page.locator(".astable tbody tr").nth(1)).to_contain_text("Sun, Oct 26")
    expect(page.locator(".astable tbody tr").nth(1).locator("td").first).to_have_text("$9.00")
    context.close()
