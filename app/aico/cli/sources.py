"""``aico sources``: the tools that can be read, and the switches of them."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence

from aico import __version__
from aico.cli import EXIT_OK
from aico.cli.box import describe_age, describe_size
from aico.cli.settings import load
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.errors import InstanceRunning
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.proxy.running_service import RunningService
from aico.services.service import ObserverService
from aico.services.source_shapes import source_fields
from aico.services.source_states import SourceUsage
from aico.services.status import list_sources


def show_sources(options: argparse.Namespace) -> int:
    """Switch what is named, by the running service where there is one, then list every known source."""
    settings = load(options).settings
    changes = changes_of(options.names, is_on=options.switch == "on") if options.switch else {}
    lock = InstanceLock(settings.database_path)
    running = None
    if changes:
        try:
            lock.acquire()
        except InstanceRunning as error:
            running = error
            if error.url is None:
                raise
    else:
        holder = lock.find_holder()
        running = InstanceRunning(holder.pid, holder.url) if holder is not None and holder.url is not None else None
    try:
        sources = asyncio.run(_ask(running, settings, changes) if running else _look(settings, changes))
    finally:
        if changes and running is None:
            lock.release()
    if options.json:
        say(json.dumps(sources))
    else:
        say(*(line for source in sources for line in _lines(source)))
    return EXIT_OK


def changes_of(names: Sequence[str], *, is_on: bool) -> dict[str, dict[str, object]]:
    """Return, by source, the body of ``PUT /api/sources/{id}`` that switches ``names``, such as ``cline.sessions``."""
    changes: dict[str, dict[str, object]] = {}
    for name in names:
        source, _, origin = name.partition(".")
        change = changes.setdefault(source, {})
        if not origin:
            change["enabled"] = is_on
            continue
        origins = change.setdefault("origins", {})
        if isinstance(origins, dict):
            origins[origin] = is_on
    return changes


async def _ask(
    running: InstanceRunning, settings: Settings, changes: Mapping[str, dict[str, object]]
) -> list[dict[str, object]]:
    token = settings.token.get_secret_value() if settings.token else None
    service = RunningService(str(running.url), token)
    for source, change in changes.items():
        await service.switch_source(source, change)
    return await service.list_sources()


async def _look(settings: Settings, changes: Mapping[str, dict[str, object]]) -> list[dict[str, object]]:
    """Switch and look without a service; makes a database only where something is switched."""
    service = ObserverService(settings, __version__, now_ms)
    is_there = settings.database_path.exists()
    if changes:
        await service.database.open()
    try:
        if changes or is_there:
            await service.sources.load()
        for source, change in changes.items():
            enabled, origins = change.get("enabled"), change.get("origins")
            await service.sources.choose(
                source,
                enabled if isinstance(enabled, bool) else None,
                {str(name): bool(is_on) for name, is_on in origins.items()} if isinstance(origins, dict) else None,
            )
        if not (changes or is_there):
            return [source_fields(SourceUsage(state)) for state in await service.sources.list_states()]
        return [source_fields(each) for each in await list_sources(service)]
    finally:
        await service.database.close()


def _lines(source: Mapping[str, object]) -> list[str]:
    """Return a source and its origins as lines for a person."""
    found = source.get("found")
    fixed = f", fixed by {source['fixed_by']}" if source.get("fixed_by") else ""
    lines = [f"{source['id']:<14} {'on' if source['enabled'] else 'off':<4} {_describe(found)}{fixed}"]
    origins = source.get("origins")
    for origin in origins if isinstance(origins, list) else []:
        name = f"{source['id']}.{origin['id']}"
        there = "" if origin["found"] else ", not there"
        reason = f" ({origin['reason']})" if origin.get("reason") else ""
        lines.append(f"  {name:<22} {'on' if origin['enabled'] else 'off':<4} {origin['state']}{reason}{there}")
    return lines


def _describe(found: object) -> str:
    if not isinstance(found, dict):
        return "not found on this computer"
    age_s = max(0.0, now_ms() / 1000 - found["last_written_at"] / 1000)
    files = "1 file" if found["files"] == 1 else f"{found['files']} files"
    return f"{files}, {describe_size(found['bytes'])}, last written {describe_age(age_s)}"
