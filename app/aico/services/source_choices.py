"""Which origins are read, and where: the decisions of settings and switches. Opens nothing but the switches' table."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aico.core.db.choices import Switch, SwitchKey
from aico.core.errors import OriginName, SourceUnknown
from aico.core.settings import CLINE, Settings, default_sessions
from aico.core.source_choice import Choice, Decision, decide
from aico.core.usage import digest
from aico.features.files.feed import Feed, ReadLimits
from aico.features.files.refused import RefusedFeed
from aico.features.sources.cline import LEDGER
from aico.features.sources.cline.hub import HUB
from aico.features.sources.cline.hub import NAME as HUB_NAME
from aico.features.sources.cline.sessions import SESSIONS
from aico.features.sources.source import Origin, Place, Source, Surroundings

PROJECTS, PROJECTS_SETTING = "projects", "project_names"
PROJECTS_KEY = SwitchKey(PROJECTS, "names", digest(PROJECTS).hex())
"""The key of the switch of the names of working folders, stored beside those of the origins of sources."""
_MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class OriginChoice:
    """The choice about one origin: if it is read, by whose decision, and the places where it is looked for."""

    source: Source
    origin: Origin
    is_on: bool
    fixed_by: str | None
    """The setting that decides; None where the switch does."""
    switch: Switch | None
    """How the user's switch stands; None where it was never set."""
    places: tuple[Place, ...]

    @property
    def name(self) -> str:
        """The name by which a command knows it, such as ``cline.sessions``."""
        return f"{self.source.id}.{self.origin.id}"


class SourceChoices:
    """Settings, switches and the registry, put together."""

    def __init__(self, sources: Sequence[Source], settings: Settings) -> None:
        self.sources = {source.id: source for source in sources}
        self.surroundings = surroundings_of(sources, settings)
        self.machine = machine_of(self.surroundings)
        self.switches: dict[SwitchKey, Switch] = {}
        """The stored switches; none at first."""
        self.fixed_projects = settings.project_names
        """The choice of the settings about the names of working folders; None if the switch decides."""
        self._settings = settings

    def wants_projects(self) -> bool:
        """Return whether the last names of working folders are kept now."""
        if self.fixed_projects is not None:
            return self.fixed_projects
        switch = self.switches.get(PROJECTS_KEY)
        return switch is not None and switch.is_on

    def get_source(self, source_id: str) -> Source:
        """Return a source of the registry. Raises SourceUnknown."""
        source = self.sources.get(source_id)
        if source is None:
            raise SourceUnknown(source_id)
        return source

    def list_all(self) -> list[OriginChoice]:
        """Return every known origin, in the order of the sources."""
        return [choice for source in self.sources.values() for choice in self.list_of(source)]

    def list_of(self, source: Source) -> list[OriginChoice]:
        """Return the origins of one source."""
        decisions = self.decide(source)
        return [self._choose(source, origin, decisions[origin.id]) for origin in source.origins]

    def decide(self, source: Source) -> dict[str, Decision]:
        """Return what settings alone say of each origin of a source."""
        return decide(source.id, [origin.id for origin in source.origins], self._settings)

    def key_of(self, source: Source, origin: Origin) -> SwitchKey:
        """Return what the switch of an origin is stored under: consent holds for these places only."""
        return SwitchKey(source.id, origin.id, digest(*(place.path for place in self.places_of(source, origin))).hex())

    def places_of(self, source: Source, origin: Origin) -> tuple[Place, ...]:
        """Return where an origin is looked for, on or off."""
        return origin.places(self.surroundings[source.id])

    def _choose(self, source: Source, origin: Origin, decision: Decision) -> OriginChoice:
        switch = self.switches.get(self.key_of(source, origin))
        if decision.choice is not Choice.CHOOSE:
            is_on = decision.choice is Choice.ON
        else:
            is_on = origin.is_on_by_default if switch is None else switch.is_on
        return OriginChoice(source, origin, is_on, decision.fixed_by, switch, self.places_of(source, origin))


def open_places(choice: OriginChoice, limits: ReadLimits) -> Iterator[tuple[Place, Feed]]:
    """Yield each place of an origin with its feed; opens nothing."""
    limits = replace(limits, is_one_of_several=len(choice.places) > 1)
    for place in choice.places:
        yield place, _open_place(choice.source, choice.origin, place.path, limits)


def _open_place(source: Source, origin: Origin, path: str, limits: ReadLimits) -> Feed:
    """Return the feed of ``path``. One that cannot be a place of ``origin`` is refused when it is looked at."""
    try:
        return origin.open(path, limits)
    except ValueError as error:
        named = path if limits.is_one_of_several else ""
        return RefusedFeed(path, str(error), OriginName(source.id, origin.id, origin.title, named))


def limits_of(settings: Settings, now_ms: Callable[[], int]) -> ReadLimits:
    """Return the bounds of every reader."""
    return ReadLimits(settings.max_ledger_bytes, settings.read_attempts, now_ms)


def surroundings_of(sources: Iterable[Source], settings: Settings) -> dict[str, Surroundings]:
    """Return where the places of each source are looked for."""
    # The home directory may itself lie behind a link (macOS, network homes); below it, none is followed.
    home = Path(os.path.realpath(Path("~").expanduser()))
    return {
        source.id: Surroundings(home, os.environ, paths_of(source.id, settings), chosen_by_of(source.id, settings))
        for source in sources
    }


def paths_of(source_id: str, settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the paths that settings name for the origins of a source, by origin; ``roots`` are for all of them."""
    named = settings.sources.get(source_id)
    paths: dict[str, tuple[str, ...]] = {"": named.roots} if named is not None and named.roots else {}
    if source_id == CLINE:
        paths[LEDGER.id] = settings.ledgers
        if settings.sessions_path != default_sessions(os.environ)[0]:
            folder = settings.sessions_path.rpartition("/")[0]
            paths |= {SESSIONS.id: (settings.sessions_path,), HUB.id: (f"{folder}/{HUB_NAME}",)}
    return paths


def chosen_by_of(source_id: str, settings: Settings) -> dict[str, str]:
    """Return what named the paths of :func:`paths_of`, by origin, as far as it is known."""
    return {LEDGER.id: settings.ledger_chosen_by} if source_id == CLINE else {}


def machine_of(surroundings: Mapping[str, Surroundings]) -> str:
    """Return a digest of this machine and its user's home: a copied database switches nothing on elsewhere."""
    try:
        identity = _MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        identity = f"{uuid.getnode():x}-{platform.node()}"
    homes = sorted({str(each.home) for each in surroundings.values()})
    return digest(identity, *homes).hex()
