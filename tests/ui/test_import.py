"""The button that imports says what it does, what came of it, and what went wrong."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.ui.conftest import Opener
from tests.ui.restartable_service import Service, entry


def test_import_button_reports_its_result_in_french(service: Service, open_page: Opener) -> None:
    """« Importer maintenant » imports and says in French that there was nothing new."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, "/embed", language="fr-FR").page

    page.get_by_role("button", name="Importer maintenant").click()

    expect(page.locator("[data-field=import-result]")).to_have_text("Importé : rien de nouveau · 0 erreur")
    expect(page.locator("[data-field=last-import] summary")).to_have_text(
        re.compile(r"Dernier import\s: il y a \d+\ss")
    )
    page.locator("[data-field=last-import] summary").click()
    expect(page.locator("[data-field=last-import] dd").nth(1)).to_have_text("demandé sur une page")


def test_import_says_what_came_of_it_before_the_page_knows_the_sources(service: Service, open_page: Opener) -> None:
    """Pressed at once, while the page still asks what is read: no word of a source that is switched off."""
    service.ledger.write(entry("1001"))
    service.start()
    held: list[Route] = []
    holding = [True]

    def hold(route: Route) -> None:
        if holding:
            held.append(route)
        else:
            route.continue_()

    page = open_page(service, "/embed", prepare=lambda page: page.route("**/api/status", hold)).page

    page.get_by_role("button", name="Import now").click()

    result = page.locator("[data-field=import-result]")
    expect(result).to_contain_text("Imported: ")
    holding.clear()
    for route in held:
        route.continue_()
    expect(page.locator("[data-field=last-import] summary")).to_contain_text("Last import")
    expect(result).to_contain_text("Imported: ")


@pytest.mark.slow
def test_import_names_refused_entries_in_words(service: Service, open_page: Opener) -> None:
    """Entries that were refused are counted, and listed with field and reason; those taken in part are counted."""
    service.ledger.write(entry("1001"), {**entry("1002"), "ts": "yesterday"}, entry("1003", tokens_in=-5))
    service.start()
    page = open_page(service, "/embed").page

    page.locator("[data-field=last-import] summary").click()

    expect(page.locator("[data-field=last-import] summary")).to_have_text(re.compile("2 new · 1 error"))
    expect(page.locator(".last li")).to_have_text("Entry 2: ts is not a time")
    expect(page.locator(".last dl")).to_contain_text("In part1")


@pytest.mark.slow
def test_import_without_a_ledger_says_so_in_words(service: Service, open_page: Opener) -> None:
    """An import that fails is explained in the language of the page, never by a raw code."""
    service.ledger.write(entry("1001"))
    service.start()
    observed = open_page(service, "/embed")
    observed.allow("404")
    page = observed.page
    expect(page.locator("[data-field=sessions]")).to_have_text("1")
    service.ledger.remove()

    page.get_by_role("button", name="Import now").click()

    expect(page.locator("[data-field=import-result]")).to_have_text(
        re.compile("The ledger does not exist. Run .*aico doctor to find it.")
    )
    expect(page.locator("[data-field=sessions]")).to_have_text("1")


@pytest.mark.slow
def test_key_r_imports(service: Service, open_page: Opener) -> None:
    """The key r does what the button does."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service).page
    expect(page.locator("[data-field=sessions]")).to_have_text("1")

    page.keyboard.press("r")

    expect(page.locator("[data-field=import-result]")).to_have_text(re.compile("Imported: nothing new"))
