"""The chart opens what it shows: by click, keyboard and touch; and old numbers are set back while new ones come."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Position, Route, expect

from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import moment_ms, stop_clock
from tests.ui.restartable_service import Service, entry

NOTHING_HOVERS = """(() => {
  const asked = window.matchMedia.bind(window);
  window.matchMedia = (query) => (query === "(hover: none)" ? { matches: true } : asked(query));
})()"""


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve $4 of Nov 8 and $6 of Nov 11, 2025."""
    service = make_shared()
    service.ledger.write(entry("1001", ts=moment_ms(3.1), cost=4), entry("1002", ts=moment_ms(0.1), cost=6))
    service.start()
    return service


def _place(page: Page, day: int) -> Position:
    """Return the middle of the column of a day of seven, when nothing moves it any more."""
    expect(page.locator(".cards > .card")).to_have_count(3)
    expect(page.locator("[data-field=gaps]")).to_be_visible()
    over = page.locator(".u-over").bounding_box()
    assert over is not None
    return {"x": over["width"] * (day + 0.5) / 7, "y": over["height"] / 2}


def _expect_day(page: Page, cost: str) -> None:
    expect(page).to_have_url(re.compile(r"period=custom&from=\d+&to=\d+"))
    expect(page.locator("[data-card=cost] .big")).to_have_text(cost)
    expect(page.locator(".chart .segmented button").first).to_have_text("Per hour")


def test_click_on_a_bar_opens_its_day_and_back_leads_back(service: Service, open_page: Opener) -> None:
    """The day stands there in hours; a drag still chooses what it spans, and opens no day."""
    page = open_page(service, prepare=stop_clock).page
    page.locator(".u-over").click(position=_place(page, 3))
    _expect_day(page, "$4.00")
    page.go_back()
    expect(page.locator("[data-card=cost] .big")).to_have_text("$10.00")
    over = page.locator(".u-over").bounding_box()
    assert over is not None
    page.mouse.move(over["x"] + 3, over["y"] + 50)
    page.mouse.down()
    page.mouse.move(over["x"] + over["width"] * 0.99, over["y"] + 50, steps=4)
    page.mouse.up()
    expect(page.locator("[data-chip=period]")).to_have_text(re.compile("Nov 5 . 11, 2025"))
    expect(page.locator("[data-card=cost] .big")).to_have_text("$10.00")


@pytest.mark.parametrize(
    ("language", "newest", "keys"),
    first_row_is_quick(
        ("en-US", "Tue, Nov 11: $6.00", "Arrow keys read each bar, Enter opens it."),
        ("fr-FR", "mar. 11 nov.\u00a0: 6,00\u00a0$", "Les flèches lisent chaque barre, Entrée l\u2019ouvre."),
    ),
)
def test_arrow_keys_tell_each_bar_and_enter_opens_it(
    service: Service, open_page: Opener, language: str, newest: str, keys: str
) -> None:
    """The first key stands on the newest bar; each is said to a screen reader, and has its tooltip."""
    page = open_page(service, language=language, prepare=stop_clock).page
    plot = page.locator(".plot")
    expect(plot).to_have_attribute("aria-label", re.compile(re.escape(keys)))
    plot.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".spoken")).to_have_text(newest)
    expect(page.locator(".tip")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".spoken")).to_have_text(newest)
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".spoken")).to_contain_text("4")
    page.keyboard.press("Enter")
    expect(page.locator("[data-card=cost] .big")).to_contain_text("4")
    expect(page.locator("[data-chip=period]")).to_be_visible()
    expect(page.locator(".tip")).to_be_hidden()


@pytest.mark.slow
def test_first_touch_tells_a_bar_and_the_second_opens_it(service: Service, open_page: Opener) -> None:
    """On a device without hovering, nobody could read a bar otherwise."""

    def prepare(page: Page) -> None:
        stop_clock(page)
        page.add_init_script(NOTHING_HOVERS)

    page = open_page(service, prepare=prepare).page
    place = _place(page, 3)
    page.locator(".u-over").click(position=place)
    expect(page.locator(".tip")).to_contain_text("$4.00")
    expect(page).not_to_have_url(re.compile("period=custom"))
    page.locator(".u-over").click(position=place)
    _expect_day(page, "$4.00")


def test_numbers_of_the_period_before_are_set_back_while_others_come(service: Service, open_page: Opener) -> None:
    """A reading for another period dims the numbers of the old one, and nothing else, until it is there."""
    page = open_page(service, prepare=stop_clock).page
    expect(page.locator("[data-card=cost] .big")).to_have_text("$10.00")
    held: list[Route] = []
    is_held = True
    page.route("**/api/summary?*", lambda route: held.append(route) if is_held else route.continue_())
    page.get_by_role("button", name="Today", exact=True).click()
    for part in (".sums", ".pair", ".tasks"):
        expect(page.locator(part)).to_have_css("opacity", "0.55")
    expect(page.locator(".cards")).to_have_css("opacity", "1")
    is_held = False
    for route in held:
        route.continue_()
    expect(page.locator("[data-card=cost] .big")).to_have_text("$6.00")
    expect(page.locator(".sums")).to_have_css("opacity", "1")
