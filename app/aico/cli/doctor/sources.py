"""Findings on every source and origin: on or off and by which choice, its files, their owner, and their reading."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from aico.cli.box import describe_age, describe_size
from aico.cli.doctor.cline import setting_of_place
from aico.cli.doctor.finding import Finding, advise, fail, ok, warn
from aico.cli.doctor.places import PlaceReport, SourcesReport, Tally
from aico.core.errors import SourceError, SourcePathRefused
from aico.core.plain_path import printable_path
from aico.core.settings import Settings
from aico.core.usage import Rejection, RejectionCode
from aico.core.words import describe_count
from aico.features.files.feed import Look, TreeFeed
from aico.features.files.walk import find_link
from aico.services.source_choices import OriginChoice

_NOTES_SHOWN = 5
_REASONS = {
    RejectionCode.NOT_AN_OBJECT: "is not an object",
    RejectionCode.MISSING: "is missing",
    RejectionCode.WRONG_TYPE: "has the wrong type",
    RejectionCode.EMPTY: "is empty",
    RejectionCode.TOO_LONG: "is too long",
    RejectionCode.CONTROL_CHARACTER: "holds a control character",
    RejectionCode.NOT_A_NUMBER: "is not a number",
    RejectionCode.NOT_AN_INTEGER: "is not a whole number",
    RejectionCode.NOT_FINITE: "is not finite",
    RejectionCode.NEGATIVE: "is negative",
    RejectionCode.TOO_LARGE: "is too large",
    RejectionCode.NOT_A_TIME: "is not a time",
    RejectionCode.NOT_UTF8: "is not UTF-8",
}


def examine_sources(report: SourcesReport, settings: Settings) -> Iterator[Finding]:
    """Go through every known source, found or not."""
    if report.problem is not None:
        text = f"the switches cannot be read ({report.problem}), so that only settings and defaults count here"
        yield warn("sources", f"{text}. The line `database` says what to do")
    for source_id in dict.fromkeys(place.source_id for place in report.places):
        places = report.of_source(source_id)
        if not any(place.choice.is_on for place in places) and all(place.is_absent for place in places):
            yield ok(
                source_id, f"off, and nothing of it is found on this computer{_switch(places[0].choice, source_id)}"
            )
            for place in places:
                yield from _outdated(place)
            continue
        for place in places:
            yield from _on(report, place, settings) if place.choice.is_on else _off(place, settings)
            yield from _outdated(place)


def _off(report: PlaceReport, settings: Settings) -> Iterator[Finding]:
    if isinstance(report.found, SourcePathRefused) and find_link(report.place.path) is not None:
        text = f"off. {_refusal(report, report.found, settings)}"
    elif isinstance(report.found, SourceError):
        text = f"off. {report.found}"
    else:
        text = f"{_describe(report, report.found)}. It is not read{_switch(report.choice, report.choice.name)}"
    yield ok(report.choice.name, text, "place")


def _switch(choice: OriginChoice, name: str) -> str:
    if choice.fixed_by is not None:
        return f"; the setting {choice.fixed_by} decides that"
    return f"; `aico sources on {name}` switches it on"


def _on(report: SourcesReport, place: PlaceReport, settings: Settings) -> Iterator[Finding]:
    name = place.choice.name
    if isinstance(place.found, SourceError):
        yield _judge(report, place, place.found, settings, "place")
        return
    yield ok(name, f"{_describe(place, place.found)}; {_why_on(place.choice)}", "place")
    yield from _permissions(name, place.place.path)
    if isinstance(place.feed, TreeFeed):
        yield from _notes(name, place.feed.notes)
    if isinstance(place.read, Tally):
        yield from _entries(name, place.read, report.count_told_elsewhere(place))
    elif place.problem is not None:
        yield _judge(report, place, place.problem, settings, "entries")
    else:
        yield ok(name, f"{place.choice.source.title} is writing the {place.feed.title} just now", "entries")


def _outdated(place: PlaceReport) -> Iterator[Finding]:
    """Name the files of an older version of a tool; they matter if nothing newer is found."""
    outdated = place.choice.origin.outdated
    if outdated is None:
        return
    below, _, name = outdated.pattern.rpartition("/")
    if found := sorted(map(str, Path(os.path.normpath(f"{place.place.path}/{below}")).glob(name))):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        told = printable_path(f"{found[0]}{more} is not read: {outdated.text}")
        yield (warn if place.is_absent and place.choice.is_on else ok)(place.choice.name, told, "outdated")


def _why_on(choice: OriginChoice) -> str:
    if choice.fixed_by is not None:
        return f"on by the setting {choice.fixed_by}"
    return "on by default" if choice.switch is None else "on by the switch"


def _judge(report: SourcesReport, place: PlaceReport, error: SourceError, settings: Settings, aspect: str) -> Finding:
    """Return how bad it is that a place cannot be read: less so where another one of its source can."""
    name, substitute = place.choice.name, report.find_substitute(place)
    if isinstance(error, SourcePathRefused):
        return fail(name, _refusal(place, error, settings), aspect)
    if not error.is_absent:
        return (warn if substitute else fail)(name, advise(error), aspect)
    if substitute is not None:
        return ok(name, f"{error} The {substitute.feed.title} is read too", aspect)
    if not report.is_missed(place):
        return ok(name, f"{error} The service waits for it", aspect)
    return warn(name, advise(error), aspect)


def _refusal(place: PlaceReport, error: SourcePathRefused, settings: Settings) -> str:
    path = place.place.path
    if find_link(path) is None:
        return advise(error)
    real = os.path.realpath(path)
    setting = setting_of_place(place, real, settings) or _setting_of_roots(place.choice.source.id)
    return printable_path(f"{error} Set {setting}")


def _setting_of_roots(source_id: str) -> str:
    variable = f"AICO_SOURCES_{source_id.upper().replace('-', '_')}_ROOTS"
    return f"{variable} to the real path of its folder"


def _describe(report: PlaceReport, look: Look) -> str:
    age = describe_age(max(0.0, time.time() - look.written_ns / 1e9))
    where = f"{report.place.path} (chosen by {report.place.chosen_by})"
    return f"{where}, {describe_size(look.size_bytes)}, last written {age}"


def _notes(name: str, notes: Sequence[str]) -> Iterator[Finding]:
    """Name the files of a tree that are not read, the first of many."""
    if notes:
        more = [f"{len(notes) - _NOTES_SHOWN} more are not read"] if len(notes) > _NOTES_SHOWN else []
        yield warn(name, ". ".join([*(note.removesuffix(".") for note in notes[:_NOTES_SHOWN]), *more]), "unread")


def _permissions(name: str, path: str) -> Iterator[Finding]:
    try:
        status = Path(path).lstat()
    except OSError:
        return  # gone since it was looked at: its tool replaces it
    yield judge_permissions(name, path, status)


def judge_permissions(name: str, path: str, status: os.stat_result) -> Finding:
    """Tell the owner of a place, and other users that may write costs into it."""
    mode = stat.S_IMODE(status.st_mode)
    text = f"belongs to {_name_of(status.st_uid)}, mode {mode:04o}"
    if status.st_uid not in {os.geteuid(), 0}:
        reason = "another user's costs are counted here; run the service as that user"
        return warn(name, f"{text}: {reason}", "permissions")
    if mode & 0o022:
        return warn(name, f"{text}: others can write costs into it. chmod go-w {shlex.quote(path)}", "permissions")
    return ok(name, text, "permissions")


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def _reason(refused: Rejection) -> str:
    """Return the place and the reason in words: never the content of the entry."""
    field = "" if refused.field is None else f" {refused.field}"
    return f"entry {refused.index + 1}{field} {_REASONS[refused.code]}"


def _entries(name: str, tally: Tally, told_elsewhere: int) -> Iterator[Finding]:
    counts = (
        f"{describe_count(tally.read_count, 'entry')} can be read, {tally.skipped_count} skipped, "
        f"{tally.refused_count} refused, {tally.partial_count} in part"
    )
    if tally.left is not None:
        done, total = map(describe_size, tally.left)
        counts = f"of {done} of {total}, {counts}; there was no time for the rest"
    if told_elsewhere:
        counts += f"; {describe_count(told_elsewhere, 'entry')} without numbers, which another store has"
    if silent := tally.silent_count - told_elsewhere:
        counts += f"; {describe_count(silent, 'entry')} without numbers, whose cost is not known"
    if tally.refused_count:
        which, rest = "; ".join(map(_reason, tally.refused)), tally.refused_count - len(tally.refused)
        more = f"; and {rest} more" if rest else ""
        yield warn(name, f"{counts}. Refused: {which}{more}. The others are counted", "entries")
    else:
        yield ok(name, counts, "entries")
    if tally.ahead_count:
        ahead = describe_count(tally.ahead_count, "entry")
        text = f"{ahead} dated in the future: was the clock wrong when the tool wrote that?"
        yield warn(name, text, "dates")
    else:
        yield ok(name, "no entry is dated in the future", "dates")
