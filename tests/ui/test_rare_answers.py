"""The page's words on rare answers: faked, each in both languages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from playwright.sync_api import Page, Route, expect

from tests.quick_variants import first_is_quick, first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import moment_ms, stop_clock, watch_since
from tests.ui.fetching import fetch
from tests.ui.restartable_service import Service, entry

DENIED = 'window.Notification = class { static permission = "denied"; };'
COURSE = {"low_usd": 90.0, "high_usd": 104.0}
Given = tuple[float | None, int, Mapping[str, float] | None]
CASES: Mapping[str, Sequence[tuple[Given, str, str]]] = {
    "en-US": (
        (
            (20.0, 0, COURSE),
            "60% less than a usual Tuesday by this hour ($20.00)",
            "On course for $90 to $104 by Nov 30",
        ),
        (
            (8.5, 0, {"low_usd": 8.0, "high_usd": 8.0}),
            "About as on a usual Tuesday by this hour ($8.50)",
            "On course for $8 by Nov 30",
        ),
        ((0.004, 0, None), "Usually no cost by this hour on a Tuesday", "Too few days yet for a forecast"),
        ((None, 1, None), "No usual day yet, 1 more day needed", "Too few days yet for a forecast"),
        ((None, 9, None), "No usual day yet, 9 more days needed", "Too few days yet for a forecast"),
    ),
    "fr-FR": (
        (
            (20.0, 0, COURSE),
            "60\u202f% de moins qu\u2019un mardi habituel à cette heure (20,00\u00a0$)",
            "En route pour 90\u00a0$ à 104\u00a0$ d\u2019ici le 30 nov.",
        ),
        (
            (8.5, 0, {"low_usd": 8.0, "high_usd": 8.0}),
            "À peu près comme un mardi habituel à cette heure (8,50\u00a0$)",
            "En route pour 8\u00a0$ d\u2019ici le 30 nov.",
        ),
        (
            (0.0, 0, None),
            "D\u2019habitude aucun coût à cette heure un mardi",
            "Encore trop peu de jours pour une prévision",
        ),
        (
            (None, 1, None),
            "Pas encore de jour habituel, il manque 1 jour",
            "Encore trop peu de jours pour une prévision",
        ),
        (
            (None, 9, None),
            "Pas encore de jour habituel, il manque 9 jours",
            "Encore trop peu de jours pour une prévision",
        ),
    ),
}


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve 8 dollars of a Tuesday in November 2025, that a price is known for."""
    service = make_shared()
    service.ledger.write(entry("1001", ts=moment_ms(0.1), cost=8))
    service.start()
    return service


def _answer(page: Page, path: str, **fields: object) -> None:
    """Let the service answer ``path`` with these fields in the place of its own."""

    def answer(route: Route) -> None:
        response = fetch(route)
        route.fulfill(response=response, body=json.dumps({**response.json(), **fields}))

    page.route(path, answer)


@pytest.mark.parametrize("language", first_is_quick("en-US", "fr-FR"))
def test_cards_have_words_for_each_kind_of_day_and_month(service: Service, open_page: Opener, language: str) -> None:
    """Less than usual, about as usual, no usual day yet; a forecast of two ends, of one, and none."""
    given: list[Given] = [CASES[language][0][0]]

    def answer(route: Route) -> None:
        response = fetch(route)
        told = response.json()
        usual, needed, projected = given[0]
        told["at"] = moment_ms()
        told["today"]["totals"] |= {"cost_usd": 8.0, "at_least": False}
        told["today"]["usual"] = {"cost_usd": usual, "days_needed": needed}
        told["month"] |= {"first": "2025-11-01", "last": "2025-11-30", "projected": projected}
        told["last_use"] = {"at": moment_ms(0.1), "source": "cline"}
        route.fulfill(response=response, body=json.dumps(told))

    def prepare(page: Page) -> None:
        stop_clock(page)
        page.route("**/api/overview?*", answer)

    page = open_page(service, language=language, prepare=prepare).page
    for case, usual, course in CASES[language]:
        given[0] = case
        page.reload()
        expect(page.locator("[data-field=usual]")).to_have_text(usual)
        expect(page.locator("[data-field=usual]")).not_to_have_class("warn")
        expect(page.locator("[data-field=course]")).to_have_text(course)


@pytest.mark.parametrize(
    ("language", "rate", "reached"),
    first_row_is_quick(
        ("en-US", "$3.20 in the last hour", "reached 02:30 PM at this rate"),
        ("fr-FR", "3,20\u00a0$ dans la dernière heure", "atteint 14:30 à ce rythme"),
    ),
)
def test_limit_says_its_rate_and_when_it_is_reached(
    service: Service, open_page: Opener, language: str, rate: str, reached: str
) -> None:
    """How much the last hour took, and when the stated limit is reached if it goes on like that."""
    limit = {
        "source": "claude-code",
        "plan": "",
        "window": "five_hours",
        "window_minutes": 300,
        "used_share": 0.6,
        "used_usd": 12.0,
        "limit_usd": 20.0,
        "tokens": 1_000,
        "at_least": False,
        "started_at": moment_ms() - 7_200_000,
        "resets_at": moment_ms() + 10_800_000,
        "origin": "estimate",
        "as_of": moment_ms(),
        "usd_per_hour": 3.2,
        "reached_at": moment_ms() + 9_000_000,
    }

    def prepare(page: Page) -> None:
        stop_clock(page)
        page.route("**/api/limits", lambda route: route.fulfill(json=[limit]))

    page = open_page(service, language=language, prepare=prepare).page
    page.locator("[data-field=terms]").click()
    row = page.locator("#terms [data-limit='claude-code/five_hours']")
    expect(row).to_contain_text(rate)
    expect(row).to_contain_text(reached)
    expect(page.locator("[data-card=limits] [data-field=limit]")).to_contain_text(reached)


@pytest.mark.parametrize(
    ("language", "words"),
    first_row_is_quick(
        ("en-US", ("not measured: no list price", "limit $1.00")),
        ("fr-FR", ("non mesurée\u00a0: aucun prix catalogue", "limite 1,00\u00a0$")),
    ),
)
def test_stated_limit_that_is_not_measured_says_so(
    service: Service, open_page: Opener, language: str, words: tuple[str, str]
) -> None:
    """Tokens without a list price have no value: card and dialog show the limit, and why nothing is told of its use."""
    limit = {
        "source": "cline",
        "plan": "",
        "window": "five_hours",
        "window_minutes": 300,
        "used_share": None,
        "used_usd": None,
        "limit_usd": 1.0,
        "tokens": 1_000,
        "at_least": True,
        "started_at": moment_ms() - 7_200_000,
        "resets_at": moment_ms() + 10_800_000,
        "origin": "estimate",
        "as_of": moment_ms(),
        "usd_per_hour": 0.0,
        "reached_at": None,
    }

    def prepare(page: Page) -> None:
        stop_clock(page)
        page.route("**/api/limits", lambda route: route.fulfill(json=[limit]))

    page = open_page(service, language=language, prepare=prepare).page
    card = page.locator("[data-card=limits] [data-field=limit]")
    page.locator("[data-field=terms]").click()
    row = page.locator("#terms [data-limit='cline/five_hours']")
    for said in words:
        expect(card).to_contain_text(said)
        expect(row).to_contain_text(said)


@pytest.mark.parametrize(
    ("language", "button", "taken", "blocked"),
    first_row_is_quick(
        ("en-US", "Test", "taken", "The browser blocks them for this page: allow them in its settings."),
        (
            "fr-FR",
            "Tester",
            "accepté",
            "Le navigateur les bloque pour cette page\u00a0: autorisez-les dans ses réglages.",
        ),
    ),
)
def test_webhook_is_tried_and_blocked_notifications_are_explained(
    service: Service, open_page: Opener, language: str, button: str, taken: str, blocked: str
) -> None:
    """A button sends one message and says what came of it; a browser that blocks notifications has its switch off."""
    asked: list[str] = []

    def hook(route: Route) -> None:
        asked.append(route.request.method)
        tried = {"answer": "taken"}
        hook = {"is_set": True, "address": "https://hooks.example", "fixed_by": None, "last": None}
        route.fulfill(json=tried if route.request.method == "PUT" else hook)

    def prepare(page: Page) -> None:
        page.add_init_script(DENIED)
        page.route("**/api/webhook/test", hook)
        page.route("**/api/webhook", hook)

    page = open_page(service, language=language, prepare=prepare).page
    page.locator("[data-field=terms]").click()
    place = page.locator("#terms [data-field=webhook]")
    place.get_by_role("button", name=button).click()
    expect(place.get_by_role("status")).to_have_text(taken)
    assert asked == ["GET", "PUT"]
    expect(page.locator("[data-switch=notify]")).to_be_disabled()
    expect(page.locator("#terms")).to_contain_text(blocked)


@pytest.mark.parametrize(
    ("language", "head", "nothing"),
    first_row_is_quick(
        ("en-US", "Demo, invented numbers", "Nothing missing that we know of."),
        ("fr-FR", "Démo, nombres inventés", "Rien ne manque, à notre connaissance."),
    ),
)
def test_demo_is_called_one_and_whole_numbers_are_said_to_be(
    service: Service, open_page: Opener, language: str, head: str, nothing: str
) -> None:
    """The one state of the head names the demo; where the sums lack nothing, one line says so."""

    def prepare(page: Page) -> None:
        watch_since(moment_ms(60))(page)
        _answer(page, "**/api/status", demo=True)

    page = open_page(service, language=language, prepare=prepare).page
    expect(page.locator("[data-field=live]")).to_have_text(head)
    expect(page.locator("[data-notice=demo]")).to_be_visible()
    expect(page.locator("[data-field=gaps]")).to_have_text(nothing)


@pytest.mark.parametrize(
    ("language", "words"),
    first_row_is_quick(
        ("en-US", "Before Nov 11: days are approximate"),
        ("fr-FR", "Avant le 11 nov.\u00a0: les jours sont approximatifs"),
    ),
)
def test_line_of_gaps_says_that_days_are_approximate(
    service: Service, open_page: Opener, language: str, words: str
) -> None:
    """Also where nothing else is missing, the closed line has words; opened it explains them."""
    page = open_page(service, language=language, prepare=watch_since(moment_ms(0.05))).page
    gaps = page.locator("[data-field=gaps]")
    expect(gaps.locator("summary .soft")).to_have_text(words)
    gaps.locator("summary").click()
    expect(gaps.locator(".panel-box")).to_contain_text("Cline")


@pytest.mark.parametrize(
    ("language", "words"), [("en-US", "The service does not answer."), ("fr-FR", "Le service ne répond pas.")]
)
def test_part_that_does_not_come_says_so_and_is_tried_again(
    service: Service, open_page: Opener, language: str, words: str
) -> None:
    """A menu whose module cannot be loaded does not say for ever that it loads; opened once more, it is there."""
    service.ledger.write(entry("1001"))
    service.start()
    observed = open_page(service, language=language)
    observed.allow("ERR_FAILED")
    page = observed.page
    page.route("**/ui/tools.js*", lambda route: route.abort())
    opener = page.locator("[data-field=sources] > summary")
    panel = page.locator("[data-field=sources] > .panel")

    opener.click()
    expect(panel.get_by_role("alert")).to_have_text(words)
    page.unroute("**/ui/tools.js*")
    opener.click()
    opener.click()
    expect(panel.locator("[role=switch]").first).to_be_visible()
