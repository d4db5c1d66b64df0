"""If no socket gets through, the page asks every ten seconds, and says so and why."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.fake_proxies import proxy
from tests.ui.observed_page import Observed
from tests.ui.restartable_service import Service, entry

BLOCKED = r"WebSocket connection|status of 40[345]"


def open_behind(browser: Browser, address: str, language: str = "en-US") -> Page:
    """Return the page as a proxy hands it out, with a clock of its own."""
    context = browser.new_context(locale=language)
    observed = Observed(context.new_page(), address)
    observed.allow(BLOCKED)
    observed.page.clock.install()
    observed.page.goto(address)
    return observed.page


@pytest.mark.parametrize("keeps_host", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_page_behind_a_proxy_without_sockets_asks_by_itself(
    service: Service, browser: Browser, *, keeps_host: bool
) -> None:
    """New numbers come within ten seconds; the reason is the upgrade, or an origin with the setting that allows it."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    with proxy(urlsplit(service.url).port or 0, keeps_host=keeps_host) as address:
        page = open_behind(browser, address)
        notice = page.locator("[data-notice=polling]")
        expect(page.locator("[data-field=cost]")).to_have_text("$0.50")
        expect(page.locator("[data-field=live]")).to_have_text("Updating every 10 s")
        expect(notice).to_contain_text("does not pass on Upgrade" if keeps_host else "another address")
        expect(notice.locator("code", has_text=f"AICO_ALLOWED_ORIGINS={address}")).to_have_count(0 if keeps_host else 1)
        expect(page.locator("main")).not_to_have_class("stale")

        service.ledger.write(entry("1002", cost=0.25))
        service_has_it = (
            f"() => fetch('{address}/api/cline/status').then((r) => r.json()).then((s) => s.task_count === 2)"
        )
        page.wait_for_function(service_has_it)
        page.clock.fast_forward(10_000)
        expect(page.locator("[data-field=cost]")).to_have_text("$0.75")
        page.context.close()


@pytest.mark.slow
def test_page_without_sockets_says_offline_when_nobody_answers(service: Service, browser: Browser) -> None:
    """A service that goes away is told from a socket that never came; when it is back, the page asks again."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    with proxy(urlsplit(service.url).port or 0, keeps_host=True) as address:
        page = open_behind(browser, address, "fr-FR")
        expect(page.locator("[data-field=live]")).to_have_text("Mise à jour toutes les 10 s")
        service.stop()
        page.clock.fast_forward(10_000)
        expect(page.locator("[data-field=live]")).not_to_have_text("Mise à jour toutes les 10 s")
        page.clock.fast_forward(5_000)
        expect(page.locator("[data-field=live]")).to_contain_text("Hors ligne depuis")
        service.start()
        page.clock.fast_forward(30_000)
        expect(page.locator("[data-field=live]")).to_have_text("Mise à jour toutes les 10 s")
        page.context.close()
