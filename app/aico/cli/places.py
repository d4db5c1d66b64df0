"""The places that are read, and their state, in the words of the box that a person sees at the start."""

from __future__ import annotations

import time
from collections.abc import Iterator

from aico.cli import NEWER_CLINE
from aico.cli.box import describe_age, describe_size
from aico.cli.no_ledger import NO_LEDGER
from aico.core.clock import now_ms
from aico.core.command_name import as_typed, command_name
from aico.core.errors import SourceError
from aico.core.settings import Settings
from aico.features.files.feed import CountedFeed, Feed
from aico.features.sources.cline import LEDGER
from aico.features.sources.cline import SOURCE as CLINE
from aico.features.sources.cline.sessions import SESSIONS
from aico.services.source_choices import OriginChoice, SourceChoices, limits_of, open_places

_WAITING = "not there yet; the service waits for it and begins by itself"


def describe_places(choices: SourceChoices, settings: Settings) -> list[tuple[str, str]]:
    """Return a label and a text for each line: every place that is read, with its size and age or what is wrong."""
    on = [choice for choice in choices.list_all() if choice.is_on]
    rows: list[tuple[str, str]] = []
    absent: list[str] = []
    for source in dict.fromkeys(choice.source.id for choice in on):
        own = [choice for choice in on if choice.source.id == source]
        title = own[0].source.title
        lines = [line for choice in own for line in _describe(choice, on, settings)]
        if all(choice.fixed_by == "enabled_sources" for choice in own) and not any(is_there for _, is_there in lines):
            absent.append(title)  # one of all tools, and not on this computer
            continue
        rows += zip((title, *[""] * len(lines)), (text for text, _ in lines), strict=False)
    if absent:
        rows.append(("Waiting for", ", ".join(absent)))
    return rows or [("Sources", f"none is on; `{command_name()} sources on NAME` switches one on")]


def describe_others(choices: SourceChoices) -> list[tuple[str, str]]:
    """Return the line that says how tools are read that are off, where a switch decides over any."""
    if all(choice.is_on or choice.fixed_by is not None for choice in choices.list_all()):
        return []
    return [("Other tools", f"are read once they are switched on: on that page, or with `{command_name()} sources`")]


def _describe(choice: OriginChoice, on: list[OriginChoice], settings: Settings) -> Iterator[tuple[str, bool]]:
    """Yield the lines of an origin, and whether its place is there."""
    for place, feed in open_places(choice, limits_of(settings, now_ms)):
        text, is_there = _look(feed)
        if text == _WAITING and choice.origin is LEDGER and _has_sessions(on, settings):
            text = NO_LEDGER
        yield f"{feed.title} {place.path} (chosen by {place.chosen_by})", is_there
        yield text, is_there
        if text == _WAITING and choice.origin is LEDGER and not _reads_sessions(on):
            for line in NEWER_CLINE:
                yield as_typed(line), is_there


def _has_sessions(on: list[OriginChoice], settings: Settings) -> bool:
    """Return whether the store of newer Cline is read, and there."""
    stores = [choice for choice in on if choice.source is CLINE and choice.origin is SESSIONS]
    return any(_look(feed)[1] for choice in stores for _, feed in open_places(choice, limits_of(settings, now_ms)))


def _look(feed: Feed) -> tuple[str, bool]:
    try:
        # A look at thousands of logs is kept, by a feed that nobody reads, until the collector finds it: megabytes.
        counted = feed.count(bool) if isinstance(feed, CountedFeed) else None
        look = feed.look() if counted is None or not counted.files else counted
    except SourceError as error:
        return (_WAITING, False) if error.is_absent else (str(error), True)
    age = describe_age(max(0.0, time.time() - look.written_ns / 1e9))
    return f"found, {describe_size(look.size_bytes)}, last written {age}", True


def _reads_sessions(on: list[OriginChoice]) -> bool:
    return any(choice.source is CLINE and choice.origin is SESSIONS for choice in on)
