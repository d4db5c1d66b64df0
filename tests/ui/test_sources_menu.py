"""The menu of sources in the head: how each is, its switches, and what configuration decides."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
from playwright.sync_api import expect

from bench.fake_session_store import SessionStore, editor_metadata
from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_tools import home_of
from tests.ui.restartable_service import Service, entry, now_ms


@pytest.mark.parametrize(
    ("language", "last", "off"),
    first_row_is_quick(
        ("en-US", r"^Last import: .* ago · 1 new · 0 errors$", r"Off since .*\. 1 session stays counted\."),
        (
            "fr-FR",
            r"^Dernier import\s: il y a .* · 1 nouvelle? · 0 erreur$",
            r"Désactivée depuis .*\. 1 session reste comptée\.",
        ),
    ),
)
def test_switch_in_the_menu_stops_and_begins_a_source(
    service: Service, open_page: Opener, language: str, last: str, off: str
) -> None:
    """Off says since when and what stays counted; on, it is read again; the path is said on hover."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service, language=language).page
    summary = page.locator("[data-field=sources] > summary")
    expect(summary).to_have_text("1 source")
    summary.click()
    told = page.locator("[data-source=cline] [data-field=last-import]")
    expect(told.locator("summary")).to_have_text(re.compile(last))
    told.locator("summary").click()
    expect(told.locator(".panel dl")).to_be_visible()
    told.locator("summary").click()
    switch = page.locator("[data-switch='cline.ledger']")
    expect(page.locator(".switch", has=switch)).to_have_attribute("title", str(service.ledger.path))
    switch.click()
    expect(switch).not_to_be_checked()
    expect(page.locator("[data-field=off]")).to_have_text(re.compile(off))
    service.ledger.write(entry("1002", cost=0.25))
    switch.click()
    expect(page.locator("[data-field=cost]")).to_have_text(re.compile("0[.,]75"))
    expect(page.locator("[data-field=off]")).to_have_count(0)


def test_ledger_that_a_current_cline_does_not_write_is_not_waited_for(service: Service, open_page: Opener) -> None:
    """If its session store is found, and not read, the tool is off; the missing ledger is a line of its own."""
    with closing(SessionStore(home_of(service) / ".cline" / "data" / "db" / "sessions.db")) as store:
        store.put("s1", editor_metadata(9_000, 700, 0.4), updated_ms=now_ms())
        service.start(probe="/healthz")
        page = open_page(service).page
        page.locator("[data-field=sources] > summary").click()
        cline = page.locator("[data-source=cline]")
        expect(cline.locator(".line").first).to_have_text("Clineoff")
        expect(cline).to_contain_text("nothing there yet")


def test_nothing_that_is_brought_into_sight_is_below_the_last_line(service: Service, open_page: Opener) -> None:
    """The buttons at the foot of the menu stay in sight, and cover nothing that is asked for."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service, size=(1280, 420)).page
    page.locator("[data-field=sources] > summary").click()
    switch = page.locator("[data-switch=projects]")
    expect(switch).to_be_attached()
    seen = """(one) => {
      one.scrollIntoView({ block: "nearest" });
      const { left, top, width, height } = one.getBoundingClientRect();
      return document.elementFromPoint(left + width / 2, top + height / 2) === one;
    }"""
    assert switch.evaluate(seen)


@pytest.mark.slow
def test_menu_says_what_configuration_decides(make_service: ServiceMaker, open_page: Opener) -> None:
    """A switch that a setting decides cannot be turned, and the setting is named."""
    service = make_service(cline_sessions="true")
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service).page
    page.locator("[data-field=sources] > summary").click()
    expect(page.locator("[data-switch='cline.sessions']")).to_be_disabled()
    expect(page.locator("[data-source=cline]")).to_contain_text("The configuration decides: cline_sessions")


@pytest.mark.slow
def test_what_one_setting_decides_is_said_once(make_service: ServiceMaker, open_page: Opener) -> None:
    """One setting decides of every tool: it stands above them, here and where all is chosen; the end is in sight."""
    service = make_service(sources="cline,codex")
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service, size=(1280, 800)).page
    page.locator("[data-field=sources] > summary").click()
    panel = page.locator("[data-field=sources] > .panel")
    expect(panel.get_by_text("The configuration decides:")).to_have_count(1)
    for button in panel.locator(".buttons button").all():
        expect(button).to_be_in_viewport(ratio=1)
    panel.get_by_role("button", name="What is read…").click()
    expect(page.locator(".tool").first).to_be_visible()
    expect(page.get_by_text("The configuration decides:")).to_have_count(1)


@pytest.mark.slow
def test_switch_that_is_refused_says_why(service: Service, open_page: Opener) -> None:
    """If the service refuses, the box stays as it is and words stand beside it."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    observed = open_page(service)
    observed.allow("403")
    page = observed.page
    body = '{"code": "caller_refused"}'
    page.route("**/api/sources/*", lambda route: route.fulfill(status=403, body=body))
    page.locator("[data-field=sources] > summary").click()
    page.locator("[data-switch='cline.ledger']").click()
    expect(page.get_by_role("alert")).to_have_text("Only for this page and its machine.")
    expect(page.locator("[data-switch='cline.ledger']")).to_be_checked()


def test_error_goes_with_what_caused_it(service: Service, open_page: Opener) -> None:
    """A failed import is told once; as soon as the file can be read again, head, notice and result say so."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    observed = open_page(service)
    observed.allow("422")
    page = observed.page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    service.ledger.path.write_text("{}", encoding="utf-8")
    expect(page.locator("[data-field=live]")).to_have_class("live bad")
    page.keyboard.press("r")
    expect(page.locator("[data-field=import-result]")).to_contain_text("The ledger is not readable as JSON.")
    expect(page.locator(".good:visible")).to_have_count(0)

    service.ledger.write(entry("1001", cost=0.75))

    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator("[data-notice]")).to_have_count(0)
    expect(page.locator("[data-field=import-result]")).to_have_text("")


@pytest.mark.slow
def test_switch_of_a_command_is_seen_on_the_page(service: Service, open_page: Opener) -> None:
    """A page with its menu open hears at once of a switch that somebody else turned."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service).page
    page.locator("[data-field=sources] > summary").click()
    service.ask("/api/sources/cline", method="PUT", body={"origins": {"sessions": True}}).raise_for_status()
    expect(page.locator("[data-switch='cline.sessions']")).to_be_checked()
