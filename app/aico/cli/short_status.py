"""``aico status --short``: one line for a prompt or a status bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aico.cli import EXIT_DEGRADED, EXIT_OK, flags_of
from aico.cli.amounts import describe_short, find_budget, moment_text
from aico.cli.reading import find_fresh_until, find_service, load_reading_settings, show_as_stored
from aico.cli.screen import WIDTH_MAX, Screen
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.db.looking import look
from aico.core.db.sums_reader import SumsSnapshot
from aico.core.filters import slot_floor
from aico.core.local_zone import find_local_zone
from aico.core.reading_settings import ReadingSettings
from aico.core.units import DAY_SLOTS
from aico.services.overview import Overview, take_overview

if TYPE_CHECKING:
    import argparse
    from zoneinfo import ZoneInfo

    from aico.cli.limit_words import ShortLimit

_WITH_BLOCKS = "claude-code"
"""As in ``features.limits.blocks``, which is imported only where it was used within a week."""


def show_line(options: argparse.Namespace) -> int:
    """Do what the parsed words say: like :func:`show_short`."""
    return show_short(flags_of(options), options.width, has_colours=options.color)


def show_short(flags: Mapping[str, object], width: int, *, has_colours: bool) -> int:
    """Print today and this month; exit with 3 where nobody watches, or a service is degraded.

    Raises SettingsError, StorageError.
    """
    settings, zone = load_reading_settings(flags), find_local_zone().zone
    now = now_ms()

    async def read(snapshot: SumsSnapshot) -> tuple[Overview, list[ShortLimit]]:
        await show_as_stored(settings, snapshot)
        return await take_overview(snapshot, now, zone, is_short=True), await find_limits(snapshot, now, zone)

    overview, limits = look(settings.database_path, read)
    standstill = _find_standstill(settings, overview)
    screen = Screen(WIDTH_MAX, has_colours, is_plain=False)
    said = [limit.text for limit in limits]
    say(describe_short(overview, find_budget(settings, overview), standstill, width, screen, said))
    return EXIT_OK if standstill is None else EXIT_DEGRADED


async def find_limits(snapshot: SumsSnapshot, now: int, zone: ZoneInfo) -> list[ShortLimit]:
    """Return the limits that are nearest to their end, in words; who has none does not wait for their code."""
    if not await snapshot.knows_limits(_WITH_BLOCKS, slot_floor(now) - 7 * DAY_SLOTS):
        return []
    from aico.cli.limit_words import find_short_limits

    return await find_short_limits(snapshot, now, zone)


def _find_standstill(settings: ReadingSettings, overview: Overview) -> str | None:
    """Return why the numbers may be old, None where they are fresh."""
    url = find_service(settings)
    if url is None:
        until = find_fresh_until(settings, overview.last_read_ms)
        return "never watched" if until is None else f"not watching since {moment_text(until, overview.now)}"
    from aico.proxy.readiness import is_ready

    ready = is_ready(url, settings.token)
    if ready is None:
        return "the service does not answer"
    return None if ready else "degraded, see aico status"
