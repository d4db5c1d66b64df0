"""The table ``[activity]`` of the configuration: the kinds that may be seen, and the user's own definitions. No I/O."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from aico.core.activity import KINDS
from aico.core.setting_names import suggest
from aico.core.source_settings import split_list

_NAME_MAX, _PROGRAMS_MAX, _ADDITIONS_MAX = 64, 20, 100
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_CATEGORY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _plain(text: str) -> str:
    text = text.strip()
    if not text or len(text) > _NAME_MAX or not text.isprintable():
        raise ValueError(f"must be printable text of at most {_NAME_MAX} characters")
    return text


def _program(text: str) -> str:
    parts = text.removesuffix("/").split("/")
    if not text.isprintable() or len(text) > 200 or any(part in {"", ".", ".."} for part in parts):
        raise ValueError("must be a program's name, such as claude, or whole parts of its path, such as cursor/cursor")
    return text


def _category(text: str) -> str:
    if _CATEGORY.fullmatch(text) is None or len(text) > _NAME_MAX:
        raise ValueError("must be lower-case words joined by dashes")
    return text


def _domain(text: str) -> str:
    host, slash, path = text.partition("/")
    if _HOST.fullmatch(host) is None or (slash and not path) or "//" in text or not text.isprintable():
        raise ValueError("must be a host in lower case, such as claude.ai, with or without a path: no scheme, no port")
    return text


_Rate = Annotated[float | None, Field(ge=0, le=10_000, allow_inf_nan=False)]
_Programs = Annotated[tuple[Annotated[str, AfterValidator(_program)], ...], Field(max_length=_PROGRAMS_MAX)]


class _Addition(BaseModel):
    """An addition of the user to the list, or a change of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    category: Annotated[str, AfterValidator(_category)] | None = None
    hourly_rate_usd: _Rate = None
    """The worth of an hour, for the estimate; None leaves the list's."""

    @field_validator("hourly_rate_usd", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a number of US dollars")  # noqa: TRY004  # what pydantic turns into its own error
        return value


class ProgramAddition(_Addition):
    """An app or a command."""

    name: Annotated[str, AfterValidator(_plain)]
    programs: _Programs = ()
    """How its programs are called; none leaves the list's."""


class DomainAddition(_Addition):
    """A web site."""

    name: Annotated[str, AfterValidator(_domain)]


def _as_kinds(value: object) -> object:
    names = split_list(value)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be 'choose' or a list of kinds")  # what pydantic turns into its own error
    if value == "choose" or list(names) == ["choose"]:
        return "choose"
    for name in names:
        if name not in KINDS:
            raise ValueError(f"there is no kind {name!r}; known are {', '.join(KINDS)}{suggest(name, KINDS)}")
    return tuple(dict.fromkeys(names))


Kinds = Annotated[Literal["choose"] | tuple[str, ...], BeforeValidator(_as_kinds)]


class ActivitySettings(BaseModel):
    """The use of apps, commands and sites that may be seen."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kinds: Kinds = "choose"
    """The kinds that are seen and no other; ``choose`` leaves each to its switch, which is off at first."""
    apps: Annotated[tuple[ProgramAddition, ...], Field(max_length=_ADDITIONS_MAX)] = ()
    commands: Annotated[tuple[ProgramAddition, ...], Field(max_length=_ADDITIONS_MAX)] = ()
    domains: Annotated[tuple[DomainAddition, ...], Field(max_length=_ADDITIONS_MAX)] = ()

    @field_validator("apps", "commands", "domains")
    @classmethod
    def _refuse_repetition(cls, value: tuple[ProgramAddition | DomainAddition, ...]) -> object:
        names = [each.name for each in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is named twice")
        return value
