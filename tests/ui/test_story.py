"""A row's story where a tool tells running totals alone: the course of a task of Cline's, from its growth."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener
from tests.ui.restartable_service import Service, entry, now_ms
from tests.ui.test_axe import DESKTOP, PHONE, Size, Theme, check_with_axe

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("language", "theme", "size", "words"),
    first_row_is_quick(
        ("en-US", "light", DESKTOP, ("^Course per ", "a running total, no single requests", "of ")),
        ("fr-FR", "dark", PHONE, ("^Évolution par ", "un total courant, sans requêtes", "du ")),
    ),
)
def test_task_of_cline_tells_its_course_share_and_growth(
    service: Service, open_page: Opener, language: str, theme: Theme, size: Size, words: tuple[str, str, str]
) -> None:
    """Three readings hours apart are three steps: no single requests, and the last day's share of that day."""
    course, total, of_day = words
    now = now_ms()
    task = entry("1001", ts=now - 30 * HOUR_MS, cost=0.1, tokens_out=100)
    other = entry("1002", ts=now - 1_000, cost=0.3)
    service.ledger.write(task)
    service.start()
    page = open_page(service, "/?period=all", language=language, theme=theme, size=size).page
    expect(page.locator("[data-card=cost] .big")).to_contain_text(re.compile("0[.,]10"))
    for ago, cost, out in ((3, 0.4, 400), (0, 0.5, 500)):
        service.ledger.write({**task, "ts": now - ago * HOUR_MS, "totalCost": cost, "tokensOut": out})
        expect(page.locator("[data-card=cost] .big")).to_contain_text(re.compile(f"0[.,]{int(cost * 10)}0"))
    service.ledger.write({**task, "ts": now, "totalCost": 0.5, "tokensOut": 500}, other)
    expect(page.locator("[data-card=cost] .big")).to_contain_text(re.compile("0[.,]80"))

    page.locator(".tasks").scroll_into_view_if_needed()
    page.locator("tr[data-task='1001'] .open").press("Enter")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("img", name=re.compile(course))).to_be_visible()
    expect(panel.locator(".facts")).to_contain_text(total)
    expect(panel.locator(".facts")).to_contain_text(re.compile(rf"\d\s?% {of_day}"))
    expect(panel.locator("[data-request=growth]")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_with_axe(page)
