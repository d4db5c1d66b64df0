"""The line of sums with change and budgets; and what the chart says of the time before we watched."""

from __future__ import annotations

import re
from typing import cast

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_surroundings import moment_ms, stop_clock, watch_since
from tests.ui.restartable_service import Service, entry

LONG_AGO = moment_ms(60)
MIDWAY = moment_ms(3)
_PIXELS = """() => {
  const canvas = document.querySelector(".plot canvas");
  const plot = document.querySelector(".u-over");
  const scale = canvas.width / canvas.clientWidth;
  const y = Math.round((plot.offsetTop + plot.clientHeight + 3) * scale);
  const line = canvas.getContext("2d").getImageData(0, y, canvas.width, 1).data;
  const isMarked = (part) => {
    const x = Math.round((plot.offsetLeft + plot.clientWidth * part) * scale);
    return line.slice(4 * x, 4 * x + 48).some((value) => value > 0);
  };
  return [isMarked(0.02), isMarked(0.94)];
}"""


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve $13 in six and a half days of this week, and $10 in the same stretch of the week before."""
    service = make_shared(budget_daily_usd="5", budget_monthly_usd="200")
    service.ledger.write(
        entry("1001", ts=moment_ms(6.4), cost=3, tokens_in=1_000_000),
        entry("1002", ts=moment_ms(3.2), cost=4, model="z-ai/glm-5"),
        entry("1003", ts=moment_ms(0.1), cost=6),
        entry("1004", ts=moment_ms(12), cost=10),
        entry("1005", ts=moment_ms(6.8), cost=50),  # later in that week than noon of its last day: not compared with
    )
    service.start()
    return service


def test_sums_show_change_and_budgets(service: Service, open_page: Opener) -> None:
    """Against the same point of the week before; budgets are of everything, whatever the period."""
    page = open_page(service, prepare=watch_since(LONG_AGO)).page

    expect(page.locator("[data-card=cost] .note")).to_have_text("+30% vs previous")
    expect(page.locator("[data-card=limits] [data-field=budget]")).to_have_text("Today 120% of $5.00 over budget")
    month = page.locator("[data-card=month] [data-field=budget]")
    expect(month).to_have_text(re.compile(r"^\s*32% of \$200\.00, \$137\.00 left\s*$"))
    expect(month.locator(".tick")).to_have_count(1)
    expect(page.locator("[data-card=limits] [data-field=budget]")).to_have_count(1)


@pytest.mark.slow
def test_what_leans_on_the_time_before_we_watched_is_marked(service: Service, open_page: Opener) -> None:
    """A thin line below the axis reaches up to then, and says why; comparisons that touch it are called approximate."""
    page = open_page(service, prepare=watch_since(MIDWAY)).page

    expect(page.locator("[data-card=cost] .note")).to_have_text("≈ +30% vs previous")
    expect(page.locator("[data-field=exact]")).to_have_text(
        "Cline before Nov 8: dated at each task\u2019s last activity"
    )
    assert _marked(page) == [True, False]


@pytest.mark.slow
def test_exact_period_is_not_marked(service: Service, open_page: Opener) -> None:
    """Usage that was observed as it happened carries no mark."""
    page = open_page(service, prepare=watch_since(LONG_AGO)).page

    expect(page.locator("[data-card=cost] .note")).to_have_text("+30% vs previous")
    expect(page.locator("[data-field=exact]")).to_have_count(0)
    assert _marked(page) == [False, False]


@pytest.mark.slow
def test_mark_is_explained_in_french(service: Service, open_page: Opener) -> None:
    """« daté à la dernière activité de la tâche » stands below the chart."""
    page = open_page(service, language="fr-FR", prepare=watch_since(MIDWAY)).page

    expect(page.locator("[data-field=exact]")).to_have_text(
        "Cline avant le 8 nov.\u00a0: daté à la dernière activité de la tâche"
    )


@pytest.mark.slow
def test_chart_names_ghost_and_budget(service: Service, open_page: Opener) -> None:
    """The period before is a ghost; days stand beside the daily budget, a month beside its own if it is near."""
    page = open_page(service, "/?chart=bars", prepare=stop_clock).page

    expect(page.locator(".legend")).to_contain_text("previous period")
    expect(page.locator(".legend")).to_contain_text("budget $5.00")
    page.goto(f"{service.url}/?period=month&chart=cumulative")
    # A budget far above the curve would flatten it: it is not drawn, and so not named.
    expect(page.locator(".legend")).not_to_contain_text("budget")


def test_chart_as_table_has_the_period_before_and_no_legend_of_lines(service: Service, open_page: Opener) -> None:
    """Each drawn series is a column too; the legend of lines is only there with lines."""
    page = open_page(service, "/?table=true&group=source", prepare=stop_clock).page

    expect(page.locator(".astable thead th")).to_have_text(["When", "Per day", "previous period", "Cumulative"])
    capital = "(all) => all.map((one) => getComputedStyle(one, '::first-letter').textTransform)"
    assert set(page.locator(".astable thead th").evaluate_all(capital)) == {"uppercase"}
    expect(page.locator(".astable tbody tr").nth(5).locator("td")).to_have_text(["$0.00", "$10.00", "$3.00"])
    expect(page.locator(".legend")).not_to_contain_text("previous period")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en-US", ["Per hour", "Per day", "Per day", "Per month", "Per 15 min"]),
        ("fr-FR", ["Par heure", "Par jour", "Par jour", "Par mois", "Par 15\u202fmin"]),
    ],
)
@pytest.mark.slow
def test_kind_of_chart_says_what_a_bar_stands_for(
    service: Service, open_page: Opener, language: str, words: list[str]
) -> None:
    """Hours of a day, days of a week; drawn or as a table, the words are the same."""
    noon = moment_ms()
    years = f"period=custom&from={moment_ms(500)}&to={noon}"
    hours = f"period=custom&from={noon - 6 * 3_600_000}&to={noon}"
    page = open_page(service, language=language, prepare=stop_clock).page
    for period, word in zip(("period=today", "period=7d", "period=month", years, hours), words, strict=True):
        page.goto(f"{service.url}/?table=true&{period}")
        expect(page.locator(".chart .segmented button").first).to_have_text(word)
        expect(page.locator(".astable thead th").nth(1)).to_have_text(word)


@pytest.mark.slow
def test_empty_period_before_is_named_and_not_drawn(service: Service, open_page: Opener) -> None:
    """Nothing was spent before: the card says so in these words, and the chart has no ghost."""
    page = open_page(service, "/?model=z-ai%2Fglm-5", prepare=stop_clock).page

    expect(page.locator("[data-card=cost] .note")).to_have_text("nothing in the previous period")
    expect(page.locator(".legend")).not_to_contain_text("previous period")


@pytest.mark.slow
def test_filtered_chart_has_no_budget(service: Service, open_page: Opener) -> None:
    """A budget is for everything: beside the cost of one model it would mislead, in the card it stays."""
    page = open_page(service, "/?period=month&model=z-ai%2Fglm-5", prepare=stop_clock).page

    expect(page.locator("[data-field=cost]")).to_have_text("$4.00")
    expect(page.locator(".legend")).not_to_contain_text("budget")
    month = page.locator("[data-card=month] [data-field=budget]")
    expect(month).to_have_text(re.compile(r"^\s*32% of \$200\.00, \$137\.00 left\s*$"))
    expect(month.locator(".tick")).to_have_count(1)
    expect(page.locator("[data-card=limits] [data-field=budget]")).to_have_count(1)
    expect(page).to_have_title("⚠ $6.00 today · AI Cost Observer")  # of everything, and this model cost nothing today


def _marked(page: Page) -> list[bool]:
    expect(page.locator(".plot canvas")).to_be_visible()
    return cast("list[bool]", page.evaluate(_PIXELS))
