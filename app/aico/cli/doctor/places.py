"""One look at every place of every known source, and one real reading of each that is on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aico.core.clock import now_ms
from aico.core.db.choices import list_switches
from aico.core.errors import SourceError, SourceUnstable, StorageError
from aico.core.settings import Settings
from aico.core.usage import (
    GapReading,
    MeterReading,
    PlanReading,
    ProjectSeen,
    Record,
    Rejection,
    RequestState,
    Trigger,
    UsageEvent,
)
from aico.features.files.feed import Feed, Look, Reading
from aico.features.sources.source import Place, Source
from aico.services.source_choices import OriginChoice, SourceChoices, limits_of, open_places

PATIENCE_S = 10.0
"""A place that takes longer is not read to its end."""
_AHEAD_MS = 86_400_000
REFUSED_SHOWN = 3
"""Further ahead than this, an entry is not shown in the periods that end now."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The result of one reading, by counts."""

    read_count: int
    skipped_count: int
    refused_count: int
    partial_count: int
    ahead_count: int
    """Of those that were read, how many are dated in the future."""
    silent_count: int
    """Of those that were read, how many hold no number: their cost is not known."""
    left: tuple[int, int] | None = None
    """How many bytes were read, and how many there are; None if everything was read."""
    refused: tuple[Rejection, ...] = ()
    """The first of those that were refused."""
    silent: frozenset[str] = frozenset()
    """The sessions whose totals hold no number."""
    told: frozenset[str] = frozenset()
    """The sessions whose totals hold one."""

    def plus(self, later: Tally) -> Tally:
        """Return both parts of one place together."""
        return Tally(
            self.read_count + later.read_count,
            self.skipped_count + later.skipped_count,
            self.refused_count + later.refused_count,
            self.partial_count + later.partial_count,
            self.ahead_count + later.ahead_count,
            self.silent_count + later.silent_count,
            later.left,
            (*self.refused, *later.refused)[:REFUSED_SHOWN],
            self.silent | later.silent,
            self.told | later.told,
        )


@dataclass(frozen=True, slots=True)
class PlaceReport:
    """The findings at one place of one origin."""

    choice: OriginChoice
    place: Place
    feed: Feed
    found: Look | SourceError
    """By its metadata."""
    read: Tally | SourceError | None
    """By a reading; None if it was not read: it is off, or was refused before."""

    @property
    def source_id(self) -> str:
        """The source's id."""
        return self.choice.source.id

    @property
    def problem(self) -> SourceError | None:
        """Why it cannot be read, as far as anybody tried; that its tool writes it just now is no problem."""
        problems = [each for each in (self.found, self.read) if isinstance(each, SourceError)]
        return next((each for each in problems if not isinstance(each, SourceUnstable)), None)

    @property
    def is_absent(self) -> bool:
        """True if nothing is there."""
        return self.problem is not None and self.problem.is_absent

    @property
    def is_well(self) -> bool:
        """True if it is on, there, and can be read."""
        return self.choice.is_on and self.problem is None


@dataclass(frozen=True, slots=True)
class SourcesReport:
    """All places, in the order of the sources, and why the switches could not be read, if so."""

    places: tuple[PlaceReport, ...]
    problem: StorageError | None

    def list_on(self) -> list[PlaceReport]:
        """Return the places of the origins that are on."""
        return [report for report in self.places if report.choice.is_on]

    def of_source(self, source_id: str) -> list[PlaceReport]:
        """Return the places of one source."""
        return [report for report in self.places if report.source_id == source_id]

    def find_substitute(self, report: PlaceReport) -> PlaceReport | None:
        """Return another place of the same source that is on and can be read."""
        others = (other for other in self.of_source(report.source_id) if other is not report)
        return next((other for other in others if other.is_well), None)

    def count_told_elsewhere(self, report: PlaceReport) -> int:
        """Return of how many sessions without a number another place of the same source has one."""
        if not isinstance(report.read, Tally):
            return 0
        others = [other.read for other in self.of_source(report.source_id) if other is not report]
        told = frozenset[str]().union(*(read.told for read in others if isinstance(read, Tally)))
        return len(report.read.silent & told)

    def is_missed(self, report: PlaceReport) -> bool:
        """Return whether an absent place should be there: it was asked for, and nothing else tells what it would.

        If all tools are read, one that is not on this computer is none; nor is one that nobody has asked for, if
        another is read.
        """
        if self.find_substitute(report) is not None:
            return False
        if not all(other.is_absent for other in self.of_source(report.source_id)):
            return True
        choice = report.choice
        is_by_default = choice.fixed_by is None and choice.switch is None and report.place.chosen_by == "default"
        is_beside_others = is_by_default and any(other.is_well for other in self.places)
        return not (is_beside_others or choice.fixed_by == "enabled_sources")


async def look_at_places(settings: Settings, sources: Sequence[Source]) -> SourcesReport:
    """Look at every place of ``sources`` and read those that are on, as the service does. Changes nothing."""
    choices = SourceChoices(sources, settings)
    problem = None
    try:
        choices.switches = await asyncio.to_thread(list_switches, settings.database_path, choices.machine)
    except StorageError as error:
        problem = error
    limits = limits_of(settings, now_ms)
    opened = [(choice, *pair) for choice in choices.list_all() for pair in open_places(choice, limits)]
    return SourcesReport(tuple([await _look_at(choice, place, feed) for choice, place, feed in opened]), problem)


async def _look_at(choice: OriginChoice, place: Place, feed: Feed) -> PlaceReport:
    try:
        found: Look | SourceError = await asyncio.to_thread(feed.look)
    except SourceError as error:
        found = error
    if not choice.is_on or (isinstance(found, SourceError) and not isinstance(found, SourceUnstable)):
        return PlaceReport(choice, place, feed, found, None)
    feed.resume(None)
    try:
        return PlaceReport(choice, place, feed, found, await _count(feed))
    except SourceError as error:
        # Its trace holds the frames of a reading, and they the file's bytes.
        return PlaceReport(choice, place, feed, found, error.with_traceback(None))


async def _count(feed: Feed) -> Tally:
    """Return the sum of all parts of a reading; of a large place, of those for which there is time."""
    end_s = time.monotonic() + PATIENCE_S
    reading = await feed.read(Trigger.CLI)
    tally = tally_of(reading, now_ms())
    while reading.left is not None and time.monotonic() < end_s:
        feed.complete(reading)
        reading = await feed.read(Trigger.CLI)
        tally = tally.plus(tally_of(reading, now_ms()))
    return tally


def tally_of(reading: Reading, now: int) -> Tally:
    """Return the counts of a reading."""
    counts = reading.counts
    records = [record for record in reading.records if not isinstance(record, PlanReading | ProjectSeen)]
    totals = [record for record in records if isinstance(record, MeterReading)]
    return Tally(
        read_count=len(records),
        skipped_count=counts.skipped_count,
        refused_count=len(counts.rejections),
        partial_count=counts.partial_count,
        ahead_count=sum(_is_ahead(record, now) for record in records),
        silent_count=sum(_is_silent(record) for record in records),
        left=None if reading.left is None else (reading.left.bytes_done, reading.left.bytes_total),
        refused=tuple(counts.rejections[:REFUSED_SHOWN]),
        silent=frozenset(record.session for record in totals if record.is_silent),
        told=frozenset(record.session for record in totals if not record.is_silent),
    )


def _is_ahead(record: Record, now: int) -> bool:
    moment = None if isinstance(record, GapReading) else record.ts
    return moment is not None and moment > now + _AHEAD_MS


def _is_silent(record: Record) -> bool:
    if isinstance(record, MeterReading):
        return record.is_silent
    return isinstance(record, UsageEvent) and record.state is RequestState.UNMEASURED


def list_directories(reports: Iterable[PlaceReport]) -> dict[str, list[PlaceReport]]:
    """Return the watched directories, each with its places."""
    directories: dict[str, list[PlaceReport]] = {}
    for report in reports:
        directories.setdefault(report.feed.directory, []).append(report)
    return directories
