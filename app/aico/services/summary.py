"""Sums of one stretch of time, told apart and in buckets, from one snapshot: for service and terminal alike.

Nothing here is imported that a command at a prompt would have to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.core.db.sums_reader import Group, SessionCounts, SumsSnapshot
from aico.core.errors import RequestInvalid
from aico.core.filters import UsageFilter, automatic_end, latest_credible
from aico.core.sums import NOTHING, Sums
from aico.core.units import SLOT_MS
from aico.features.usage.periods import (
    BUCKETS_MAX,
    Bucket,
    choose_bucket,
    list_bucket_starts,
    local_moment,
    midnight_slot,
)

DAY = "day"
"""Tells sums apart by local day; its name is ``YYYY-MM-DD``."""


class Counted(NamedTuple):
    """A sum and the sessions behind it."""

    sums: Sums
    counts: SessionCounts


class SeriesPoint(NamedTuple):
    """One bucket of a series."""

    start_ms: int
    sums: Sums
    cumulative_nano: int


class UsageSummary(NamedTuple):
    """Sums of one stretch of time, by groups and by buckets: all of them are made of the same events."""

    epoch: str
    revision: int
    """Number of the last committed change that is contained."""
    from_ms: int
    to_ms: int
    ahead_from_ms: int | None
    """The beginning of the last point of the series, if its events are dated too far ahead to be true."""
    bucket: Bucket
    totals: Counted
    previous: Counted | None
    """The equally long stretch before; None when the stretch begins with the first event."""
    by: tuple[str, ...]
    """The keys of the groups: values of Group, or ``day``."""
    groups: dict[tuple[str, ...], Counted]
    """By the names of what ``by`` says. Days ascend; otherwise the most expensive comes first, then most tokens."""
    series: list[SeriesPoint]
    split: Group | None
    """The key by which the series is divided into parts."""
    parts: dict[str, list[Sums]]
    """By its names, for each point of the series; the most expensive over all time comes first."""
    exact_since: Mapping[str, int | None]
    """By source: from when on usage was seen as it happened; None before the end of a first reading."""


class Stretch(NamedTuple):
    """A filter without open ends."""

    wanted: UsageFilter
    first: int
    end: int
    is_everything: bool
    """True if no event of its sources is left out."""
    ahead: int | None = None
    """First slot behind which lies only what is dated too far ahead to be true; None if nothing is."""

    @property
    def drawn_end(self) -> int:
        """Return where buckets of their usual size end."""
        return self.end if self.ahead is None else max(self.first + 1, self.ahead)


async def summarise(
    snapshot: SumsSnapshot,
    now_ms: int,
    wanted: UsageFilter,
    bucket: Bucket | None,
    zone: ZoneInfo,
    by: Sequence[str] = (),
    split: Group | None = None,
    *,
    is_brief: bool = False,
) -> UsageSummary:
    """Return the sums of ``wanted`` in buckets of local time (None chooses their size), and told apart ``by``.

    ``split`` tells the buckets apart, too. Briefly, nobody looks at the stretch before, nor counts the sessions of a
    group and those that are unpriced: that is most of the work.

    Raises RequestInvalid for more buckets or days than there may be.
    """
    stretch = await resolve(snapshot, now_ms, wanted)
    first, end = stretch.first, stretch.end
    size = bucket or choose_bucket(first, stretch.drawn_end)
    starts = list_bucket_starts(first, stretch.drawn_end, size, zone, is_automatic=bucket is None)
    if stretch.ahead is not None and first < stretch.ahead:
        # One point holds it all: a chart does not stretch over empty decades.
        starts.append(stretch.ahead)
    buckets = await snapshot.list_bucket_sums(stretch.wanted, starts, end, () if split is None else (split,))
    by = _with_source(by)
    listing = _list_days(snapshot, stretch, by, zone) if DAY in by else _list_groups(snapshot, stretch, by, is_brief)
    groups = await listing
    # Sessions of several groups count once in the total.
    counts = await snapshot.count_sessions(stretch.wanted, is_brief=is_brief)
    previous = None
    if wanted.first_slot is not None and not is_brief:
        before = stretch.wanted.between(2 * first - end, first)
        previous = Counted(await snapshot.get_sums(before), await snapshot.count_sessions(before))
    return UsageSummary(
        epoch=snapshot.epoch,
        revision=snapshot.revision,
        from_ms=first * SLOT_MS,
        to_ms=end * SLOT_MS,
        ahead_from_ms=None if stretch.ahead is None else max(first, stretch.ahead) * SLOT_MS,
        bucket=size,
        totals=Counted(Sums.total(group.sums for group in groups.values()), counts),
        previous=previous,
        by=by,
        groups=_sorted(groups, by),
        series=list_series(buckets, starts),
        split=split,
        parts={} if split is None else await _list_parts(snapshot, buckets, split),
        exact_since=await snapshot.list_exact_since(),
    )


async def resolve(snapshot: SumsSnapshot, now_ms: int, wanted: UsageFilter) -> Stretch:
    """Fill in the ends that were left open, and say whether nothing is left out. One rule for page and cards.

    Without any end everything is meant, also what is dated ahead; a period that has a beginning ends now.
    """
    credible = latest_credible(now_ms)
    span = await snapshot.find_span(wanted, credible)
    end, ahead = wanted.end_slot, None
    if end is None:
        end = automatic_end(now_ms, None if span is None else span.last_credible)
        end = max(end, (wanted.first_slot or 0) + 1)
        if wanted.first_slot is None and span is not None and span.last > credible:
            end, ahead = span.last + 1, end
    first = wanted.first_slot
    if first is None:
        first = end - 1 if span is None else min(span.first, end - 1)
    if first >= end:
        raise RequestInvalid("from", "must lie before `to`")
    resolved = wanted._replace(first_slot=first, end_slot=end)
    is_everything = span is not None and resolved.covers(span.first, span.last)
    if span is not None:
        # Without an end nothing has to be cut out of a day.
        resolved = resolved._replace(
            first_slot=None if first <= span.first else first, end_slot=None if end > span.last else end
        )
    return Stretch(resolved, first, end, is_everything, ahead)


def _with_source(by: Sequence[str]) -> tuple[str, ...]:
    """Return ``by`` so that sessions of two tools that are called the same are told apart."""
    if Group.SESSION.value in by and Group.SOURCE.value not in by:
        return (Group.SOURCE.value, *by)
    return tuple(by)


async def _list_groups(
    snapshot: SumsSnapshot, stretch: Stretch, by: Sequence[str], is_brief: bool
) -> dict[tuple[str, ...], Counted]:
    groups = [Group(each) for each in by]
    counts = {} if is_brief else await snapshot.count_by(stretch.wanted, groups)
    if stretch.is_everything and set(groups) <= {Group.SOURCE, Group.MODEL}:
        sums = await _list_whole_sums(snapshot, stretch.wanted, groups)
    else:
        sums = await snapshot.list_sums(stretch.wanted, groups)
    if not by:
        return {(): Counted(sums.get((), NOTHING), counts.get((), SessionCounts()))}
    if is_brief:
        return {names: Counted(each, SessionCounts()) for names, each in sums.items()}
    # A group is what has an event; the sum over none is nobody's.
    return {names: Counted(sums.get(names, NOTHING), count) for names, count in counts.items()}


async def _list_whole_sums(
    snapshot: SumsSnapshot, wanted: UsageFilter, by: Sequence[Group]
) -> dict[tuple[str, ...], Sums]:
    """Return the same as ``list_sums`` from the sums over all time, which are ready."""
    whole: dict[tuple[str, ...], list[Sums]] = {}
    for (source, model), sums in (await snapshot.list_totals()).items():
        if not wanted.sources or source in wanted.sources:
            names = {Group.SOURCE: source, Group.MODEL: model}
            whole.setdefault(tuple(names[each] for each in by), []).append(sums)
    return {names: Sums.total(many) for names, many in whole.items()}


async def _list_days(
    snapshot: SumsSnapshot, stretch: Stretch, by: Sequence[str], zone: ZoneInfo
) -> dict[tuple[str, ...], Counted]:
    try:
        starts = list_bucket_starts(stretch.first, stretch.drawn_end, Bucket.DAY, zone)
    except RequestInvalid:
        raise _too_many_days() from None
    if stretch.ahead is not None:
        days_ahead = {_midnight_of(slot, zone) for slot in await snapshot.list_slots(stretch.ahead)}
        starts += sorted(start for start in days_ahead if start > starts[-1])
        if len(starts) > BUCKETS_MAX:
            raise _too_many_days()
    groups = [Group(each) for each in by if each != DAY]
    place = list(by).index(DAY)
    sums = await snapshot.list_bucket_sums(stretch.wanted, starts, stretch.end, groups)
    counts = await snapshot.count_bucket_sessions(stretch.wanted, starts, stretch.end, groups)
    days = [local_moment(start, zone).date().isoformat() for start in starts]
    return {
        (*names[:place], day, *names[place:]): Counted(sums[number].get(names, NOTHING), count)
        for number, day in enumerate(days)
        for names, count in counts[number].items()
    }


def _too_many_days() -> RequestInvalid:
    return RequestInvalid("by", "would give too many days; choose a shorter time")


def _midnight_of(slot: int, zone: ZoneInfo) -> int:
    return midnight_slot(local_moment(slot, zone).date(), zone)


async def _list_parts(
    snapshot: SumsSnapshot, buckets: Sequence[Mapping[tuple[str, ...], Sums]], split: Group
) -> dict[str, list[Sums]]:
    """Return the buckets by name. Their order is that of all time, so that it does not change with the filter.

    Of projects no sums of all time are kept: theirs is that of the buckets.
    """
    whole: dict[str, int] = {}
    if split is Group.PROJECT:
        named = [((name,), sums) for bucket in buckets for (name,), sums in bucket.items()]
    else:
        place = (Group.SOURCE, Group.MODEL).index(split)
        named = [((names[place],), sums) for names, sums in (await snapshot.list_totals()).items()]
    for (name,), sums in named:
        whole[name] = whole.get(name, 0) + sums.cost_nano
    found = {name for bucket in buckets for (name,) in bucket}
    ordered = sorted(found, key=lambda name: (-whole.get(name, 0), name))
    return {name: [bucket.get((name,), NOTHING) for bucket in buckets] for name in ordered}


def _sorted(groups: Mapping[tuple[str, ...], Counted], by: Sequence[str]) -> dict[tuple[str, ...], Counted]:
    listed = sorted(groups.items(), key=_weight, reverse=True)
    if DAY in by:
        place = list(by).index(DAY)
        listed.sort(key=lambda item: item[0][place])
    return dict(listed)


def _weight(item: tuple[tuple[str, ...], Counted]) -> tuple[int, int, tuple[str, ...]]:
    names, (sums, _counts) = item
    return sums.cost_nano, sums.token_count, names


def heaviest(
    groups: Mapping[tuple[str, ...], Counted], limit: int
) -> tuple[dict[tuple[str, ...], Counted], list[Counted]]:
    """Return the ``limit`` groups that weigh most, in the order of ``groups``, and the rest."""
    if len(groups) <= limit:
        return dict(groups), []
    chosen = {names for names, _ in sorted(groups.items(), key=_weight, reverse=True)[:limit]}
    kept = {names: group for names, group in groups.items() if names in chosen}
    return kept, [group for names, group in groups.items() if names not in chosen]


def list_series(buckets: Iterable[Mapping[tuple[str, ...], Sums]], starts: Sequence[int]) -> list[SeriesPoint]:
    """Return the points of buckets that begin at ``starts``."""
    points: list[SeriesPoint] = []
    cumulative = 0
    for start, bucket in zip(starts, buckets, strict=True):
        sums = Sums.total(bucket.values())
        cumulative += sums.cost_nano
        points.append(SeriesPoint(start * SLOT_MS, sums, cumulative))
    return points
