"""The comparison of a day with usual ones, and the projected cost of a month."""

from __future__ import annotations

import pytest

from aico.core.units import NANO
from aico.features.usage.usual import Usual, find_usual, is_as_usual, is_nothing, project


@pytest.mark.parametrize(
    ("costs", "days", "expected"),
    [
        ([], 0, Usual(None, 28)),
        ([1, 2], 19, Usual(None, 9)),
        ([1, 2, 3], 27, Usual(None, 1)),
        ([5, 1, 9, 3], 28, Usual(4, 0)),
        ([5, 1, 9, 3, 100], 35, Usual(5, 0)),
        ([0, 0, 0, 0, 0, 7, 8, 9], 90, Usual(0, 0)),
    ],
)
def test_usual_is_the_median_of_enough_days(costs: list[int], days: int, expected: Usual) -> None:
    """Days without any cost count; before there are four, it is said when there will be."""
    assert find_usual(costs, days) == expected


@pytest.mark.parametrize(
    ("today", "usual", "alike"),
    [(1.9, 1, True), (2.01, 1, False), (125, 100, True), (126, 100, False), (74, 100, False), (0, 0.5, True)],
)
def test_day_within_a_quarter_or_a_dollar_is_as_usual(today: float, usual: float, alike: bool) -> None:
    """Small differences are nobody's concern."""
    assert is_as_usual(round(today * NANO), round(usual * NANO)) is alike


@pytest.mark.parametrize(("usual", "nothing"), [(0, True), (0.004, True), (0.005, False)])
def test_usual_day_that_would_be_shown_as_nothing_is_nothing(usual: float, nothing: bool) -> None:
    """Below half a cent no amount is like it."""
    assert is_nothing(round(usual * NANO)) is nothing


def test_month_is_projected_from_five_days_on() -> None:
    """Steady days give one amount; unsteady ones a range, never below what is spent already."""
    assert project(4, [1, 1, 1, 1], 20) is None
    assert project(5 * NANO, [NANO] * 5, 10) == (15 * NANO, 15 * NANO)
    low, high = project(10 * NANO, [0, 0, 0, 0, 10 * NANO], 4) or (0, 0)
    assert (low, high) == (10 * NANO, 26 * NANO)
    assert project(7, [1, 2, 3, 4, 5], 0) == (7, 7)
