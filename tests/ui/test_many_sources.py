"""Several tools on one page: one filter, one sum, colours that are theirs, and what is missing in words."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from aico.core.usage import MeterReading, RequestState, SessionState, Tokens, UsageEvent, digest
from tests.core.repository_on_file import open_store
from tests.quick_variants import first_is_quick, first_row_is_quick
from tests.sources.claude_code.claude_home import Clock, Transcript, uuid_of
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import moment_ms, stop_clock, stopped_timers
from tests.ui.restartable_service import Service, entry, now_ms

OPUS, SONNET = "claude-opus-4-1", "claude-sonnet-4-5"
NUMBERS = ("input_tokens", "cache_read_tokens", "output_tokens", "requests", "sessions")


def _request(
    name: str,
    session: str,
    days_ago: float,
    model: str,
    nano: int | None = None,
    state: RequestState = RequestState.FINAL,
    parent: str | None = None,
) -> UsageEvent:
    tokens = Tokens() if state is RequestState.UNMEASURED else Tokens(1_000, 20_000, 300, 40, 500, None)
    return UsageEvent(digest(name), session, moment_ms(days_ago), model, tokens, nano, state, parent)


def _fill(service: Service) -> None:
    """Store what two other tools spent beside Cline."""

    async def fill() -> None:
        async with open_store(service.database) as store:
            claude = [
                _request("1", "main", 0.2, OPUS, 1_000_000_001),
                _request("2", "main", 0.19, SONNET, 20_000_002),
                _request("3", "main", 0.18, OPUS, None, state=RequestState.INTERRUPTED),
                _request("4", "main", 0.17, OPUS, None, state=RequestState.UNMEASURED),
                _request("5", "helper", 0.18, SONNET, 300_000_003, parent="main"),
                _request("6", "older", 3.2, OPUS, 4_000_000_004),
            ]
            claude += [_request(f"m{n}", "many", 2 + n / 1_000, SONNET, 1_000_000 + n) for n in range(60)]
            await store.take_in_of("claude-code", claude, "projects")
            codex = [
                _request("7", "main", 1.2, "gpt-5.1-codex", 500_000_005),
                _request("8", "free", 1.1, "local", None),
            ]
            await store.take_in_of("codex", codex, "files")
            running = MeterReading(
                "turn", moment_ms(0.01), "m", None, None, None, None, None, None, None, SessionState.RUNNING
            )
            await store.take_in_of("codex", [running], "meter")

    # The library of the browser has a loop in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, fill()).result()
    service.ledger.write(
        entry("1001", ts=moment_ms(0.3), cost=2.25),
        entry("1002", ts=moment_ms(2.3), model=SONNET, cost=0.123456789),
        entry("1003", ts=moment_ms(4.3), cost=0),
    )


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve three tools of one week in November 2025."""
    service = make_shared()
    _fill(service)
    service.start()
    return service


def _usd(place: Locator) -> Decimal:
    """Return the exact amount that an element says on hover; what is unknown adds nothing."""
    found = re.search(r"\$([\d,.]+)", place.get_attribute("title") or "")
    return Decimal(found[1].replace(",", "")) if found else Decimal(0)


def _whole(place: Locator) -> int:
    text = (place.get_attribute("title") or "").replace(",", "")
    return int(text) if text.isdigit() else 0


def _expect_one_sum(page: Page, answer: dict[str, dict[str, float]]) -> None:
    """Hold every figure of the page against the answer of the service, to the last nano-dollar."""
    totals = answer["totals"]
    cost = Decimal(repr(totals["cost_usd"]))
    for name in NUMBERS:
        expect(page.locator(f"[data-field={name}]")).to_have_text(re.compile(r"\d|\u2013"))
    assert _usd(page.locator("[data-field=cost] span[title]").last) == cost
    assert _whole(page.locator("[data-field=output_tokens] span")) == totals["output_tokens"]
    expect(page.locator("[data-field=sessions]")).to_have_text(str(totals["sessions"]))
    groups = page.locator(".groups tbody td:nth-child(2)[title]").all()
    assert sum(map(_usd, groups), Decimal(0)) == _usd(page.locator(".groups tfoot td[title]").first) == cost
    rows = page.locator("tr[data-task] .cost").all()
    assert len(rows) == answer["rows"]["count"] <= totals["sessions"]
    assert sum(map(_usd, rows), Decimal(0)) == _usd(page.locator(".tasks tfoot .cost")) == cost
    outs = [_whole(cell) for cell in page.locator("tr[data-task] .out").all()[:-1]]
    assert sum(outs) <= totals["output_tokens"]


def test_page_shows_the_sums_of_the_service_in_every_filter(service: Service, open_page: Opener) -> None:
    """Line of sums, list, table and foot agree with `/api/summary`, by source, by model and for one of them."""
    page = open_page(service, size=(1440, 1600), prepare=stop_clock).page
    window = {"from": moment_ms(7.5), "to": moment_ms(-0.5)}

    def ask(**filters: str) -> dict[str, dict[str, float]]:
        question: dict[str, str | int] = {**window, **filters}
        answer = service.ask("/api/summary", question).json()
        folded: dict[str, str | int] = {**question, "fold": "true"}
        sessions = service.ask("/api/sessions", folded).json()
        return {**answer, "rows": {"count": sessions["total"]}}

    expect(page.locator("tr[data-task]")).to_have_count(9)  # one is folded under the session that it works for
    expect(page.locator("[data-field=cost]")).to_have_text(re.compile(r"^at least \$8\.\d\d$"))
    _expect_one_sum(page, ask())
    page.locator(".groups").get_by_role("button", name="Model", exact=True).click()
    expect(page.locator(".groups tbody tr")).to_have_count(6)
    _expect_one_sum(page, ask())
    page.locator(".groups").get_by_role("button", name=SONNET).click()
    expect(page.locator("tr[data-task]")).to_have_count(3)
    _expect_one_sum(page, ask(model=SONNET))


def test_click_on_a_source_filters_everything_and_once_more_clears(service: Service, open_page: Opener) -> None:
    """The list is the filter: several with Ctrl, in chips and in the address, also after a reload."""
    page = open_page(service, prepare=stop_clock).page
    tools = page.locator(".groups")
    tools.get_by_role("button", name="Claude Code").click()
    expect(page.locator("[data-chip=source]")).to_have_text("Claude Code")
    expect(page.locator("[data-field=sessions]")).to_have_text("4")
    expect(page).to_have_url(re.compile("source=claude-code"))
    # Of one tool only its models can be told apart.
    expect(tools.get_by_role("button", name="Model", exact=True)).to_have_attribute("aria-pressed", "true")
    page.locator("[data-chip=source] button").click()
    expect(page.locator("[data-field=sessions]")).to_have_text("10")

    page.get_by_text("+ Filter").click()
    for name in ("Cline", "Codex"):
        page.locator(".choice").get_by_role("group", name="Source").get_by_label(name).check()
    page.keyboard.press("Escape")
    expect(page.locator("[data-chip=source]")).to_have_text(["Cline", "Codex"])
    expect(page.locator("[data-field=sessions]")).to_have_text("6")
    page.reload()
    expect(page.locator("[data-chip=source]")).to_have_text(["Cline", "Codex"])
    tools.get_by_role("button", name="Codex").click()
    expect(page.locator("[data-chip=source]")).to_have_text(["Cline"])
    page.go_back()
    expect(page.locator("[data-field=sessions]")).to_have_text("6")


@pytest.mark.slow
@pytest.mark.parametrize("part", first_is_quick(0.95, 0.5, 0.04))
def test_tooltip_names_the_day_that_the_pointer_is_over(service: Service, open_page: Opener, part: float) -> None:
    """Anywhere over a day, also beside its bar, it is that day and no time of day; its parts add up."""
    page = open_page(service, size=(1440, 900), prepare=stop_clock).page
    expect(page.locator("[data-field=sessions]")).to_have_text("10")
    expect(page.locator(".cards > .card")).to_have_count(3)  # what comes above it moves it
    over = page.locator(".u-over").bounding_box()
    assert over is not None
    for day, name in ((3, "Sat, Nov 8"), (6, "Tue, Nov 11")):
        page.mouse.move(over["x"] + over["width"] * (day + part) / 7, over["y"] + 100)
        tip = page.locator(".tip")
        expect(tip.locator("p").first).to_contain_text(name)
        expect(tip).not_to_contain_text(":")
    expect(tip).to_contain_text("Claude Code")
    expect(tip.locator("p b")).to_have_text("≥ $3.66")


def test_row_opens_its_requests_states_and_family(service: Service, open_page: Opener) -> None:
    """Enter or a click opens a session: course, kinds, requests page by page, unknown parts, parent and children."""
    page = open_page(service, prepare=stop_clock).page
    row = page.locator("tr[data-task='main'][data-tool='claude-code']")
    expect(row.locator(".id .open")).to_have_text("Nov 11, 07:12 AM")
    expect(row.locator(".id .tag")).to_have_text("+1")
    expect(row.locator(".name .tag").first).to_have_text("+1")
    row.locator(".when").click()

    panel = page.get_by_role("dialog")
    expect(panel.locator("h2")).to_contain_text("Claude Code · Nov 11, 07:12")
    expect(panel.locator("[data-field=session-cost]")).to_have_text("at least $1.11")
    expect(panel.locator("[data-request]")).to_have_text(["no count", "interrupted"])
    expect(panel.locator(".missing")).to_contain_text("1 answer cut short: the input is counted")
    expect(panel.get_by_role("img", name=re.compile("^Course per 15 min, total"))).to_be_visible()
    panel.locator(".copy").click()
    expect(page.locator(".spoken")).to_have_text("Copied: main")
    assert page.evaluate("navigator.clipboard.readText()") == "main"
    with stopped_timers(page):
        panel.get_by_role("button", name="Copy as text").click()
        expect(panel.get_by_role("status")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert copied[:3] == ["Claude Code · Nov 11, 07:12 AM", "main", "at least $1.11"]
    assert "Share of the day\t30% of Nov 11" in copied
    assert sum(OPUS in line for line in copied if line.startswith("Nov 11, 0")) == 3
    facts = panel.locator(".facts")
    expect(panel.locator(".unwritten")).to_contain_text("Claude Code: some billed calls are not counted")
    expect(facts).to_contain_text("Cache share94%")
    field = panel.get_by_role("textbox", name="A name of your own")
    field.fill("checkout")
    field.press("Enter")
    expect(panel.locator("h2")).to_contain_text("Claude Code · checkout")
    expect(row.locator(".id .open")).to_have_text("Nov 11 checkout")  # its date stays
    field.fill("")
    panel.get_by_role("button", name="Save").click()
    expect(row.locator(".id .open")).to_have_text("Nov 11, 07:12 AM")
    child = panel.locator(".children button")
    expect(child).to_have_text(re.compile("^Nov 11, 0"))
    child.click()
    expect(panel.locator(".key")).to_contain_text("helper")
    expect(facts).to_contain_text("Per million tokens$13.7")
    panel.get_by_role("button", name="Nov 11, 07:12 AM").click()
    expect(panel.locator(".key")).to_contain_text("main")
    expect(panel.locator("[data-request]")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("tr[data-task='helper']")).to_have_count(0)

    page.locator("tr[data-task='many'] .open").press("Enter")
    expect(panel.locator(".requests tbody tr")).to_have_count(50)
    panel.get_by_role("button", name="Older").click()
    expect(panel.locator(".requests tbody tr")).to_have_count(10)
    expect(panel.get_by_role("button", name="Older")).to_be_disabled()


def test_session_opened_while_the_last_one_closes_stays(service: Service, open_page: Opener) -> None:
    """A dialog says a while after it has closed that it has; by then another session may have been asked for."""
    page = open_page(service, prepare=stop_clock).page
    panel = page.get_by_role("dialog")
    page.locator("tr[data-task='main'][data-tool='claude-code'] .open").click()
    expect(panel.locator("[data-request]")).to_have_count(2)
    with_event = """() => new Promise((done) => {
        const panel = document.getElementById("session");
        panel.addEventListener("close", () => setTimeout(done), { once: true });
        panel.close();
        document.querySelector("tr[data-task='many'] .open").click();
    })"""
    page.evaluate(with_event)
    expect(panel.locator(".requests tbody tr")).to_have_count(50)
    page.evaluate(with_event)  # the same session again
    expect(panel.locator(".requests tbody tr")).to_have_count(50)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("#session .sheet")).to_have_count(0)


def test_row_and_sheet_of_a_session_with_agents_tell_the_same_sum(service: Service, open_page: Opener) -> None:
    """The sheet has its own cost, and beside it that of all that it started; row and sum tell of what they are made."""
    page = open_page(service, prepare=stop_clock).page
    cost = page.locator("tr[data-task='main'][data-tool='claude-code'] .cost")
    expect(cost).to_have_text("mixed ≥ $1.4093")
    expect(cost).to_have_attribute("title", re.compile(r"\nrecorded \$1\.32.*\nat list price \$0\.0"))
    expect(page.locator("tr[data-task='1001'] .cost")).to_have_text("$2.2500")
    cost.click()
    panel = page.get_by_role("dialog")
    expect(panel.locator("[data-field=session-cost]")).to_have_text("at least $1.11")
    expect(panel.locator(".total .soft").first).to_contain_text("with 1 session that it started: ≥ $1.41")
    panel.locator(".children button").click()
    expect(panel.locator(".key")).to_contain_text("helper")
    expect(panel.locator("[data-field=together]")).to_have_count(0)


def test_first_model_of_a_tool_has_the_colour_of_the_tool(service: Service, open_page: Opener) -> None:
    """A colour means one thing in chart and rows as far as colours last; further models take those that are free."""
    page = open_page(service, "/?group=model", size=(1440, 1200), prepare=stop_clock).page
    rows = page.locator(".groups tbody tr")
    for model, tool in ((OPUS, "claude-code"), ("gpt-5.1-codex", "codex"), ("moonshotai/kimi-k2.6", "cline")):
        slot = page.locator(f"tr[data-tool={tool}] .of").first.get_attribute("class")
        swatch = rows.filter(has=page.get_by_role("button", name=model, exact=True)).locator(".swatch")
        expect(swatch).to_have_class(f"swatch {(slot or '').removeprefix('of ')}")
    slots = page.locator(".groups tbody .swatch").evaluate_all("(all) => all.map((one) => one.className)")
    assert len(set(slots)) == len(slots)


@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
def test_row_of_a_small_desktop_has_its_start_and_its_mark_whole(
    service: Service, open_page: Opener, language: str
) -> None:
    """At 1024 pixels how many sessions are counted with it stands beside its start, and no head is cut."""
    page = open_page(service, language=language, size=(1024, 1600), prepare=stop_clock).page
    heads = page.locator(".tasks thead th")
    expect(heads).to_have_count(8)
    assert heads.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    cell = page.locator("tr[data-task='main'][data-tool='claude-code'] .id")
    expect(cell.locator(".tag")).to_have_text("+1")
    assert cell.evaluate("(one) => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("language", first_is_quick("fr-FR", "en-US"))
def test_sheet_of_a_phone_is_read_without_scrolling_sideways(
    service: Service, open_page: Opener, language: str
) -> None:
    """The sessions that it started, with what they cost, and its requests with their marks lie inside the edges."""
    page = open_page(service, language=language, size=(390, 844), prepare=stop_clock).page
    page.locator(".tasks").scroll_into_view_if_needed()
    page.locator("tr[data-task='main'][data-tool='claude-code'] .open").click()
    sheet = page.locator("#session")
    expect(sheet.locator(".children td").last).to_have_text(re.compile(r"0[.,]30"))
    wide = "(all) => all.filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML)"
    assert sheet.locator("td, dd, li, button, code").evaluate_all(wide) == []
    inner = (
        "(one) => [one, ...one.querySelectorAll('div')].filter((part) => part.scrollWidth > part.clientWidth).length"
    )
    assert sheet.evaluate(inner) == 0


def test_what_is_not_known_is_said_and_never_zero(service: Service, open_page: Opener) -> None:
    """A running turn has dashes, tokens without a price are unpriced, and one line tells what the sums lack."""
    page = open_page(service, "/?source=codex", size=(1440, 1200), prepare=stop_clock).page
    running = page.locator("tr[data-task='turn']")
    expect(running.locator("[data-note]")).to_have_text("running")
    expect(running.locator(".cost")).to_have_text("\u2013")
    expect(page.locator("tr[data-task='free'] .cost")).to_have_text("unpriced")
    gaps = page.locator("[data-field=gaps]")
    expect(gaps.locator("summary")).to_contain_text("1 record without a price")
    expect(page.locator("tbody")).not_to_contain_text(["$0.00"])

    page.goto(f"{service.url}/?source=claude-code")
    expect(gaps.locator("summary")).to_contain_text(
        "1 request without token counts · 1 answer cut short · Claude Code: some billed calls"
    )
    gaps.locator("summary").click()
    lines = gaps.locator("[data-tool=claude-code] p")
    expect(lines.filter(has_text="≥ 1 answer cut short")).to_have_count(1)  # its sums say "at least"
    expect(lines.filter(has_text="no transcript: titles, compaction")).to_have_text(re.compile("^Billed"))
    expect(gaps).to_contain_text("≥ marks counted usage without a price or a number: its sums say “at least”.")
    page.get_by_role("button", name="Français").click()
    expect(gaps.locator("summary")).to_contain_text("Ce que ces nombres ne contiennent pas")


@pytest.mark.parametrize(
    ("language", "words"),
    first_row_is_quick(("en-US", "Cline: totals, no requests"), ("fr-FR", "Cline\u00a0: totaux sans requêtes")),
)
def test_number_of_requests_names_the_tools_that_tell_none(
    service: Service, open_page: Opener, language: str, words: str
) -> None:
    """Beside sessions of Cline's the number of requests would seem too small: the reason can be read."""
    page = open_page(service, language=language, size=(390, 844), prepare=stop_clock).page
    card = page.locator("[data-card=requests]")
    expect(card.locator(".note")).to_have_text(words)
    expect(card.locator(".big")).to_have_text("68")
    page.goto(f"{service.url}/?source=cline")
    expect(card.locator(".big")).to_have_text("\u2013")
    expect(card.locator(".note")).to_have_text(words)
    page.goto(f"{service.url}/?source=codex")
    expect(card.locator(".big")).to_have_text("2")
    expect(card.locator(".note")).to_have_count(0)


def test_table_of_the_chart_says_at_least_and_names_as_they_are(service: Service, open_page: Opener) -> None:
    """As the sums do; what may be more and has no cost at all is a dash; a name keeps its small letters."""
    page = open_page(service, "/?table=true&group=model", prepare=stop_clock).page
    table = page.locator(".astable")
    expect(table.locator("tbody tr").first.locator("td").first).to_have_text(re.compile("^≥ \\$"))
    expect(table.locator("tbody tr").first.locator("td").nth(1)).to_have_text(re.compile("^≥ \\$"))
    capital = "(all) => all.map((one) => getComputedStyle(one, '::first-letter').textTransform)"
    assert set(table.locator("thead th:has(.model)").evaluate_all(capital)) == {"none"}
    page.goto(f"{service.url}/?table=true&group=model&metric=tokens")
    expect(table.locator("tbody tr").first.locator("td").first).to_have_text(re.compile("^[0-9]"))


def test_foot_of_a_phone_cuts_no_digit_off(service: Service, open_page: Opener) -> None:
    """The foot shows the amount with its four decimals, as on a wide screen: cut to two it would be another one."""
    page = open_page(service, size=(390, 844), prepare=stop_clock).page
    tail = page.locator(".tasks tfoot .tail")
    page.locator(".tasks").scroll_into_view_if_needed()
    expect(tail).to_be_visible()
    assert tail.evaluate("(one) => one.getBoundingClientRect().right <= innerWidth")


def test_cline_alone_is_the_section_that_its_users_know(service: Service, open_page: Opener) -> None:
    """With the filter on Cline the list is called Cline (local), with its last import and its button."""
    page = open_page(service, "/?source=cline", language="fr-FR", prepare=stop_clock).page
    head = page.locator(".tasks .head")
    expect(head.locator("h2")).to_contain_text("Cline (local)")
    expect(head.locator("[data-field=last-import]")).to_contain_text("Dernier import")
    expect(head.get_by_role("button", name="Importer maintenant")).to_be_visible()
    page.locator("[data-chip=source] button").click()
    expect(head.locator("h2")).to_have_text("Sessions 10")
    expect(head.get_by_role("button", name="Importer maintenant")).to_have_count(0)


@pytest.mark.slow
def test_frame_shows_cline_alone_or_every_source(service: Service, open_page: Opener) -> None:
    """`/embed` is Cline's section, `/embed?source=all` the same for all of them."""
    page = open_page(service, "/embed", prepare=stop_clock).page
    expect(page.locator("[data-field=sessions]")).to_have_text("3")
    expect(page.locator("[data-chip]")).to_have_count(0)
    page.goto(f"{service.url}/embed?source=all")
    expect(page.locator("[data-field=sessions]")).to_have_text("10")
    page.get_by_role("button", name="30 d").click()
    expect(page).to_have_url(re.compile(r"embed\?source=all&period=30d"))


LOWEST_PIXEL = """((bar) => {
  const canvas = document.querySelector(".plot canvas");
  const plot = document.querySelector(".u-over");
  const scale = canvas.width / canvas.clientWidth;
  const [x, y] = [plot.offsetLeft + plot.clientWidth * (bar + 0.5) / 7, plot.offsetTop + plot.clientHeight - 3];
  return [...canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data];
})"""
"""Red, green, blue and opacity at the foot of one of seven bars."""


@pytest.mark.slow
def test_bars_have_the_colours_of_their_sources(service: Service, open_page: Opener) -> None:
    """The lowest pixels of a day's bar are of the source that spent most of it, as the list shows it."""
    page = open_page(service, prepare=stop_clock).page
    expect(page.locator(".groups tbody tr")).to_have_count(3)
    swatch = page.locator(".groups tbody .swatch").first.evaluate("(one) => getComputedStyle(one).backgroundColor")
    assert swatch == f"rgb({', '.join(map(str, page.evaluate(f'{LOWEST_PIXEL}(6)')[:3]))})"


@pytest.mark.slow
def test_bars_are_not_faint_when_the_row_below_the_pointer_goes(service: Service, open_page: Opener) -> None:
    """A row lights up its own part of the bars; pressed, it may be gone, and no part is faint for that."""
    page = open_page(service, prepare=stop_clock).page
    tools = page.locator(".groups")
    tools.get_by_role("button", name="Codex").hover()
    expect(tools.locator("tr:hover")).to_contain_text("Codex")
    tools.get_by_role("button", name="Claude Code").press("Enter")
    expect(tools.locator("tbody tr")).to_have_count(2)  # its models; the third row is gone
    page.wait_for_function(f"() => {LOWEST_PIXEL}(6)[3] === 255")


def test_session_of_another_tool_appears_by_itself(
    make_service: ServiceMaker, open_page: Opener, tmp_path: Path
) -> None:
    """Claude Code's writes are in the list, marked as new, and in the sums, without a reload."""
    root = tmp_path.resolve() / "projects"
    clock = Clock()
    clock.now_s = now_ms() // 1000 - 60
    first = Transcript(root, uuid_of("session", 1), clock)
    first.turn(1)
    service = make_service(sources_claude_code_enabled="true", sources_claude_code_roots=str(root))
    service.ledger.write(entry("1001", cost=0.5))
    service.start()
    page = open_page(service).page
    expect(page.locator("[data-field=sessions]")).to_have_text("2")
    expect(page.locator("[data-field=live]")).to_have_text("Live")

    second = Transcript(root, uuid_of("session", 2), clock)
    second.turn(2)

    row = page.locator(f"tr[data-task='{second.session}']")
    expect(row).to_have_class(re.compile("fresh"))
    expect(row.locator(".of")).to_have_text("Claude Code")
    expect(row.locator(".in")).to_have_text("102")
    expect(page.locator("[data-field=sessions]")).to_have_text("3")
    expect(page.locator("[data-field=requests]")).to_have_text("2")


@pytest.mark.parametrize("language", first_is_quick("en-US", "fr-FR"))
def test_sessions_are_seen_above_the_fold_of_a_desktop(service: Service, open_page: Opener, language: str) -> None:
    """At 1440 x 900 three rows stand whole above the sums at the foot; nothing has to be scrolled to."""
    page = open_page(service, language=language, size=(1440, 900), prepare=stop_clock).page
    expect(page.locator(".cards > .card")).to_have_count(3)
    expect(page.locator("[data-field=hours]")).to_be_visible()
    expect(page.locator("tr[data-task]").nth(3)).to_be_attached()
    foot = page.locator(".tasks tfoot").bounding_box()
    third = page.locator("tr[data-task]").nth(2).bounding_box()
    assert foot is not None
    assert third is not None
    assert foot["y"] + foot["height"] <= 900
    assert third["y"] + third["height"] <= foot["y"]


def test_rows_come_back_when_a_box_above_them_closes(service: Service, open_page: Opener) -> None:
    """The list has only rows that can be seen, and what closes above them moves it without any scrolling."""
    page = open_page(service, prepare=stop_clock).page
    rows = page.locator("tr[data-task]")
    expect(rows.first).to_be_visible()
    box = page.locator("[data-field=gaps]")
    box.locator("summary").first.click()
    box.locator(".panel-box").evaluate("(panel) => { panel.style.height = '4000px' }")
    page.evaluate("scrollTo(0, 9)")
    expect(rows).to_have_count(0)
    page.evaluate("scrollTo(0, 0)")
    box.locator("summary").first.click()
    expect(rows.first).to_be_visible()


def test_statement_says_that_a_session_had_further_models(service: Service, open_page: Opener) -> None:
    """As the list does: all that it cost stands beside the one that was used last."""
    page = open_page(service, "/?period=today", prepare=stop_clock).page
    page.locator(".export summary").click()
    page.get_by_role("button", name=re.compile("^Month.s statement$")).click()
    page.get_by_label("With all sessions").check()
    models = page.get_by_role("region", name="Sessions").locator("tbody td:nth-child(4)")
    expect(models.get_by_text("+1")).to_have_count(1)
