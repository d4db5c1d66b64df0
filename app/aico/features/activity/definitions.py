"""The list of AI apps, commands and sites, with the user's additions. Reads one file of the package, nothing else."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aico.core.activity import KINDS, SubjectType
from aico.core.activity_settings import ActivitySettings, DomainAddition, ProgramAddition
from aico.core.errors import SettingsError
from aico.core.setting_names import suggest

_FILE = Path(__file__).with_name("definitions.toml")
_OTHER = "other"


class Definition(NamedTuple):
    """Something that may be used."""

    name: str
    category: str
    programs: tuple[str, ...] = ()
    """How its programs are called; see :mod:`aico.features.activity.matching`. A site has none."""
    hourly_rate_usd: float = 0.0
    is_assumed: bool = False
    """An editor runs; that its assistant is used is assumed."""


class Definitions(NamedTuple):
    """All of them, each by its name, in the order of the list and then of the user's own."""

    apps: Mapping[str, Definition]
    commands: Mapping[str, Definition]
    domains: Mapping[str, Definition]

    def of(self, subject: SubjectType) -> Mapping[str, Definition]:
        """Return those of one type."""
        return {SubjectType.APP: self.apps, SubjectType.COMMAND: self.commands, SubjectType.DOMAIN: self.domains}[
            subject
        ]

    def find(self, kind: str, name: str) -> Definition | None:
        """Return the definition behind a stored name; None where it is no longer listed."""
        return self.of(KINDS[kind].of).get(name) if kind in KINDS else None


def load_definitions(settings: ActivitySettings, system: str = sys.platform) -> Definitions:
    """Return the list for ``system`` with the user's additions. Raises SettingsError for one that adds nothing."""
    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    key = "macos" if system == "darwin" else "linux"
    rate, free = float(table["hourly_rate_usd"]), set(table["free_categories"])

    def define(name: str, entry: Mapping[str, object]) -> Definition:
        category = str(entry["category"])
        programs = [str(each) for field in ("programs", key) for each in _list(entry.get(field))]
        return Definition(
            name, category, tuple(programs), 0.0 if category in free else rate, is_assumed=entry.get("assumed") is True
        )

    apps = [define(each["name"], each) for each in table["apps"]]
    commands = [define(each["name"], each) for each in table["commands"]]
    domains = [define(name, group) for group in table["domains"] for name in group["names"]]
    default = Definition("", _OTHER, (), rate)
    return Definitions(
        _merge("apps", apps, settings.apps, default),
        _merge("commands", commands, settings.commands, default),
        _merge("domains", domains, settings.domains, default),
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _merge(
    field: str,
    listed: Iterable[Definition],
    additions: Sequence[ProgramAddition | DomainAddition],
    default: Definition,
) -> dict[str, Definition]:
    known = {each.name: each for each in listed}
    for number, addition in enumerate(additions):
        old = known.get(addition.name)
        programs = addition.programs if isinstance(addition, ProgramAddition) else ()
        if old is None and isinstance(addition, ProgramAddition) and not programs:
            reason = f"{addition.name!r} is not in the list, so it needs programs{suggest(addition.name, known)}"
            raise SettingsError(f"activity.{field}.{number}", reason)
        base = old or default._replace(name=addition.name)
        rate = addition.hourly_rate_usd
        known[addition.name] = base._replace(
            category=addition.category or base.category,
            programs=programs or base.programs,
            hourly_rate_usd=base.hourly_rate_usd if rate is None else rate,
        )
    return known
