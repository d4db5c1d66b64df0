"""Own prices on the page: set, told, tried and removed; every number follows by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.restartable_service import Service, entry

UNPRICED = entry("1001", model="glm-9-air", tokens_in=1_000_000, tokens_out=100_000, cost=0)


def open_prices(page: Page) -> None:
    """Open the dialog from the line that says what the sums lack."""
    page.locator("[data-field=gaps] > summary").click()
    page.locator("[data-field=gaps] .link").click()


@pytest.mark.parametrize(
    ("language", "title", "cost"),
    first_row_is_quick(("en-US", "Prices", "$0.82"), ("fr-FR", "Prix", "0,82 $")),
)
def test_price_is_set_and_removed_on_the_page(
    service: Service, open_page: Opener, language: str, title: str, cost: str
) -> None:
    """A model without a price gets one where its absence is told, and the sums follow; removed, they are as before."""
    service.ledger.write(UNPRICED)
    service.start()
    page = open_page(service, language=language).page
    expect(page.locator(".tasks tbody .tag").first).to_be_visible()
    open_prices(page)
    dialog = page.locator("#prices")
    expect(dialog.get_by_role("heading", name=title, exact=True)).to_be_visible()
    dialog.locator(".unpriced button").click()
    expect(dialog.locator(".tried")).to_have_attribute("data-basis", "none")
    expect(dialog.locator("[name=model]")).to_have_value("glm-9-air")
    dialog.locator("[name=input]").fill("0.6")
    dialog.locator("[name=output]").fill("2.2")
    page.keyboard.press("Enter")
    expect(dialog.locator(".own li")).to_contain_text("glm-9-air")
    expect(page.locator("[data-field=cost]")).to_have_text(re.compile(re.escape(cost).replace("\\ ", r"\s")))
    expect(dialog.locator(".unpriced")).to_have_count(0)
    expect(dialog.locator("[name=model]")).to_have_value("")
    dialog.locator(".own button").click()
    expect(dialog.locator(".own li")).to_have_count(0)
    expect(page.locator(".tasks tbody .tag").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


_CHOOSE_AT_ONCE = """() => new Promise((done) => {
  new MutationObserver((_, own) => {
    const button = document.querySelector("#prices[open] .unpriced button");
    if (!button) return;
    own.disconnect();
    button.click();
    requestAnimationFrame(() => setTimeout(() => setTimeout(done)));
  }).observe(document.body, { attributes: true, childList: true, subtree: true });
  document.querySelector("[data-field=gaps] .link").click();
})"""
"""Chooses a model before the browser has painted the dialog, and waits until it has."""


def test_model_that_is_chosen_at_once_stays(service: Service, open_page: Opener) -> None:
    """What the dialog does when it opens comes before whatever is done in it."""
    service.ledger.write(UNPRICED)
    service.start()
    page = open_page(service).page
    page.locator("[data-field=gaps] > summary").click()
    expect(page.locator("[data-field=gaps] .link")).to_be_visible()
    page.evaluate(_CHOOSE_AT_ONCE)
    expect(page.locator("#prices [name=model]")).to_have_value("glm-9-air")
    expect(page.locator("#prices .tried")).to_have_attribute("data-basis", "none")


def test_prices_open_before_the_numbers_are_there(service: Service, open_page: Opener) -> None:
    """The menu opens them as soon as the sources are known; until then the dialog says that it loads."""
    service.ledger.write(UNPRICED)
    service.start()
    held: list[Route] = []
    holding = [True]

    def hold(route: Route) -> None:
        if holding:
            held.append(route)
        else:
            route.continue_()

    page = open_page(service, prepare=lambda page: page.route("**/api/summary?*", hold)).page
    page.locator("[data-field=sources] > summary").click()
    page.get_by_role("button", name="Prices").click()
    dialog = page.locator("#prices")
    expect(dialog.get_by_role("status")).to_have_text("Loading…")
    holding.clear()
    for route in held:
        route.continue_()
    dialog.locator(".unpriced button").click()
    expect(dialog.locator("[name=model]")).to_have_value("glm-9-air")


@pytest.mark.slow
def test_second_page_and_refusals_are_told(make_service: ServiceMaker, open_page: Opener) -> None:
    """Another page shows a price as soon as it is set; one that is gone meanwhile says so in words."""
    service = make_service()
    service.ledger.write(UNPRICED)
    service.start()
    first, second = (open_page(service) for _ in range(2))
    for observed in (first, second):
        open_prices(observed.page)
    dialogs = [observed.page.locator("#prices") for observed in (first, second)]
    dialogs[0].locator("[name=model]").fill("glm*")
    for name in ("input", "output"):
        dialogs[0].locator(f"[name={name}]").fill("1")
    dialogs[0].get_by_role("button", name="Set price").click()
    expect(dialogs[1].locator(".own li")).to_contain_text("glm*")
    second.allow("404")
    second.page.route("**/api/prices?*", lambda route: route.fulfill(status=404, body='{"code": "price_unknown"}'))
    dialogs[1].locator(".own button").click()
    expect(dialogs[1].get_by_role("alert")).to_have_text("There is no such price any more.")
    second.page.unroute("**/api/prices?*")
    dialogs[0].locator("[name=model]").fill("a*b")
    for name in ("input", "output"):
        dialogs[0].locator(f"[name={name}]").fill("1")
    first.allow("422")
    dialogs[0].get_by_role("button", name="Set price").click()
    expect(dialogs[0].get_by_role("alert")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize(("language", "shown", "dollars"), [("en-US", "€0.20", "$0.40"), ("fr-FR", "0,20 €", "0,40 $")])
def test_amounts_are_shown_in_a_currency_with_its_rate_and_day(
    service: Service, open_page: Opener, language: str, shown: str, dollars: str
) -> None:
    """Every amount, the chart's too; exact dollars on hover; the note says rate and day; a frame keeps dollars."""
    service.ledger.write(entry("1001", cost=0.4))
    service.start()
    page = open_page(service, language=language).page
    page.locator("[data-field=sources] > summary").click()
    page.locator(".panel .buttons button").last.click()
    form = page.locator("#prices .shown")
    form.locator("[name=code]").fill("eur")
    form.locator("[name=per_usd]").fill("0.5")
    form.locator("[name=as_of]").fill("2026-02-03")
    page.keyboard.press("Enter")
    amount = page.locator("[data-field=cost]")
    expect(amount).to_have_text(re.compile(re.escape(shown).replace("\\ ", r"\s")))
    expect(page.locator("[data-field=rate]")).to_contain_text("2026")
    expect(amount.locator("[title]")).to_have_attribute("title", re.compile(re.escape(dollars).replace("\\ ", r"\s")))
    frame = open_page(service, "/embed", language=language).page
    expect(frame.locator("[data-field=cost]")).to_have_text(re.compile(re.escape(dollars).replace("\\ ", r"\s")))
    form.locator(".quiet").click()
    expect(amount).to_have_text(re.compile(re.escape(dollars).replace("\\ ", r"\s")))
    expect(page.locator("[data-field=rate]")).to_have_count(0)
