"""Cline's writes appear by themselves."""

from __future__ import annotations

import re
import signal

import pytest
from playwright.sync_api import expect

from tests.quick_variants import first_is_quick
from tests.ui.conftest import Opener
from tests.ui.observed_page import GONE
from tests.ui.restartable_service import Service, entry


def test_page_shows_new_task_and_moves_totals_without_a_reload(service: Service, open_page: Opener) -> None:
    """A task that Cline writes is in the table, marked as new, and in the totals by itself."""
    service.ledger.write(entry("1001", cost=1.25))
    service.start()
    page = open_page(service).page
    expect(page.locator("[data-field=cost]")).to_have_text("$1.25")
    page.evaluate("() => { document.body.dataset.mark = 'still the same document' }")

    service.ledger.write(entry("1002", model="z-ai/glm-5", tokens_in=5000, cost=0.5))

    row = page.locator("tr[data-task='1002']")
    expect(row).to_be_visible()
    expect(row).to_have_class(re.compile("fresh"))
    expect(row.locator(".in")).to_have_text("5,000")
    expect(page.locator("[data-field=cost]")).to_have_text("$1.75")
    expect(page.locator("[data-field=sessions]")).to_have_text("2")
    expect(page.locator(".groups tbody tr")).to_have_count(2)
    expect(page.locator("body")).to_have_attribute("data-mark", "still the same document")


def test_page_shows_growth_of_a_running_task(service: Service, open_page: Opener) -> None:
    """A task that only grows, with the same time and id, moves its row and the totals."""
    running = entry("1001", cost=0.1)
    service.ledger.write(running)
    service.start()
    page = open_page(service).page
    expect(page.locator("tr[data-task='1001'] .cost")).to_have_text("$0.1000")

    service.ledger.write({**running, "tokensOut": 900, "totalCost": 0.1234})

    expect(page.locator("tr[data-task='1001'] .cost")).to_have_text("$0.1234")
    expect(page.locator("tr[data-task='1001'] .out")).to_have_text("900")
    expect(page.locator("[data-field=output_tokens]")).to_have_text("900")


@pytest.mark.slow
def test_page_says_live_and_when_it_was_last_imported(service: Service, open_page: Opener) -> None:
    """The header says in words that it is live, and that the import (not the task) was moments ago."""
    service.ledger.write(entry("1001", ts=1_700_000_000_000))
    service.start()
    page = open_page(service, "/embed?period=all").page

    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator("[data-field=last-import] summary")).to_have_text(
        re.compile(r"Last import: \d+\S* ago · 1 new · 0 errors")
    )


@pytest.mark.slow
@pytest.mark.parametrize("end", first_is_quick(signal.SIGKILL, signal.SIGTERM))
def test_page_resumes_after_the_service_was_restarted(service: Service, open_page: Opener, end: signal.Signals) -> None:
    """An ended or killed service is named in words; when it is back, the page shows what happened since."""
    service.ledger.write(entry("1001", cost=1))
    service.start()
    observed = open_page(service)
    observed.allow(GONE)
    observed.allow("status of 404 .*/ws$")  # while it asks why no socket opened, the service may have come back
    page = observed.page
    expect(page.locator("[data-field=live]")).to_have_text("Live")

    service.stop(end)
    expect(page.locator("[data-field=live]")).to_have_text(re.compile("Reconnecting in|Offline since"))
    service.ledger.write(entry("1002", cost=2))
    service.start()

    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator("[data-field=cost]")).to_have_text("$3.00")
    expect(page.locator("tr[data-task='1002']")).to_be_visible()


@pytest.mark.slow
def test_two_pages_show_the_same(service: Service, open_page: Opener) -> None:
    """Two open pages both follow the ledger."""
    service.ledger.write(entry("1001", cost=1))
    service.start()
    pages = [open_page(service).page, open_page(service, language="fr-FR").page]
    for page in pages:
        expect(page.locator("[data-field=sessions]")).to_have_text("1")

    service.ledger.write(entry("1002", cost=2))

    for page in pages:
        expect(page.locator("[data-field=sessions]")).to_have_text("2")


def test_new_row_comes_with_the_number_that_counts_it(service: Service, open_page: Opener) -> None:
    """No frame shows three sessions in the heading and two rows below it."""
    service.ledger.write(entry("1001"), entry("1002"))
    service.start()
    page = open_page(service).page
    expect(page.locator("tr[data-task]")).to_have_count(2)
    page.evaluate(
        """() => {
            window.seen = [];
            const part = document.getElementById("tasks");
            new MutationObserver(() => {
                const count = part.querySelector(".count").innerText;
                seen.push(`${count} ${part.querySelectorAll("tr[data-task]").length}`);
            }).observe(part, { subtree: true, childList: true, characterData: true });
        }"""
    )

    service.ledger.write(entry("1003"))

    expect(page.locator("tr[data-task]")).to_have_count(3)
    seen = page.evaluate("seen")
    assert set(seen) <= {"2 2", "3 3"}
    assert seen[-1] == "3 3"


@pytest.mark.slow
def test_rows_that_are_read_do_not_move_when_new_ones_arrive(service: Service, open_page: Opener) -> None:
    """A reader that has scrolled into the table keeps the same row at the same place on the screen."""
    base = 1_790_000_000_000
    service.ledger.write(*(entry(str(2000 + n), ts=base + n * 60_000) for n in range(300)))
    service.start()
    page = open_page(service, "/?period=all").page
    expect(page.locator("tr[data-task='2299']")).to_be_visible()
    page.mouse.wheel(0, 3000)
    expect(page.locator("tr[data-task='2225']")).to_be_in_viewport()
    row = page.locator("tr[data-task='2225']")
    expect(row).to_be_visible()
    before = row.bounding_box()

    service.ledger.write(entry("9999"))

    expect(page.locator(".tasks .count")).to_have_text("301")
    assert before is not None
    assert row.bounding_box() == before
