"""What comes late, an answer, a message or a minute, undoes nothing that was done or shown since then."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, Request, Route, WebSocketRoute, expect

from tests.ui.conftest import Opener
from tests.ui.fake_surroundings import NOON, moment_ms, stop_clock, until
from tests.ui.fetching import fetch
from tests.ui.restartable_service import Service, entry

_HOLD = """(() => {
    const ask = fetch;
    let wanted = null;
    let answered = null;
    window.hold = (pattern) => {
        wanted = new RegExp(pattern);
        window.held = new Promise((done) => (answered = done));
    };
    window.fetch = async (path, options) => {
        if (!wanted?.test(`${options?.method ?? "GET"} ${path}`)) return ask(path, options);
        wanted = null;
        const answer = await ask(path, options);
        const body = await answer.json();
        await new Promise((let_go) => {
            window.release = () => new Promise((done) => setTimeout(done, let_go()));
            answered();
        });
        return { ok: answer.ok, status: answer.status, json: async () => body };
    };
})()"""


def _can_hold(page: Page) -> None:
    page.add_init_script(_HOLD)


def hold(page: Page, pattern: str) -> None:
    """Keep the page from the answer to its next question that matches: "GET api/budgets"."""
    page.evaluate("(pattern) => hold(pattern)", pattern)


def held(page: Page) -> None:
    """Wait until that question has its answer, which is old from then on."""
    page.evaluate("held")


def release(page: Page, then: str = "null") -> object:
    """Give the answer to the page; return what ``then``, a script, finds when the page has done with it."""
    return page.evaluate(f"async () => {{ await release(); return {then}; }}")


def _put(page: Page, path: str, body: dict[str, object]) -> None:
    page.evaluate(
        """([path, body]) => fetch(path, {
            method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
        })""",
        [path, body],
    )


def _open_prices(page: Page) -> None:
    """Open the dialog from the menu of sources."""
    page.locator("[data-field=sources] > summary").click()
    page.locator(".panel .buttons button").last.click()


def test_days_that_are_not_applied_yet_outlast_the_minute(service: Service, open_page: Opener) -> None:
    """The clock goes on while two days are chosen; the next look begins with those that are shown."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, prepare=lambda page: page.clock.install(time=NOON)).page
    custom = page.locator(".custom")
    first = custom.locator("input").first
    custom.locator("summary").click()
    expect(first).to_have_value("2025-11-05")
    first.fill("2025-10-01")
    page.clock.fast_forward(61_000)
    expect(first).to_have_value("2025-10-01")
    page.keyboard.press("Escape")
    expect(first).to_have_value("2025-11-05")


def test_currency_that_is_typed_outlasts_news_of_the_service(service: Service, open_page: Opener) -> None:
    """The state of the service is read every half minute; a rate that is being typed stays as it is."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service).page
    _put(page, "api/currency", {"code": "EUR", "per_usd": "0.5", "as_of": "2026-02-03"})
    expect(page.locator("[data-field=rate]")).to_contain_text("0.5")
    _open_prices(page)
    form = page.locator("#prices .shown")
    form.locator("[name=per_usd]").fill("0.9")
    form.locator("[name=as_of]").fill("2026-03-04")

    def answer(route: Route) -> None:
        response = fetch(route)
        route.fulfill(response=response, body=json.dumps({**response.json(), "version": "1000.1"}))

    page.route("**/api/status", answer)
    service.ledger.write(entry("1001"), entry("1002"))
    expect(page.locator("footer")).to_contain_text("1000.1")
    expect(form.locator("[name=per_usd]")).to_have_value("0.9")
    expect(form.locator("[name=as_of]")).to_have_value("2026-03-04")


def test_change_before_the_first_socket_is_read(service: Service, open_page: Opener) -> None:
    """A socket that opens late says nothing of what came before it: its hello tells that there is more."""
    service.ledger.write(entry("1001"))
    service.start()
    waiting: list[WebSocketRoute] = []

    def wait(route: WebSocketRoute) -> None:
        waiting.append(route)

    page = open_page(service, prepare=lambda page: page.route_web_socket("**/ws*", wait)).page
    sessions = page.locator("[data-field=sessions]")
    expect(sessions).to_have_text("1")
    service.ledger.write(entry("1001"), entry("1002"))
    until(page, lambda: len(service.ask("/api/sessions").json()["items"]) == 2)
    waiting[-1].connect_to_server()
    expect(sessions).to_have_text("2")


def test_older_budgets_do_not_replace_newer_ones(service: Service, open_page: Opener) -> None:
    """An answer from before a budget was saved, which comes after it, does not take it from the list."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, prepare=_can_hold).page
    page.locator("[data-field=terms]").click()
    hold(page, "GET api/budgets")
    _put(page, "api/budgets/first", {"period": "day", "amount_usd": 5})
    held(page)
    _put(page, "api/budgets/second", {"period": "day", "amount_usd": 5})
    row = page.locator("[data-budget=second]")
    expect(row).to_be_visible()
    assert release(page, "document.querySelectorAll('[data-budget]').length") == 2


def test_budgets_open_before_they_are_read(service: Service, open_page: Opener) -> None:
    """Somebody may be quicker than the first answer: the dialog opens, and the budgets come."""
    service.ledger.write(entry("1001"))
    service.start()

    def prepare(page: Page) -> None:
        _can_hold(page)
        page.add_init_script("hold('GET api/limits')")

    page = open_page(service, prepare=prepare).page
    held(page)
    page.locator("[data-field=terms]").click()
    expect(page.locator("#terms")).to_be_visible()
    _put(page, "api/budgets/first", {"period": "day", "amount_usd": 5})
    expect(page.locator("[data-budget=first]")).to_be_visible()


def test_older_reading_of_a_session_does_not_replace_a_newer_one(service: Service, open_page: Opener) -> None:
    """A session that goes on is read with each change: the first answer may come after the second."""
    at = moment_ms(0.01)
    service.ledger.write(entry("1001", ts=at, cost=1))
    service.start()

    def prepare(page: Page) -> None:
        stop_clock(page)
        _can_hold(page)

    page = open_page(service, prepare=prepare).page
    page.locator("tr[data-task] .open").click()
    cost = page.locator("[data-field=session-cost]")
    expect(cost).to_have_text("$1.00")
    hold(page, f"GET api/summary.from={moment_ms(0.5)}&")  # its day, the last question of its reading
    service.ledger.write(entry("1001", ts=at, cost=2))
    held(page)
    service.ledger.write(entry("1001", ts=at, cost=3))
    expect(cost).to_have_text("$3.00")
    assert release(page, "document.querySelector('[data-field=session-cost]').innerText") == "$3.00"


def test_second_click_of_two_removes_nothing(service: Service, open_page: Opener) -> None:
    """A double click removes one budget, not also the next one, which comes under the pointer meanwhile."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, size=(1440, 600)).page
    page.locator("[data-field=terms]").click()
    for name in ("a", "b", "c"):
        _put(page, f"api/budgets/{name}", {"period": "day", "amount_usd": 5})
    expect(page.locator("[data-budget]")).to_have_count(3)
    removed: list[str] = []

    def note(request: Request) -> None:
        if request.method == "DELETE":
            removed.append(request.url.rpartition("/")[2])

    page.on("request", note)
    box = page.locator("[data-budget=a] .ghost").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for clicks in (1, 2):
        page.mouse.down(click_count=clicks)
        page.mouse.up(click_count=clicks)
        expect(page.locator("[data-budget=a]")).to_have_count(0)
    page.evaluate("0")
    assert removed == ["a"]


def test_statement_says_numbers_of_its_own_month_alone(service: Service, open_page: Opener) -> None:
    """While another month is read, nothing stands below its name, and nothing is printed."""
    service.ledger.write(entry("1001", ts=moment_ms()))
    service.start()

    def prepare(page: Page) -> None:
        stop_clock(page)
        _can_hold(page)

    page = open_page(service, "/?statement=2025-11", prepare=prepare).page
    cost = page.locator("[data-field=statement-cost]")
    expect(cost).to_have_text("$0.50")
    hold(page, "GET api/summary.*bucket=day")
    page.get_by_label("Statement · November 2025").locator("select").evaluate(
        """(select) => {
            select.add(new Option("October", "2025-10", true, true));
            select.dispatchEvent(new Event("change", { bubbles: true }));
        }"""
    )
    expect(page.get_by_role("heading", name="Statement · October 2025")).to_be_visible()
    held(page)
    expect(cost).to_have_count(0)
    expect(page.get_by_role("button", name="Print")).to_be_disabled()
    release(page)
    expect(cost).to_have_text("$0.00")


def test_statement_comes_while_numbers_go_on(service: Service, open_page: Opener) -> None:
    """A change that comes while the statement is read does not keep it back: it is read once more, behind it."""
    service.ledger.write(entry("1001", ts=moment_ms(0.1)))
    service.start()

    def prepare(page: Page) -> None:
        stop_clock(page)
        _can_hold(page)
        page.add_init_script("hold('GET api/sessions.*limit=1000')")

    page = open_page(service, "/?statement=2025-11&rows=true", prepare=prepare).page
    held(page)
    page.evaluate("void (window.first = release)")
    hold(page, "GET api/sessions.*limit=1000")
    service.ledger.write(entry("1001", ts=moment_ms(0.1)), entry("1002", ts=moment_ms(0.1), cost=1))
    expect(page).to_have_title(re.compile(r"\$1\.50"))
    page.evaluate("first()")
    held(page)
    cost = page.locator("[data-field=statement-cost]")
    expect(cost).to_have_text("$0.50")
    release(page)
    expect(cost).to_have_text("$1.50")


def test_price_that_is_saved_late_leaves_the_next_one_in_the_form(service: Service, open_page: Opener) -> None:
    """The answer empties the form only of what was saved, and a dialog that was closed meanwhile has no form."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, prepare=_can_hold).page
    _open_prices(page)
    dialog = page.locator("#prices")
    form = dialog.locator("form").first

    def save(model: str) -> None:
        form.locator("[name=model]").fill(model)
        form.locator("[name=input]").fill("1")
        form.locator("[name=output]").fill("2")
        hold(page, "PUT api/prices")
        page.keyboard.press("Enter")
        held(page)

    save("one*")
    form.locator("[name=model]").fill("two*")
    release(page)
    expect(dialog.locator(".own li")).to_have_count(1)
    expect(form.locator("[name=model]")).to_have_value("two*")
    expect(form.locator("[name=input]")).to_have_value("1")
    save("two*")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    release(page)


def test_older_prices_do_not_bring_a_removed_one_back(service: Service, open_page: Opener) -> None:
    """The list is read with each change, too: what was asked before a price was removed may come after it."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, prepare=_can_hold).page
    _open_prices(page)
    own = page.locator("#prices .own li")
    _put(page, "api/prices?model=one*", {"input": "1", "output": "2"})
    expect(own).to_have_count(1)
    hold(page, "GET api/prices$")
    _put(page, "api/prices?model=two*", {"input": "1", "output": "2"})
    held(page)
    own.locator("button").click()
    expect(own).to_have_count(1)
    expect(own).to_contain_text("two*")
    assert release(page, "document.querySelector('#prices .own').innerText.includes('one*')") is False


def test_pairing_is_shown_with_its_token_whatever_comes_of_the_list(service: Service, open_page: Opener) -> None:
    """The token is told once: not the list's failure, nor its older answer, nor a second click takes it away."""
    service.ledger.write(entry("1001"))
    service.start()
    observed = open_page(service, prepare=_can_hold)
    observed.allow("503")
    page = observed.page
    page.locator("[data-field=activity] > summary").click()
    hold(page, "GET api/activity/pairings")
    page.locator("[data-switch='activity.extension']").click()
    held(page)
    pairings = page.locator("[data-field=pairings]")
    token = pairings.get_by_role("status").locator("code").last
    pairings.locator("button", has_text="Pair").dblclick()
    expect(token).to_be_visible()
    expect(pairings.get_by_role("listitem")).to_have_count(1)
    assert release(page, "document.querySelectorAll('[data-field=pairings] li').length") == 1
    first = token.text_content()

    def refuse(route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(status=503, json={})
        else:
            route.continue_()

    page.route("**/api/activity/pairings", refuse)
    pairings.locator("button", has_text="Pair").click()
    expect(pairings.get_by_role("alert")).to_be_visible()
    expect(token).not_to_have_text(first or "")
    assert len(service.ask("/api/activity/pairings").json()) == 2


def test_switch_stays_as_it_was_turned(service: Service, open_page: Opener) -> None:
    """A state of the service from before, which comes after it, does not turn it back."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, prepare=_can_hold).page
    page.locator("[data-field=sources] > summary").click()
    switch = page.locator("[data-switch='cline.ledger']")
    expect(switch).to_be_checked()
    hold(page, "GET api/status")
    service.ledger.write(entry("1001"), entry("1002"))
    held(page)
    page.evaluate(
        """() => {
            window.turned = [];
            const box = document.querySelector("[data-switch='cline.ledger']");
            const seen = { subtree: true, childList: true, attributes: true };
            new MutationObserver(() => turned.push(box.checked)).observe(document.body, seen);
        }"""
    )
    page.evaluate("void (window.first = release)")
    hold(page, "PUT api/sources/cline")
    switch.click()
    held(page)
    release(page)
    page.evaluate("first()")
    expect(switch).not_to_be_checked()
    states = page.evaluate("turned")
    assert states == sorted(states, reverse=True)


def test_complaint_goes_when_the_numbers_are_back(service: Service, open_page: Opener) -> None:
    """What could not be read, a session or the hours, is read once more with the next numbers."""
    service.ledger.write(entry("1001"))
    service.start()
    observed = open_page(service)
    observed.allow("503")
    page = observed.page
    expect(page.locator("[data-field=sessions]")).to_have_text("1")

    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"code": "storage_busy"})

    page.route("**/api/heatmap?*", refuse)
    page.route("**/api/session?*", refuse)
    hours = page.locator("[data-field=hours]")
    hours.locator("summary").click()
    expect(hours.get_by_role("alert")).to_be_visible()
    page.locator("tr[data-task] .open").click()
    panel = page.locator("#session")
    expect(panel.get_by_role("alert")).to_be_visible()
    page.unroute("**/api/heatmap?*")
    page.unroute("**/api/session?*")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(panel.locator("[data-field=session-cost]")).to_be_visible()
    expect(hours.get_by_role("alert")).to_have_count(0)
    expect(hours.locator(".heat")).to_be_attached()


def test_label_that_is_refused_stays_to_be_tried_again(service: Service, open_page: Opener) -> None:
    """A refusal stands beside the field; the session and what was typed stay."""
    service.ledger.write(entry("1001"))
    service.start()
    observed = open_page(service)
    observed.allow("503")
    page = observed.page

    def refuse(route: Route) -> None:
        if route.request.method == "PATCH":
            route.fulfill(status=503, json={"code": "storage_busy"})
        else:
            route.continue_()

    page.route("**/api/session?*", refuse)
    page.locator("tr[data-task] .open").click()
    panel = page.locator("#session")
    label = panel.locator("[name=label]")
    label.fill("my work")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("alert")).to_be_visible()
    expect(label).to_have_value("my work")
    page.unroute("**/api/session?*")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("alert")).to_have_count(0)
    expect(panel.get_by_role("heading", name="my work")).to_be_visible()


def test_language_that_was_chosen_last_stays(service: Service, open_page: Opener) -> None:
    """Words that come late are not those that were asked for last."""
    service.ledger.write(entry("1001"))
    service.start()
    page = open_page(service, prepare=_can_hold).page
    language = page.get_by_role("group", name="Language")
    hold(page, "GET .*/fr.json")
    language.get_by_text("FR").click()
    held(page)
    language.get_by_text("EN").click()
    until(page, lambda: page.evaluate("localStorage.getItem('aico.language')") == "en")
    release(page)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("[data-field=live]")).to_have_text("Live")


def test_rows_that_are_on_their_way_are_asked_for_once(service: Service, open_page: Opener) -> None:
    """Scrolling on asks no second time for rows that are being read; after a failure it does."""
    service.ledger.write(*(entry(str(2000 + n), ts=moment_ms(0.1)) for n in range(300)))
    service.start()

    def prepare(page: Page) -> None:
        stop_clock(page)
        _can_hold(page)

    observed = open_page(service, prepare=prepare)
    observed.allow("ERR_FAILED")
    page = observed.page
    expect(page.locator("[data-field=live]")).to_have_text("Live")
    expect(page.locator(".tasks .count")).to_have_text("300")
    asked: list[str] = []

    def note(request: Request) -> None:
        if "offset=200" in request.url:
            asked.append(request.url)

    def scroll(by: str) -> None:
        page.evaluate(
            """async (by) => {
                scrollBy(0, by * document.documentElement.scrollHeight);
                for (const _ of "12") await new Promise(requestAnimationFrame);
            }""",
            by,
        )

    page.on("request", note)
    hold(page, "GET api/sessions.*offset=200")
    scroll("1")
    held(page)
    for _ in range(3):
        scroll("-0.001")
    assert len(asked) == 1
    release(page)
    waiting = page.locator("tr.wait")
    expect(waiting).to_have_count(0)

    page.route("**/api/sessions?*offset=100*", lambda route: route.abort())
    scroll("-0.4")
    expect(page.locator("[data-notice=problem]")).to_be_attached()
    expect(waiting).to_have_count(1)
    page.unroute("**/api/sessions?*offset=100*")
    scroll("0.001")
    expect(waiting).to_have_count(0)
