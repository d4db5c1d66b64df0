"""Themes, small screens, paper, reduced motion, and the structure that assistive technology sees."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.calm_zone import calm_zone
from tests.quick_variants import first_is_quick, first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import moment_ms, stop_clock
from tests.ui.fetching import fetch
from tests.ui.restartable_service import Service, entry, now_ms

LIGHT = "rgb(247, 247, 245)"
DARK = "rgb(15, 16, 19)"
WHITE = "rgb(255, 255, 255)"
_INNER_OVERFLOW = """() => [...document.querySelectorAll("details.popover[open] > .panel *")]
  .filter((part) => part.getBoundingClientRect().right > innerWidth).map((part) => part.outerHTML.slice(0, 80))"""

# The end of the name is inside its box, and its maker is either whole beside it or not seen at all.
_NAMES_NOT_READABLE = """() => [...document.querySelectorAll(".tasks .model")].filter((name) => {
  const box = name.getBoundingClientRect();
  const placeOf = (text) => {
    const range = document.createRange();
    range.selectNodeContents(text);
    return range.getBoundingClientRect();
  };
  const end = placeOf(name.querySelector(":scope > span").lastChild);
  const maker = name.firstChild.nodeType === Node.TEXT_NODE && name.firstChild.data && placeOf(name.firstChild);
  const isWhole = maker && maker.left >= box.left - 1 && maker.right <= end.right && maker.top < box.bottom - 1;
  const isGone = !maker || maker.top >= box.bottom - 1;
  return end.right > box.right + 1 || end.left < box.left - 1 || !(isWhole || isGone);
}).map((name) => name.title)"""

# Every letter is inside the box of the name, and the box inside its row.
_NAMES_NOT_WHOLE = """() => [...document.querySelectorAll(".groups .model")].filter((name) => {
  const range = document.createRange();
  range.selectNodeContents(name);
  const box = name.getBoundingClientRect();
  const row = name.closest("th").getBoundingClientRect();
  const isOutside = ({ left, right, top, bottom }) =>
    left < box.left - 1 || right > box.right + 1 || top < box.top - 2 || bottom > box.bottom + 2;
  return [...range.getClientRects()].some(isOutside) || box.right > row.right || box.bottom > row.bottom;
}).map((name) => name.title)"""

_PRINTED = """() => [
  document.querySelectorAll("tr[data-task]").length, document.querySelector("[data-field=printed-rows]").textContent,
]"""


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve ten models with long names and costs, in November 2025, and a task of today."""
    service = make_shared(budget_daily_usd="2000")
    models = [f"provider-with-a-long-name/some-model-with-a-long-name-{n}-20250929" for n in range(10)]
    old = [
        entry(str(1_760_000_000_000 + n), ts=moment_ms(n % 30), model=models[n % 10], cost=1234.5 / (n + 1))
        for n in range(150)
    ]
    free = entry("1760000000200", ts=moment_ms(2), model=models[0], cost=0)
    service.ledger.write(*old, free, entry("1790000000000", ts=now_ms()))
    service.start()
    return service


@pytest.mark.slow
def test_theme_follows_the_system_until_one_is_chosen(service: Service, open_page: Opener) -> None:
    """Auto follows the system, also while the page is open; a chosen theme does not, and outlives a reload."""
    page = open_page(service, theme="light").page
    expect(page.locator("body")).to_have_css("background-color", LIGHT)

    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", DARK)
    page.get_by_role("button", name="Theme: automatic").click()
    expect(page.locator("body")).to_have_css("background-color", LIGHT)
    page.get_by_role("button", name="Theme: light").click()
    page.emulate_media(color_scheme="light")
    expect(page.locator("body")).to_have_css("background-color", DARK)

    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", DARK)


@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
@pytest.mark.parametrize("width", first_is_quick(320, 390, 768, 1024))
def test_nothing_is_cut_off_on_a_small_screen(service: Service, open_page: Opener, width: int, language: str) -> None:
    """Phones and tablets scroll in one direction only, and every part of the page is there."""
    page = open_page(service, "/?period=30d", language=language, size=(width, 800), prepare=stop_clock).page

    expect(page.locator("[data-field=sessions]")).to_have_text("151")
    for part in (".sources", ".filters", ".sums", ".plot canvas", ".groups", ".tasks tfoot"):
        expect(page.locator(part).first).to_be_visible()
    for popover in page.locator("details.popover > summary").all():
        popover.click()
        box = page.locator("details.popover[open] > .panel").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert page.evaluate(_INNER_OVERFLOW) == []
        page.keyboard.press("Escape")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator(".tasks tfoot").scroll_into_view_if_needed()
    page.mouse.wheel(0, 600)
    expect(page.locator("tr[data-task]").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
def test_cost_is_seen_first_on_a_phone(service: Service, open_page: Opener, language: str) -> None:
    """Today's stands within the first 200 pixels; the search opens for typing, and stays open while it holds text."""
    page = open_page(service, "/?period=30d", language=language, size=(390, 844), prepare=stop_clock).page

    cost = page.locator("[data-card=today] .big").bounding_box()
    assert cost is not None
    assert cost["y"] + cost["height"] <= 200
    search = page.locator("#filter")
    page.keyboard.press("/")
    expect(search).to_have_css("opacity", "1")
    search.fill("name-3")
    search.blur()
    expect(page.locator("[data-field=sessions]")).to_have_text("15")
    expect(search).to_have_css("opacity", "1")


@pytest.mark.parametrize("language", first_is_quick("en-US", "fr-FR"))
def test_cost_is_seen_before_what_is_wrong_on_a_phone(service: Service, open_page: Opener, language: str) -> None:
    """A place that cannot be read takes words in the head and a notice; the cost stands above it all the same."""

    def prepare(page: Page) -> None:
        stop_clock(page)

        def answer(route: Route) -> None:
            response = fetch(route)
            status = response.json()
            status["sources"][0]["origins"][0] |= {"state": "degraded", "reason": "ledger_format"}
            route.fulfill(response=response, body=json.dumps(status))

        page.route("**/api/status", answer)

    page = open_page(service, "/?period=30d", language=language, size=(390, 844), prepare=prepare).page

    notice, cost = page.locator("[data-notice=ledger]"), page.locator("[data-card=today] .big")
    expect(notice).to_be_visible()
    boxes = [part.bounding_box() for part in (cost, notice)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["y"] + boxes[0]["height"] <= 200
    assert boxes[1]["y"] + boxes[1]["height"] <= 844


@pytest.mark.parametrize("width", first_is_quick(1280, 390))
def test_long_model_name_loses_its_maker_first(service: Service, open_page: Opener, width: int) -> None:
    """In a row the maker goes first, then the middle of the name, never its end; the legend is read whole."""
    page = open_page(service, "/?period=30d", size=(width, 2800), prepare=stop_clock).page

    name = page.locator("tr[data-task] .model").first
    expect(name).to_have_attribute("aria-label", re.compile("^provider-with-a-long-name/some-model"))
    expect(page.locator(".groups .model")).to_have_count(8)
    assert page.evaluate(_NAMES_NOT_READABLE) == []
    assert page.evaluate(_NAMES_NOT_WHOLE) == []


@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
@pytest.mark.slow
def test_models_of_today_are_read_whole_on_a_small_desktop(
    make_service: ServiceMaker, open_page: Opener, language: str
) -> None:
    """At 1280 pixels no name that is in use loses its end; it is whole on hover and for a screen reader."""
    names = [
        "anthropic/claude-opus-4.5",
        "google/gemini-3-pro-preview",
        "claude-sonnet-4-5-20250929",
        "qwen/qwen3-coder",
    ]
    service = make_service()
    service.ledger.write(*(entry(str(n), model=name, cost=4 - n / 2) for n, name in enumerate(names)))
    service.start()
    page = open_page(service, language=language, size=(1280, 800)).page

    expect(page.locator(".groups .model")).to_have_count(4)
    assert page.evaluate(_NAMES_NOT_WHOLE) == []
    models = page.locator(".groups .model")
    assert models.all_text_contents() == names
    assert models.evaluate_all("(all) => all.filter((one) => one.clientHeight > 24).length") == 0  # in one line each
    longest = page.locator(".groups").get_by_role("button", name="claude-sonnet-4-5-20250929", exact=True)
    height = longest.evaluate("(one) => one.clientHeight")
    longest.click()
    expect(longest).to_have_attribute("aria-pressed", "true")
    assert longest.evaluate("(one) => one.clientHeight") == height
    longest.click()
    expect(models).to_have_count(4)
    for name in names:
        expect(page.locator(".groups").get_by_role("button", name=name, exact=True)).to_be_visible()
        expect(page.locator(".groups .model").filter(has_text=name)).to_have_attribute("title", name)


@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
@pytest.mark.parametrize("width", first_is_quick(1280, 320, 390, 768, 1024, 1100))
def test_chip_that_comes_or_goes_moves_nothing(service: Service, open_page: Opener, width: int, language: str) -> None:
    """The numbers stay in their places when a filter is chosen, also beside the mark of a card."""
    path, zone = "/?period=30d", calm_zone()  # the card of today has another height on a day without use
    page = open_page(service, path, language=language, zone=zone, size=(width, 2400), prepare=stop_clock).page
    expect(page.locator("[data-card=cost] .tag")).to_be_visible()
    parts = (".sums", ".pair") if width >= 1280 else (".sums",)
    before = [page.locator(part).evaluate("(part) => part.getBoundingClientRect().top") for part in parts]

    page.locator(".groups tbody button").nth(1).click()
    page.locator("#filter").fill("long-name")

    expect(page.locator("[data-chip]")).to_have_count(2)
    expect(page.locator("[data-card=cost] .tag")).to_have_count(0)
    assert [page.locator(part).evaluate("(part) => part.getBoundingClientRect().top") for part in parts] == before
    assert page.evaluate("document.documentElement.scrollWidth") == width
    chips = page.locator(".chips")
    assert chips.evaluate("(all) => all.clientHeight") < 2 * page.locator(".chip").first.evaluate(
        "(one) => one.clientHeight"
    )
    for button in page.locator(".chip button").all():
        button.click(trial=True)


@pytest.mark.slow
@pytest.mark.parametrize("width", first_is_quick(320, 768, 1280))
def test_zone_stands_with_the_axis_of_time(service: Service, open_page: Opener, width: int) -> None:
    """The zone of the days is told in the chart's heading, and has no row of its own."""
    page = open_page(service, "/?period=30d", size=(width, 900), prepare=stop_clock).page

    zone = page.locator(".chart h2 [data-field=zone]")
    expect(zone).to_have_text("Europe/Paris")
    expect(zone).to_have_attribute("title", "Days begin at midnight in this time zone")
    box, heading = zone.bounding_box(), page.locator(".chart h2").bounding_box()
    assert box is not None
    assert heading is not None
    assert heading["height"] < 1.6 * box["height"]
    expect(page.get_by_text("Europe/Paris")).to_have_count(2)  # the other one is for paper
    expect(page.locator(".filters")).not_to_contain_text("Europe/Paris")


@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
@pytest.mark.parametrize("width", first_is_quick(320, 768))
def test_head_of_a_small_screen_keeps_its_lines_and_buttons(
    service: Service, open_page: Opener, width: int, language: str
) -> None:
    """No button is squeezed; a tablet has the list of sources beside the state of everything."""
    page = open_page(service, "/?period=30d", language=language, size=(width, 900), prepare=stop_clock).page

    sources = page.locator(".sources > summary")
    expect(sources).to_be_visible()
    for button in page.locator(".tools .ghost:visible").all():
        assert button.evaluate("(one) => one.offsetWidth") == 30
    if width == 768:
        box, title = sources.bounding_box(), page.locator("h1").bounding_box()
        assert box is not None
        assert title is not None
        assert abs(box["y"] - title["y"]) < 10


@pytest.mark.slow
def test_paper_shows_the_numbers_and_no_controls(service: Service, open_page: Opener) -> None:
    """In print there is dark text on white, whatever the theme, without buttons and without empty sheets."""
    page = open_page(service, "/?period=30d&q=model", theme="dark", size=(1440, 1200), prepare=stop_clock).page
    expect(page.locator("tr[data-task]").first).to_be_visible()
    expect(page.locator(".print-only").first).to_be_hidden()

    page.emulate_media(media="print", color_scheme="dark")

    expect(page.locator("body")).to_have_css("background-color", WHITE)
    expect(page.locator("body")).to_have_css("color", "rgb(27, 28, 31)")
    for control in (
        ".tools",
        ".filters",
        "[data-field=live]",
        "[data-field=terms]",
        "[data-field=hours]",
        "[data-field=last-use]",
    ):
        expect(page.locator(control)).to_be_hidden()
    expect(page.locator("tr[data-task]").first).to_contain_text(re.compile("Oct 9, .*Nov 11, 12:00"))
    expect(page.locator("[data-field=cost]")).to_be_visible()
    expect(page.locator(".tasks tfoot")).to_be_visible()
    expect(page.locator("[data-field=printed]")).to_have_text(
        re.compile(r"^Oct 13 . Nov 11, 2025 \(Europe/Paris\) · “model” · printed Tue, Nov 11, 12:00.PM$")
    )
    expect(page.locator(".tasks tfoot")).to_have_css("position", "static")
    expect(page.locator(".segmented:visible")).to_have_count(0)
    printed, told = page.evaluate(_PRINTED)  # at one moment: paper has other rows than the screen, a frame later
    assert 0 < printed < 151
    assert told == f"{printed} of 151 rows; the export has all of them"
    assert page.evaluate("document.documentElement.scrollHeight") < 3_000


@pytest.mark.parametrize(("motion", "animation"), first_row_is_quick(("no-preference", "flash"), ("reduce", "none")))
def test_fresh_row_flashes_only_for_those_who_like_motion(
    service: Service, open_page: Opener, motion: str, animation: str
) -> None:
    """A new row is marked by a word for everybody, and by a flash unless motion is to be reduced."""

    def prepare(page: Page) -> None:
        page.emulate_media(reduced_motion="reduce" if motion == "reduce" else "no-preference")

    page = open_page(service, prepare=prepare).page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    task = f"new-{motion}"

    service.ledger.write(entry(task, cost=2))

    row = page.locator(f"tr[data-task='{task}']")
    expect(row.locator("em")).to_have_text("new")
    expect(row.locator("td").first).to_have_css("animation-name", animation)


@pytest.mark.slow
def test_parts_of_the_page_are_landmarks(service: Service, open_page: Opener) -> None:
    """Header, filter, content and footer can be jumped to; sums, chart, list and table have names."""
    page = open_page(service, "/?period=30d", prepare=stop_clock).page

    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("navigation", name="Filter")).to_be_visible()
    for name in ("Cost over time", "By model", "Sessions", "Sums of the period"):
        expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Cost over time, total .*As table"))).to_be_visible()
    expect(page.get_by_role("group", name="Cost", exact=True)).to_contain_text("$6,902.31")


@pytest.mark.slow
def test_top_models_are_listed_and_the_others_summed_up(service: Service, open_page: Opener) -> None:
    """Eight models and a row of the others, which opens."""
    page = open_page(service, "/?period=30d", prepare=stop_clock).page

    expect(page.locator(".groups tbody tr")).to_have_count(9)
    page.get_by_role("button", name="Others (2)").click()
    expect(page.locator(".groups tbody tr")).to_have_count(10)
    page.get_by_role("button", name="Show fewer").click()
    expect(page.locator(".groups tbody tr")).to_have_count(9)
