"""States in which plain numbers would mislead are said in words."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.calm_zone import calm_zone
from tests.quick_variants import first_is_quick, first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_tools import home_of, transcript
from tests.ui.restartable_service import Service, entry, now_ms

DAY_MS = 86_400_000


def test_first_screen_names_the_places_and_begins_by_itself(service: Service, open_page: Opener) -> None:
    """Without any tool the page says where it looked, without a red word; when a ledger appears, the page fills."""
    service.ledger.path.parent.mkdir(parents=True)
    service.start(probe="/healthz")
    page = open_page(service).page

    expect(page.locator(".welcome")).to_have_attribute("data-state", "none")
    expect(page.locator(".places")).to_contain_text(str(service.ledger.path))
    expect(page.locator("[data-field=live]")).to_have_text("Waiting for Cline")
    expect(page.locator(".bad, .warn")).to_have_count(0)

    service.ledger.write(entry("1001", cost=0.25))

    expect(page.locator("[data-field=cost]")).to_have_text("$0.25")
    expect(page.locator("[data-field=live]")).to_have_text("Live")


@pytest.mark.slow
def test_empty_ledger_is_told_from_a_missing_one(service: Service, open_page: Opener) -> None:
    """A ledger without a task is said to exist."""
    service.ledger.write()
    service.start()
    page = open_page(service, language="fr-FR").page

    expect(page.locator(".welcome")).to_have_attribute("data-state", "empty")
    expect(page.locator("[data-card=cline] .facts").first).to_contain_text("2 octets, écrit")


@pytest.mark.parametrize(("language", "words"), first_row_is_quick(("en-US", "unpriced"), ("fr-FR", "non tarifé")))
def test_ledger_without_prices_turns_to_tokens(service: Service, open_page: Opener, language: str, words: str) -> None:
    """When every cost is 0 the page says unpriced, never free or $0.00, and shows tokens."""
    service.ledger.write(entry("1001", cost=0, tokens_in=9000), entry("1002", cost=0, tokens_in=1000))
    service.start()
    page = open_page(service, language=language, zone=calm_zone()).page

    expect(page.locator("[data-field=cost]")).to_have_text(words)
    expect(page.locator("tr[data-task='1001'] .cost")).to_have_text(words)
    expect(page.locator("tfoot .cost")).to_have_text(words)
    expect(page.locator(".chart h2")).to_contain_text("Tokens")
    expect(page.locator("main")).not_to_contain_text(re.compile(r"\$0\.00|0,00\s\$"))


@pytest.mark.slow
def test_unpriced_tasks_are_counted_beside_the_cost(service: Service, open_page: Opener) -> None:
    """Among priced tasks the unpriced ones are counted where the total stands."""
    service.ledger.write(entry("1001", cost=2), entry("1002", cost=0))
    service.start()
    page = open_page(service).page

    expect(page.locator("[data-field=cost]")).to_have_text("at least $2.00")
    expect(page.locator("[data-card=cost] .tag")).to_have_text("1 record without a price")


@pytest.mark.slow
def test_frozen_ledger_is_named_with_its_reasons(service: Service, open_page: Opener) -> None:
    """A ledger that Cline stopped writing says since when, and why that may be."""
    service.ledger.write(entry("1001", ts=now_ms() - 42 * DAY_MS))
    old_s = now_ms() / 1000 - 42.5 * 86_400
    os.utime(service.ledger.path, (old_s, old_s))
    service.start()
    page = open_page(service, "/?period=all").page

    notice = page.locator("[data-notice=frozen]")
    expect(notice).to_contain_text("Cline last wrote this file 42 days ago.")
    notice.locator("summary").click()
    expect(notice.locator("li").nth(1)).to_contain_text("no longer writes it")


@pytest.mark.slow
def test_lost_database_is_told_with_what_may_be_missing(service: Service, open_page: Opener) -> None:
    """After a loss the page says what took the place and which file to look at, and tasks of the ledger are there."""
    service.ledger.write(entry("1001", cost=2))
    service.database.parent.mkdir(mode=0o700, exist_ok=True)
    service.database.write_bytes(b"my diary")
    service.start()
    page = open_page(service).page

    expect(page.locator("[data-field=cost]")).to_have_text("$2.00")
    notice = page.locator("[data-notice=recovery]")
    expect(notice).to_contain_text("There was no backup")
    expect(notice.locator("code")).to_contain_text("observer.db.corrupt-")


@pytest.mark.slow
def test_budget_is_shown_with_its_state(make_service: ServiceMaker, open_page: Opener) -> None:
    """A daily budget that today's cost has passed is named in words and marked in the title."""
    service = make_service(budget_daily_usd="2")
    service.ledger.write(entry("1001", cost=3))
    service.start()
    page = open_page(service, zone=calm_zone()).page

    expect(page.locator("[data-field=budget]")).to_have_text("Today 150% of $2.00 over budget")
    expect(page).to_have_title("⚠ $3.00 today · AI Cost Observer")


@pytest.mark.slow
def test_dust_is_never_shown_as_nothing(service: Service, open_page: Opener) -> None:
    """A cost of four thousandths of a cent stays visible, with its exact value on hover."""
    service.ledger.write(entry("1001", cost=0.00004))
    service.start()
    page = open_page(service).page

    expect(page.locator("[data-field=cost]")).to_have_text("$0.00004")
    cell = page.locator("tr[data-task='1001'] .cost")
    expect(cell).to_have_text("< $0.0001")
    expect(cell).to_have_attribute("title", "$0.00004")


@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
@pytest.mark.parametrize("width", first_is_quick(320, 390, 1280))
def test_first_screen_lines_up_what_can_be_done(service: Service, open_page: Opener, width: int, language: str) -> None:
    """Each thing to do and its words are a line of two columns; where that is too narrow, the words stand below."""
    service.ledger.write()
    service.start(probe="/healthz")
    page = open_page(service, language=language, size=(width, 800)).page

    words = page.locator(".todo li > span:last-child")
    expect(words).to_have_count(3)
    tops = """(all) => all.map((one) =>
      one.getBoundingClientRect().top - one.previousElementSibling.getBoundingClientRect().bottom)"""
    lefts = "(all) => all.map((one) => one.getBoundingClientRect().left)"
    assert len(set(words.evaluate_all(lefts))) == 1
    assert {top > 0 for top in words.evaluate_all(tops)} == {width < 640}
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.slow
def test_source_that_configuration_switches_off_says_so(make_service: ServiceMaker, open_page: Opener) -> None:
    """If nothing is read, the page waits for nothing, names the setting that decides, and so does an import."""
    service = make_service(sources_cline_enabled="false")
    service.ledger.write(entry("1001"))
    service.start(probe="/healthz")
    page = open_page(service).page
    words = "It is switched off, so nothing is read."

    expect(page.locator("[data-notice=off]")).to_contain_text(words)
    expect(page.locator("[data-notice=off] code")).to_have_text("sources.cline.enabled")
    expect(page.locator("[data-switch='cline.ledger']")).to_be_disabled()
    expect(page.locator("[data-field=live]")).to_have_text("Nothing is read")
    page.keyboard.press("r")
    expect(page.locator("[data-field=import-result]")).to_have_text(words)


@pytest.mark.parametrize("broken", first_is_quick("second ledger", "hub"))
def test_place_that_fails_beside_others_is_named_and_nothing_says_live(
    make_service: ServiceMaker, open_page: Opener, tmp_path: Path, broken: str
) -> None:
    """Whichever place cannot be read, the page says so as loudly as of the first one; repaired, it is live again."""
    folder = tmp_path.resolve() / "more"
    second, hub = folder / "taskHistory.json", folder / "hub-events-hub-production.db"
    service = make_service(
        sources_cline_ledgers=f"{tmp_path.resolve() / '0' / 'cline' / 'taskHistory.json'},{second}",
        sources_cline_origins="ledger,hub",
        sessions_path=str(folder / "sessions.db"),
    )
    service.ledger.write(entry("1001", cost=0.25))
    folder.mkdir()
    second.write_text("[]", encoding="utf-8")
    service.start(probe="/readyz")
    page = open_page(service).page
    expect(page.locator("[data-field=live]")).to_have_text("Live")

    if broken == "hub":
        os.mkfifo(hub)
    else:
        second.write_text("{}", encoding="utf-8")

    notice = page.locator(f"[data-notice={'hub' if broken == 'hub' else 'ledger'}]")
    expect(notice).to_contain_text("Cline: cannot be read.")
    expect(notice.locator("> code")).to_have_text([str(hub if broken == "hub" else second)])
    expect(page.locator("[data-field=live]")).to_have_class("live bad")
    expect(page.locator("[data-field=live]")).to_have_text(re.compile("^Cannot read Cline: the "))
    expect(page.locator("[data-field=cost]")).to_have_text("$0.25")

    hub.unlink(missing_ok=True)
    second.write_text("[]", encoding="utf-8")
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(notice).to_have_count(0)


def test_tool_that_never_was_here_is_nothing_to_wait_for(service: Service, open_page: Opener) -> None:
    """Cline's ledger is on from the start; where the only other tool is switched off, no word warns of it."""
    service.ledger.path.parent.mkdir(parents=True)
    transcript(home_of(service), 1)
    service.start(probe="/healthz")
    for enabled in (True, False):
        service.ask("/api/sources/claude-code", method="PUT", body={"enabled": enabled}).raise_for_status()
        page = open_page(service, "/?period=all").page
        expect(page.locator("[data-field=sessions]")).to_have_text("1")
    expect(page.locator("[data-field=live]")).to_have_text("Nothing is read")
    expect(page.locator(".notice.warn, .notice.bad")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "word"), first_row_is_quick(("en-US", "Nothing is read"), ("fr-FR", "Rien n\u2019est lu"))
)
def test_page_says_that_nothing_is_read(service: Service, open_page: Opener, language: str, word: str) -> None:
    """Off is neither live nor waiting for anything; a page that is open hears of the switch at once."""
    service.ledger.write(entry("1001", cost=0.25))
    service.start()
    page = open_page(service, language=language).page
    expect(page.locator("[data-notice]")).to_have_count(0)

    answer = service.ask("/api/sources/cline", method="PUT", body={"enabled": False})

    assert answer.status_code == 200
    expect(page.locator("[data-field=live]")).to_have_text(word)
    expect(page.locator("[data-notice=off]")).to_be_visible()
    expect(page.locator("[data-field=cost]")).to_contain_text("0" + (".25" if language == "en-US" else ",25"))
