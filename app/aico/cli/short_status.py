"""``aico status --short``: one line for a prompt or a status bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aico.cli import EXIT_DEGRADED, EXIT_OK, flags_of
from aico.cli.amounts import describe_short, moment_text
from aico.cli.reading import find_service, load_reading_settings
from aico.cli.screen import WIDTH_MAX, Screen
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.db.looking import look
from aico.core.local_zone import find_local_zone
from aico.core.reading_settings import ReadingSettings
from aico.services.overview import Overview, take_overview

if TYPE_CHECKING:
    import argparse


def show_line(options: argparse.Namespace) -> int:
    """Do what the parsed words say: like :func:`show_short`."""
    return show_short(flags_of(options), options.width, has_colours=options.color)


def show_short(flags: Mapping[str, object], width: int, *, has_colours: bool) -> int:
    """Print today and this month; exit with 3 where nobody watches, or a service is degraded.

    Raises SettingsError, StorageError.
    """
    settings, zone = load_reading_settings(flags), find_local_zone().zone
    overview = look(settings.database_path, lambda snapshot: take_overview(snapshot, now_ms(), zone, is_short=True))
    standstill = _find_standstill(settings, overview)
    screen = Screen(WIDTH_MAX, has_colours, is_plain=False)
    say(describe_short(overview, settings.budget_monthly_usd, standstill, width, screen))
    return EXIT_OK if standstill is None else EXIT_DEGRADED


def _find_standstill(settings: ReadingSettings, overview: Overview) -> str | None:
    """Return why the numbers may be old, None where they are fresh."""
    url = find_service(settings)
    if url is None:
        since = "" if overview.last_read_ms is None else f" since {moment_text(overview.last_read_ms, overview)}"
        return f"not watching{since}"
    from aico.proxy.readiness import is_ready

    ready = is_ready(url, settings.token)
    if ready is None:
        return "the service does not answer"
    return None if ready else "degraded, see aico status"
