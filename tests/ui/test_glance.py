"""Today and this month, whatever is filtered; and the cells that say when it was spent."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.calm_zone import calm_zone
from tests.quick_variants import first_is_quick, first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import moment_ms
from tests.ui.restartable_service import Service, entry, now_ms


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve what was spent a moment ago, nine weeks of it, and 13 months ago."""
    service = make_shared()
    weeks = [entry(f"w{n}", ts=moment_ms(7 * n + 0.01), cost=1 + n % 2) for n in range(1, 10)]
    service.ledger.write(
        entry("now", model="z-ai/glm-5", cost=80.25, ts=now_ms() - 1_000),
        entry("old", model="old-model", cost=500, ts=moment_ms(400)),
        *weeks,
    )
    service.start()
    return service


def test_cards_follow_no_filter_and_the_cells_do(service: Service, open_page: Opener) -> None:
    """Today is what the service says, beside a usual day; a model that was not used today leaves it as it is."""
    zone = calm_zone()
    told = service.ask("/api/overview", {"tz": zone}).json()
    assert told["today"]["totals"]["cost_usd"] == 80.25
    page = open_page(service, "/?period=all", zone=zone).page
    today, month = page.locator("[data-card=today]"), page.locator("[data-card=month]")
    expect(today.locator(".big")).to_have_text("$80.25")
    expect(today.locator("[data-field=usual]")).to_contain_text(
        re.compile(r"^(▲ \d+ times a usual \w+day|Usually no cost) by this hour")
    )
    expect(today.locator("[data-field=last-use]")).to_contain_text(": Cline")
    expect(today.locator("svg.hours")).to_be_visible()
    expect(month.locator(".big")).to_have_text(re.compile(r"^\$8\d\.25$"))
    expect(month.locator("h2")).to_have_text(re.compile(r"^[A-Z][a-z]+ not filtered$"))
    expect(today.locator("h2 .soft")).to_be_visible()

    month.get_by_role("button", name="Set a budget").click()
    expect(page.get_by_role("dialog", name="Budgets, plans and limits")).to_be_visible()
    page.keyboard.press("Escape")

    cells = page.locator("[data-field=hours]")
    cells.locator("summary").click()
    expect(cells.locator("[data-field=hours-at]")).to_contain_text("Most: ")
    expect(cells.locator("[data-field=hours-at]")).to_contain_text("$500.00")
    months = cells.locator(".months span").all_text_contents()
    assert set(months) == {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
    cells.locator("svg").focus()
    page.locator(".groups").get_by_role("button", name="old-model").click()
    expect(page.locator("[data-field=sessions]")).to_have_text("1")
    expect(today.locator(".big")).to_have_text("$80.25")
    # One day is left: its cell is the only one with a colour, and a click opens that day.
    day = cells.locator("path.h5")
    day.hover()
    expect(cells.locator("[data-field=hours-at]")).to_contain_text("$500.00")
    day.click()
    expect(page).to_have_url(re.compile(r"period=custom"))
    expect(page.locator("[data-card=cost] .big")).to_have_text("$500.00")


@pytest.mark.slow
def test_cards_speak_french_and_stay_out_of_frames(service: Service, open_page: Opener) -> None:
    """The month has its name, and an arrow its words; a page of others shows what it frames and no more."""
    page = open_page(service, language="fr-FR", zone=calm_zone()).page
    expect(page.locator("[data-card=today] h2")).to_have_text(re.compile("^Aujourd.hui sans filtre$"))
    expect(page.locator("[data-field=usual]")).to_contain_text(
        re.compile(r"^(▲ \d+ fois un \w+ habituel|D.habitude aucun coût) à cette heure")
    )
    frame = open_page(service, "/embed").page
    expect(frame.locator("[data-field=cost]")).to_be_visible()
    assert frame.locator("[data-card=today]").count() == 0


@pytest.mark.slow
def test_cells_of_a_week_are_walked_with_the_keyboard(service: Service, open_page: Opener) -> None:
    """Arrows move from hour to hour and from day to day, and each cell is told."""
    page = open_page(service, "/?period=30d").page
    cells = page.locator("[data-field=hours]")
    cells.locator("summary").click()
    cells.locator("svg").focus()
    page.keyboard.press("ArrowUp")
    expect(cells.locator("[data-field=hours-at]")).to_have_text(re.compile("^Monday 11 PM"))
    page.keyboard.press("ArrowDown")
    expect(cells.locator("[data-field=hours-at]")).to_contain_text("Tuesday 11 PM")
    page.keyboard.press("ArrowLeft")
    expect(cells.locator("[data-field=hours-at]")).to_contain_text("Tuesday 10 PM")
    page.reload()
    expect(page.locator("[data-field=hours] svg")).to_be_visible()


@pytest.mark.parametrize("width", first_is_quick(1024, 800, 1440))
def test_cards_stand_in_one_row_down_to_800_pixels(service: Service, open_page: Opener, width: int) -> None:
    """Today, the month and the limits are read at one glance, and nothing of them is cut off."""
    page = open_page(service, size=(width, 768)).page
    cards = page.locator(".cards > .card")
    expect(cards).to_have_count(3)
    boxes = [card.bounding_box() for card in cards.all()]
    assert len({round(box["y"]) for box in boxes if box is not None}) == 1
    assert cards.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("language", "map_of_days", "keys"),
    first_row_is_quick(
        ("fr-FR", "Jours en cases", "Les flèches vont de jour en jour, Entrée en ouvre un."),
        ("en-US", "Days as cells", "Arrow keys go from day to day, Enter opens one."),
    ),
)
def test_cells_of_a_year_say_what_they_are_and_enter_opens_a_day(
    service: Service, open_page: Opener, language: str, map_of_days: str, keys: str
) -> None:
    """The map has a name that tells its keys; the key stands on a day, and Enter shows that day."""
    page = open_page(service, "/?period=year", language=language, zone=calm_zone()).page
    cells = page.locator("[data-field=hours]")
    cells.locator("summary").click()
    map_ = cells.get_by_role("img", name=re.compile(f"^{map_of_days}.*{re.escape(keys)}$"))
    expect(map_).to_be_visible()
    map_.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"period=custom&from=\d+&to=\d+"))
    expect(page.locator("[data-chip=period]")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "words"),
    first_row_is_quick(("en-US", "The service does not answer."), ("fr-FR", re.compile("Le service ne répond pas."))),
)
def test_cells_that_cannot_be_read_say_so(
    service: Service, open_page: Opener, language: str, words: str | re.Pattern[str]
) -> None:
    """An open section is never silent: the reason stands in the place of the map."""
    observed = open_page(
        service, language=language, prepare=lambda page: page.route("**/api/heatmap?*", lambda route: route.abort())
    )
    observed.allow("ERR_FAILED")
    observed.page.locator("[data-field=hours] summary").click()
    expect(observed.page.locator("[data-field=hours]").get_by_role("alert")).to_have_text(words)
