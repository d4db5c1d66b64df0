"""The session store on the page: a mark, a filter, a line in the last import, and words where it is not read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bench.fake_session_store import SessionStore, editor_metadata
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.restartable_service import entry, now_ms

DAY_S = 86_400


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    """Return a store with one session of today."""
    store = SessionStore(tmp_path.resolve() / "db" / "sessions.db")
    store.put("2002", editor_metadata(10, 5, 0.75), updated_ms=now_ms(), model="z-ai/glm-5")
    return store


def test_sessions_of_both_stores_are_told(make_service: ServiceMaker, open_page: Opener, store: SessionStore) -> None:
    """Of which store a row is, is no matter; every number on the page follows."""
    service = make_service(cline_sessions="true", sessions_path=str(store.path))
    service.ledger.write(entry("1001", cost=0.25))
    service.start()
    page = open_page(service).page

    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")
    for task in ("1001", "2002"):
        expect(page.locator(f"tr[data-task='{task}']")).to_be_visible()
    expect(page.locator("tr .tag")).to_have_count(0)  # where numbers were read says nothing to a reader
    page.set_viewport_size({"width": 390, "height": 2000})  # so tall that no row has to be scrolled to
    expect(page.locator("tr[data-task='2002']")).to_be_visible()
    page.locator("[data-field=sources] summary").first.click()
    expect(page.locator("[data-source=cline]")).to_contain_text("2 sessions counted")
    page.keyboard.press("Escape")

    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{service.url}/?q=2002")
    expect(page.locator("tr[data-task]")).to_have_count(1)
    expect(page.locator("[data-field=cost]")).to_have_text("$0.75")
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
        ({}, "aico sources on cline.sessions"),
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
        "Cline\u00a0: lecture impossible. La base des sessions vient d\u2019une version de Cline encore inconnue. "
        f"Ce qui était importé reste. {store.path}"
    )
    expect(notice).to_contain_text("Il y manque\u00a0: metadata_json")
    expect(page.locator("[data-field=live]")).to_contain_text(
        "Lecture impossible, Cline\u00a0: la base des sessions vient"
    )
    store.close()
