"""``aico status --short``: one line for a prompt or a status bar."""

from __future__ import annotations

import argparse

from aico.cli import EXIT_DEGRADED, EXIT_OK
from aico.cli.amounts import describe_short, moment_text
from aico.cli.reading import find_service, load_reading_settings
from aico.cli.screen import WIDTH_MAX, Screen
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.db.looking import look
from aico.core.local_zone import find_local_zone
from aico.core.reading_settings import ReadingSettings
from aico.proxy.readiness import is_ready
from aico.services.overview import Overview, take_overview


def show_line(options: argparse.Namespace) -> int:
    """Print today and this month; exit with 3 where nobody watches, or a service is degraded.

    Raises SettingsError, StorageError.
    """
    settings, zone = load_reading_settings(options), find_local_zone().zone
    overview = look(settings.database_path, lambda snapshot: take_overview(snapshot, now_ms(), zone, is_short=True))
    standstill = _find_standstill(settings, overview)
    screen = Screen(WIDTH_MAX, options.color, is_plain=False)
    say(describe_short(overview, settings.budget_monthly_usd, standstill, options.width, screen))
    return EXIT_OK if standstill is None else EXIT_DEGRADED


def _find_standstill(settings: ReadingSettings, overview: Overview) -> str | None:
    """Return why the numbers may be old, None where they are fresh."""
    url = find_service(settings)
    if url is None:
        since = "" if overview.last_read_ms is None else f" since {moment_text(overview.last_read_ms, overview)}"
        return f"not watching{since}"
    ready = is_ready(url, settings.token)
    if ready is None:
        return "the service does not answer"
    return None if ready else "degraded, see aico status"
