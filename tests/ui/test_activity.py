"""The section of activity: closed it asks for nothing; open it shows today, the period, the day, and its switches."""

from __future__ import annotations

import asyncio
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from aico.core.activity import ActivitySpan
from aico.core.db.activity import ActivityStore
from aico.core.db.database import Database
from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener
from tests.ui.restartable_service import Service, entry
from tests.ui.test_axe import _AXE, _RUN

SECTION = "[data-field=activity]"


def use(path: Path) -> None:
    """Store a use of an hour and a half within the last two, and calls of a command."""
    now = int(time.time() * 1000)
    spans = [
        ActivitySpan("apps", "Cursor", "editor", now - 7_200_000, 5_400_000),
        ActivitySpan("apps", "VS Code", "editor", now - 1_500_000, 600_000),
        ActivitySpan("commands", "claude", "coding", now - 700_000, 300_000),
        ActivitySpan("shell", "claude", "coding", now - 600_000, 0, 4, "zsh"),
    ]

    async def add() -> None:
        database = Database(path)
        await database.open()
        await ActivityStore(database).add(spans)
        await database.close()

    # The browser has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, add()).result()


@pytest.mark.parametrize(
    ("language", "about", "assumed"),
    first_row_is_quick(("en-US", r"about \$0\.75", "assistant is assumed"), ("fr-FR", r"environ 0,75", "est supposé")),
)
def test_section_shows_use_beside_money(
    service: Service, open_page: Opener, language: str, about: str, assumed: str
) -> None:
    """Closed, nothing is asked for; open, time, calls and estimate by name, and no sum of money knows of it."""
    service.ledger.write(entry("1001", cost=0.5))
    use(service.database)
    service.start()
    asked: list[str] = []

    def watch(page: Page) -> None:
        page.on("request", lambda request: asked.append(request.url) if "api/activity" in request.url else None)

    page = open_page(service, language=language, prepare=watch).page
    cost = page.locator("[data-field=cost]")
    expect(cost).to_have_text(re.compile("0[.,]50"))
    assert asked == []
    page.locator(f"{SECTION} > summary").click()
    row = page.locator(f"{SECTION} tr[data-subject=Cursor]")
    expect(row).to_contain_text(re.compile(about))
    expect(page.locator(f"{SECTION} tr[data-subject='VS Code']")).to_contain_text(assumed)
    claude = page.locator(f"{SECTION} tr[data-subject=claude]")
    expect(claude).to_have_count(1)
    expect(claude).to_contain_text(re.compile(r"5\s?min.*4 (times|fois)"))
    expect(cost).to_have_text(re.compile("0[.,]50"))
    switch = page.locator("[data-switch='activity.shell']")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(switch).to_be_checked()
    page.evaluate(_AXE)
    assert page.evaluate(_RUN) == []
    page.reload()
    expect(row).to_be_visible()  # it stays open


@pytest.mark.slow
def test_frame_has_no_section_of_activity(service: Service, open_page: Opener) -> None:
    """A page of others shows nothing of it, and no switch."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service, "/embed").page
    expect(page.locator("[data-field=cost]")).to_have_text(re.compile("0[.,]50"))
    expect(page.locator(SECTION)).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "words"),
    first_row_is_quick(
        ("en-US", ("Pair a browser", "Token:", "not used yet", "End the pairing: not used yet")),
        (
            "fr-FR",
            (
                "Associer un navigateur",
                "Jeton\u00a0:",
                "pas encore",
                "Mettre fin à l\u2019association\u00a0: pas encore utilisé",
            ),
        ),
    ),
)
def test_browser_is_paired_on_the_page_and_its_pairing_ended(
    service: Service, open_page: Opener, language: str, words: tuple[str, str, str, str]
) -> None:
    """The token is shown once, is good for a report, and is none any more when its pairing was ended."""
    add, token, waiting, end = words
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service, language=language).page
    page.locator(f"{SECTION} > summary").click()
    expect(page.locator("[data-field=pairings]")).to_have_count(0)
    page.locator("[data-switch='activity.extension']").click()
    page.get_by_role("button", name=add).click()
    pairings = page.locator("[data-field=pairings]")
    expect(pairings.get_by_role("status")).to_contain_text(token)
    address, secret = pairings.get_by_role("status").locator("code").all_text_contents()
    assert address == service.url
    expect(pairings.get_by_role("listitem")).to_contain_text(waiting)
    page.evaluate(_AXE)
    assert page.evaluate(_RUN) == []
    told = service.ask("/api/activity/pairings").json()
    assert [each["ended_at"] for each in told] == [None]
    assert secret not in json.dumps(told)
    pairings.get_by_role("button", name=end).click()
    expect(pairings.get_by_role("listitem")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name=add)).to_be_visible()
    expect(page.get_by_text(secret)).to_have_count(0)
