"""Budgets, plans and limits on the page: set, shown, told once, in both languages."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from aico.core.usage import AnyRecord, PlanReading, PlanWindow, Tokens, UsageEvent, digest
from aico.features.pricing.price_list import GenaiPriceList
from tests.calm_zone import calm_zone
from tests.core.repository_on_file import open_store
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import until
from tests.ui.restartable_service import Service, entry, now_ms

NOTED = """
window.noted = JSON.parse(sessionStorage.getItem("noted") ?? "[]");
window.Notification = class {
	static permission = "granted";
	static requestPermission = async () => "granted";
	constructor(title, { body, tag }) {
		window.noted.push([title, body, tag]);
		sessionStorage.setItem("noted", JSON.stringify(window.noted));
		document.documentElement.dataset.noted = window.noted.length;
	}
};
"""
"""Notes the notifications that the page would show, over reloads."""


def _fill(service: Service, source: str, *records: AnyRecord) -> None:
    """Store what a tool says."""

    async def fill() -> None:
        async with open_store(service.database, GenaiPriceList()) as store:
            store.now_ms = now_ms()
            await store.take_in_of(source, records, "files")

    # The library of the browser has a loop in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, fill()).result()


def _used(name: str, model: str = "claude-opus-4-1") -> UsageEvent:
    return UsageEvent(digest(name), "main", now_ms() - 1_000, model, Tokens(0, 0, 0, 0, 40_000, None))


@pytest.fixture
def service(make_service: ServiceMaker) -> Service:
    """Serve a task of Cline's of 4 dollars, three of Claude Code, and a plan of Codex's, of today."""
    service = make_service(budget_monthly_usd="125")
    _fill(service, "claude-code", _used("1"))
    week = PlanWindow("secondary", 8_190, 10_080, now_ms() + 3_600_000)
    _fill(service, "codex", _used("2", "gpt-5.1-codex"), PlanReading("codex", now_ms() - 60_000, (week,)))
    service.ledger.write(entry("1001", ts=now_ms() - 1_000, cost=4.0))
    service.start()
    return service


def _opened(page: Page) -> None:
    page.locator("[data-field=terms]").click()
    expect(page.locator("#terms")).to_be_visible()


def test_budget_is_set_on_the_page_and_told_once(service: Service, open_page: Opener) -> None:
    """By a form; what it reaches is told by one notification, over a reload, and from then on only what is new."""
    page = open_page(service, zone=calm_zone(), prepare=lambda page: page.add_init_script(NOTED)).page
    # The basis of a cost is read without a pointer: the tool itself, or the list.
    expect(page.locator("tr[data-tool=claude-code] .cost")).to_have_text("list $3.0000")
    expect(page.locator("tr[data-tool=cline] .cost")).to_have_text("$4.0000")
    _opened(page)
    dialog = page.locator("#terms")
    expect(dialog.locator("[data-budget=monthly]")).to_contain_text("budget_monthly_usd")
    expect(dialog.locator("[data-budget=monthly] .ghost")).to_have_count(0)
    dialog.locator("[data-switch=notify]").click()
    expect(dialog.locator("[data-switch=notify]")).to_be_checked()
    form = dialog.locator("[data-field=budgets] form")
    form.locator("[name=name]").fill("my day")
    form.locator("[name=amount_usd]").fill("5")
    form.locator("[name=period]").select_option("day")
    form.locator("[name=source]").select_option("cline")
    form.locator("button").click()
    row = dialog.locator('[data-budget="my day"]')
    expect(row).to_contain_text("$4.00 of $5.00 · 80%")
    expect(row).to_contain_text("a day · Cline")
    expect(page.locator("html")).to_have_attribute("data-noted", "1")
    [[title, body, tag]] = page.evaluate("window.noted")
    assert (title, body) == ("80% of the budget “my day” reached", "$4.00 spent of $5.00")
    assert re.fullmatch("[0-9a-f]{32}", tag)
    page.reload()
    _opened(page)
    service.ledger.write(entry("1001", ts=now_ms() - 500, cost=6.0))
    expect(page.locator("html")).to_have_attribute("data-noted", "2")
    assert page.evaluate("window.noted[1][0]") == "100% of the budget “my day” reached"
    expect(row).to_contain_text("Reached")
    row.locator(".link").click()
    form.locator("[name=amount_usd]").fill("0")
    form.locator("button").click()
    assert page.evaluate("document.querySelector('#terms form [name=amount_usd]').validity.rangeUnderflow")
    row.locator(".ghost").click()
    expect(row).to_have_count(0)
    assert len(page.evaluate("window.noted")) == 2
    form.locator("[name=name]").fill("shop")
    form.locator("[name=amount_usd]").fill("9")
    form.locator("[name=project]").fill("web-shop")
    form.locator("button").click()
    row = dialog.locator("[data-budget=shop]")
    expect(row).to_contain_text("web-shop")
    row.locator(".link").click()
    form.locator("[name=amount_usd]").fill("10")
    form.locator("button").click()
    expect(row).to_contain_text("of $10.00")
    expect(row).to_contain_text("web-shop")


def test_budget_opened_while_another_is_saved_stays_in_the_form(service: Service, open_page: Opener) -> None:
    """The list may show what is saved before its own answer comes; what is opened then is not emptied by it."""
    page = open_page(service, zone=calm_zone()).page
    _opened(page)
    form = page.locator("#terms [data-field=budgets] form")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/budgets/second", hold)
    for name in ("first", "second"):
        form.locator("[name=name]").fill(name)
        form.locator("[name=amount_usd]").fill("50")
        with page.expect_request(f"**/api/budgets/{name}"):
            form.locator("button").click()
        expect(page.locator("[data-budget=first]")).to_be_visible()
    page.locator("[data-budget=first] .link").click()
    expect(form.locator("[name=name]")).to_have_value("first")
    form.locator("[name=amount_usd]").fill("60")
    held[0].continue_()
    expect(page.locator("[data-budget=second]")).to_be_visible()
    expect(form.locator("[name=name]")).to_have_value("first")
    expect(form.locator("[name=amount_usd]")).to_have_value("60")


def test_budget_typed_while_another_is_saved_stays_in_the_form(service: Service, open_page: Opener) -> None:
    """The answer empties the form of what it saved, not of what stands there by then."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def connect(route: WebSocketRoute) -> None:
        # No word of budgets: only after its own answer the page reads them again.
        route.connect_to_server().on_message(lambda said: None if "budget" in str(said) else route.send(said))

    def prepare(page: Page) -> None:
        page.route("**/api/budgets/first", hold)
        page.route_web_socket("**/ws*", connect)

    page = open_page(service, zone=calm_zone(), prepare=prepare).page
    _opened(page)
    form = page.locator("#terms [data-field=budgets] form")
    form.locator("[name=name]").fill("first")
    form.locator("[name=amount_usd]").fill("50")
    form.locator("button").click()
    until(page, lambda: len(held) > 0)
    form.locator("[name=name]").fill("second")
    held[0].continue_()
    expect(page.locator("[data-budget=first]")).to_be_visible()
    expect(form.locator("[name=name]")).to_have_value("second")
    expect(form.locator("[name=amount_usd]")).to_have_value("50")
    form.locator("button").click()
    expect(page.locator("[data-budget=second]")).to_be_visible()
    expect(form.locator("[name=name]")).to_have_value("")


def test_card_learns_at_once_of_what_is_set(service: Service, open_page: Opener) -> None:
    """A budget of today stands in the card when it is saved; of what has no room there the card says how many."""
    page = open_page(service, zone=calm_zone()).page
    card = page.locator("[data-card=limits]")
    expect(card.locator("[data-field=budget]")).to_have_count(0)
    _opened(page)
    form = page.locator("#terms [data-field=budgets] form")
    for name, period, amount in (("mine", "day", "50"), ("weekly", "week", "70"), ("opus", "week", "60")):
        form.locator("[name=name]").fill(name)
        form.locator("[name=amount_usd]").fill(amount)
        form.locator("[name=period]").select_option(period)
        form.locator("button").click()
        expect(page.locator(f"#terms [data-budget={name}]")).to_be_visible()
        expect(form.locator("[name=name]")).to_have_value("")
        expect(form.locator("[name=period]")).to_have_value("month")
    form.locator("[name=amount_usd]").fill("90")
    form.locator("[name=source]").select_option("cline")
    form.locator("button").click()
    expect(page.locator("#terms [data-budget=monthly-cline]")).to_be_visible()  # as the command calls it
    expect(form.locator("[name=amount_usd]")).to_have_value("")
    form.locator("[name=name]").fill("being typed")
    service.ledger.write(entry("1001", ts=now_ms() - 500, cost=5.0))
    expect(page.locator("#terms [data-budget=mine]")).to_contain_text("$8.40 of $50.00")
    expect(form.locator("[name=name]")).to_have_value("being typed")
    expect(card).not_to_contain_text("limit.")
    page.keyboard.press("Escape")
    expect(card.locator("[data-field=budget]")).to_have_count(1)
    expect(card.locator("[data-field=limit]")).to_have_count(2)
    expect(card.locator("[data-field=limit]").last).to_contain_text("Your budget opus 14%")
    expect(card.locator("[data-field=terms]")).to_have_text(re.compile(r"^Change · \d more$"))


def test_plan_shows_a_value_and_limits_who_says_them(service: Service, open_page: Opener) -> None:
    """Beside its price, and no cost anywhere; the tool's own word and our estimate are marked as what they are."""
    page = open_page(service, language="fr-FR", zone=calm_zone(), theme="dark").page
    cost = page.locator("[data-card=cost] [data-field=cost]")
    expect(cost).to_have_text("7,40\u00a0$")
    _opened(page)
    dialog = page.locator("#terms")
    codex, claude = dialog.locator("[data-limit='codex/secondary']"), dialog.locator("[data-limit^='claude-code/']")
    expect(codex).to_contain_text("Codex, semaine")
    expect(codex).to_contain_text("après son journal")
    expect(codex.locator("b")).to_have_text("82\u00a0%")
    expect(claude).to_have_count(2)
    expect(claude.first).to_contain_text("estimation")
    expect(claude.first).to_contain_text("3,00\u00a0$")
    form = dialog.locator("[data-field=plans] form")
    form.locator("[name=source]").select_option("claude-code")
    form.locator("[name=price]").fill("180")
    form.locator("[name=currency]").fill("eur")
    form.locator("[name=renews_on]").fill("31")
    form.locator("[name=five_hours_usd]").fill("12")
    form.locator("button").click()
    plan = dialog.locator("[data-plan=claude-code]")
    expect(plan).to_contain_text("valeur aux prix catalogue\u00a0: 3,00\u00a0$, pour un abonnement de 180\u00a0€")
    expect(claude.first.locator("b")).to_have_text("25\u00a0%")
    expect(cost).to_have_text("4,40\u00a0$ + (3,00\u00a0$) payé par abonnement")
    page.locator(".tasks").evaluate("(one) => one.scrollIntoView()")
    expect(page.locator("tr[data-tool=claude-code] [data-field=value]")).to_have_text("(3,00\u00a0$)")
    expect(dialog.locator("[data-field=webhook]")).to_contain_text("webhook set URL")
    page.keyboard.press("Escape")
    assert service.ask("/api/plans").json()[0]["renews_on"] == 31
    worth = "Claude Code\u00a0: valeur aux prix catalogue\u00a0: 3,00\u00a0$, pour un abonnement de 180\u00a0€"
    expect(page.locator("[data-card=limits] [data-field=plan]")).to_have_text(worth)
    # Alone it is neither free nor without a price; on paper the brackets are explained.
    page = open_page(service, "/?source=claude-code", language="fr-FR", zone=calm_zone()).page
    told = "valeur payée par abonnement (3,00\u00a0$)"
    expect(page.locator("[data-card=cost] [data-field=cost]")).to_have_text(told)
    page.locator("tr[data-tool=claude-code] .open").click()
    expect(page.locator("[data-field=session-cost]")).to_have_text(told)  # without a pointer that hovers
    page.keyboard.press("Escape")
    page.locator(".export summary").click()
    page.get_by_role("button", name="Relevé du mois").click()
    expect(page.locator("[data-field=statement-cost]")).to_have_text("(3,00\u00a0$)")
    legend = "(…)\u00a0: valeur aux prix catalogue, payée par un abonnement"
    legend += " · Abonnement Claude Code\u00a0: 180\u00a0€ par mois"
    expect(page.locator(".statement [data-field=plans]")).to_have_text(legend)


def test_budget_is_reached_as_long_as_it_is(make_service: ServiceMaker, open_page: Opener) -> None:
    """A plan that pays for what was a cost takes the word back; what was told stays told."""
    service = make_service()
    _fill(service, "claude-code", _used("1"))
    service.start()
    service.ask("/api/budgets/mine", method="PUT", body={"period": "month", "amount_usd": 2}).raise_for_status()
    page = open_page(service, zone=calm_zone()).page
    _opened(page)
    row = page.locator("#terms [data-budget=mine]")
    expect(row).to_contain_text("Reached")
    plan = {"price": 100, "renews_on": 15}
    service.ask("/api/plans/claude-code", method="PUT", body=plan).raise_for_status()
    expect(row).to_contain_text("$0.00 of $2.00")
    expect(row).not_to_contain_text("Reached")
    assert service.ask("/api/budgets").json()[0]["reached"] == [80, 100]


def test_decimal_comma_of_a_french_page_is_one_in_any_browser(service: Service, open_page: Opener) -> None:
    """An English browser drops it in a field of numbers, and 0,14 would be 14."""
    page = open_page(service, zone=calm_zone()).page
    page.get_by_role("button", name="Français").click()
    _opened(page)
    form = page.locator("#terms [data-field=budgets] form")
    form.locator("[name=name]").fill("mine")
    amount = form.locator("[name=amount_usd]")
    amount.press_sequentially("0,14")
    expect(amount).to_have_value("0.14")
    form.locator("button").click()
    expect(page.locator("#terms [data-budget=mine]")).to_contain_text("0,14\u00a0$")


def test_sum_of_money_and_a_plan_shows_both(make_service: ServiceMaker, open_page: Opener) -> None:
    """A price of one's own is money beside the plan, and leaves the plan's value where it was, on screen and paper."""
    service = make_service()
    _fill(service, "claude-code", _used("1"), _used("2", "my-local-model"))
    service.start()
    plan = {"price": 100, "renews_on": 15}
    budget = {"period": "month", "amount_usd": 10}
    for path, body in (("plans/claude-code", plan), ("budgets/mine", budget)):
        service.ask(f"/api/{path}", method="PUT", body=body).raise_for_status()
    page = open_page(service, zone=calm_zone()).page
    total, today = page.locator("[data-card=cost] [data-field=cost]"), page.locator("[data-card=today] .big")
    month = page.locator("[data-card=month]")
    expect(total).to_have_text("value paid by plans ($3.00)")
    expect(page.locator("[data-card=cost]").get_by_text("value paid by plans")).to_have_count(1)
    expect(month.locator("[data-field=budget]")).to_contain_text("$0.00 of $10.00, $10.00 left")

    page.locator("[data-field=gaps] summary").click()
    page.locator("[data-field=gaps] .link").first.click()
    dialog = page.locator("#prices")
    expect(dialog.locator("[data-field=beside]")).to_contain_text("Claude Code: usage at a price of your own is a cost")
    dialog.locator("[name=model]").fill("my-local-model")
    for name in ("input", "output"):
        dialog.locator(f"[name={name}]").fill("1")
    dialog.locator("button.main").click()
    for figure in (total, today, month.locator(".big")):
        expect(figure).to_have_text("$0.04 + ($3.00) paid by plans")
    page.keyboard.press("Escape")
    expect(page.locator(".groups tfoot td").first).to_have_text("$0.04 + ($3.00)")
    expect(page.locator("tr[data-tool=claude-code] .cost")).to_have_text("$0.04 + ($3.00)")
    page.locator("[data-field=sources] > summary").click()
    expect(page.locator("[data-source=claude-code] .line.soft")).to_have_text("1 session counted")  # and no "never"
    page.keyboard.press("Escape")
    cells = page.locator(".groups td, .tasks .cost")
    assert cells.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    page.locator("tr[data-tool=claude-code] .open").click()
    expect(page.locator("[data-field=session-cost]")).to_have_text("$0.04 + ($3.00) paid by plans")
    expect(page.locator("#session .facts")).to_contain_text("$0.50 + ($37.50)")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(month.locator(".big small")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1440, "height": 900})

    page.locator(".export summary").click()
    page.get_by_role("button", name="statement").click()
    page.get_by_label("With all sessions").check()
    expect(page.locator("[data-field=statement-cost]")).to_have_text("$0.04 + ($3.00)")
    for table in ("By day", "By source", "Sessions"):
        row = page.get_by_role("region", name=table).locator("tbody tr").first
        expect(row).to_contain_text("$0.04 + ($3.00)")
    lacks = "What is not in these numbers: Claude Code: some billed calls are not counted"
    expect(page.locator(".statement [data-field=gaps]")).to_have_text(lacks)
    legend = page.locator(".statement [data-field=plans]")
    expect(legend).to_have_text("(…): value at list price, paid by a plan · Plan of Claude Code: $100 a month")


FITS = "(all) => all.every((one) => one.scrollWidth <= one.clientWidth)"
OVERLAP = """(row) => {
	const box = (of) => row.querySelector(of).getBoundingClientRect();
	const [words, cost] = [box("th > .tag"), box(".cost")];
	return words.right > cost.left && words.bottom > cost.top;
}"""


def test_sum_with_a_plan_and_words_of_a_limit_fit_in_french(service: Service, open_page: Opener) -> None:
    """The sum of the sessions stays in its column; on a phone a limit's words take the lines that they need."""
    _fill(service, "claude-code", _used("3", "my-local-model"))
    week = PlanWindow("secondary", 150, 10_080, now_ms() + 5 * 86_400_000)
    _fill(service, "codex", PlanReading("codex", now_ms(), (week,)))
    service.ledger.write(entry("1001", ts=now_ms() - 1_000, cost=1234.5))
    service.ask("/api/import", method="POST").raise_for_status()
    service.ask("/api/plans/claude-code", method="PUT", body={"price": 100, "renews_on": 15}).raise_for_status()
    page = open_page(service, language="fr-FR", zone=calm_zone()).page
    row, sums = page.locator(".tasks tfoot tr"), page.locator(".tasks tfoot .cost, .groups tfoot td:nth-child(2)")
    expect(sums).to_contain_text(["+ (3,00\u00a0$)"] * 2)
    assert sums.evaluate_all(FITS)
    page.set_viewport_size({"width": 390, "height": 844})
    limits = page.locator("[data-field=limit]")
    told = re.compile(r"^Codex, semaine .* · atteint .* à ce rythme · d.après son journal$")
    expect(limits.filter(has_text=told)).to_have_count(1)
    assert limits.evaluate_all(FITS)
    assert not row.evaluate(OVERLAP)


@pytest.mark.slow
def test_frame_of_another_page_shows_no_budget(service: Service, open_page: Opener) -> None:
    """Neither budgets, plans nor limits, and nothing that could set them."""
    page = open_page(service, "/embed").page
    expect(page.locator("[data-field=cost]")).to_be_visible()
    expect(page.locator(".budgets, [data-field=terms], [data-field=limit]")).to_have_count(0)
