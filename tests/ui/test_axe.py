"""axe finds nothing: in dark and light, French and English, on desktop and phone, in every main state."""

from __future__ import annotations

from importlib.resources import files
from itertools import product
from typing import Literal, NamedTuple, TypeAlias

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.quick_variants import first_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import moment_ms, watch_since
from tests.ui.fake_tools import home_of, transcript
from tests.ui.restartable_service import Service, entry

# The library's own wrapper would do no more than this, without types.
_AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_RUN = """async () => (await axe.run({ resultTypes: ["violations"] })).violations.map(
  ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`)"""

Theme: TypeAlias = Literal["dark", "light"]
Size: TypeAlias = tuple[int, int]

DESKTOP: Size = (1440, 900)
PHONE: Size = (390, 844)
THEMES: tuple[Theme, ...] = ("light", "dark")
WAYS = list(product(THEMES, ("en-US", "fr-FR"), (DESKTOP, PHONE)))


class Services(NamedTuple):
    """The service in three conditions."""

    full: Service
    unpriced: Service
    waiting: Service


@pytest.fixture(scope="module")
def services(make_shared: ServiceMaker) -> Services:
    """Serve models with budget, refused entries and one that fell; only unpriced tasks; a tool that is not read."""
    full = make_shared(budget_daily_usd="1", budget_monthly_usd="1000", kimi_proxy_url="http://127.0.0.1:9")
    models = [f"maker-{n}/model-{n}" for n in range(9)]
    falling = entry("1999", ts=moment_ms(6), cost=90)
    full.ledger.write(
        falling,
        *(entry(str(1000 + n), ts=moment_ms(n % 7), model=models[n % 9], cost=n / 7) for n in range(1, 60)),
        entry("3000", ts=moment_ms(0.05), model=None, cost=0),
        entry("3001", ts=moment_ms(0.04), tokens_in=-1),
        {**entry("3002"), "ts": "yesterday"},
    )
    full.start()
    full.ledger.write({**falling, "ts": moment_ms(0.05), "totalCost": 88})
    unpriced = make_shared()
    unpriced.ledger.write(entry("1001", ts=moment_ms(1), cost=0), entry("1002", ts=moment_ms(2), cost=0, model=None))
    unpriced.start()
    waiting = make_shared()
    waiting.ledger.path.parent.mkdir(parents=True)
    transcript(home_of(waiting), 1)
    waiting.start(probe="/healthz")
    return Services(full, unpriced, waiting)


def check_with_axe(page: Page) -> None:
    """Fail if axe finds anything in what the page shows now."""
    if page.evaluate("!window.axe"):  # it stays until another page is loaded
        page.evaluate(f"{_AXE}; undefined")
    assert page.evaluate(_RUN) == []


@pytest.mark.parametrize("theme", first_is_quick(*THEMES))
def test_axe_finds_nothing_in_the_page_for_frames(services: Services, open_page: Opener, theme: Theme) -> None:
    """The page in a frame of another page is as good as the whole one."""
    page = open_page(services.full, "/embed", theme=theme).page
    expect(page.locator("[data-field=cost]")).to_be_visible()
    expect(page.locator("[data-field=last-import]")).to_be_visible()
    check_with_axe(page)


@pytest.mark.slow
def test_axe_would_find_something(browser: Browser) -> None:
    """A picture without words is found: a checker that never complains proves nothing."""
    page = browser.new_page()
    page.set_content("<img src='data:,'>")
    page.evaluate(f"{_AXE}; undefined")
    assert any("image-alt" in finding for finding in page.evaluate(_RUN))
    page.close()


@pytest.mark.parametrize(("theme", "language", "size"), WAYS)
@pytest.mark.slow
def test_axe_finds_nothing(services: Services, open_page: Opener, theme: Theme, language: str, size: Size) -> None:
    """Data, popovers, chart as table, help, the service gone, empty filter, unpriced, and the first screen."""

    def show(service: Service, path: str, ready: str) -> Page:
        prepare = watch_since(moment_ms(3))
        observed = open_page(service, path, theme=theme, language=language, size=size, prepare=prepare)
        observed.allow("ERR_FAILED")
        page = observed.page
        expect(page.locator(ready).first).to_be_visible()
        expect(page.locator("[data-field=sources]")).to_be_visible()
        return page

    page = show(services.full, "/?q=3001", "[data-field=cost]")
    page.locator(".tasks tfoot").scroll_into_view_if_needed()
    page.locator("[data-note=unknown]").click()
    expect(page.locator("#told")).to_be_visible()
    check_with_axe(page)
    page = show(services.full, "/?model=maker-1%2Fmodel-1&q=maker", "[data-chip=model]")
    check_with_axe(page)
    page.locator("[data-chip=model] button").click()
    expect(page.locator("[data-field=sessions]")).not_to_have_text("7")
    for popover in page.locator("details.popover > summary").all():
        popover.click()
        expect(popover.locator("xpath=..").locator(".panel > *").first).to_be_visible()  # some are loaded now
        check_with_axe(page)
        page.keyboard.press("Escape")
    page.locator(".chart button").last.click()
    expect(page.locator(".astable")).to_be_visible()
    check_with_axe(page)
    page.locator("[data-field=terms]").click()
    expect(page.locator("#terms")).to_be_visible()
    check_with_axe(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    check_with_axe(page)
    page.keyboard.press("Escape")
    page.route("**/api/cline/**", lambda route: route.abort())
    page.keyboard.press("r")
    expect(page.locator("[data-notice=problem]")).to_be_visible()
    check_with_axe(page)
    check_with_axe(show(services.full, "/?q=nothing-like-this", "[data-field=empty]"))
    check_with_axe(show(services.unpriced, "/", "tfoot .tag"))
    check_with_axe(show(services.waiting, "/", ".welcome"))
