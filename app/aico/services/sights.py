"""The files in the places that are not read: names, sizes and dates, counted in one thread and not too often."""

from __future__ import annotations

import asyncio
import json
import shlex
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aico.core.errors import SourceError
from aico.core.settings import ENV_PREFIX, variable_of
from aico.features.files.feed import CountedFeed, Feed, Look, ReadLimits
from aico.features.sources.source import Elsewhere, Surroundings
from aico.services.source_choices import OriginChoice, open_places
from aico.services.source_states import Found

PATIENCE_S = 0.3
"""An answer waits so long for what is being counted; then it tells what is known."""
_REST_S = 60.0
"""A place that is off is counted at most this often, and only on request."""
_COUNT_SHARE = 100
"""A place that takes long to count rests for this many times that duration."""

OriginKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sight:
    """The result of a look at the places of an origin."""

    found: Found | None
    """The files there; None when there is none that may be read."""
    refusals: tuple[SourceError, ...] = ()
    """Why of the others; without those that are not there."""


class Sights:
    """The sights of all origins. Watchers see the places that are read; the others are seen here, by metadata alone."""

    def __init__(self, limits: ReadLimits, surroundings: Mapping[str, Surroundings]) -> None:
        self._limits = limits
        self._surroundings = surroundings
        self._known: dict[OriginKey, Sight] = {}
        self._elsewhere: dict[OriginKey, tuple[Elsewhere, ...]] = {}
        self._due: dict[OriginKey, float] = {}
        self._counting: asyncio.Task[None] | None = None
        self._is_closing = threading.Event()

    def find(self, key: OriginKey) -> Sight | None:
        """Return what was found last; None before an origin was counted for the first time."""
        return self._known.get(key)

    def find_elsewhere(self, key: OriginKey) -> tuple[Elsewhere, ...]:
        """Return the files in places that the tool is known to use and that are not this origin's."""
        return self._elsewhere.get(key, ())

    def expire(self, key: OriginKey) -> None:
        """Let an origin be counted anew when somebody asks: it is watched no more."""
        self._due.pop(key, None)

    async def count(
        self, choices: Iterable[OriginChoice], watched: Collection[OriginKey], patience_s: float | None
    ) -> None:
        """Count those of ``choices`` that are due, one after the other; wait for ``patience_s`` at the most.

        Of those that are ``watched``, only what lies elsewhere is looked for.
        """
        if self._counting is None:
            now = time.monotonic()
            due = [
                (choice, key in watched)
                for choice in choices
                if now >= self._due.get(key := key_of(choice), 0.0)
                and (key not in watched or choice.origin.elsewhere is not None)
            ]
            if not due:
                return
            self._counting = asyncio.create_task(asyncio.to_thread(self._count, due), name="counting")
        counting = self._counting
        await asyncio.wait({counting}, timeout=patience_s)
        if counting.done():
            if self._counting is counting:
                self._counting = None
            counting.result()

    async def close(self) -> None:
        """Let what is being counted end early."""
        self._is_closing.set()
        if self._counting is not None:
            await asyncio.wait({self._counting})

    def _count(self, due: Iterable[tuple[OriginChoice, bool]]) -> None:
        for choice, is_watched in due:
            if self._is_closing.is_set():
                return
            began, key = time.monotonic(), key_of(choice)
            if not is_watched:
                self._known[key] = self._look(choice)
            if choice.origin.elsewhere is not None:
                self._elsewhere[key] = choice.origin.elsewhere(self._surroundings[choice.source.id])
            ended = time.monotonic()
            self._due[key] = ended + max(_REST_S, (ended - began) * _COUNT_SHARE)

    def _look(self, choice: OriginChoice) -> Sight:
        seen: list[Look | SourceError] = []
        for _, feed in open_places(choice, self._limits):
            try:
                seen.append(self._look_at(feed))
            except SourceError as error:
                seen.append(error.with_traceback(None))
        return sight_of(seen)

    def _look_at(self, feed: Feed) -> Look:
        return feed.count(self._is_closing.is_set) if isinstance(feed, CountedFeed) else feed.look()


def sight_of(seen: Iterable[Look | SourceError]) -> Sight:
    """Return what was seen in several places as one."""
    seen = list(seen)
    looks = [look for look in seen if isinstance(look, Look) and look.files]
    refusals = tuple(error for error in seen if isinstance(error, SourceError) and not error.is_absent)
    if not looks:
        return Sight(None, refusals)
    found = Found(
        sum(look.files for look in looks),
        sum(look.size_bytes for look in looks),
        max(look.written_ns for look in looks) // 1_000_000,
    )
    return Sight(found, refusals)


def sum_found(many: Iterable[Found | None]) -> Found | None:
    """Return the sum of what is there; None where nothing is."""
    found = [each for each in many if each is not None]
    if not found:
        return None
    return Found(
        sum(each.files for each in found),
        sum(each.bytes for each in found),
        max(each.last_written_at_ms for each in found),
    )


def setting_of_elsewhere(choice: OriginChoice, sight: Sight, elsewhere: Sequence[Elsewhere]) -> str | None:
    """Return what has that read, too, which lies elsewhere: to copy into the configuration. None where nothing does."""
    if not elsewhere or not choice.origin.list_setting:
        return None
    # A default that is not there would be waited for.
    named = [place.path for place in choice.places if place.chosen_by != "default" or sight.found is not None]
    paths = [*named, *(file.path for file in elsewhere)]
    is_by_variable = any(place.chosen_by.startswith(ENV_PREFIX) for place in choice.places)
    return setting_of_list(choice.source.id, choice.origin.list_setting, paths, is_by_variable=is_by_variable)


def setting_of_list(source_id: str, name: str, paths: Sequence[str], *, is_by_variable: bool) -> str:
    """Return what sets a list of paths for a source: lines of the configuration file, or a variable, which wins."""
    if is_by_variable:
        return f"{variable_of(f'sources.{source_id}.{name}')}={shlex.quote(','.join(paths))}"
    listed = ", ".join(json.dumps(path, ensure_ascii=False) for path in paths)
    return f"[sources.{source_id}]\n{name} = [{listed}]"


def key_of(choice: OriginChoice) -> OriginKey:
    """Return what names an origin here."""
    return choice.source.id, choice.origin.id
