"""The places that are read, and their state, in the words of the box that a person sees at the start."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from aico.cli import NEWER_CLINE
from aico.cli.box import describe_age, describe_size
from aico.cli.no_ledger import NO_LEDGER
from aico.core.clock import now_ms
from aico.core.command_name import as_typed, command_name
from aico.core.errors import SourceError
from aico.core.settings import Settings
from aico.features.files.feed import CountedFeed, Feed, Look
from aico.features.sources.cline import LEDGER
from aico.features.sources.cline import SOURCE as CLINE
from aico.features.sources.cline.sessions import SESSIONS
from aico.services.intake import IntakeKey
from aico.services.source_choices import OriginChoice, SourceChoices, limits_of, open_places

_WAITING = "not there yet; the service waits for it and begins by itself"


def describe_places(
    choices: SourceChoices, settings: Settings, seen: Mapping[IntakeKey, Look | SourceError] = MappingProxyType({})
) -> list[tuple[str, str]]:
    """Return a label and a text for each line: every place that is read, with its size and age or what is wrong.

    Places that were ``seen`` already are not looked at again.
    """
    on = [choice for choice in choices.list_all() if choice.is_on]
    rows: list[tuple[str, str]] = []
    absent: list[str] = []
    for source in dict.fromkeys(choice.source.id for choice in on):
        own = [choice for choice in on if choice.source.id == source]
        title = own[0].source.title
        lines = [line for choice in own for line in _describe(choice, choices, settings, seen)]
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


def _describe(
    choice: OriginChoice,
    choices: SourceChoices,
    settings: Settings,
    seen: Mapping[IntakeKey, Look | SourceError],
) -> Iterator[tuple[str, bool]]:
    """Yield the lines of an origin, and whether its place is there."""
    for place, feed in open_places(choice, limits_of(settings, now_ms)):
        text, is_there = _look(feed, seen.get(IntakeKey(choice.source.id, choice.origin.id, feed.path)))
        is_missed = text == _WAITING and choice.origin is LEDGER
        store = _find_store(choices, settings) if is_missed else None
        yield f"{feed.title} {place.path} (chosen by {place.chosen_by})", is_there
        yield text if store is None else NO_LEDGER, is_there
        if store is not None and not store.choice.is_on:
            yield f"session store {store.path}: {store.text}", True
            yield f"to read it: {_how_to_read(store.choice)}", True
        elif is_missed and not _reads_sessions(choices):
            for line in NEWER_CLINE:
                yield as_typed(line), is_there


class _Store(NamedTuple):
    """The store of newer Cline, which lies here, read or not."""

    choice: OriginChoice
    path: str
    text: str


def _find_store(choices: SourceChoices, settings: Settings) -> _Store | None:
    for choice in choices.list_all():
        if choice.source is CLINE and choice.origin is SESSIONS:
            for place, feed in open_places(choice, limits_of(settings, now_ms)):
                text, is_there = _look(feed)
                if is_there:
                    return _Store(choice, place.path, text)
    return None


def _how_to_read(choice: OriginChoice) -> str:
    """Return the setting that decides over an origin that is off, or the switch."""
    switch = f"`{command_name()} sources on {choice.name}`, or the page"
    return f"the setting {choice.fixed_by}" if choice.fixed_by else switch


def _look(feed: Feed, seen: Look | SourceError | None = None) -> tuple[str, bool]:
    look = seen or _count(feed)
    if isinstance(look, SourceError):
        return (_WAITING, False) if look.is_absent else (str(look), True)
    age = describe_age(max(0.0, time.time() - look.written_ns / 1e9))
    return f"found, {describe_size(look.size_bytes)}, last written {age}", True


def _count(feed: Feed) -> Look | SourceError:
    try:
        # A look at thousands of logs is kept, by a feed that nobody reads, until the collector finds it: megabytes.
        counted = feed.count(bool) if isinstance(feed, CountedFeed) else None
        return feed.look() if counted is None or not counted.files else counted
    except SourceError as error:
        return error


def _reads_sessions(choices: SourceChoices) -> bool:
    return any(choice.is_on and choice.source is CLINE and choice.origin is SESSIONS for choice in choices.list_all())
