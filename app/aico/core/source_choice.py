"""Which origins of a source are read, as far as settings decide it. No I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from aico.core.source_settings import SourceSettings

if TYPE_CHECKING:
    from aico.core.settings import Settings

_CLINE, _SESSIONS = "cline", "sessions"


class Choice(StrEnum):
    """The decision about an origin: read or not."""

    ON = "on"
    OFF = "off"
    CHOOSE = "choose"
    """Settings leave it to the switch."""


class Decision(NamedTuple):
    """A choice, and the setting that decides it."""

    choice: Choice
    fixed_by: str | None
    """Name of the setting, as in ``sources.cline.origins``; None where the switch decides."""


OPEN = Decision(Choice.CHOOSE, None)


def decide(source_id: str, origin_ids: Iterable[str], settings: Settings) -> dict[str, Decision]:
    """Return what ``settings`` decide of each origin of a source.

    The source's own settings win over ``enabled_sources``, and that over the old name ``cline_sessions``.
    """
    return {origin: _decide(source_id, origin, settings) for origin in origin_ids}


def decide_by_new_names(
    source_id: str, origin_id: str, enabled_sources: str | tuple[str, ...], sources: Mapping[str, SourceSettings]
) -> Decision:
    """Return what settings decide of one origin when their old names are left out."""
    own = sources.get(source_id)
    if own is not None and own.enabled is False:
        return Decision(Choice.OFF, f"sources.{source_id}.enabled")
    if own is not None and own.origins is not None:
        return Decision(_as_choice(is_on=origin_id in own.origins), f"sources.{source_id}.origins")
    if own is not None and own.enabled:
        return Decision(Choice.ON, f"sources.{source_id}.enabled")
    if enabled_sources == "choose":
        return OPEN
    is_on = enabled_sources == "all" or source_id in enabled_sources
    return Decision(_as_choice(is_on=is_on), "enabled_sources")


def _decide(source_id: str, origin_id: str, settings: Settings) -> Decision:
    decision = decide_by_new_names(source_id, origin_id, settings.enabled_sources, settings.sources)
    if decision is OPEN and (source_id, origin_id) == (_CLINE, _SESSIONS) and _is_set("cline_sessions", settings):
        return Decision(_as_choice(is_on=settings.cline_sessions), "cline_sessions")
    return decision


def _is_set(name: str, settings: Settings) -> bool:
    return name in settings.model_fields_set


def _as_choice(*, is_on: bool) -> Choice:
    return Choice.ON if is_on else Choice.OFF
