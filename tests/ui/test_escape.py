"""Escape leaves what is open, wherever the focus is and whatever is still being loaded; nothing is left empty."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.quick_variants import first_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import until
from tests.ui.restartable_service import Service, entry

_EMPTY = """() => [...document.querySelectorAll("dialog, .popover[open] > .panel")]
  .filter((panel) => panel.checkVisibility() && panel.innerText.trim() === "").map((panel) => panel.outerHTML)"""


class Panel(NamedTuple):
    """Something that opens above the page."""

    opener: str
    panel: str
    field: str
    """The field that somebody may be typing in, or that has the focus."""
    module: str
    """It is loaded when the panel is opened; empty if there is none."""


PANELS = {
    "sources": Panel("[data-field=sources] > summary", "[data-field=sources] > .panel", "[role=switch]", "tools"),
    "choice": Panel(".choice > summary", ".choice > .panel", "input", "choice"),
    "custom": Panel(".custom > summary", ".custom > .panel", "input", ""),
    "export": Panel(".export > summary", ".export > .panel", "a", ""),
    "budgets": Panel("[data-field=terms]", "#terms", "[name=name]", "terms"),
    "prices": Panel("[data-field=gaps] .link", "#prices", "[name=model]", "prices"),
    "session": Panel("tr[data-task='1002'] .open", "#session", "[name=label]", "session"),
    "help": Panel(".help", "#help", "[type=checkbox]", "help"),
}
LATER = [name for name, panel in PANELS.items() if panel.module]


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve a task with a price and one without."""
    service = make_shared()
    service.ledger.write(entry("1001", cost=0.5), entry("1002", model="house/model", cost=0))
    service.start()
    return service


def _opener(page: Page, name: str) -> Locator:
    """Return what opens the panel; the way to prices is inside the line of what the sums lack."""
    if name == "prices":
        page.locator("[data-field=gaps] > summary").click()
    return page.locator(PANELS[name].opener)


def _hold(page: Page, address: str) -> list[Route]:
    """Return the list into which requests for ``address`` go, instead of to the service."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(address, hold)
    return held


@pytest.mark.parametrize("name", first_is_quick(*PANELS))
def test_escape_in_a_field_closes_its_panel_and_it_opens_whole_again(
    service: Service, open_page: Opener, name: str
) -> None:
    """The focus goes back to what opened it, and nothing of it stays without words."""
    page = open_page(service, "/?period=all").page
    opener = _opener(page, name)
    panel = page.locator(PANELS[name].panel)
    for _time in range(2):
        opener.click()
        expect(panel).to_be_visible()  # a dialog opens with the next frame, and nothing in a closed one takes the focus
        panel.locator(PANELS[name].field).first.focus()
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        expect(opener).to_be_focused()
        assert page.evaluate(_EMPTY) == []


@pytest.mark.parametrize("name", first_is_quick(*LATER))
def test_escape_while_a_panel_is_loaded_leaves_nothing_empty(service: Service, open_page: Opener, name: str) -> None:
    """A popover says that it loads; once what it shows has come, whatever is open has its content."""
    page = open_page(service, "/?period=all").page
    held = _hold(page, f"**/ui/{PANELS[name].module}.js")
    opener = _opener(page, name)
    panel = page.locator(PANELS[name].panel)
    with page.expect_request(f"**/ui/{PANELS[name].module}.js"):
        opener.click()
    if opener.evaluate("(one) => one.matches('summary')"):
        expect(panel.get_by_role("status")).to_have_text("Loading…")
    assert page.evaluate(_EMPTY) == []
    page.keyboard.press("Escape")
    with page.expect_response(f"**/ui/{PANELS[name].module}.js"):
        held.pop().continue_()
    if opener.evaluate("(one) => one.matches('summary')"):
        expect(panel).to_be_hidden()
        opener.click()
    expect(panel.locator(PANELS[name].field).first).to_be_visible()
    assert page.evaluate(_EMPTY) == []
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert page.evaluate(_EMPTY) == []


def test_session_says_that_it_is_read(service: Service, open_page: Opener) -> None:
    """Between its name and its numbers the sheet has words, and Escape leaves it; then it is not in the way."""
    page = open_page(service, "/?period=all").page
    held = _hold(page, "**/api/session?*")
    page.locator(PANELS["session"].opener).click()
    sheet = page.locator("#session")
    expect(sheet.get_by_role("status")).to_have_text("Loading…")
    until(page, lambda: len(held) > 0)  # the words may be there before the request is told of
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    held.pop().continue_()
    page.unroute("**/api/session?*")
    page.locator("tr[data-task='1001'] .open").click()
    expect(sheet.locator("[data-field=session-cost]")).to_have_text("$0.50")


def test_escape_closes_the_dialog_and_not_the_menu_that_opened_it(service: Service, open_page: Opener) -> None:
    """The menu is there as before, with the focus where it was."""
    page = open_page(service, "/?period=all").page
    page.locator("[data-field=sources] > summary").click()
    menu = page.locator("[data-field=sources] > .panel")
    menu.get_by_role("button", name="Prices").click()
    page.locator("#prices [name=model]").fill("glm-5")
    page.keyboard.press("Escape")
    expect(page.locator("#prices")).to_be_hidden()
    expect(menu.get_by_role("button", name="Prices")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(page.locator("[data-field=sources] > summary")).to_be_focused()
