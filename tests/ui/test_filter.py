"""One filter for everything on the page, and the address bar holds it."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.restartable_service import Service, entry, now_ms

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def _exact(locator: Locator) -> Decimal:
    """Return the exact amount that an element shows on hover."""
    title = (locator.get_attribute("title") or "").partition("\n")[0]
    return Decimal(title.removeprefix("$").replace(",", ""))


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve three models, one of them unknown, to every test."""
    service = make_shared()
    service.ledger.write(
        entry("1001", model="moonshotai/kimi-k2.6", cost=0.123456789),
        entry("1002", model="z-ai/glm-5", cost=1.000000001),
        entry("1003", model=None, cost=2.5),
        entry("1004", model="z-ai/glm-5", cost=40, ts=now_ms() - 20 * DAY_MS),
    )
    service.start()
    return service


def _assert_one_truth(page: Page, sessions: int) -> None:
    expect(page.locator("[data-field=sessions]")).to_have_text(str(sessions))
    expect(page.locator("tr[data-task]")).to_have_count(sessions)  # a row comes with the frame after its numbers
    card = _exact(page.locator("[data-card=cost] [data-field=cost] span[title]"))
    models = [_exact(cell) for cell in page.locator(".groups tbody td:nth-child(2)[title]").all()]
    rows = [_exact(cell) for cell in page.locator("tr[data-task] .cost").all()]
    assert sum(models) == sum(rows) == _exact(page.locator("tfoot .cost")) == card


def test_sums_agree_to_the_last_digit_in_every_filter(service: Service, open_page: Opener) -> None:
    """Card, models, rows and sum row show the same exact cost, whatever is chosen."""
    page = open_page(service, size=(1280, 1600)).page
    _assert_one_truth(page, 3)

    page.get_by_role("button", name="All", exact=True).click()
    _assert_one_truth(page, 4)

    page.locator(".groups").get_by_role("button", name="z-ai/glm-5").click()
    _assert_one_truth(page, 2)


def test_model_click_filters_everything_and_the_chip_takes_it_back(service: Service, open_page: Opener) -> None:
    """A click on a model narrows cards, models and table; removing its chip widens them again."""
    page = open_page(service).page

    page.locator(".groups").get_by_role("button", name="z-ai/glm-5").click()

    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")
    expect(page.locator("tr[data-task]")).to_have_count(1)
    expect(page.locator("[data-chip=model]")).to_have_text("z-ai/glm-5")
    page.locator("[data-chip=model] button").click()
    expect(page.locator("tr[data-task]")).to_have_count(3)


@pytest.mark.slow
def test_focus_stays_near_when_a_chip_is_removed(service: Service, open_page: Opener) -> None:
    """From chip to chip by keyboard, and from the last one to the field in which a filter is typed."""
    page = open_page(service, "/?model=z-ai%2Fglm-5&q=glm", language="fr-FR").page

    page.get_by_role("button", name="Retirer le filtre\u00a0: z-ai/glm-5").press("Enter")
    expect(page.locator("[data-chip=model]")).to_have_count(0)
    expect(page.locator("[data-chip=q] button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-chip]")).to_have_count(0)
    expect(page.locator("#filter")).to_be_focused()
    expect(page.locator("tr[data-task]")).to_have_count(3)


@pytest.mark.slow
def test_unknown_model_is_a_filter_of_its_own(service: Service, open_page: Opener) -> None:
    """Tasks whose model is unknown are one row, and can be chosen."""
    page = open_page(service).page

    page.locator(".groups").get_by_role("button", name="unknown").click()

    expect(page.locator("tr[data-task]")).to_have_count(1)
    expect(page.locator("tr[data-task='1003']")).to_be_visible()
    expect(page).to_have_url(re.compile("unknown_model=true"))


def test_address_holds_the_state_across_reload_and_back(service: Service, open_page: Opener) -> None:
    """Period, model, text, sort and kind of chart survive a reload, and back undoes one choice at a time."""
    page = open_page(service).page
    expect(page.locator("[data-field=sessions]")).to_have_text("3")

    page.get_by_role("button", name="30 d").click()
    page.locator("#filter").fill("glm")
    expect(page.locator("[data-field=sessions]")).to_have_text("2")
    page.get_by_role("button", name="Cumulative").click()
    page.locator(".tasks thead").get_by_role("button", name="Cost").click()
    expect(page.locator("tr[data-task]").first).to_have_attribute("data-task", "1004")

    page.reload()
    expect(page.get_by_role("button", name="30 d")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Cumulative")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#filter")).to_have_value("glm")
    expect(page.locator(".tasks thead th:last-child")).to_have_attribute("aria-sort", "descending")
    expect(page.locator("tr[data-task]").first).to_have_attribute("data-task", "1004")

    page.go_back()
    expect(page.locator(".tasks thead th:nth-child(4)")).to_have_attribute("aria-sort", "descending")
    page.go_back()
    expect(page.get_by_role("button", name="Per day")).to_have_attribute("aria-pressed", "true")


@pytest.mark.slow
def test_empty_filter_says_so_and_offers_everything(service: Service, open_page: Opener) -> None:
    """A filter without tasks is not a broken page: it says so and offers the way out."""
    page = open_page(service, "/?q=nothing-like-this").page

    expect(page.locator("[data-field=empty]")).to_contain_text("No session in this filter.")
    expect(page.locator(".groups")).to_contain_text("No session in this filter.")
    expect(page.locator(".groups table")).to_be_hidden()
    page.get_by_role("button", name="Show everything").click()
    expect(page.locator("[data-field=sessions]")).to_have_text("4")


@pytest.mark.slow
def test_drag_on_the_chart_zooms_the_page(service: Service, open_page: Opener) -> None:
    """A range drawn on the chart becomes the period of everything, as a chip that can be removed."""
    page = open_page(service, "/?period=30d").page
    expect(page.locator("[data-field=sessions]")).to_have_text("4")
    over = page.locator(".u-over").bounding_box()
    assert over is not None

    page.mouse.move(over["x"] + 10, over["y"] + 80)
    page.mouse.down()
    page.mouse.move(over["x"] + over["width"] * 0.5, over["y"] + 80, steps=4)
    page.mouse.up()

    expect(page.locator("[data-field=sessions]")).to_have_text("1")
    expect(page.locator("[data-chip=period]")).to_be_visible()
    page.locator("[data-chip=period] button").click()
    expect(page.locator("[data-field=sessions]")).to_have_text("3")


@pytest.mark.slow
def test_chart_is_also_a_table(service: Service, open_page: Opener) -> None:
    """The chart can be read as a table whose last sum is the total; nothing moves when it is."""
    page = open_page(service).page
    top = "(part) => part.getBoundingClientRect().top"
    before = page.locator(".tasks").evaluate(top)

    page.get_by_role("button", name="As table").click()

    expect(page.locator(".astable")).to_be_visible()
    assert page.locator(".tasks").evaluate(top) == before
    expect(page.locator(".astable tbody tr").first.locator("td").nth(1)).to_have_text("$3.62")
    expect(page).to_have_url(re.compile("table=true"))


@pytest.mark.slow
def test_export_link_carries_the_filter(service: Service, open_page: Opener) -> None:
    """The CSV is of what is on the page."""
    page = open_page(service, "/?period=all&q=glm").page
    expect(page.locator("[data-field=sessions]")).to_have_text("2")

    with page.expect_download() as download:
        page.keyboard.press("e")

    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
