"""Writes the dashboards of ``deploy/otel`` anew; ``--check`` only says whether they are as this script makes them.

One table of panels for each dashboard, queries in plain PromQL. Money that was metered, listed, estimated or paid by a
plan is never added up in silence: each panel says which it shows. No panel needs a plugin.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders import bargauge, dashboard, piechart, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, VariableRefresh
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "otel" / "grafana" / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
"""As provisioning names it."""
USD, TOKENS, TIME, COUNT = "currencyUSD", "short", "s", "short"

HOST = 'host_name=~"$host"'
OF_TOOL = f'{HOST}, tool_name=~"$tool"'
OF_MODEL = f'{OF_TOOL}, model_name=~"$model"'
OF_PAGES = f'{HOST}, usage_source=~"$source"'
METERED = f'ai_tokens_cost_USD_total{{{OF_MODEL}, cost_basis="recorded"}}'
LISTED = f'ai_tokens_cost_USD_total{{{OF_MODEL}, cost_basis=~"own|listed"}}'
COST = f"ai_tokens_cost_usd_total{{{OF_MODEL}}}"
VALUE = f"ai_tokens_value_USD_total{{{OF_MODEL}}}"
ESTIMATES = {
    "apps": f"ai_app_estimated_cost_USD_total{{{HOST}}}",
    "pages": f"ai_browser_domain_estimated_cost_USD_total{{{HOST}}}",
    "commands": f"ai_cli_estimated_cost_USD_total{{{HOST}}}",
}

HOW_EXACT = """**These numbers are close, not exact.** Prometheus keeps samples of totals. `increase()` guesses what
lies between and before them: over a day it is off by a few percent, and by much more for what is used seldom. A restart
or an outage of the collector costs nothing, because totals go on where they were.

**The exact numbers are on each machine**, to the nano-dollar: its page, or `aico report --from 2026-11-01 --json`.
What was spent before a machine's first export is in its totals and in no increase."""
WHOSE_WORD = """| money | means | may be added to |
|---|---|---|
| **metered** | the tool itself states the cost | listed |
| **listed** | from your own price or a price list, request by request | metered |
| **value under a plan** | what a plan covers, at list prices: you pay the plan, not this | nothing |
| **estimated** | hours at your rate, of apps, pages and commands | nothing: they may be metered, too |"""


class Panel(NamedTuple):
    """One panel: its queries by legend, each with what Grafana writes for it."""

    kind: str
    """``number``, ``lines``, ``bars``, ``shares``, ``table`` or ``text``."""
    title: str
    queries: tuple[tuple[str, str], ...]
    """Expression and legend."""
    unit: str = COUNT
    width: int = 6
    height: int = 6
    description: str = ""
    content: str = ""


def total(selector: str, by: str = "", over: str = "$__range") -> str:
    """Return the growth of counters over the shown time, told apart ``by`` labels."""
    return f"sum{f' by ({by})' if by else ''} (increase({selector}[{over}]))"


def rate(selector: str, by: str) -> str:
    """Return the growth of counters in each interval of the chart."""
    return f"sum by ({by}) (increase({selector}[$__rate_interval]))"


def number(title: str, expression: str, unit: str = COUNT, width: int = 4, description: str = "") -> Panel:
    """Return a panel of one number."""
    return Panel("number", title, ((expression, ""),), unit, width, 4, description)


def lines(title: str, selector: str, by: str, unit: str, width: int = 12) -> Panel:
    """Return a chart of the growth of counters by a label."""
    return Panel("lines", title, ((rate(selector, by), f"{{{{{by}}}}}"),), unit, width, 8)


def bars(title: str, selector: str, by: str, unit: str, width: int = 8) -> Panel:
    """Return the growth of counters by a label, the greatest first."""
    return Panel("bars", title, ((f"topk(15, {total(selector, by)})", f"{{{{{by}}}}}"),), unit, width, 8)


def note(title: str, content: str, height: int = 5) -> Panel:
    """Return a panel of words."""
    return Panel("text", title, (), width=24, height=height, content=content)


MONEY = (
    number("Metered", total(METERED), USD, description="The tools' own word."),
    number("Listed", total(LISTED), USD, description="Own prices and price lists, request by request."),
    number("Value under a plan", total(VALUE), USD, description="At list prices. You pay the plan instead."),
    number("Estimated: apps", total(ESTIMATES["apps"]), USD, description="Hours at a rate. Never added to money."),
    number("Estimated: pages", total(ESTIMATES["pages"]), USD, description="Hours at a rate. Never added to money."),
    number("Estimated: commands", total(ESTIMATES["commands"]), USD, description="Hours at a rate. Never added."),
)
OVERVIEW = (
    number("Spent", total(COST), USD, 6, "Metered and listed. No plan's value, no estimate."),
    number("Requests", total(f"ai_requests_total{{{OF_MODEL}}}"), width=6),
    number("Prompts", total(f"ai_prompt_count_total{{{OF_TOOL}}}"), width=6),
    number("Machines heard", f"count(group by (host_name) (ai_requests_total{{{HOST}}}))", width=6),
    *MONEY,
    lines("Spent by tool", COST, "tool_name", USD),
    lines("Spent by machine", COST, "host_name", USD),
    bars("Spent by model", COST, "model_name", USD),
    bars("Requests by tool", f"ai_requests_total{{{OF_MODEL}}}", "tool_name", COUNT),
    Panel("shares", "Spent by machine", ((total(COST, "host_name"), "{{host_name}}"),), USD, 8, 8),
    Panel("lines", "Apps that run", ((f"sum by (app_name) (ai_app_running{{{HOST}}})", "{{app_name}}"),), COUNT, 8, 8),
    Panel(
        "lines", "Commands that run", ((f"sum by (cli_name) (ai_cli_running{{{HOST}}})", "{{cli_name}}"),), COUNT, 8, 8
    ),
    lines("Active time of apps", f"ai_app_active_duration_seconds_total{{{HOST}}}", "app_name", TIME, 8),
    Panel(
        "lines",
        "Processor of apps",
        ((f"sum by (app_name) (ai_app_cpu_usage_percent{{{HOST}}})", "{{app_name}}"),),
        "percent",
        8,
        8,
    ),
    Panel(
        "lines",
        "Memory of apps",
        ((f"sum by (app_name) (ai_app_memory_usage_MB{{{HOST}}})", "{{app_name}}"),),
        "decmbytes",
        8,
        8,
    ),
    lines("Active time of commands", f"ai_cli_active_duration_seconds_total{{{HOST}}}", "cli_name", TIME, 8),
    bars("Calls of commands", f"ai_cli_command_count_total{{{HOST}}}", "cli_name", COUNT),
    note("How exact this is", HOW_EXACT),
)
BROWSER = (
    number("Time on pages", total(f"ai_browser_domain_active_duration_seconds_total{{{OF_PAGES}}}"), TIME, 8),
    number("Visits", total(f"ai_browser_domain_visit_count_total{{{OF_PAGES}}}"), width=8),
    number("Estimated cost", total(ESTIMATES["pages"]), USD, 8, "Hours at a rate. Never added to money."),
    lines("Time by page", f"ai_browser_domain_active_duration_seconds_total{{{OF_PAGES}}}", "ai_domain", TIME),
    lines("Visits by page", f"ai_browser_domain_visit_count_total{{{OF_PAGES}}}", "ai_domain", COUNT),
    bars("Time by kind", f"ai_browser_domain_active_duration_seconds_total{{{OF_PAGES}}}", "ai_category", TIME, 6),
    bars("Time by browser", f"ai_browser_domain_active_duration_seconds_total{{{OF_PAGES}}}", "browser_name", TIME, 6),
    bars("Visits by source", f"ai_browser_domain_visit_count_total{{{OF_PAGES}}}", "usage_source", COUNT, 6),
    bars("Estimated cost by page", ESTIMATES["pages"], "ai_domain", USD, 6),
    Panel(
        "table",
        "Pages by machine",
        ((total(f"ai_browser_domain_active_duration_seconds_total{{{OF_PAGES}}}", "host_name, ai_domain"), ""),),
        TIME,
        24,
        8,
    ),
    note("How exact this is", HOW_EXACT),
)
CACHED = total(f"ai_tokens_cache_read_total{{{OF_MODEL}}}", "tool_name")
UNCACHED = total(f"ai_tokens_input_total{{{OF_MODEL}}}", "tool_name")
TOKEN = (
    number("Input, uncached", total(f"ai_tokens_input_total{{{OF_MODEL}}}"), TOKENS),
    number("Output", total(f"ai_tokens_output_total{{{OF_MODEL}}}"), TOKENS, description="Reasoning included."),
    number("Read from caches", total(f"ai_tokens_cache_read_total{{{OF_MODEL}}}"), TOKENS),
    number("Written to caches", total(f"ai_tokens_cache_write_total{{{OF_MODEL}}}"), TOKENS),
    number("Reasoning", total(f"ai_tokens_reasoning_total{{{OF_MODEL}}}"), TOKENS, description="A part of output."),
    number("Spent", total(COST), USD, description="Metered and listed."),
    Panel(
        "lines",
        "Tokens by kind",
        (
            (rate(f"ai_tokens_input_total{{{OF_MODEL}}}", "job"), "input"),
            (rate(f"ai_tokens_output_total{{{OF_MODEL}}}", "job"), "output"),
            (rate(f"ai_tokens_cache_read_total{{{OF_MODEL}}}", "job"), "cache read"),
            (rate(f"ai_tokens_cache_write_total{{{OF_MODEL}}}", "job"), "cache write"),
        ),
        TOKENS,
        12,
        8,
    ),
    lines("Output by tool", f"ai_tokens_output_total{{{OF_MODEL}}}", "tool_name", TOKENS),
    bars("Input by model", f"ai_tokens_input_total{{{OF_MODEL}}}", "model_name", TOKENS),
    bars("Output by model", f"ai_tokens_output_total{{{OF_MODEL}}}", "model_name", TOKENS),
    bars("Spent by model", COST, "model_name", USD),
    Panel(
        "bars",
        "Share of input from caches",
        ((f"{CACHED} / ({CACHED} + {UNCACHED})", "{{tool_name}}"),),
        "percentunit",
        8,
        8,
    ),
    bars("Prompts by tool", f'ai_prompt_count_total{{{OF_TOOL}, source=~"$source"}}', "tool_name", COUNT),
    lines("Requests by tool", f"ai_requests_total{{{OF_MODEL}}}", "tool_name", COUNT, 8),
    number(
        "Tokens without a price",
        total(f"ai_tokens_unpriced_total{{{OF_MODEL}}}"),
        TOKENS,
        12,
        "When they came. They are in no amount of money.",
    ),
    number(
        "Requests without tokens",
        total(f"ai_requests_unmeasured_total{{{OF_MODEL}}}"),
        COUNT,
        12,
        "The tool knows no tokens of them. They are in no amount.",
    ),
    Panel(
        "table",
        "Spent by tool and model",
        ((f"topk(50, {total(COST, 'host_name, tool_name, model_name')})", ""),),
        USD,
        24,
        10,
    ),
    note("How exact this is", HOW_EXACT),
)
UNIFIED = (
    note("Which money is which", WHOSE_WORD, 6),
    *MONEY,
    number("Metered and listed together", total(COST), USD, 12, "The only two that may be added."),
    Panel(
        "shares",
        "By who says so",
        ((total(f"ai_tokens_cost_USD_total{{{OF_MODEL}}}", "cost_basis"), "{{cost_basis}}"),),
        USD,
        12,
        4,
    ),
    Panel(
        "lines",
        "Side by side, not stacked",
        (
            (rate(METERED, "job"), "metered"),
            (rate(LISTED, "job"), "listed"),
            (rate(VALUE, "job"), "value under a plan"),
            *((rate(selector, "job"), f"estimated: {name}") for name, selector in ESTIMATES.items()),
        ),
        USD,
        24,
        9,
    ),
    bars("Metered and listed by machine", COST, "host_name", USD),
    bars("Value under a plan by tool", VALUE, "tool_name", USD),
    bars("Estimated by app", ESTIMATES["apps"], "app_name", USD),
    bars("Estimated by page", ESTIMATES["pages"], "ai_domain", USD, 12),
    bars("Estimated by command", ESTIMATES["commands"], "cli_name", USD, 12),
    note("How exact this is", HOW_EXACT),
)
DASHBOARDS = {
    "ai-cost-overview": ("AI Cost Overview", OVERVIEW, ("host", "tool", "model")),
    "browser-ai-usage": ("Browser AI Usage", BROWSER, ("host", "source")),
    "token-usage": ("Token Usage", TOKEN, ("host", "tool", "model", "source")),
    "unified-cost": ("Unified Cost", UNIFIED, ("host", "tool", "model")),
}
"""By uid: title, panels, variables."""
_VALUES = {
    "host": 'label_values({__name__=~"ai_.+"}, host_name)',
    "tool": "label_values(ai_requests_total, tool_name)",
    "model": "label_values(ai_requests_total, model_name)",
    "source": 'label_values({__name__=~"ai_prompt_count_total"}, source)',
}
_PAGE_SOURCES = "label_values(ai_browser_domain_visit_count_total, usage_source)"


def variable(name: str, query: str) -> dashboard.QueryVariable:
    """Return a variable of which any number of values can be chosen, at first all."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .query(query)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def target(expression: str, legend: str, number_of: int, *, is_range: bool, is_table: bool) -> prometheus.Dataquery:
    """Return one query of a panel."""
    query = prometheus.Dataquery().expr(expression).ref_id(chr(ord("A") + number_of)).datasource(SOURCE)
    query = query.legend_format(legend) if legend else query
    query = query.format(PromQueryFormat.TABLE) if is_table else query
    return query.range() if is_range else query.instant()


AnyPanel = stat.Panel | timeseries.Panel | bargauge.Panel | piechart.Panel | table.Panel | text.Panel
_KINDS: dict[str, type[AnyPanel]] = {
    "number": stat.Panel,
    "lines": timeseries.Panel,
    "bars": bargauge.Panel,
    "shares": piechart.Panel,
    "table": table.Panel,
    "text": text.Panel,
}


def build(panel: Panel) -> AnyPanel:
    """Return a panel as Grafana's library makes it."""
    made: AnyPanel = _KINDS[panel.kind]()
    made = made.title(panel.title).span(panel.width).height(panel.height)
    if panel.description:
        made = made.description(panel.description)
    if isinstance(made, text.Panel):
        return made.mode(TextMode.MARKDOWN).content(panel.content).transparent(True)
    made = made.datasource(SOURCE).unit(panel.unit)
    for place, (expression, legend) in enumerate(panel.queries):
        is_range = panel.kind == "lines"
        made = made.with_target(target(expression, legend, place, is_range=is_range, is_table=panel.kind == "table"))
    if isinstance(made, stat.Panel | bargauge.Panel | piechart.Panel):
        made = made.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    if isinstance(made, timeseries.Panel):
        words = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
        made = made.legend(words.show_legend(True)).fill_opacity(10)
    return made


def make(uid: str, title: str, panels: Sequence[Panel], variables: Sequence[str]) -> str:
    """Return a dashboard as JSON."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .tags(["ai-cost-observer"])
        .refresh("1m")
        .time("now-24h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for name in variables:
        query = _PAGE_SOURCES if (uid, name) == ("browser-ai-usage", "source") else _VALUES[name]
        made = made.with_variable(variable(name, query))
    for panel in panels:
        made = made.with_panel(build(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def make_all() -> dict[str, str]:
    """Return the text of every file by its name."""
    return {f"{uid}.json": make(uid, *rest) for uid, rest in DASHBOARDS.items()}


def main(arguments: Sequence[str]) -> int:
    """Write the files, or compare them; return the exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong = []
    for name, content in make_all().items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        wrong.append(name)
        if "--check" not in arguments:
            path.write_text(content, encoding="utf-8")
    print("\n".join(wrong) or "All dashboards are as they should be.")
    return 1 if wrong and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
