"""``aico activity``: the time in AI apps, commands and sites, from the running service or from the stored numbers."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping

from aico import __version__
from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from aico.cli.screen import plural
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.core.clock import now_ms
from aico.core.command_name import command_name
from aico.core.db.upkeep.inspection import check_present
from aico.core.instance_lock import InstanceLock
from aico.core.local_zone import find_local_zone
from aico.core.settings import Settings
from aico.core.units import SLOT_MS
from aico.proxy.running_service import RunningService
from aico.services.activity_shapes import get_activity
from aico.services.overview import local_now, stretch_of_days
from aico.services.service import ObserverService

_REASONS = {
    "library_missing": "its libraries are not installed: pip install 'ai-cost-observer[activity]'",
    "foreground_wayland": "which window is in front cannot be known under Wayland",
    "foreground_no_display": "there is no screen whose windows could be looked at",
    "foreground_failed": "the screen does not say which window is in front",
    "system_unknown": "not on this system",
}


def show_activity(options: argparse.Namespace) -> int:
    """Print the use in a period. Raises SettingsError, StorageError, ServiceRefusal, ServiceUnreachable."""
    settings, zone = load(options).settings, find_local_zone().zone
    if options.action == "forget":
        from aico.cli.activity_forget import forget

        return forget(settings, options, zone)
    if options.pair:
        return _pair(settings)
    today = local_now(now_ms(), zone).date()
    last = options.to or max(today, options.from_ or today)
    first = options.from_ or min(today, last)
    if first > last:
        complain(f"aico activity: --from {first} lies behind --to {last}")
        return EXIT_USAGE
    first_slot, end_slot = stretch_of_days(first, last, zone)
    holder = InstanceLock(settings.database_path).find_holder()
    url = None if holder is None else holder.url
    answer = asyncio.run(_find(settings, url, first_slot * SLOT_MS, end_slot * SLOT_MS))
    if options.json:
        say(json.dumps(answer, ensure_ascii=False, separators=(",", ":")))
    else:
        say(*_lines(answer, "Today" if first == last == today else f"{first} to {last}", is_running=url is not None))
    return EXIT_OK


def _pair(settings: Settings) -> int:
    """Print a token for the extension of one browser. Raises ServiceRefusal, ServiceUnreachable."""
    holder = InstanceLock(settings.database_path).find_holder()
    if holder is None or holder.url is None:
        complain(f"aico activity: the service does not run; start it with `{command_name()} serve`")
        return EXIT_FAILED
    token = settings.token.get_secret_value() if settings.token else None
    pairing = asyncio.run(RunningService(holder.url, token).add_pairing())
    say(f"Address  {holder.url.rstrip('/')}", f"Token    {pairing['token']}")
    complain("Enter both in the options of the extension, within an hour. The token is good for one browser.")
    return EXIT_OK


async def _find(settings: Settings, url: str | None, from_ms: int, to_ms: int) -> dict[str, object]:
    if url is not None:
        token = settings.token.get_secret_value() if settings.token else None
        return await RunningService(url, token).get_activity(from_ms, to_ms)
    await asyncio.to_thread(check_present, settings.database_path)
    service = ObserverService(settings, __version__, now_ms)
    service.database.only_look()
    try:
        await service.sources.load()
        return (await get_activity(service.activity, from_ms, to_ms)).model_dump(mode="json", by_alias=True)
    finally:
        await service.database.close()


def _lines(answer: Mapping[str, object], period: str, *, is_running: bool) -> Iterator[str]:
    """Yield the use for a person; a running service alone knows the programs that run."""
    yield f"{period}: {time_text(_number(answer.get('seconds')))} in AI apps, commands and sites"
    if answer.get("estimated_cost_usd"):
        yield f"{'':<2}about {_usd(answer['estimated_cost_usd'])} at your hourly rates: an estimate, in no other sum"
    for each in _objects(answer.get("subjects")):
        yield _line(each)
    for kind in _objects(answer.get("kinds")):
        name = f"activity.{kind['id']}"
        if not kind["enabled"]:
            fixed = f" (fixed by {kind['fixed_by']})" if kind.get("fixed_by") else ""
            hint = fixed or f": `{command_name()} sources on {name}` would look at {kind['reads']}"
            yield f"off  {name}{hint}; never {kind['never_read']}"
        else:
            state = str(kind["state"]) if is_running else "no service runs"
            reason = _REASONS.get(str(kind["reason"]), str(kind["reason"])) if kind.get("reason") else ""
            yield f"on   {name}: {state}{f', {reason}' if reason else ''}"


def _line(each: Mapping[str, object]) -> str:
    place = f" ({each['place']})" if each.get("place") else ""
    parts = [time_text(_number(each.get("seconds")))] if each.get("seconds") else []
    parts += [plural(round(_number(each["count"])), "time")] if each.get("count") else []
    parts += [f"about {_usd(each['estimated_cost_usd'])}"] if each.get("estimated_cost_usd") else []
    parts += ["its assistant is assumed"] if each.get("is_assumed") else []
    parts += ["in front" if each.get("is_in_front") else "running"] if each.get("is_running") else []
    name = f"{each['subject']}{place}"
    return f"  {name:<28} {each['type']:<8} {', '.join(parts)}"


def time_text(seconds: float) -> str:
    """Return a time as ``2 h 5 min``, ``5 min`` or ``40 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _usd(value: object) -> str:
    return f"${_number(value):,.2f}"


def _objects(value: object) -> list[dict[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
