"""The limits of plans, as their tools state them: the newest word counts, and no sum follows from it."""

from __future__ import annotations

import time

from aico.core.usage import TS_MAX, PlanReading, PlanWindow, Tokens, UsageEvent, digest
from tests.api.conftest import Serve
from tests.api.test_session_routes import TOOL, get, summary, write


def plan(at: int, *windows: PlanWindow, name: str = "codex") -> PlanReading:
    """Return what a tool says of a plan."""
    return PlanReading(name, at, windows)


async def test_newest_word_on_each_plan_is_told(serve: Serve) -> None:
    """In any order of reading, an older word changes nothing, and a newer one replaces every window of its plan."""
    now = int(time.time() * 1000)
    later = now + 3_600_000
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        assert (await get(api, "/api/limits")).json() == []
        event = UsageEvent(digest("1"), "main", now - 50, None, Tokens(1, 0, 0, 0, 1, None))
        before = (await summary(api)).commit_seq
        five, week = PlanWindow("primary", 1250, 300, later), PlanWindow("secondary", 500, 10_080, later)
        await write(
            api, TOOL, plan(now - 100, five, week), event, plan(now - 200, PlanWindow("primary", 1, 300, later))
        )
        await write(
            api, TOOL, plan(now - 300, PlanWindow("primary", 2, 300, later)), plan(now - 300, week, name="other")
        )
        limits = (await get(api, "/api/limits")).json()
        assert [(each["plan"], each["window"], each["used_share"], each["as_of"]) for each in limits] == [
            ("codex", "primary", 0.125, now - 100),
            ("codex", "secondary", 0.05, now - 100),
            ("other", "secondary", 0.05, now - 300),
        ]
        assert limits[0] == {
            "source": TOOL,
            "plan": "codex",
            "window": "primary",
            "window_minutes": 300,
            "used_share": 0.125,
            "used_usd": None,
            "limit_usd": None,
            "tokens": None,
            "at_least": False,
            "started_at": later - 300 * 60_000,
            "resets_at": later,
            "origin": "tool",
            "as_of": now - 100,
            "usd_per_hour": 0.0,
            "reached_at": None,
        }
        await write(api, TOOL, plan(now, PlanWindow("primary", 10_100, None, None)))
        limits = (await get(api, "/api/limits")).json()
        assert [(each["plan"], each["used_share"], each["resets_at"]) for each in limits] == [
            ("codex", 1.01, None),
            ("other", 0.05, later),
        ]
        answer = await summary(api)
        assert (answer.totals.requests, answer.commit_seq - before) == (1, 3)


async def test_share_of_a_window_that_began_anew_is_unknown(serve: Serve) -> None:
    """The share used since it began is not known; the share of the window before is no answer."""
    now = int(time.time() * 1000)
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await write(api, TOOL, plan(now - 9_000, PlanWindow("primary", 9_900, 300, now - 1)))
        [limit] = (await get(api, "/api/limits")).json()
        assert (limit["used_share"], limit["resets_at"]) == (None, now - 1)


async def test_window_that_cannot_be_so_long_is_told_and_breaks_nothing(serve: Serve) -> None:
    """A log may claim any number: the window begins when time does, and all other answers go on."""
    now = int(time.time() * 1000)
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        event = UsageEvent(digest("1"), "main", now - 50, "claude-opus-4-8", Tokens(10_000, 0, 0, 0, 1, None))
        await write(api, TOOL, event, plan(now, PlanWindow("primary", 1_000, TS_MAX, now + 3_600_000)))
        [limit] = [each for each in (await get(api, "/api/limits")).json() if each["origin"] == "tool"]
        assert (limit["used_share"], limit["started_at"], limit["usd_per_hour"] > 0) == (0.1, 0, True)
