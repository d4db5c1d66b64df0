"""The settings of one source: a table ``[sources.NAME]`` of the configuration. No I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, field_validator

from aico.core.plain_path import check_plain_path
from aico.core.setting_names import is_id

KnownSources: TypeAlias = Mapping[str, tuple[str, ...]]
"""The ids of all sources, each with the ids of its origins."""
LEDGER_NAME = "taskHistory.json"
_WORDS = {"choose", "all"}


def split_list(value: object) -> object:
    """Take ``a, b`` from the environment for ``["a", "b"]``."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _split_names(value: object) -> object:
    """Return the names of a variable. One that is empty was meant to be unset: it is none of the lists, not even []."""
    names = split_list(value)
    if isinstance(value, str) and names == ():
        raise ValueError("is empty; unset the variable, or name what is read")  # what pydantic turns into its own error
    return names


def check_named_path(text: str, name: str) -> str:
    """Return ``text`` when it is such a path of a file called ``name``; raise ValueError otherwise."""
    return check_plain_path(text, {name})


def check_ledger_path(text: str) -> str:
    """Return ``text`` when it can be an allowlisted ledger; raise ValueError with the reason otherwise.

    Absolute, already in its only spelling (no ``.``, ``..``, ``//`` or trailing slash), named ``taskHistory.json``.
    Nothing is opened or looked up.
    """
    return check_named_path(text, LEDGER_NAME)


def _without_repetition(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _check_id(name: str) -> str:
    if not is_id(name):
        raise ValueError("must be lower-case words joined by dashes")
    return name


def _parse_enabled(value: object) -> object:
    names = _split_names(value)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be 'choose', 'all' or a list of sources")  # what pydantic turns into its own error
    if not _WORDS.isdisjoint(names):
        if len(names) > 1:
            raise ValueError("'choose' and 'all' stand alone")
        return names[0]
    return _without_repetition(tuple(_check_id(name) for name in names))


EnabledSources = Annotated[Literal["choose", "all"] | tuple[str, ...], BeforeValidator(_parse_enabled)]
_Ids = Annotated[
    tuple[Annotated[str, AfterValidator(_check_id)], ...],
    BeforeValidator(_split_names),
    AfterValidator(_without_repetition),
]
_Root = Annotated[str, BeforeValidator(lambda value: value.rstrip("/") if isinstance(value, str) else value)]
_Roots = Annotated[
    tuple[Annotated[_Root, AfterValidator(check_plain_path)], ...],
    BeforeValidator(split_list),
    AfterValidator(_without_repetition),
]
_Ledgers = Annotated[
    tuple[Annotated[str, AfterValidator(check_ledger_path)], ...],
    BeforeValidator(split_list),
    AfterValidator(_without_repetition),
]


class SourceSettings(BaseModel):
    """The settings of one source; they win over ``enabled_sources`` for this source."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    enabled: bool | None = None
    """True: it is read, with all its origins unless ``origins`` names some. None leaves that to other settings."""
    origins: _Ids | None = None
    """The origins that are read, and no other; None names none."""
    roots: _Roots = ()
    """Folders in which the tool's files are looked for, in the place of the known ones. Empty: the known ones."""
    ledgers: _Ledgers = ()
    """Cline's alone: the ledgers that are read, each by its exact path. Empty: ``ledger_path``."""

    @field_validator("enabled", mode="before")
    @classmethod
    def _refuse_numbers(cls, value: object) -> object:
        if isinstance(value, bool | str | None):
            return value
        raise ValueError("must be true or false")  # what pydantic turns into its own error
