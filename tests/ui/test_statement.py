"""The statement of a month: what a user prints, or keeps as a PDF."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.quick_variants import first_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import moment_ms, stop_clock
from tests.ui.restartable_service import Service, entry
from tests.ui.test_axe import PHONE, THEMES, Theme, check_with_axe

NOVEMBER = {"from": 1_761_951_600_000, "to": 1_764_543_600_000}
"""In Paris, epoch milliseconds."""


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve tasks of two models on three days of November 2025, and one of October."""
    service = make_shared()
    service.ledger.write(
        entry("1001", ts=moment_ms(0.3), model="glm-5", cost=2.25, tokens_in=1_234_567),
        entry("1002", ts=moment_ms(0.4), model="kimi-k2.6", cost=0.123456789),
        entry("1003", ts=moment_ms(2), model="glm-5", cost=4),
        entry("1004", ts=moment_ms(3), model="glm-5", cost=0),
        entry("1005", ts=moment_ms(20), model="glm-5", cost=7.5),
    )
    service.start()
    return service


def _cells(page: Page, name: str) -> list[list[str]]:
    rows = page.get_by_role("region", name=name).locator("tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]


def test_statement_has_the_sums_of_its_month_and_all_rows_or_none(service: Service, open_page: Opener) -> None:
    """It opens from the export, says what the service says, goes to another month, and keeps its address."""
    told = service.ask("/api/summary", NOVEMBER).json()["totals"]
    assert told["cost_usd"] == 6.373456789
    page = open_page(service, "/?period=today", prepare=stop_clock).page
    page.locator(".export summary").click()
    page.get_by_role("button", name=re.compile("^Month.s statement$")).click()

    statement = page.get_by_role("article", name="Statement · November 2025")
    expect(statement.locator("[data-field=statement-cost]")).to_have_text("≥ $6.37")
    expect(statement).to_contain_text("Nov 1 \u2013 30, 2025 (Europe/Paris) · Data as of Nov 11, 2025, ")
    expect(statement).to_contain_text("recorded $6.37 · 4 sessions")
    expect(statement.locator("[data-field=gaps]")).to_have_text(
        "What is not in these numbers: 1 record without a price · Cline: totals, no requests"
    )
    expect(page.locator("h2:focus")).to_have_text("Statement · November 2025")
    by_day = _cells(page, "By day")
    assert [row[:2] for row in by_day[1:]] == [
        ["Sat, Nov 8", "unpriced"],
        ["Sun, Nov 9", "$4.00"],
        ["Tue, Nov 11", "$2.37"],
        ["All", "≥\u00a0$6.37"],
    ]
    assert by_day[3][3] == "1,235,567"
    assert [row[0] for row in _cells(page, "By source")] == ["Source", "Cline", "All"]
    assert [row[0] for row in _cells(page, "By model")] == ["Model", "glm-5", "kimi-k2.6", "All"]
    check_with_axe(page)

    expect(page.get_by_role("region", name="Sessions")).to_have_count(0)
    page.get_by_label("With all sessions").check()
    expect(page.get_by_role("region", name="Sessions").locator("tbody tr")).to_have_count(4)
    assert _cells(page, "Sessions")[1][0].startswith("Nov 8, 2025, ")
    first = page.get_by_role("region", name="Sessions").locator("tbody tr").first.locator("th, td")
    aligned = first.evaluate_all("(all) => all.map((one) => getComputedStyle(one).textAlign)")
    assert aligned == ["left"] * 4 + ["right"] * 2  # words, then numbers
    expect(page.get_by_label("Month").locator("option")).to_have_text(["November 2025", "October 2025"])
    page.get_by_label("Month").select_option("2025-10")
    expect(page.locator("[data-field=statement-cost]")).to_have_text("$7.50")
    page.reload()
    expect(page.get_by_role("region", name="Sessions").locator("tbody tr")).to_have_count(1)
    page.go_back()
    expect(page.locator("[data-field=statement-cost]")).to_have_text("≥ $6.37")

    page.get_by_role("button", name="Back to the numbers").click()
    expect(page.locator("[data-card=cost]")).to_be_visible()
    expect(page).not_to_have_url(re.compile("statement"))
    expect(page.locator("#content")).to_be_focused()


def test_statement_prints_without_controls_and_with_its_moment(service: Service, open_page: Opener) -> None:
    """On paper stand moments and numbers: no light, no control; the button asks the browser to print."""
    page = open_page(service, "/?statement=2025-11&rows=true&source=cline&source=codex", prepare=stop_clock).page
    expect(page.get_by_role("region", name="Sessions").locator("tbody tr")).to_have_count(4)
    expect(page.locator(".statement")).to_contain_text("(Europe/Paris) · Cline · Codex · Data as of")
    page.evaluate("print = () => { document.body.dataset.printed = 'yes' }")
    page.get_by_role("button", name="Print").click()
    expect(page.locator("body")).to_have_attribute("data-printed", "yes")

    page.emulate_media(media="print")
    for control in (".controls", "[data-field=live]", ".tools", "[data-field=sources]"):
        expect(page.locator(control)).to_be_hidden()
    expect(page.locator(".statement .print-only")).to_have_text(re.compile("^printed Nov 11, 2025, "))
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("theme", first_is_quick(*THEMES))
@pytest.mark.slow
def test_statement_speaks_french_and_fits_a_phone(service: Service, open_page: Opener, theme: Theme) -> None:
    """Nothing goes beyond the edge of a phone, and axe finds nothing, in French, dark and light."""
    path = "/?statement=2025-11"
    page = open_page(service, path, language="fr-FR", theme=theme, size=PHONE, prepare=stop_clock).page
    expect(page.get_by_role("article", name="Relevé · novembre 2025")).to_contain_text("Par jour")
    expect(page.get_by_role("button", name="Imprimer")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_with_axe(page)


@pytest.mark.slow
def test_frame_has_no_statement(service: Service, open_page: Opener) -> None:
    """A page of others shows what it frames: neither the button nor the address opens more."""
    page = open_page(service, "/embed?statement=2025-11").page
    expect(page.locator("[data-field=cost]")).to_be_visible()
    expect(page.locator(".statement")).to_have_count(0)
    page.locator(".export summary").click()
    expect(page.locator(".export button")).to_have_count(0)
