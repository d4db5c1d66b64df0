"""The viewers: the settings of each, the question it is asked, and the place of the cost in its answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.peers.faces import Face, Run, Served, number_at
from bench.peers.homes import Kind
from bench.peers.installed import Installed

_MICRO = 1_000_000
_DAY_S = 86_400


@dataclass(frozen=True)
class Viewer:
    """A viewer as it is told in the results."""

    name: str
    version: str
    how: str
    face: Callable[[], Face]
    timed: tuple[Kind, ...]
    """The homes whose stores it reads, on which it is timed."""
    everywhere: bool = True
    """True if its cost is compared on every home; false for a second face of the same program."""


def our_cost(answer: object) -> float | None:
    """Return the total of a summary."""
    return number_at(answer, "totals", "total_cost")


def tokdash_cost(answer: object) -> float | None:
    """Return the cost of Cline; the total of all tools is rounded to cents and only shows that there is an answer."""
    cost = number_at(answer, "by_tool", "cline", "cost")
    return number_at(answer, "total_cost") if cost is None else cost


def agentsview_cost(answer: object) -> float | None:
    """Return the total, which it gives in millionths."""
    cost = number_at(answer, "totals", "totalCost", "microdollars")
    return None if cost is None else cost / _MICRO


def codeburn_page_cost(answer: object) -> float | None:
    """Return the page's total."""
    return number_at(answer, "current", "cost")


def codeburn_report_cost(answer: object) -> float | None:
    """Return the report's total."""
    return number_at(answer, "overview", "cost")


def our_viewer() -> Viewer:
    """Return this service with the one setting that has it read both stores."""
    start_ms, end_ms = (int(time.time() + days * _DAY_S) * 1000 for days in (-40, 2))

    def face() -> Face:
        return Served(
            lambda _home, port: [sys.executable, "-m", "aico", "serve", "--port", str(port)],
            f"/api/cline/summary?from={start_ms}&to={end_ms}",
            our_cost,
            lambda home: {"AICO_CLINE_SESSIONS": "true", "AICO_DATABASE_PATH": str(home / "observer" / "observer.db")},
        )

    return Viewer(
        "ours", "this checkout", "GET /api/cline/summary, cline_sessions = true", face, (Kind.CLASSIC, Kind.CURRENT)
    )


def peer_viewers(installed: Installed) -> list[Viewer]:
    """Return the others that are installed."""
    found = []
    if installed.tokdash is not None:
        found.append(_tokdash(installed.tokdash, installed.versions["tokdash"]))
    if installed.agentsview is not None:
        found.append(_agentsview(installed.agentsview, installed.versions["agentsview"]))
    if installed.codeburn is not None:
        found += _codeburn(installed.codeburn, installed.versions["codeburn"])
    return found


def _tokdash(program: Path, version: str) -> Viewer:
    settings = {"TOKDASH_USAGE_DB_WATCH": "1", "TOKDASH_USAGE_DB_WATCH_INTERVAL": "1", "TOKDASH_SIG_TTL": "0"}

    def face() -> Face:
        return Served(
            lambda _home, port: [str(program), "serve", "--no-open", "--port", str(port)],
            "/api/usage?period=30&refresh=true",
            tokdash_cost,
            lambda _home: settings,
        )

    how = "tokdash serve, GET /api/usage?refresh=true, " + ", ".join(
        f"{key}={value}" for key, value in settings.items()
    )
    return Viewer("tokdash", version, how, face, (Kind.CURRENT,))


def _agentsview(program: Path, version: str) -> Viewer:
    arguments = ("serve", "--no-browser", "--no-update-check", "--events-coalesce-interval", "0")

    def face() -> Face:
        return Served(
            lambda _home, port: [str(program), *arguments, "--port", str(port)],
            "/api/v1/usage/summary",
            agentsview_cost,
            lambda home: {"AGENTSVIEW_DATA_DIR": str(home / ".agentsview")},
        )

    return Viewer(
        "agentsview", version, f"agentsview {' '.join(arguments)}, GET /api/v1/usage/summary", face, (Kind.CURRENT,)
    )


def _codeburn(command: list[str], version: str) -> list[Viewer]:
    question = ["--period", "all", "--provider", "cline"]

    def page() -> Face:
        return Served(
            lambda _home, port: [*command, "web", "--no-open", *question, "--port", str(port)],
            "/api/usage",
            codeburn_page_cost,
            lambda _home: {},
        )

    def report() -> Face:
        return Run([*command, "report", "--format", "json", *question], codeburn_report_cost)

    asked = " ".join(question)
    return [
        Viewer("codeburn report", version, f"codeburn report --format json {asked}, run anew", report, (Kind.CLASSIC,)),
        Viewer(
            "codeburn web", version, f"codeburn web {asked}, GET /api/usage", page, (Kind.CLASSIC,), everywhere=False
        ),
    ]
