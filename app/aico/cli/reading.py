"""The facts for a command that only looks at numbers: its settings, and the service that keeps the numbers fresh."""

from __future__ import annotations

from collections.abc import Mapping

from aico.cli.screen import show_in, show_plans
from aico.core.db.rate import RATE, rate_of
from aico.core.db.sums_reader import SumsSnapshot
from aico.core.instance_lock import InstanceLock
from aico.core.reading_settings import ReadingSettings, find_reading_settings


def load_reading_settings(flags: Mapping[str, object]) -> ReadingSettings:
    """Return the settings that hold, with ``flags`` above all others. Raises SettingsError."""
    found = find_reading_settings(flags)
    if found is None:
        from aico.core.settings import load_settings  # which says what is wrong

        settings = load_settings(flags).settings
        token = None if settings.token is None else settings.token.get_secret_value()
        found = ReadingSettings(settings.database_path, settings.budget_monthly_usd, token, settings.currency)
    return found


def find_service(settings: ReadingSettings) -> str | None:
    """Return the address of the service that holds the database, None if none does. Raises StorageError."""
    holder = InstanceLock(settings.database_path).find_holder()
    return None if holder is None else holder.url


def find_fresh_until(settings: ReadingSettings, last_read_ms: int | None) -> int | None:
    """Return until when the numbers were kept fresh, epoch milliseconds: by a service, or by a reading of then.

    A service that finds nothing new records no reading. Raises StorageError.
    """
    moments = (last_read_ms, InstanceLock(settings.database_path).find_end())
    return max((moment for moment in moments if moment is not None), default=None)


async def show_as_stored(settings: ReadingSettings, snapshot: SumsSnapshot) -> None:
    """Have amounts said in the currency of the settings, or the stored one, and as values where a plan pays."""
    show_plans(await snapshot.list_plan_prices())
    show_in(settings.currency or rate_of(await snapshot.ask(RATE)))
