"""The layers that settings come from, each as flat names: ``port``, ``sources.cline.origins``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aico.core.errors import SettingsError
from aico.core.setting_names import FIXED_SETTINGS, FIXED_TABLES, SOURCE_FIELDS, TABLES, WEBHOOK, is_id, suggest
from aico.core.user_folders import config_folder, data_folder
from aico.core.wide_text import describe_wide_text

ENV_PREFIX = "AICO_"
CONFIG_VARIABLE = "AICO_CONFIG"
"""Names another configuration file; the only ``AICO_`` variable that is no setting."""
_SOURCES = "sources"
_VARIABLES = {"enabled_sources": "AICO_SOURCES"}
"""Settings whose variable is not called as they are."""


class Layer(NamedTuple):
    """The values of one place, by flat name, and the origin of each."""

    values: Mapping[str, object]
    origins: Mapping[str, str]


def config_path(environment: Mapping[str, str]) -> Path:
    """Return where the configuration file is looked for."""
    named = environment.get(CONFIG_VARIABLE)
    return Path(named) if named else config_folder() / "config.toml"


def default_database_path() -> Path:
    """Return where the database is unless a setting says otherwise."""
    return data_folder() / "observer.db"


def variable_of(name: str) -> str:
    """Return the variable of a setting: ``AICO_PORT`` for ``port``, ``AICO_SOURCES_CLAUDE_CODE_ENABLED``."""
    return _VARIABLES.get(name) or ENV_PREFIX + name.replace(".", "_").replace("-", "_").upper()


def read_layers(
    known: Sequence[str], flags: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> tuple[Layer, ...]:
    """Return file, environment and flags, the strongest last. ``known`` are the names that are no table.

    Raises SettingsError for an unknown name, which it names with its origin, and for a file that cannot be read.
    """
    variables = os.environ if environment is None else environment
    path = config_path(variables)
    file = _flatten(_read_file(path, required=CONFIG_VARIABLE in variables), str(path))
    given = dict(_read_variables(known, variables))
    flat = _flatten(flags, "flag")
    layers = (
        Layer(file, dict.fromkeys(file, str(path))),
        Layer(given, {name: variable_of(name) for name in given}),
        Layer(flat, dict.fromkeys(flat, "flag")),
    )
    for layer in layers:
        for name, origin in layer.origins.items():
            is_known = name in known or name in TABLES or name in FIXED_SETTINGS or name.startswith(f"{_SOURCES}.")
            if not is_known:
                names = (*known, *TABLES, *FIXED_TABLES)
                raise SettingsError(name, f"is no setting of this program{suggest(name, names)} (from {origin})")
    return layers


def _flatten(table: Mapping[str, object], origin: str) -> dict[str, object]:
    flat = {name: value for name, value in table.items() if name not in {_SOURCES, WEBHOOK, *FIXED_TABLES}}
    for field, value in _table(WEBHOOK, table.get(WEBHOOK, {}), origin).items():
        flat[f"{WEBHOOK}_{field}"] = value
    for name, fields in FIXED_TABLES.items():
        for field, value in _table(name, table.get(name, {}), origin).items():
            if field not in fields:
                raise SettingsError(f"{name}.{field}", f"is no setting{suggest(field, fields)} (from {origin})")
            flat[f"{name}.{field}"] = value
    for source, values in _table(_SOURCES, table.get(_SOURCES, {}), origin).items():
        name = f"{_SOURCES}.{source}"
        if not is_id(source):
            hint = suggest(source, [source.replace("_", "-").lower()])
            raise SettingsError(name, f"must be lower-case words joined by dashes{hint} (from {origin})")
        for field, value in _table(name, values, origin).items():
            if field not in SOURCE_FIELDS:
                hint = suggest(field, SOURCE_FIELDS)
                raise SettingsError(f"{name}.{field}", f"is no setting of a source{hint} (from {origin})")
            flat[f"{name}.{field}"] = value
    return flat


def _table(name: str, value: object, origin: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise SettingsError(name, f"must be a table (from {origin})")
    return value


def _read_file(path: Path, *, required: bool) -> Mapping[str, object]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if required:
            raise SettingsError(CONFIG_VARIABLE, f"there is no file {path}") from None
        return {}
    except OSError as error:
        raise SettingsError(str(path), f"cannot be read: {error}") from error
    if not data:
        return {}
    import tomllib  # noqa: PLC0415  # for users of such a file only

    if (wide := describe_wide_text(data[:4])) is not None:
        raise SettingsError(str(path), f"cannot be read: {wide}")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"cannot be read: {error}") from error


def _read_variables(known: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    names = {variable_of(name): name for name in (*known, *FIXED_SETTINGS)}
    for variable, value in environment.items():
        if variable.startswith(ENV_PREFIX) and variable != CONFIG_VARIABLE:
            name = names.get(variable.upper()) or _name_of_source(variable)
            if name is None:
                reason = f"is no setting of this program{suggest(variable, names)} (from {variable})"
                raise SettingsError(variable.removeprefix(ENV_PREFIX).lower(), reason)
            yield name, value


def _name_of_source(variable: str) -> str | None:
    """Return ``sources.claude-code.enabled`` for ``AICO_SOURCES_CLAUDE_CODE_ENABLED``: underscores are dashes."""
    source, _, field = variable.removeprefix(f"{ENV_PREFIX}SOURCES_").lower().rpartition("_")
    if not variable.startswith(f"{ENV_PREFIX}SOURCES_") or not source or field not in SOURCE_FIELDS:
        return None
    return f"{_SOURCES}.{source.replace('_', '-')}.{field}"
