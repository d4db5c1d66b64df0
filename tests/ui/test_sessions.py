"""The session store on the page: a mark, a filter, a line in the last import, and words where it is not read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from bench.fake_session_store import SessionStore, editor_metadata
from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.restartable_service import Service, entry, now_ms

DAY_S = 86_400


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    """Return a store with one session of today."""
    store = SessionStore(tmp_path.resolve() / "db" / "sessions.db")
    store.put("2002", editor_metadata(10, 5, 0.75), updated_ms=now_ms(), model="z-ai/glm-5")
    return store


def test_sessions_are_marked_filtered_and_told(
    make_service: ServiceMaker, open_page: Opener, store: SessionStore
) -> None:
    """Which store a row came from can be seen and asked for; every number on the page follows."""
    service = make_service(cline_sessions="true", sessions_path=str(store.path))
    service.ledger.write(entry("1001", cost=0.25))
    service.start()
    page = open_page(service).page

    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")
    expect(page.locator("tr[data-task='2002'] [data-store=sessions]")).to_have_text("session")
    expect(page.locator("tr[data-task='1001'] [data-store]")).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 2000})  # so tall that no row has to be scrolled to
    expect(page.locator("tr[data-task='2002'] [data-store=sessions]")).to_be_visible()
    page.locator("[data-field=last-import] summary").click()
    expect(page.locator("[data-field=last-import] .panel")).to_contain_text("1 task")
    page.locator("[data-field=last-import] summary").click()

    for width in (1440, 1280, 1024, 768, 390):
        page.set_viewport_size({"width": width, "height": 2000})
        top = page.locator(".cards").evaluate("(cards) => cards.getBoundingClientRect().top")
        page.get_by_role("button", name="Session store").press("Enter")
        expect(page.locator("tr[data-task]")).to_have_count(1)
        expect(page.get_by_role("button", name="Session store")).to_be_focused()
        assert page.locator(".cards").evaluate("(cards) => cards.getBoundingClientRect().top") == top
        page.get_by_role("button", name="Session store").press("Enter")
        expect(page.locator("tr[data-task]")).to_have_count(2)
    page.get_by_role("button", name="Session store").click()

    expect(page.locator("[data-field=cost]")).to_have_text("$0.75")
    expect(page.locator("tr[data-task]")).to_have_count(1)
    expect(page.locator("[data-chip]")).to_have_count(0)
    page.get_by_role("button", name="Session store").click()
    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")
    store.close()


@pytest.mark.slow
def test_first_screen_tells_of_a_frozen_ledger_and_a_store_that_is_not_read(
    make_service: ServiceMaker, open_page: Opener, store: SessionStore
) -> None:
    """Also without a single task it is said that newer Cline writes elsewhere, and what is wrong with that store."""
    store.connection.execute("ALTER TABLE sessions RENAME COLUMN metadata_json TO metadata")
    service = make_service(cline_sessions="true", sessions_path=str(store.path))
    service.ledger.write()
    old_s = now_ms() / 1000 - 8 * DAY_S
    os.utime(service.ledger.path, (old_s, old_s))
    service.start(probe="/healthz")
    page = open_page(service).page

    expect(page.locator(".welcome")).to_have_attribute("data-state", "empty")
    expect(page.locator("[data-notice=frozen]")).to_be_visible()
    expect(page.locator("[data-notice=sessions]")).to_contain_text("It lacks: metadata_json")
    store.close()


@pytest.mark.slow
def test_frozen_ledger_offers_the_setting_and_trouble_names_what_is_missing(
    make_service: ServiceMaker, open_page: Opener, store: SessionStore
) -> None:
    """Without the setting it is offered; with it, a store of another version is told by what it lacks."""
    store.connection.execute("ALTER TABLE sessions RENAME COLUMN metadata_json TO metadata")
    for settings, words in (
        ({}, "AICO_CLINE_SESSIONS=true"),
        ({"cline_sessions": "true", "sessions_path": str(store.path)}, "writes another file"),
    ):
        service = make_service(**settings)
        service.ledger.write(entry("1001"))
        old_s = now_ms() / 1000 - 8 * DAY_S
        os.utime(service.ledger.path, (old_s, old_s))
        service.start(probe="/healthz")
        page = open_page(service).page
        notice = page.locator("[data-notice=frozen]")
        notice.locator("summary").click()
        expect(notice.locator("li").last).to_contain_text(words)
        if settings:
            expect(page.locator("[data-notice=sessions]")).to_contain_text("It lacks: metadata_json")
    store.close()


@pytest.mark.slow
def test_trouble_with_the_store_is_told_in_the_language_of_the_page(
    make_service: ServiceMaker, open_page: Opener, store: SessionStore
) -> None:
    """The French page translates the code and names what is missing; the service's English sentence is not shown."""
    store.connection.execute("ALTER TABLE sessions RENAME COLUMN metadata_json TO metadata")
    service = make_service(cline_sessions="true", sessions_path=str(store.path))
    service.ledger.write(entry("1001"))
    service.start(probe="/healthz")
    page = open_page(service, language="fr-FR").page

    notice = page.locator("[data-notice=sessions]")
    expect(notice).to_contain_text(
        "L\u2019observation est dégradée. La base des sessions vient d\u2019une version de Cline encore inconnue. "
        f"Ce qui était importé reste. {store.path}"
    )
    expect(notice).to_contain_text("Il y manque\u00a0: metadata_json")
    expect(page.locator("[data-field=live]")).to_have_text("Dégradé")
    store.close()


@pytest.mark.parametrize(
    ("code", "words"),
    first_row_is_quick(
        *(("default", "l\u2019emplacement par défaut"), ("flag", "une option de la commande"), ("A_NAME", "A_NAME"))
    ),
)
def test_page_says_in_its_language_what_chose_the_ledger(
    service: Service, open_page: Opener, code: str, words: str
) -> None:
    """A variable is named; what the service calls "default" and "flag" has words."""
    service.ledger.write(entry("1001"))
    service.start()

    def answer(route: Route) -> None:
        response = route.fetch()
        status = response.json()
        status["ledger"]["chosen_by"] = code
        route.fulfill(response=response, body=json.dumps(status))

    page = open_page(service, language="fr-FR", prepare=lambda page: page.route("**/api/cline/status", answer)).page

    expect(page.locator("footer code")).to_have_attribute("title", f"Choisi par\u00a0: {words}")
