"""The pure modules, in the browser that runs them: tables of cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import pytest
from playwright.sync_api import Browser, Page

from tests.ui.conftest import ServiceMaker
from tests.ui.observed_page import HANG_MS
from tests.ui.restartable_service import entry

Case = tuple[str, list[object], object]

_CALL = """async ([module, cases]) => {
  const code = await import(`/assets/js/${module}.js`);
  return cases.map(([name, given]) => code[name](...given));
}"""

UNKNOWN = "\u2013"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

MONEY: Sequence[Case] = [
    ("money", [None, "en-US"], UNKNOWN),
    ("money", [0, "en-US"], "$0.00"),
    ("money", [25.0619, "en-US"], "$25.06"),
    ("money", [1234567.891, "en-US"], "$1,234,567.89"),
    ("money", [0.17, "en-US"], "$0.17"),
    ("money", [0.0125, "en-US"], "$0.013"),
    ("money", [0.05, "en-US"], "$0.05"),
    ("money", [0.004, "en-US"], "$0.004"),
    ("money", [0.00004, "en-US"], "$0.00004"),
    ("money", [0.000000001, "en-US"], "$0.000000001"),
    ("money", [0.0000000004, "en-US"], "< $0.000000001"),
    ("money", [-0.02, "en-US"], "-$0.02"),
    ("money", [25.0619, "fr-FR"], "25,06\u00a0$"),
    ("money", [1234.5, "fr-FR"], "1\u202f234,50\u00a0$"),
    ("moneyExact", [None, "en-US"], UNKNOWN),
    ("moneyExact", [36.88, "en-US"], "$36.88"),
    ("moneyExact", [0.123456789, "en-US"], "$0.123456789"),
    ("moneyExact", [1000000.000000001, "en-US"], "$1,000,000.000000001"),
    ("moneyColumn", [None, "en-US"], [UNKNOWN, "", ""]),
    ("moneyColumn", [36.88, "en-US"], ["$36.88", "00", ""]),
    ("moneyColumn", [0.1234567, "en-US"], ["$0.12", "35", ""]),
    ("moneyColumn", [0.00004, "en-US"], ["< $0.0001", "", ""]),
    ("moneyColumn", [0, "en-US"], ["$0.00", "00", ""]),
    ("moneyColumn", [-1.5, "en-US"], ["-$1.50", "00", ""]),
    ("moneyColumn", [36.88, "fr-FR"], ["36,88", "00", "\u00a0$"]),
    ("moneyColumn", [36.88, "en-US", {"code": "EUR", "per_usd": 0.5}], ["€18.44", "00", ""]),
    ("money", [4.18, "en-US", {"code": "EUR", "per_usd": 0.92}], "€3.85"),
    ("money", [0, "en-US", {"code": "JPY", "per_usd": 156}], "¥0.00"),
    ("moneyExact", [4.18, "en-US", {"code": "EUR", "per_usd": 0.92}], "$4.18"),
    ("moneyAxis", [2.5 / 0.92, "en-US", 2.5 / 0.92, {"code": "EUR", "per_usd": 0.92}], "€2.50"),
    ("moneySteps", [0, 7, 2, {"code": "CHF", "per_usd": 0.5}], [0, 2, 4, 6]),
    ("moneySteps", [0, 7, 2.1, {"code": "CHF", "per_usd": 2}], [0, 2.5, 5]),
    ("moneyAxis", [20, "en-US", 10], "$20"),
    ("moneyAxis", [7.5, "en-US", 2.5], "$7.50"),
    ("moneyAxis", [0.5, "en-US", 0.5], "$0.50"),
    ("moneyAxis", [0.002, "en-US", 0.001], "$0.002"),
]

NUMBERS: Sequence[Case] = [
    ("count", [None, "en-US"], UNKNOWN),
    ("count", [6741465, "en-US"], "6,741,465"),
    ("compact", [9876, "en-US"], "9,876"),
    ("compact", [45_123_456, "en-US"], "45.1M"),
    ("compact", [45_123_456, "fr-FR"], "45,1\u00a0M"),
    ("share", [1, 3, "en-US"], "33%"),
    ("share", [0.0001, 100, "en-US"], "< 0.1%"),
    ("share", [0, 100, "en-US"], "0%"),
    ("share", [1, 0, "en-US"], UNKNOWN),
    ("share", [None, 10, "en-US"], UNKNOWN),
    ("change", [112, 100, "en-US"], "+12%"),
    ("change", [88, 100, "en-US"], "-12%"),
    ("change", [100, 0, "en-US"], None),
    ("change", [100, None, "en-US"], None),
    ("change", [5000, 100, "en-US"], "\u00d750"),
    ("bytes", [412_330, "en-US"], "412.3 kB"),
]

MOMENTS: Sequence[Case] = [
    ("ago", [None, 0, "en-US"], UNKNOWN),
    ("ago", [0, 12_000, "en-US"], "12s ago"),
    ("ago", [0, 12_000, "fr-FR"], "il y a 12\u00a0s"),
    ("ago", [0, 2 * 60_000, "fr-FR"], "il y a 2\u00a0min"),
    ("ago", [0, 70 * DAY_MS, "fr-FR"], "il y a 2 mois"),
    ("ago", [0, 800 * DAY_MS, "fr-FR"], "il y a 2 ans"),
    ("ago", [500, 0, "en-US"], "0s ago"),
    ("ago", [0, 59_999, "en-US"], "59s ago"),
    ("ago", [0, 3 * HOUR_MS, "en-US"], "3h ago"),
    ("ago", [0, 42 * DAY_MS, "en-US"], "42d ago"),
]

# Paris: 2026-03-29 has 23 hours, 2026-10-25 has 25. Moments in epoch milliseconds, in the comments in local time.
MARCH_30_NOON = 1_774_864_800_000
OCTOBER_25_NOON = 1_792_926_000_000


@pytest.fixture(scope="module")
def page(browser: Browser, make_shared: ServiceMaker) -> Iterator[Page]:
    """Open one page in Paris for every table."""
    service = make_shared()
    service.ledger.write(entry("1001"))
    service.start()
    context = browser.new_context(timezone_id="Europe/Paris", locale="en-US")
    context.set_default_timeout(HANG_MS)
    page = context.new_page()
    page.goto(service.url)
    yield page
    context.close()


def _results(page: Page, module: str, cases: Sequence[Case]) -> list[object]:
    calls = [[name, given] for name, given, _ in cases]
    return cast("list[object]", page.evaluate(_CALL, [module, calls]))


@pytest.mark.parametrize("cases", [MONEY, NUMBERS, MOMENTS], ids=["money", "numbers", "moments"])
def test_format_follows_its_table(page: Page, cases: Sequence[Case]) -> None:
    """Every amount, number and moment is written as the table says; a cost that is not zero never reads as $0.00."""
    assert _results(page, "format", cases) == [expected for _, _, expected in cases]


def test_period_begins_at_local_midnight_across_the_change_of_clocks(page: Page) -> None:
    """A week around the change of clocks has 167 or 169 hours, and so has nothing lost or counted twice."""
    cases: list[Case] = [
        ("windowOf", [{"period": "7d"}, MARCH_30_NOON], 167 * HOUR_MS),
        ("windowOf", [{"period": "7d"}, OCTOBER_25_NOON], 169 * HOUR_MS),
        ("windowOf", [{"period": "today"}, OCTOBER_25_NOON], 25 * HOUR_MS),
        ("windowOf", [{"period": "24h"}, OCTOBER_25_NOON], 24 * HOUR_MS),
        ("windowOf", [{"period": "month"}, OCTOBER_25_NOON], 31 * DAY_MS + HOUR_MS),
    ]

    windows = cast("list[dict[str, int]]", _results(page, "period", cases))

    assert [window["to"] - window["from"] for window in windows] == [expected for _, _, expected in cases]


def test_period_before_ends_where_the_period_begins(page: Page) -> None:
    """The period that is compared with has the same number of days and touches the shown one."""
    cases: list[Case] = [
        ("windowOf", [{"period": name}, OCTOBER_25_NOON], None) for name in ("today", "7d", "30d", "month")
    ]

    windows = cast("list[dict[str, int | dict[str, int]]]", _results(page, "period", cases))

    assert all(window["from"] == cast("dict[str, int]", window["before"])["to"] for window in windows)


def test_unfinished_period_is_compared_at_the_same_point_of_time(page: Page) -> None:
    """Half a day is compared with half of yesterday, not with all of it."""
    series = [{"start": hour * HOUR_MS, "total_cost": 1} for hour in range(24)]
    window = {"from": DAY_MS, "to": 2 * DAY_MS, "before": {"from": 0, "to": DAY_MS}}

    spent = page.evaluate(
        """async ([series, window, now]) => {
          const { spentSoFar } = await import("/assets/js/period.js");
          return spentSoFar(series, window, now, (point) => point.total_cost);
        }""",
        [series, window, DAY_MS + 12 * HOUR_MS + HOUR_MS // 2],
    )

    assert spent == 12.5
