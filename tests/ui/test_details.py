"""Details that are easily forgotten: the proxy beside us, locked doors, falls, French spreadsheets, small feedback."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.quick_variants import first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import NOON, moment_ms, observe_sockets, stop_clock, until
from tests.ui.restartable_service import Service, entry, kimi_proxy
from tests.ui.test_connection import await_event, count_events, stop_time

TOKEN = "a token of more than sixteen characters"  # noqa: S105 - of a test


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve a few tasks of November 2025, one of which Cline shows with $3 less since its last day."""
    service = make_shared()
    falling = entry("1001", ts=moment_ms(3), cost=5, tokens_in=9000, model="b/second")
    service.ledger.write(
        falling,
        entry("1002", ts=moment_ms(1), cost=0.25, tokens_in=500, tokens_out=7, model="a/first"),
        entry("1003", ts=moment_ms(2), cost=1234.5, tokens_in=70, tokens_out=900, model=None),
    )
    service.start()
    service.ledger.write({**falling, "ts": moment_ms(0.1), "totalCost": 2})
    return service


@pytest.mark.slow
def test_task_that_fell_says_so_and_keeps_what_was_spent(service: Service, open_page: Opener) -> None:
    """A task that Cline shows with less than before keeps its cost, and a mark says what Cline shows now."""
    page = open_page(service, "/?period=all", prepare=stop_clock).page

    row = page.locator("tr[data-task='1001']")
    expect(row.locator(".cost")).to_have_text("$5.0000")
    expect(row.locator(".cost")).to_have_attribute("title", "$5.00")
    expect(row.locator("[data-note=fallen]")).to_have_text("lower now")
    sentence = (
        "The tool now shows less for this session: $2.00, 9,000 tokens in, 100 out. What was spent stays counted."
    )
    expect(row.locator("[data-note=fallen]")).to_have_attribute("title", sentence)
    expect(page.locator("[data-note]")).to_have_count(1)
    expect(page.locator("[data-field=cost]")).to_have_text("$1,239.75")


@pytest.mark.slow
def test_french_export_is_for_a_french_spreadsheet(service: Service, open_page: Opener) -> None:
    """Byte order mark, semicolons and decimal commas; the choice is only offered in French."""
    page = open_page(service, "/?period=all", language="fr-FR", prepare=stop_clock).page

    page.locator(".export summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV (Excel)").click()

    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("\ufeffsource;session_id;")
    assert "1234,5" in text
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.keyboard.press("e")
    assert download.value.path().read_text(encoding="utf-8") == text
    page.get_by_role("button", name="English").click()
    page.locator(".export summary").click()
    expect(page.get_by_role("link", name="NDJSON")).to_be_visible()
    expect(page.get_by_role("link", name="CSV (Excel)")).to_have_count(0)


@pytest.mark.parametrize(
    ("column", "order"),
    first_row_is_quick(
        ("Cost", ("1003", "1001", "1002")),
        ("Started", ("1002", "1003", "1001")),
        ("Last use", ("1001", "1002", "1003")),
        ("Model", ("1003", "1002", "1001")),
        ("Output", ("1003", "1001", "1002")),
    ),
)
def test_every_column_sorts_both_ways(service: Service, open_page: Opener, column: str, order: tuple[str, ...]) -> None:
    """A click sorts by a column, a second one turns the order round; each order is another one than before."""
    page = open_page(service, "/?period=all&sort=cost_usd&order=asc", prepare=stop_clock).page

    def expect_order(tasks: Iterable[str]) -> None:
        expect(page.locator(" + ".join(f"tr[data-task='{task}']" for task in tasks))).to_have_count(1)

    expect_order(("1002", "1001", "1003"))
    head = page.locator(".tasks thead").get_by_role("button", name=column, exact=True)
    head.click()
    expect(page.locator("th[aria-sort]")).to_contain_text(column)
    expect_order(order)
    page.locator("th[aria-sort]").click(position={"x": 2, "y": 2})  # beside its word
    expect_order(reversed(order))


def test_custom_range_takes_two_days_both_included(service: Service, open_page: Opener) -> None:
    """The key 7 opens the choice of two days; what is chosen is a chip and part of the address."""
    page = open_page(service, prepare=stop_clock).page
    expect(page.locator("[data-field=sessions]")).to_have_text("3")

    page.keyboard.press("8")
    expect(page.get_by_label("From")).to_be_focused()
    page.get_by_label("From").fill("2025-11-09")
    page.get_by_label("to", exact=True).fill("2025-11-10")
    page.get_by_role("button", name="Apply").click()

    expect(page.locator("[data-field=cost]")).to_have_text("$1,234.75")
    expect(page.locator("[data-chip=period]")).to_have_text(re.compile("Nov 9 . 10, 2025"))
    expect(page).to_have_url(re.compile(f"from={int(dt.datetime(2025, 11, 9, tzinfo=NOON.tzinfo).timestamp() * 1000)}"))


@pytest.mark.slow
def test_inverted_range_is_turned_round_and_enter_applies_it(service: Service, open_page: Opener) -> None:
    """The later day given first means the same two days; the Enter key is as good as the button."""
    page = open_page(service, prepare=stop_clock).page
    expect(page.locator("[data-field=sessions]")).to_have_text("3")

    page.keyboard.press("8")
    page.get_by_label("From").fill("2025-11-10")
    page.get_by_label("to", exact=True).fill("2025-11-09")
    page.get_by_label("to", exact=True).press("Enter")

    expect(page.locator("[data-field=cost]")).to_have_text("$1,234.75")
    expect(page.locator("[data-chip=period]")).to_have_text(re.compile("Nov 9 . 10, 2025"))


@pytest.mark.slow
def test_phone_sorts(service: Service, open_page: Opener) -> None:
    """If the table has no head, there is a choice above it."""
    page = open_page(service, "/?period=all&sort=input_tokens", size=(390, 1800), prepare=stop_clock).page
    first = page.locator("tr[data-task]").first
    expect(first).to_have_attribute("data-task", "1001")

    page.get_by_label("Sort by").select_option("Cost")
    expect(first).to_have_attribute("data-task", "1003")
    expect(page.get_by_label("Sort by")).to_have_value("cost_usd")
    page.get_by_role("button", name="Reverse the order").click()
    expect(first).to_have_attribute("data-task", "1002")

    page.set_viewport_size({"width": 1440, "height": 900})
    expect(page.get_by_label("Sort by")).to_be_hidden()


@pytest.mark.slow
def test_relative_time_has_its_moment_on_hover(service: Service, open_page: Opener) -> None:
    """On hover a relative time says when exactly, in the zone of the browser."""
    page = open_page(service, "/?period=all", size=(1440, 1400), prepare=stop_clock).page

    time = page.locator("tr[data-task='1002'] .when")
    expect(time).to_have_text("1d ago")
    time.hover()
    expect(time).to_have_attribute("title", re.compile("Nov 10, 2025, 12:00:00.PM GMT"))


@pytest.mark.slow
def test_import_shows_that_it_runs(service: Service, open_page: Opener) -> None:
    """While an import runs the button is busy and words say so."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page = open_page(service, "/embed", prepare=lambda page: page.route("**/api/import", hold)).page
    expect(page.locator("[data-field=live]")).to_have_text("Live")

    page.get_by_role("button", name="Import now").click()

    expect(page.locator("[data-field=import-result]")).to_have_text("Importing…")
    expect(page.get_by_role("button", name="Import now")).to_have_attribute("aria-busy", "true")
    until(page, lambda: len(held) > 0)  # the words may be there before the request is told of
    held[0].continue_()
    expect(page.locator("[data-field=import-result]")).to_have_text(re.compile("Imported: nothing new"))


@pytest.mark.slow
def test_screen_reader_hears_of_updates_every_ten_seconds_at_most(service: Service, open_page: Opener) -> None:
    """The first update is spoken at once, the next ones together when ten seconds are over, each with the new total."""

    def prepare(page: Page) -> None:
        page.clock.install()
        observe_sockets(page)

    def tell(task: str, cost: float) -> None:
        service.ledger.write(entry(task, cost=cost))
        await_event(page)

    page = open_page(service, prepare=prepare).page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    count_events(page)
    expect(page.locator("[data-field=sessions]")).to_have_text("0")
    spoken = page.locator(".spoken")
    stop_time(page)

    tell("5001", 1)
    page.clock.run_for(250)
    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")
    page.clock.run_for(1)
    expect(spoken).to_have_text("1 session updated. Total $1.00.")
    tell("5002", 1)
    tell("5003", 2)
    page.clock.run_for(250)
    expect(page.locator("[data-field=cost]")).to_have_text("$4.00")
    expect(spoken).to_have_text("1 session updated. Total $1.00.")
    page.clock.fast_forward(10_000)
    expect(spoken).to_have_text("2 sessions updated. Total $4.00.")
    tell("5002", 5)
    page.clock.run_for(250)
    expect(page.locator("[data-field=cost]")).to_have_text("$8.00")
    page.clock.fast_forward(10_000)
    expect(spoken).to_have_text("1 session updated. Total $8.00.")


@pytest.mark.slow
def test_kimi_proxy_is_shown_up_and_down_and_since_when(make_service: ServiceMaker, open_page: Opener) -> None:
    """A proxy that answers is up, one that does not is down; without the setting there is no chip."""
    with kimi_proxy() as address:
        well = make_service(kimi_proxy_url=address)
        well.ledger.write(entry("1001"))
        well.start()
        chip = open_page(well).page.locator("[data-field=kimi]")
        expect(chip).to_have_text("Kimi Proxy up")
        expect(chip).to_have_attribute("title", re.compile(r"Since .*\d\d:\d\d"))
    gone = make_service(kimi_proxy_url=address)
    gone.ledger.write(entry("1001"))
    gone.start()
    expect(open_page(gone, language="fr-FR").page.locator("[data-field=kimi]")).to_have_text("Kimi Proxy arrêté")


@pytest.mark.slow
def test_kimi_proxy_that_refuses_the_secret_is_shown_up(make_service: ServiceMaker, open_page: Opener) -> None:
    """It is up, and the chip says in words what is wrong."""
    with kimi_proxy(401) as address:
        service = make_service(kimi_proxy_url=address, kimi_proxy_secret="not-the-one")  # noqa: S106  # of a test
        service.ledger.write(entry("1001"))
        service.start()
        chip = open_page(service).page.locator("[data-field=kimi]")
        expect(chip).to_have_text("Kimi Proxy up, but refuses the secret")
        expect(chip).to_have_class(re.compile("warn"))


@pytest.mark.slow
def test_collector_is_shown_with_what_is_wrong(make_service: ServiceMaker, open_page: Opener) -> None:
    """One that cannot be reached is told in words, with its address and that nothing was accepted; in French, too."""
    service = make_service(
        otlp_endpoint="http://127.0.0.1:9",
        otlp_insecure="true",
        webhook_url="https://hooks.example.org/t0ken",
        webhook_secret="s" * 32,
    )
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service).page
    chip = page.locator("[data-field=otlp]")
    expect(chip).to_have_text("Collector unreachable")
    expect(chip).to_have_class(re.compile("bad"))
    expect(chip).to_have_attribute("title", re.compile(r"127\.0\.0\.1:9 · Since .* · nothing accepted yet"))
    expect(page.locator("footer")).to_contain_text("Numbers go to 127.0.0.1:9, hooks.example.org")
    french = open_page(service, language="fr-FR").page
    expect(french.locator("[data-field=otlp]")).to_have_text("Collecteur injoignable")
    expect(french.locator("footer")).to_contain_text("Les nombres vont à 127.0.0.1:9, hooks.example.org")


@pytest.mark.slow
def test_no_chip_without_a_proxy(service: Service, open_page: Opener) -> None:
    """Nobody is told that something is down that they never asked for."""
    page = open_page(service).page

    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator("[data-field=kimi]")).to_have_count(0)
    expect(page.locator("[data-field=otlp]")).to_have_count(0)
    expect(page.locator("footer")).to_contain_text("Nothing leaves this computer")


@pytest.mark.slow
def test_page_asks_for_its_key_when_the_cookie_is_void(make_service: ServiceMaker, open_page: Opener) -> None:
    """The printed link opens the page; an open page whose cookie is gone asks for a new link, in words."""
    service = make_service(token=TOKEN)
    service.ledger.write(entry("1001", cost=1))
    service.start(probe="/healthz")
    link = re.search(r"/login\?key=[\w-]+", service.output())
    assert link is not None
    observed = open_page(service, link[0])
    observed.allow("401")
    page = observed.page
    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")

    page.context.clear_cookies()
    page.get_by_role("button", name="30 d").click()

    expect(page.locator("[data-state=token_required]")).to_contain_text(
        re.compile("Open the link that .*aico serve printed")
    )
    expect(page.locator("tr[data-task]")).to_have_count(0)


@pytest.mark.slow
def test_unreadable_ledger_is_named_as_trouble_of_the_watcher(make_service: ServiceMaker, open_page: Opener) -> None:
    """When the file is no JSON any more, what was imported stays and the page says what is wrong."""
    service = make_service()
    service.ledger.write(entry("1001", cost=1))
    service.start()
    page = open_page(service).page
    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")

    service.ledger.path.write_text("[{", encoding="utf-8")

    notice = page.locator("[data-notice=ledger]")
    expect(notice).to_contain_text("Cline: cannot be read. The ledger is not readable as JSON.")
    expect(page.locator("[data-field=live]")).to_have_text("Cannot read Cline: the ledger is not readable as JSON")
    expect(page.locator("[data-field=cost]")).to_have_text("$1.00")


def test_panel_says_that_its_session_is_not_stored_any_more(make_service: ServiceMaker, open_page: Opener) -> None:
    """A session that is forgotten while somebody reads it is no trouble of the page."""
    service = make_service()
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    observed = open_page(service, "/?period=all")
    observed.allow("404")
    page = observed.page
    page.locator("tr[data-task='1001']").click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("1001")
    forgotten = {"source": "cline", "sessions": ["1001"]}
    service.ask("/api/forgotten", method="PUT", body=forgotten).raise_for_status()
    expect(panel).to_contain_text("This session is not stored. It may have been forgotten.")
