"""The program that the supervisor starts, and its settings.

The configuration file stays in its place and is read at every start. The caller's other choices, by flags and
variables, are written into the service's file, because the service would not see them. Secrets never are: a secret in
the caller's environment is refused, one in the configuration file stays there, readable by its user alone.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from aico.core.db.choices import Switch, SwitchKey, list_switches
from aico.core.errors import SettingsError, StorageError
from aico.core.settings import CONFIG_VARIABLE, LoadedSettings, Settings, config_path, variable_of
from aico.features.sources.registry import SOURCES
from aico.services.source_choices import SourceChoices

_log = logging.getLogger(__name__)
_FOLDERS = ("XDG_CONFIG_HOME", "XDG_DATA_HOME")
"""Variables that say where our own files lie; a supervisor's environment often lacks them."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command line that serves, its variables, and the folder that it needs."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    data_folder: Path
    """The only folder that it writes to."""
    needs_shared_tmp: bool
    """True if it needs something in a folder for temporary files, so that it cannot have such a folder of its own."""


def make_program(loaded: LoadedSettings, environment: Mapping[str, str]) -> Program:
    """Return the program to start so that it runs as ``aico serve`` would, called here and now.

    Raises SettingsError for a secret in the environment, for one that others can read, and for text that cannot stand
    in a service's file.
    """
    config = config_path(environment).absolute()
    variables = _variables(loaded, environment, config)
    _refuse_open_secrets(loaded, config)
    # -P: a folder called "aico" in the working directory is not this program.
    program = Program(
        command=(sys.executable, "-P", "-m", "aico", "serve"),
        environment=variables,
        data_folder=loaded.settings.database_path.parent,
        needs_shared_tmp=_needs_shared_tmp(loaded.settings, config),
    )
    _check_text(program)
    return program


def _needs_shared_tmp(settings: Settings, config: Path) -> bool:
    """Return whether something that is needed, or a place that is read, lies in a folder for temporary files."""
    if any(map(_is_temporary, (settings.database_path, config, Path(sys.executable), Path(__file__)))):
        return True
    choices = SourceChoices(SOURCES, settings)
    there = [choice for choice in choices.list_all() if any(_is_temporary(Path(place.path)) for place in choice.places)]
    if there and not any(choice.is_on for choice in there):
        # Only now do the switches make a difference: nothing else of the database is needed here.
        choices.switches = _list_switches(settings, choices.machine)
        there = [each for choice in there for each in choices.list_of(choice.source) if each.name == choice.name]
    return any(choice.is_on for choice in there)


def _list_switches(settings: Settings, machine: str) -> dict[SwitchKey, Switch]:
    try:
        return list_switches(settings.database_path, machine)
    except StorageError as error:
        # The service mends such a database, or says at its start why not.
        _log.debug("no switches could be read: %s", error)
        return {}


def _is_temporary(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in ("/tmp", "/var/tmp"))  # noqa: S108  # not written to


def _variables(loaded: LoadedSettings, environment: Mapping[str, str], config: Path) -> dict[str, str]:
    kept = {name: environment[name] for name in _FOLDERS if environment.get(name)}
    if CONFIG_VARIABLE in environment:
        kept[CONFIG_VARIABLE] = str(config)
    for name, origin in loaded.origins.items():
        if origin in {"default", str(config), str(config_path(environment))}:
            continue
        value = loaded.get_value(name)
        if isinstance(value, SecretStr):
            reason = f"is secret and set in this shell only, where the service cannot see it. Write it into {config}"
            raise SettingsError(name, reason)
        if isinstance(value, tuple) and any("," in part for part in value):
            raise SettingsError(name, f"holds a comma, which parts values in a variable. Write it into {config}")
        # An empty variable says that the file's value is not wanted.
        kept[variable_of(name)] = ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
    return dict(sorted(kept.items()))


def _refuse_open_secrets(loaded: LoadedSettings, config: Path) -> None:
    for name in loaded.origins:
        if isinstance(loaded.get_value(name), SecretStr) and (mode := stat.S_IMODE(config.stat().st_mode)) & 0o077:
            raise SettingsError(name, f"others can read it in {config} (mode {mode:04o}): chmod 600 that file")


def _check_text(program: Program) -> None:
    for text in (*program.command, *program.environment.values(), str(program.data_folder)):
        if not is_plain(text):
            raise SettingsError("path", f"{os.fsencode(text)!r} holds characters that no service file can hold")


def is_plain(text: str) -> bool:
    """Return whether ``text`` is UTF-8 without control characters."""
    return not any(
        character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff" for character in text
    )
