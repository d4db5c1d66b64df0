"""The first minutes of a user without a configuration: tools found, their parts that would be read, and money."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, WebSocketRoute, expect

from bench.fake_session_store import SessionStore, editor_metadata
from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import stop_clock, stopped_timers
from tests.ui.fake_tools import home_of, transcript
from tests.ui.fetching import fetch
from tests.ui.restartable_service import Service, entry, now_ms


def test_todays_cline_reaches_money_with_one_click(
    make_service: ServiceMaker, open_page: Opener, tmp_path: Path
) -> None:
    """The store is offered with its size and its promise; one press reads it and its hub, and the cost is there."""
    store = SessionStore(tmp_path.resolve() / "db" / "sessions.db")
    store.put("2002", editor_metadata(10, 5, 0.75), updated_ms=now_ms(), model="z-ai/glm-5")
    service = make_service(sessions_path=str(store.path))
    service.start(probe="/healthz")
    page = open_page(service).page

    card = page.locator("[data-card=cline]")
    expect(card).to_contain_text(re.compile(r"Session store.*kB, written"))
    expect(card).to_contain_text("Never read: the prompts, titles and system prompts in the same rows.")
    expect(card).to_contain_text("numbers while a turn runs, from a database that also holds conversation")
    expect(page.locator("[data-field=live]")).to_have_text("Waiting for your choice")
    expect(page.locator(".bad, .warn")).to_have_count(0)
    page.get_by_role("button", name="Read all").click()

    expect(page.locator("[data-field=cost]")).to_have_text("$0.75")
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    page.locator("[data-field=sources] summary").first.click()
    for origin in ("sessions", "hub"):
        expect(page.locator(f"[data-switch='cline.{origin}']")).to_be_checked()
    store.close()


@pytest.mark.parametrize(
    ("language", "promise"),
    first_row_is_quick(
        ("en-US", "Never read: the prompts and answers, the output of tools and the paths of folders."),
        ("fr-FR", "Jamais lu\u00a0: prompts et réponses, sortie des outils et chemins des dossiers."),
    ),
)
def test_nothing_of_a_tool_is_read_before_its_switch(
    service: Service, open_page: Opener, language: str, promise: str
) -> None:
    """A transcript is offered by names and sizes; Choose shows the switches, and one press has its session counted."""
    transcript(home_of(service), 1, 2)
    service.start(probe="/healthz")
    page = open_page(service, language=language).page
    card = page.locator("[data-card=claude-code]")
    expect(card).to_contain_text(promise)
    expect(page.locator("[data-switch='claude-code.projects']")).not_to_be_checked()
    page.get_by_role("button", name="Choose" if language == "en-US" else "Choisir").click()
    switch = page.locator("[data-switch='claude-code.projects']")
    expect(switch).to_be_focused()
    assert switch.evaluate("(it) => getComputedStyle(it).outlineStyle") == "solid"
    expect(page.locator(".start > p").first).to_contain_text("begins at once" if language == "en-US" else "aussitôt")
    page.get_by_role("button", name="Back" if language == "en-US" else "Retour").click()
    expect(page.get_by_role("button", name="Choose" if language == "en-US" else "Choisir")).to_be_focused()
    page.keyboard.press("Enter")
    expect(switch).to_be_focused()
    page.keyboard.press("Space")

    expect(page.locator("[data-switch='claude-code.projects']")).to_be_checked()
    page.get_by_role("button", name="Show the numbers" if language == "en-US" else "Afficher les nombres").click()
    expect(page.locator(".filters")).to_be_visible()
    page.locator("[data-field=sources] summary").first.click()
    expect(page.locator("[data-source=claude-code]")).to_contain_text("1 session")


@pytest.mark.slow
def test_commands_are_copied_as_this_machine_knows_them(service: Service, open_page: Opener) -> None:
    """The clipboard gets the command that the service names for itself, with the word behind it."""
    service.ledger.path.parent.mkdir(parents=True)
    service.start(probe="/healthz")
    page = open_page(service).page
    page.locator(".todo .copy").last.click()
    expect(page.locator(".spoken")).to_contain_text("Copied")

    copied = page.evaluate("navigator.clipboard.readText()")
    command = page.evaluate("fetch('api/status').then((answer) => answer.json())")["command"]
    assert copied == f"{command} demo"


@pytest.mark.slow
def test_offer_beside_the_numbers_can_be_put_away(service: Service, open_page: Opener) -> None:
    """A tool that is found and not read is named once above the numbers, and no more after a press, also later."""
    transcript(home_of(service), 1)
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service).page
    offer = page.locator("[data-notice=found]")
    expect(offer).to_contain_text("Claude Code")
    offer.get_by_role("button", name="Close").click()
    expect(offer).to_have_count(0)
    page.reload()
    expect(page.locator("[data-field=cost]")).to_have_text("$0.50")
    expect(offer).to_have_count(0)
    page.locator("[data-field=sources] summary").first.click()
    page.get_by_role("button", name="What is read").click()
    expect(page.locator("[data-card=claude-code]")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "more"),
    first_row_is_quick(
        ("en-US", "1 more file lies elsewhere and is not read"),
        ("fr-FR", "1 autre fichier se trouve ailleurs"),
    ),
)
def test_ledger_of_an_editor_is_told_with_what_has_it_read(
    service: Service, open_page: Opener, language: str, more: str
) -> None:
    """No request names a file, so the page gives the line to copy; nothing can be imported, so nothing offers it."""
    folder = home_of(service) / ".config/Code/User/globalStorage/saoudrizwan.claude-dev/state"
    folder.mkdir(parents=True)
    (folder / "taskHistory.json").write_text("[]", encoding="utf-8")
    service.start(probe="/healthz")
    page = open_page(service, language=language).page
    card = page.locator("[data-card=cline]")
    card.get_by_text(more).click()
    with stopped_timers(page):
        card.locator(".elsewhere .copy").last.click()
        expect(card.locator(".elsewhere .copy").last).to_have_text("✓")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert str(folder / "taskHistory.json") in copied
    assert "ledgers" in copied.lower()
    expect(page.locator(".todo button:not(.copy)")).to_have_count(0)


def tell_of_sources(change: Callable[[dict[str, object]], None]) -> Callable[[Page], object]:
    """Return a preparation by which each source of the status is told as ``change`` has it."""

    def answer(route: Route) -> None:
        response = fetch(route)
        status = response.json()
        for source in status["sources"]:
            change(source)
        route.fulfill(response=response, body=json.dumps(status))

    return lambda page: page.route("**/api/status", answer)


def test_place_that_is_still_counted_is_not_called_absent(service: Service, open_page: Opener) -> None:
    """Until the first count is done the page says so, asks again by itself, and then tells the result."""
    counting = [True]

    def change(source: dict[str, object]) -> None:
        origins = source["origins"]
        assert isinstance(origins, list)
        for origin in origins:
            origin["counting"] = counting[0]

    service.ledger.path.parent.mkdir(parents=True)
    service.start(probe="/healthz")
    page = open_page(service, prepare=tell_of_sources(change)).page
    expect(page.get_by_role("heading", name="Looking for AI tools")).to_be_visible()
    expect(page.locator("[data-field=counting]")).to_contain_text("Cline")
    expect(page.locator(".places")).to_have_count(0)
    counting[0] = False
    expect(page.get_by_role("heading", name="No AI tool found yet")).to_be_visible()
    expect(page.locator("[data-field=counting]")).to_have_count(0)


def forget_in(service: Service, session: str) -> None:
    """Have the service forget a task."""
    body = {"source": "cline", "sessions": [session]}
    service.ask("/api/forgotten", method="PUT", body=body).raise_for_status()


def test_usage_of_forgotten_sessions_is_not_waited_for(service: Service, open_page: Opener) -> None:
    """A tool that goes on in a forgotten session: the page says that this is not counted, and tells it among gaps."""
    ts = now_ms() - 1_000
    service.ledger.write(entry("1001", cost=0.5, ts=ts), entry("1002", cost=0.5, ts=ts))
    service.start()
    forget_in(service, "1001")
    service.ledger.write(entry("1001", cost=9, ts=now_ms() + 1_000), entry("1002", cost=0.5, ts=ts))
    observed = open_page(service)
    gaps = observed.page.locator("[data-field=gaps]")
    expect(gaps).to_contain_text("1 forgotten session goes on")
    gaps.locator("summary").click()
    expect(gaps.locator("[data-tool=cline]")).to_contain_text("a new session is.")
    forget_in(service, "1002")
    expect(observed.page.locator("[data-state=empty] > p").first).to_contain_text("unless its session was forgotten")


@pytest.mark.slow
def test_sessions_of_the_future_are_told_in_the_menu(service: Service, open_page: Opener) -> None:
    """No sum but that of All holds them, so the menu says how many there are."""
    service.ledger.write(entry("1001", cost=0.5), entry("1002", cost=0.25, ts=now_ms() + 5 * 86_400_000))
    service.start()
    page = open_page(service).page
    page.locator("[data-field=sources] > summary").click()
    expect(page.locator("[data-source=cline]")).to_contain_text(
        "2 sessions counted 1 is dated in the future: only “All”"
    )
    expect(page.locator("[data-field=gaps]")).to_contain_text("1 session, $0.25, is dated in the future")
    page = open_page(service, "/?period=all&table=true").page
    expect(page.locator("[data-field=cost]")).to_contain_text("$0.75")
    rows = page.locator(".astable tbody tr")
    expect(rows.first).to_contain_text("in the future")
    expect(rows.last).to_contain_text("$0.50")
    expect(rows.get_by_text("in the future")).to_have_count(1)


def test_large_history_shows_how_far_it_is(service: Service, open_page: Opener) -> None:
    """Share, bytes, rate and time left stand above the numbers while the socket tells of them, and go at the end."""
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    routes: list[WebSocketRoute] = []
    reading = {"bytes_done": 30_000_000, "bytes_total": 100_000_000}
    now = dt.datetime.now(dt.UTC)

    def prepare(page: Page) -> None:
        stop_clock(page, now)

        def answer(route: Route) -> None:
            response = fetch(route)
            status = response.json()
            status["sources"][0]["reading"] = reading or None
            route.fulfill(response=response, body=json.dumps(status))

        def connect(route: WebSocketRoute) -> None:
            route.connect_to_server()
            routes.append(route)

        page.route("**/api/status", answer)
        page.route_web_socket("**/ws*", connect)

    page = open_page(service, prepare=prepare).page
    expect(page.locator("[data-field=live]")).to_have_text("Reading 30%")
    expect(page.locator("[data-field=cost]")).to_have_text("$0.50")
    stop_clock(page, now + dt.timedelta(seconds=2))
    said = {"type": "reading", "source": "cline", "bytes_done": 50_000_000, "bytes_total": 100_000_000}
    with page.expect_response("**/api/status"):
        routes[0].send(json.dumps(said))  # and none after it: the page asks on by itself
    expect(page.locator("[data-field=live]")).to_have_text("Reading 50%")
    expect(page.locator("[data-field=progress]")).to_have_text(
        re.compile("50% · 50 MB of 100 MB · 10 MB per second · about 5 seconds left")
    )
    reading.clear()
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator("[data-notice=reading]")).to_have_count(0)


@pytest.mark.slow
def test_page_writes_no_path_into_a_request(service: Service, open_page: Opener) -> None:
    """The page's request for a switch names a source and an origin, nothing else."""
    transcript(home_of(service), 1)
    service.start(probe="/healthz")
    sent: list[str | None] = []

    def note(request: Request) -> None:
        if request.method == "PUT":
            sent.append(request.post_data)

    page = open_page(service).page
    page.on("request", note)
    page.get_by_role("button", name="Read all").click()
    expect(page.locator(".filters")).to_be_visible()
    assert [json.loads(body or "") for body in sent] == [{"origins": {"projects": True}}]
