"""``aico``, ``aico today``, ``week``, ``month``, ``report``: spending, from the stored numbers alone.

With or without the service. Nothing is imported that takes longer than the answer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from aico.cli import EXIT_OK, EXIT_USAGE, flags_of
from aico.cli.amounts import find_budget
from aico.cli.reading import find_fresh_until, find_service, load_reading_settings, show_as_stored
from aico.cli.screen import Screen
from aico.cli.session_names import NamedSessions
from aico.cli.short_status import find_limits
from aico.cli.spending_lines import (
    ROWS_SHOWN,
    SumsBySource,
    describe_overview,
    describe_report,
    describe_standstill,
    describe_stretch,
    list_buckets,
)
from aico.cli.streams import complain, say, write_utf8
from aico.core.clock import now_ms
from aico.core.db.looking import look
from aico.core.db.sums_reader import Group, SumsSnapshot
from aico.core.errors import RequestInvalid
from aico.core.filters import UsageFilter, latest_credible
from aico.core.local_zone import LocalZone, find_local_zone
from aico.core.reading_settings import ReadingSettings
from aico.core.setting_names import suggest
from aico.core.sums import Sums
from aico.core.units import SLOT_MS
from aico.features.usage.fields import tells_only_totals
from aico.features.usage.periods import Bucket, local_moment
from aico.services.overview import Lacking, Overview, find_lacking, local_now, stretch_of_days, take_overview
from aico.services.summary import DAY, UsageSummary, summarise

if TYPE_CHECKING:
    from aico.cli.limit_words import ShortLimit

BY = (*(group.value for group in Group), DAY)
_BY_DEFAULT = ("source", "model")
_NAMED_MAX = 20


class Wrong(Exception):
    """Something that the user typed names nothing."""


class Period(NamedTuple):
    """Local days, both included, in the buckets in which they are shown."""

    first: date
    last: date
    bucket: Bucket | None
    """None: as long as suits the period."""


class Report(NamedTuple):
    """The numbers of a report."""

    summary: UsageSummary
    lacking: Lacking
    by_bucket: SumsBySource
    """Of each bucket of the series."""
    named: NamedSessions
    """The sessions that are shown to a person."""
    last_read_ms: int | None


def show_overview(options: argparse.Namespace) -> int:
    """Print today and this month by source and model, or as JSON. Raises SettingsError, StorageError."""
    settings, local = load_reading_settings(flags_of(options)), find_local_zone()
    if options.is_json:
        from aico.services.glance import take_glance
        from aico.services.glance_shapes import OverviewOut

        glance = look(settings.database_path, lambda snapshot: take_glance(snapshot, now_ms(), local.zone))
        write_utf8([OverviewOut.of(glance, local.name).model_dump_json(), "\n"])
        return EXIT_OK

    async def read(snapshot: SumsSnapshot) -> tuple[Overview, list[ShortLimit]]:
        await show_as_stored(settings, snapshot)
        now = now_ms()
        return await take_overview(snapshot, now, local.zone), await find_limits(snapshot, now, local.zone)

    overview, limit = look(settings.database_path, read)
    _say_overview(settings, overview, limit)
    return EXIT_OK


def show_period(options: argparse.Namespace) -> int:
    """Print the spending of a period, as lines, JSON or CSV; exit with 2 for a word that names nothing.

    Raises SettingsError, StorageError.
    """
    settings, local = load_reading_settings(flags_of(options)), find_local_zone()
    now = now_ms()
    try:
        asked = _period_of(options, local_now(now, local.zone).date())
        by = _groups_of(options.by)

        async def read(snapshot: SumsSnapshot) -> tuple[Report, Overview | None, list[ShortLimit]]:
            await show_as_stored(settings, snapshot)
            await check_names(snapshot, options.source, options.model)
            period = (
                await _since_the_first_day(snapshot, asked, now, local)
                if options.command == "report" and options.all
                else asked
            )
            report = await _read_report(snapshot, now, period, local, by, options)
            if not _is_all_of_today(options):
                return report, None, []
            overview = await take_overview(snapshot, now, local.zone)
            return report, overview, await find_limits(snapshot, now, local.zone)

        report, overview, limits = look(settings.database_path, read)
    except (Wrong, RequestInvalid) as error:
        complain(f"aico {options.command}: {error}")
        return EXIT_USAGE
    if overview is None:
        _write(options, settings, report, local, asked)
    else:
        hours = list_buckets(report.summary, report.by_bucket, local.zone, Screen.of_output())
        _say_overview(settings, overview, limits, hours)
    return EXIT_OK


async def _read_report(
    snapshot: SumsSnapshot, now: int, period: Period, local: LocalZone, by: Sequence[str], options: argparse.Namespace
) -> Report:
    first, end = stretch_of_days(period.first, period.last, local.zone)
    wanted = UsageFilter(first, end, tuple(options.source), tuple(options.model))
    summary = await summarise(snapshot, now, wanted, period.bucket, local.zone, by)
    starts = [point.start_ms // SLOT_MS for point in summary.series]
    by_bucket = await snapshot.list_bucket_sums(wanted, starts, end, [Group.SOURCE])
    sources = list(dict.fromkeys(source for sums in by_bucket for (source,) in sums))
    lacking = await find_lacking(snapshot, wanted, summary.totals.sums, sources)
    by_source = {each: Sums.total(sums[each,] for sums in by_bucket if (each,) in sums) for each in sources}
    only_totals = tuple(source for source, sums in by_source.items() if tells_only_totals(sums))
    named = {} if options.json or options.csv else await _name_sessions(snapshot, summary)
    last_read_ms = await snapshot.find_last_read()
    return Report(summary, lacking._replace(only_totals=only_totals), by_bucket, named, last_read_ms)


async def _name_sessions(snapshot: SumsSnapshot, summary: UsageSummary) -> NamedSessions:
    if Group.SESSION not in summary.by:
        return {}
    source, key = summary.by.index(Group.SOURCE), summary.by.index(Group.SESSION)
    shown = list(summary.groups)[:ROWS_SHOWN]
    return await snapshot.list_named(list(dict.fromkeys((names[source], names[key]) for names in shown)))


def _is_all_of_today(options: argparse.Namespace) -> bool:
    """Return whether today is asked for as it stands, for a person."""
    narrowed = (options.by, options.from_, options.to, options.source, options.model, options.json, options.csv)
    return options.command == "today" and not any(narrowed)


def _say_overview(
    settings: ReadingSettings, overview: Overview, limits: Sequence[ShortLimit], hours: Sequence[str] | None = None
) -> None:
    screen = Screen.of_output()
    lines = describe_overview(overview, find_budget(settings, overview), screen, hours, limits)
    say(*lines, *_describe_freshness(settings, overview.now, overview.last_read_ms, screen))


def _describe_freshness(
    settings: ReadingSettings, now: datetime, last_read_ms: int | None, screen: Screen
) -> Iterator[str]:
    """Yield how fresh the numbers are where no service keeps them so. Raises StorageError."""
    if find_service(settings) is None:
        yield from describe_standstill(now, find_fresh_until(settings, last_read_ms), screen)


def _write(
    options: argparse.Namespace, settings: ReadingSettings, report: Report, local: LocalZone, period: Period
) -> None:
    if options.json:
        from aico.services.summary_fields import summary_fields

        fields = summary_fields(report.summary, local.name)
        write_utf8([json.dumps(fields, ensure_ascii=False, separators=(",", ":")), "\n"])
    elif options.csv:
        from aico.services.summary_csv import summary_csv

        write_utf8(summary_csv(report.summary))
    else:
        screen = Screen.of_output()
        if period.bucket and not options.by:
            lines = describe_stretch(report.summary, report.lacking, report.by_bucket, local.zone, screen)
        else:
            is_all_time = options.command == "report" and options.all and options.to is None
            lines = describe_report(
                report.summary, report.lacking, report.named, local.zone, screen, is_all_time=is_all_time
            )
        now = local_now(now_ms(), local.zone)
        say(*lines, *_describe_freshness(settings, now, report.last_read_ms, screen))


def _period_of(options: argparse.Namespace, today: date) -> Period:
    first, bucket = {
        "today": (today, Bucket.HOUR),
        "week": (today - timedelta(days=today.weekday()), Bucket.DAY),
        "month": (today.replace(day=1), Bucket.DAY),
        "report": (today.replace(day=1), None),
    }[options.command]
    last = options.to or max(today, options.from_ or today)
    first = options.from_ or min(first, last)
    if first > last:
        raise Wrong(f"--from {first} lies behind --to {last}")
    return Period(first, last, bucket)


async def _since_the_first_day(snapshot: SumsSnapshot, period: Period, now: int, local: LocalZone) -> Period:
    """Return ``period`` from the first day on which anything was used; of nothing it stays as it is."""
    span = await snapshot.find_span(UsageFilter(), latest_credible(now))
    if span is None:
        return period
    return period._replace(first=min(local_moment(span.first, local.zone).date(), period.last))


def _groups_of(text: str | None) -> tuple[str, ...]:
    if text is None:
        return _BY_DEFAULT
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in BY:
            raise Wrong(f"--by: {name!r} is none of {', '.join(BY)}{suggest(name, BY)}")
    return names


async def check_names(snapshot: SumsSnapshot, sources: Sequence[str], models: Sequence[str]) -> None:
    """Raise Wrong for a source or a model that nobody knows: the sums of a slip of the pen would be 0."""
    stored = list(await snapshot.list_exact_since())
    missing = [name for name in sources if name not in stored]
    if missing:
        from aico.features.sources.registry import KNOWN  # with their readers: few name a source never read

        _check_each("source", missing, list(dict.fromkeys([*stored, *KNOWN])))
    if models:
        _check_each("model", models, await snapshot.list_models())


def _check_each(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            named = ", ".join(known[:_NAMED_MAX]) or "none yet"
            more = f" and {len(known) - _NAMED_MAX} more" if len(known) > _NAMED_MAX else ""
            raise Wrong(f"there is no {kind} called {name!r}; known are {named}{more}{suggest(name, known)}")
