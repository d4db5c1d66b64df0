"""Spending, in the lines that a person reads in a terminal: the same words as the page. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from aico.cli.amounts import AT_LEAST, TIMES_FROM, cost_of, head_cost, moment_text, plan_value
from aico.cli.screen import (
    ALARM,
    BAR_MAX,
    BOLD,
    DIM,
    UNDERLINED,
    YELLOW,
    Screen,
    columns_of,
    money,
    padded,
    plural,
    shown_in,
    shown_plans,
)
from aico.cli.session_names import NamedSessions, parent_text, session_name, start_text
from aico.cli.terminal import Row, Table, share, tokens, whole_money, wrapped
from aico.core.command_name import command_name
from aico.core.db.sums_reader import PlanPrice
from aico.core.money import nano_usd
from aico.core.sums import NOTHING, Sums
from aico.core.units import NANO
from aico.features.sources.titles import TITLES
from aico.features.usage.fields import tells_only_totals
from aico.features.usage.periods import Bucket
from aico.features.usage.usual import is_as_usual, is_nothing
from aico.services.overview import Lacking, Overview, Unwritten
from aico.services.summary import UsageSummary

if TYPE_CHECKING:
    from aico.cli.limit_words import ShortLimit

SumsBySource: TypeAlias = Sequence[Mapping[tuple[str, ...], Sums]]
"""Of each bucket the sums by source."""
PRODUCT = "AI Cost Observer"
_WIDTH_OF_BARS = 60
"""Columns from which on there is room for bars beside words."""
_MORE = ("today", "month", "report --by session")
_NO_BREAK = "\N{NO-BREAK SPACE}"
_MODELS_SHOWN = 5
ROWS_SHOWN = 40
"""Groups of a report that a person reads."""
_PARTS_SHOWN = 3
_APART = "Each session with its own cost: a row of the page adds those that it started"
_LOUD = re.compile(r"([0-9]+ % more|[0-9]+ times|\S+ over)(?= )")
"""The part of a remark that has a colour."""
_UNKNOWN = {"source": "unknown source", "model": "unknown model", "project": "no project"}


def describe_overview(
    overview: Overview,
    budget_usd: float | None,
    screen: Screen,
    hours: Sequence[str] | None = None,
    limits: Sequence[ShortLimit] = (),
) -> list[str]:
    """Return today and this month, by source and by model; or, with the lines of its ``hours``, by those.

    The ``limits`` are those that are nearest to their end.

    A day of which no hour has a line has no tables either: they would be those of the month.
    """
    today, month = Sums.total(overview.today.values()), Sums.total(overview.month.values())
    title = f"{PRODUCT}{' ' * (screen.width - len(PRODUCT) - 17)}{overview.now:%a %b} {overview.now:%d, %H:%M}"
    amounts = [
        ("Today", head_cost(today), compare_today(overview, today)),
        (f"{overview.now:%B}", head_cost(month), _describe_month(overview, month, budget_usd)),
    ]
    amounts += [("" if place else "Limits", "", limit.describe(overview.now)) for place, limit in enumerate(limits)]
    lines = [_with_title(title, screen), "", *_amount_lines(amounts, screen)]
    for limit in limits:
        lines = [screen.mark(line, limit.text, limit.style) if limit.style else line for line in lines]
    by_source = _rows(overview, place=0)
    if hours is not None and not hours and overview.last_use_ms is not None:
        command = f"{command_name()} month"
        lines += [
            "",
            *_with_commands(f"No hour of today has any usage. The days of this month: {command}", screen, command),
        ]
    elif by_source:
        by_model = [] if hours else _shortened(_rows(overview, place=1), overview, month)
        whole = Row(("All",), (cost_of(today), cost_of(month), "100 %" if month.cost_nano else "-", _tokens(month)))
        heads = ("Today", f"{overview.now:%B}", "Share", "Tokens")
        name = max(columns_of(row.names[0]) for row in [*by_source, *by_model])
        lines += ["", *Table(("By source",), heads, by_source, whole, name_least=name).draw(screen)]
        lines += ["", *(hours or Table(("By model",), heads, by_model, name_least=name).draw(screen))]
    if overview.last_use_ms is None:
        command = f"{command_name()} sources"
        lines += [
            "",
            *_with_commands(f"Nothing is counted yet. What this computer has to be read: {command}", screen, command),
        ]
    commands = [f"{command_name()} {words}" for words in _MORE]
    more = f"More: {', '.join(commands)}"
    return [*lines, "", *_describe_lacking(overview.lacking, screen), *_with_commands(more, screen, *commands)]


def describe_standstill(now: datetime, until_ms: int | None, screen: Screen) -> Iterator[str]:
    """Yield the lines for numbers that nobody has brought up to date since ``until_ms``, as it is said at ``now``."""
    command = f"{command_name()} serve"
    as_of = "" if until_ms is None else f": numbers as of {moment_text(until_ms, now)}"
    return _with_commands(f"Not watching{as_of}. Start with: {command}", screen, command)


def describe_stretch(
    summary: UsageSummary, lacking: Lacking, by_bucket: SumsBySource, zone: ZoneInfo, screen: Screen
) -> list[str]:
    """Return the total of a period, and a line for each of its hours or days up to the last one with anything."""
    lines = list_buckets(summary, by_bucket, zone, screen)
    end = ["", *lines, "", *_describe_lacking(lacking, screen)] if lines else ["", *_end(screen, summary)]
    return [*_total_lines(summary, zone, screen), *end]


def list_buckets(summary: UsageSummary, by_bucket: SumsBySource, zone: ZoneInfo, screen: Screen) -> list[str]:
    """Return a line for each hour or day: its cost, a bar, and its tools."""
    used = [place for place, sums in enumerate(by_bucket) if sums]
    is_hours = summary.bucket is Bucket.HOUR
    shown = range(used[0] if is_hours else 0, used[-1] + 1) if used else range(0)
    totals = [Sums.total(by_bucket[place].values()) for place in shown]
    most = max((total.cost_nano for total in totals), default=0)
    width = max((columns_of(cost_of(total)) for total in totals), default=0)
    lines: list[str] = []
    for place, total in zip(shown, totals, strict=True):
        start = f"{_local(summary.series[place].start_ms, zone):{'%H:%M' if is_hours else '%a %b %d'}}"
        line = f"  {start}  {cost_of(total):>{width}}"
        room = screen.width - columns_of(line) - 2
        parts = sorted(by_bucket[place].items(), key=lambda item: item[1].cost_nano, reverse=True)
        if most and screen.width >= _WIDTH_OF_BARS:
            room -= BAR_MAX + 2
            blanks = " " * (BAR_MAX - round(total.cost_nano / most * BAR_MAX))
            line += f"  {screen.bar(total.cost_nano / most, parts[0][0][0] if parts else '')}{blanks}"
        lines.append(f"{line}  {_parts(parts, total, room)}".rstrip())
    return lines


def describe_report(
    summary: UsageSummary,
    lacking: Lacking,
    named: NamedSessions,
    zone: ZoneInfo,
    screen: Screen,
    *,
    is_all_time: bool = False,
) -> list[str]:
    """Return the total of a period, and its parts, the most expensive first; days in their order.

    Of the sessions ``named`` says label, start and parent.
    """
    lines = _total_lines(summary, zone, screen, "All time" if is_all_time else "All")
    if summary.groups:
        at = summary.by.index("session") if "session" in summary.by else 0
        heads = [kind.capitalize() for kind in summary.by]
        if "session" in summary.by:
            heads.insert(at, "Started")
        rows = list(_report_rows(summary, named, zone))
        table = Table(tuple(heads), ("Cost", "Share", "Tokens"), rows, widths=(11, 8, 10), below_at=at)
        lines += ["", *table.draw(screen)]
        if any(row.below for row in rows):
            lines += [screen.paint(line, DIM) for line in wrapped(_APART, screen.width, "  ")]
    if len(summary.groups) > ROWS_SHOWN:
        lines.append(f"  {len(summary.groups) - ROWS_SHOWN} more: all of them with --csv or --json")
    return [*lines, "", *_describe_lacking(lacking, screen), *_end(screen, summary)]


def _report_rows(summary: UsageSummary, named: NamedSessions, zone: ZoneInfo) -> Iterator[Row]:
    whole = summary.totals.sums
    most = max((group.sums.cost_nano for group in summary.groups.values()), default=0)
    year = _local(summary.to_ms - 1, zone).year
    for names, group in list(summary.groups.items())[:ROWS_SHOWN]:
        told = dict(zip(summary.by, names, strict=True))
        shown = {kind: _name(kind, name) for kind, name in told.items()}
        below = ""
        if "session" in told:
            session = named.get((told["source"], told["session"]))
            start = "" if session is None else start_text(session.first_ms, zone, year)
            below = "" if session is None else parent_text(session, zone, year)
            shown["session"] = session_name(told["session"], session)
            shown = {part: text for kind in summary.by for part, text in _with_start(kind, start, shown[kind])}
        cells = (cost_of(group.sums), share(group.sums.cost_nano, whole.cost_nano), _tokens(group.sums))
        part = group.sums.cost_nano / most if most else 0
        yield Row(tuple(shown.values()), cells, part, told.get("source", ""), below)


def _with_start(kind: str, start: str, text: str) -> list[tuple[str, str]]:
    """Return the columns of one name; that of a session stands behind its start."""
    return [("start", start), (kind, text)] if kind == "session" else [(kind, text)]


def compare_today(overview: Overview, today: Sums) -> str:
    """Return how today compares with a usual day of its name."""
    if not any(today.vector):
        if overview.last_use_ms is None:
            return "Nothing yet"
        return f"Nothing yet today; last call {moment_text(overview.last_use_ms, overview.now)}"
    usual = overview.usual.nano
    if usual is None:
        return f"No usual day yet, {plural(overview.usual.days_needed, 'more day')} needed"
    if is_nothing(usual):
        return f"Usually no cost by {overview.now:%H:%M} on a {overview.now:%A}"
    return _beside(overview, today, usual)


def _beside(overview: Overview, today: Sums, usual: int) -> str:
    """Return how today compares with ``usual``, which is something."""
    of = f"a usual {overview.now:%A} by {overview.now:%H:%M} ({money(usual)})"
    if is_as_usual(today.cost_nano, usual):
        return f"About as on {of}"
    if today.cost_nano >= TIMES_FROM * usual:
        return f"{today.cost_nano // usual} times {of}"
    percent = round(100 * abs(today.cost_nano - usual) / usual)
    return f"{percent} % {'more' if today.cost_nano > usual else 'less'} than {of}"


def _describe_month(overview: Overview, month: Sums, budget_usd: float | None) -> str:
    course = _describe_course(overview)
    if budget_usd is None:
        return f"{course} by {overview.month_end:%b %d}" if overview.projected else course
    budget = nano_usd(budget_usd)
    if plan_value(month):
        # A budget is of money alone.
        used = f"Budget {money(month.cost_nano)} of {money(budget)}{', over' if month.cost_nano > budget else ''}"
    elif month.cost_nano > budget:
        used = f"{money(month.cost_nano - budget)} over the {money(budget)} budget"
    else:
        used = f"{share(month.cost_nano, budget) if month.cost_nano else '0 %'} of the {money(budget)} budget"
    return f"{used}; {course[0].lower()}{course[1:]}"


def _describe_course(overview: Overview) -> str:
    if overview.projected is None:
        return "Too few days yet for a forecast"
    low, high = (whole_money(nano) for nano in overview.projected)
    return f"On course for {low}" if low == high else f"On course for {low} to {high}"


def _with_title(line: str, screen: Screen) -> str:
    return screen.mark(line, PRODUCT, BOLD)


def _amount_lines(amounts: Sequence[tuple[str, str, str]], screen: Screen) -> Iterator[str]:
    """Yield a label, an amount and a remark each; a remark without room stands below."""
    label_width = max(len(label) for label, _, _ in amounts)
    cost_width = max(len(cost) for _, cost, _ in amounts)
    for label, cost, remark in amounts:
        line = f"  {padded(label, label_width)}  {cost:>{cost_width}}"
        if columns_of(line) + 3 + columns_of(remark) <= screen.width:
            below = [f"{line}   {remark}"]
        else:
            below = [line.rstrip(), *wrapped(remark, screen.width, "    ")]
        below[0] = screen.mark(below[0], cost, BOLD)
        loud = _LOUD.match(remark)
        words = loud[1] if loud else ""
        yield from (screen.mark(each, words, ALARM if words.endswith("over") else YELLOW) for each in below)


def _rows(overview: Overview, place: int) -> list[Row]:
    """Return a row for each source (``place`` 0) or model (1) of the month, the most expensive first."""
    names = list(dict.fromkeys(pair[place] for pair in overview.month))
    whole = Sums.total(overview.month.values()).cost_nano
    sources: dict[str, int] = {}
    for pair, sums in overview.month.items():
        sources[pair[0]] = sources.get(pair[0], 0) + sums.cost_nano
    most = max(sources.values(), default=0)
    found: list[tuple[int, int, str, Row]] = []
    for name in names:
        month = Sums.total(sums for pair, sums in overview.month.items() if pair[place] == name)
        today = Sums.total(sums for pair, sums in overview.today.items() if pair[place] == name)
        owner = max((pair for pair in overview.month if pair[place] == name), key=lambda p: overview.month[p].cost_nano)
        cells = (cost_of(today), cost_of(month), share(month.cost_nano, whole), _tokens(month))
        row = Row((_name(("source", "model")[place], name),), cells, month.cost_nano / most if most else 0, owner[0])
        found.append((month.cost_nano, month.token_count, name, row))
    return [row for *_, row in sorted(found, key=lambda each: each[:3], reverse=True)]


def _shortened(rows: list[Row], overview: Overview, month: Sums) -> list[Row]:
    """Return the first of the models, and the others in one row."""
    if len(rows) <= _MODELS_SHOWN + 1:
        return rows
    by_model: dict[str, list[tuple[Sums, Sums]]] = {}
    for pair, sums in overview.month.items():
        by_model.setdefault(pair[1], []).append((overview.today.get(pair, NOTHING), sums))
    totals = [tuple(Sums.total(each) for each in zip(*many, strict=True)) for many in by_model.values()]
    totals.sort(key=lambda pair: (pair[1].cost_nano, pair[1].token_count), reverse=True)
    others = totals[_MODELS_SHOWN:]
    today, rest = (Sums.total(pair[place] for pair in others) for place in (0, 1))
    cells = (cost_of(today), cost_of(rest), share(rest.cost_nano, month.cost_nano), _tokens(rest))
    first = rows[0]
    part = first.part * rest.cost_nano / totals[0][1].cost_nano if totals[0][1].cost_nano else 0
    return [*rows[:_MODELS_SHOWN], Row((f"{len(others)} other models",), cells, part)]


def _total_lines(summary: UsageSummary, zone: ZoneInfo, screen: Screen, label: str = "All") -> list[str]:
    whole = summary.totals.sums
    first, last = _local(summary.from_ms, zone), _local(summary.to_ms - 1, zone)
    days = f"{first:%a %b %d %Y}"
    if first.date() != last.date():
        days = f"{first:{'%b %d' if first.year == last.year else '%b %d %Y'}} to {last:%b %d %Y}"
    parts = [f"{_tokens(whole)} tokens", plural(summary.totals.counts.counted, "session")]
    if not tells_only_totals(whole):
        parts.insert(1, plural(whole.get("requests"), "request"))
    remark = ", ".join(parts)
    title = f"{PRODUCT}{days:>{max(len(days) + 1, screen.width - len(PRODUCT))}}"
    return [_with_title(title, screen), "", *_amount_lines([(label, head_cost(whole), remark)], screen)]


def _describe_lacking(lacking: Lacking, screen: Screen) -> Iterator[str]:
    unwritten = sorted(lacking.unwritten, key=lambda each: _name("source", each.source))
    parts = [(AT_LEAST, text) for text in _list_least(lacking)]
    if unwritten:
        names = _and([_name("source", each.source) for each in unwritten])
        parts.append(("-", f"some calls of {names}: billed, and not counted{_describe_known(unwritten)}"))
    if lacking.only_totals:
        names = _and([_name("source", each) for each in lacking.only_totals])
        parts.append(("-", f"a number of requests of {names}: only totals are written, and those are counted"))
    for source, use in sorted(lacking.later.items(), key=lambda each: _name("source", each[0])):
        known = f" ({plural(use.requests, 'request')} so far)" if use.requests else ""
        sessions = f"{plural(use.sessions, 'forgotten session')} of {_name('source', source)}"
        parts.append(("-", f"the usage that the tool added later to {sessions}{known}"))
    if parts:
        yield screen.paint("  What is not in these numbers:", YELLOW)
    for mark, text in parts:
        first, *others = wrapped(text, screen.width, "    ")
        yield f"  {mark}{first[3:]}"
        yield from others
    plans = _and([f"{_name('source', plan.source)}, {_plan_price(plan)}" for plan in shown_plans()])
    if plans:
        text = f"(In brackets): value at list prices of what a plan pays for, in no sum. Plans: {plans}"
        yield from (screen.paint(line, DIM) for line in wrapped(text, screen.width, "  "))
    currency = shown_in()
    if currency is not None:
        day = f"{currency.as_of:%b %d %Y}"
        rate = f"Amounts in {currency.code}, at your rate of {currency.per_usd:f} to the US dollar, {day}"
        yield from (screen.paint(line, DIM) for line in wrapped(rate, screen.width, "  "))


def _list_least(lacking: Lacking) -> Iterator[str]:
    """Yield the reasons that make a sum the least."""
    if lacking.unpriced_models:
        models = f"{plural(lacking.unpriced_models, 'model')} without a price"
        yield f"the cost of {tokens(lacking.unpriced_tokens)} tokens: {models} ({command_name()} price list)"
    if lacking.unmeasured:
        yield f"the tokens of {plural(lacking.unmeasured, 'request')}: the tool wrote no count"
    if lacking.cut:
        yield f"the rest of {plural(lacking.cut, 'answer')} that ended too early"
    if lacking.partial:
        yield f"a part of {plural(lacking.partial, 'record')} that could not be used"


def _plan_price(plan: PlanPrice) -> str:
    cents = plan.price_nano * 100 // NANO
    amount = f"{cents // 100:,}" + (f".{cents % 100:02}" if cents % 100 else "")
    return f"${amount}" if plan.currency == "USD" else f"{plan.currency} {amount}"


def _describe_known(unwritten: Sequence[Unwritten]) -> str:
    """Return the known numbers of calls that are billed and not counted."""
    known: list[str] = []
    for calls in unwritten:
        parts = [f"{tokens(calls.tokens)} tokens"] if calls.tokens else []
        parts += [plural(calls.requests, "call")] if calls.requests else []
        known += [f"{_name('source', calls.source)} {' and '.join(parts)}"] if parts else []
    return f" (known over all time: {', '.join(known)})" if known else ""


def _and(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def _end(screen: Screen, summary: UsageSummary) -> list[str]:
    return [] if summary.groups else [screen.paint("  No cost in this period", DIM)]


def _with_commands(line: str, screen: Screen, *commands: str) -> Iterator[str]:
    """Yield ``line``, wrapped, with ``commands`` in their style: a command stays in one line, to be copied."""
    for command in commands:
        line = line.replace(command, command.replace(" ", _NO_BREAK))
    for each in wrapped(line, screen.width, "  "):
        marked = each.replace(_NO_BREAK, " ")
        for command in commands:
            marked = screen.mark(marked, command, UNDERLINED)
        yield marked


def _parts(parts: Sequence[tuple[tuple[str, ...], Sums]], total: Sums, room: int) -> str:
    """Return the sources of a day with their shares, as many as there is room for."""
    text = ""
    for (source,), sums in parts[:_PARTS_SHOWN]:
        part = share(sums.cost_nano, total.cost_nano, is_short=True)
        more = f"{', ' if text else ''}{_name('source', source)} {part}".rstrip(" -")
        if columns_of(text + more) > room:
            break
        text += more
    return text


def _name(kind: str, name: str) -> str:
    return TITLES.get(name, name) if kind == "source" else name or _UNKNOWN.get(kind, "-")


def _tokens(sums: Sums) -> str:
    return "-" if not sums.token_count and sums.get("unmeasured") else tokens(sums.token_count)


def _local(moment_ms: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).astimezone(zone)
