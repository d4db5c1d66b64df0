"""The page can be driven by keys, and the keys can be switched off."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import Opener
from tests.ui.restartable_service import Service, entry


def test_keys_choose_period_filter_rows_and_copy(service: Service, open_page: Opener) -> None:
    """1 to 6 choose the period, / filters, j and k walk the rows, c copies the id."""
    service.ledger.write(entry("1001", ts=1_790_000_000_000), entry("1002", ts=1_790_000_060_000))
    service.start()
    page = open_page(service).page
    expect(page.locator("[data-field=sessions]")).to_be_visible()

    page.keyboard.press("7")
    expect(page.get_by_role("button", name="All", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("tr[data-task]")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr[data-task='1001']")).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator("tr[data-task='1002']")).to_be_focused()
    page.keyboard.press("c")
    expect(page.locator(".spoken")).to_have_text("Copied: 1002")
    assert page.evaluate("navigator.clipboard.readText()") == "1002"
    page.keyboard.press("/")
    expect(page.locator("#filter")).to_be_focused()
    page.keyboard.type("1001")
    expect(page.locator("tr[data-task]")).to_have_count(1)


def test_keys_rest_behind_a_dialog_without_the_focus(service: Service, open_page: Opener) -> None:
    """A budget that is removed takes the focus of its button along: keys change nothing behind the dialog."""
    service.ledger.write(entry("1001"))
    service.start()
    service.ask("/api/budgets/mine", method="PUT", body={"period": "day", "amount_usd": 5})
    page = open_page(service).page
    expect(page.locator("[data-field=sessions]")).to_be_visible()

    page.locator("[data-field=terms]").click()
    dialog = page.locator("#terms")
    dialog.locator("[data-budget=mine] .ghost").click()
    expect(dialog.locator("[data-budget]")).to_have_count(0)
    before = page.url
    page.keyboard.press("7")
    assert page.url == before
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("7")
    expect(page.get_by_role("button", name="All", exact=True)).to_have_attribute("aria-pressed", "true")


@pytest.mark.slow
def test_help_lists_the_keys_and_switches_them_off(service: Service, open_page: Opener) -> None:
    """The question mark opens the map; without single keys, they do nothing, also after a reload."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service).page
    expect(page.locator("[data-field=sessions]")).to_be_visible()

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.reload()
    expect(page.locator("[data-field=sessions]")).to_be_visible()
    page.keyboard.press("7")

    expect(page.get_by_role("button", name="7 d")).to_have_attribute("aria-pressed", "true")


@pytest.mark.slow
def test_first_tab_reaches_the_skip_link(service: Service, open_page: Opener) -> None:
    """A keyboard user can jump over the header at once."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service).page
    expect(page.locator("[data-field=sessions]")).to_be_visible()

    page.keyboard.press("Tab")

    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
