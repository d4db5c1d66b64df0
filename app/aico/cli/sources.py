"""``aico sources``: the tools that can be read, and the switches of them."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from aico import __version__
from aico.cli import EXIT_OK, EXIT_USAGE
from aico.cli.box import describe_age, describe_size
from aico.cli.names import are_known
from aico.cli.no_ledger import describe_no_ledger
from aico.cli.projects import list_named
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.cli.terminal import hanging
from aico.core.activity import ACTIVITY, KINDS
from aico.core.clock import now_ms
from aico.core.command_name import command_name
from aico.core.db.upkeep.inspection import check_present
from aico.core.errors import InstanceRunning, StorageAbsent
from aico.core.events import WatcherState
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.features.sources.registry import KNOWN
from aico.proxy.running_service import RunningService
from aico.services.activity_shapes import ActivityKindOut
from aico.services.service import ObserverService
from aico.services.source_shapes import source_fields
from aico.services.source_states import SourceUsage
from aico.services.status import list_sources

Listed: TypeAlias = tuple[list[dict[str, object]], list[dict[str, object]]]
"""Every source, and every kind of activity."""
_BELOW = " " * 30
"""Before what is read of an origin."""


def show_sources(options: argparse.Namespace) -> int:
    """Switch the named ones, by the running service if there is one, and tell it; without a name list all."""
    settings = load(options).settings
    if options.switch and not options.names:
        complain(f"aico: which one shall be {options.switch}? `{command_name()} sources` lists them")
        return EXIT_USAGE
    if not are_known(options.names, {**KNOWN, ACTIVITY: tuple(KINDS)}, with_origins=True):
        return EXIT_USAGE
    changes = changes_of(options.names, is_on=options.switch == "on") if options.switch else {}
    lock = InstanceLock(settings.database_path)
    running = None
    before: dict[str, bool] = {}
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
        asked = _ask(running, settings, changes, before) if running else _look(settings, changes, before)
        sources, kinds = asyncio.run(asked)
    finally:
        if changes and running is None:
            lock.release()
    if options.json:
        # With the keys of a tool: a script that goes through the origins of each finds none of a kind.
        say(json.dumps([*sources, *({**kind, "id": f"{ACTIVITY}.{kind['id']}", "origins": []} for kind in kinds)]))
        return EXIT_OK
    _except_named(sources, list_named(settings))
    if changes:
        lines = _describe_change(options.names, (sources, kinds), before, is_running=running is not None)
        say(*hanging(lines, len(_BELOW)))
    else:
        lines = (line for source in sources for line in _lines(source, is_running=running is not None))
        say(*hanging(lines, len(_BELOW)))
        say(*hanging((line for kind in kinds for line in _kind_lines(kind)), len(_BELOW)))
    return EXIT_OK


def _except_named(sources: Sequence[Mapping[str, object]], named: Collection[str]) -> None:
    """Except the names that projects keep from the words on what is never read, for ``named`` sources."""
    for source in sources:
        if source["id"] in named:
            for origin in _origins_of(source):
                origin["never_read"] = f"{origin['never_read']}, but for the last name of the working folder"


def _describe_change(
    names: Sequence[str], listed: Listed, before: Mapping[str, bool], *, is_running: bool
) -> Iterator[str]:
    """Yield the switches that changed, and the present state of each named source or kind."""
    after = _switches(listed)
    changed = [name for name, is_on in after.items() if is_on != before.get(name, is_on)]
    is_off = bool(changed) and not after[changed[0]]
    if is_off:
        yield f"Switched off: {', '.join(changed)}. What was counted stays."
    elif changed:
        yield f"Switched on: {', '.join(changed)}.{'' if is_running else f' `{command_name()} serve` reads it.'}"
    else:
        yield f"Nothing changed: {', '.join(names)} stood like that."
    sources, kinds = listed
    for source in sources:
        origins = {name.partition(".")[2] for name in names if name.partition(".")[0] == source["id"]}
        if origins:
            lines = _lines(source, is_running=is_running, only=None if "" in origins else origins)
            # Nobody switches on a place that was not told; one that is off is not read.
            yield from (line for line in lines if not is_off or not line.startswith(_BELOW))
    for kind in kinds:
        if {ACTIVITY, f"{ACTIVITY}.{kind['id']}"} & set(names):
            yield from _kind_lines(kind)


def _switches(listed: Listed) -> dict[str, bool]:
    """Return how the switches of all origins and kinds of activity stand, by their names."""
    sources, kinds = listed
    known = {
        f"{source['id']}.{origin['id']}": bool(origin["enabled"])
        for source in sources
        for origin in _origins_of(source)
    }
    return known | {f"{ACTIVITY}.{kind['id']}": bool(kind["enabled"]) for kind in kinds}


def changes_of(names: Sequence[str], *, is_on: bool) -> dict[str, dict[str, object]]:
    """Return, by source, the body of ``PUT /api/sources/{id}`` that switches ``names``, such as ``cline.sessions``."""
    changes: dict[str, dict[str, object]] = {}
    for name in names:
        source, _, origin = name.partition(".")
        if not origin:
            changes[source] = {"enabled": is_on}  # with all of its origins
            continue
        origins = changes.setdefault(source, {"origins": {}}).get("origins")
        if isinstance(origins, dict):
            origins[origin] = is_on
    return changes


def activity_changes(change: Mapping[str, object]) -> dict[str, bool]:
    """Return, by kind of activity, how its switch shall stand; ``activity`` itself means all of them."""
    origins = change.get("origins")
    if isinstance(origins, dict):
        return {str(name): bool(is_on) for name, is_on in origins.items()}
    return dict.fromkeys(KINDS, bool(change.get("enabled")))


async def _ask(
    running: InstanceRunning, settings: Settings, changes: Mapping[str, dict[str, object]], before: dict[str, bool]
) -> Listed:
    """Switch and look by the service; ``before`` gets how the switches stood."""
    token = settings.token.get_secret_value() if settings.token else None
    service = RunningService(str(running.url), token)
    if changes:
        before |= _switches((await service.list_sources(), await service.list_activity_kinds()))
    for source, change in changes.items():
        if source == ACTIVITY:
            for kind, is_on in activity_changes(change).items():
                await service.switch_activity(kind, is_on=is_on)
            continue
        await service.switch_source(source, change)
    return await service.list_sources(), await service.list_activity_kinds()


async def _look(settings: Settings, changes: Mapping[str, dict[str, object]], before: dict[str, bool]) -> Listed:
    """Switch and look without a service; makes, or migrates, a database only where something is switched.

    ``before`` gets how the switches stood.

    Raises SourceUnknown, SourceFixed, StorageError.
    """
    service = ObserverService(settings, __version__, now_ms)
    if changes:
        await service.database.open()
    else:
        service.database.only_look()
    is_stored = await asyncio.to_thread(_is_stored, settings.database_path)
    try:
        await service.sources.load()
        before |= {choice.name: choice.is_on for choice in service.sources.choices.list_all()}
        before |= {f"{ACTIVITY}.{kind.kind.id}": kind.is_on for kind in service.activity.list_kinds()}
        for source, change in changes.items():
            if source == ACTIVITY:
                for kind, is_on in activity_changes(change).items():
                    await service.activity.choose(kind, is_on=is_on)
                continue
            enabled, origins = change.get("enabled"), change.get("origins")
            await service.sources.choose(
                source,
                enabled if isinstance(enabled, bool) else None,
                {str(name): bool(is_on) for name, is_on in origins.items()} if isinstance(origins, dict) else None,
            )
        kinds = [ActivityKindOut.of(status).model_dump(mode="json") for status in service.activity.list_kinds()]
        if not is_stored:
            return [source_fields(SourceUsage(state)) for state in await service.sources.list_states()], kinds
        return [source_fields(each) for each in await list_sources(service)], kinds
    finally:
        await service.database.close()


def _is_stored(path: Path) -> bool:
    """Return whether there is a database yet. Raises StorageError for one that this version does not read as it is."""
    try:
        check_present(path)
    except StorageAbsent:
        return False
    return True


def _origins_of(source: Mapping[str, object]) -> list[dict[str, object]]:
    listed = source.get("origins")
    return listed if isinstance(listed, list) else []


def _lines(source: Mapping[str, object], *, is_running: bool, only: Collection[str] | None = None) -> list[str]:
    """Return a source and its origins as lines for a person; how they are watched is known of a running service.

    ``only`` names the origins that are told; None: all of them.
    """
    origins = _origins_of(source)
    found = _describe(source.get("found"), origins)
    lines = [f"{source['id']:<24} {_switch(source)} {source['title']}: {found}{_fixed(source)}"]
    for origin in origins:
        if only is not None and origin["id"] not in only:
            continue
        name = f"{source['id']}.{origin['id']}"
        there = _describe_look(origin, is_alone=len(origins) == 1) + _describe_switch(origin)
        reason = f" ({origin['reason']})" if origin.get("reason") else ""
        watched = f", {origin['state']}{reason}" if is_running and origin["enabled"] else ""
        fixed = "" if source.get("fixed_by") else _fixed(origin)
        if origin["id"] == "ledger" and (told := describe_no_ledger(source)) is not None:
            watched, there = f": {told}", ""
        lines.append(f"  {name:<22} {_switch(origin)} {origin['title']}{watched}{there}{fixed}{_refusal(origin)}")
        lines += [f"{_BELOW}{text}" for text in _describe_reading(origin)]
    return lines


def _kind_lines(kind: Mapping[str, object]) -> list[str]:
    name = f"{ACTIVITY}.{kind['id']}"
    what = f"{kind['title']}: {kind['reads']}; never {kind['never_read']}{_fixed(kind)}"
    return [f"{name:<24} {_switch(kind)} {what}"]


def _describe_look(origin: Mapping[str, object], *, is_alone: bool) -> str:
    """Tell the files in the places of an origin; of one that is alone, its source has told them."""
    look = origin.get("look")
    if isinstance(look, dict):
        return "" if is_alone else f", {_describe_files(look)}"
    if origin.get("counting"):
        return ", being counted"
    return "" if _refusal(origin) else ", not there"


def _describe_switch(origin: Mapping[str, object]) -> str:
    since = origin.get("off_since")
    if not isinstance(since, int):
        return ""
    return f", switched off {datetime.fromtimestamp(since / 1000, UTC).astimezone():%Y-%m-%d %H:%M}"


def _switch(part: Mapping[str, object]) -> str:
    return f"{'on' if part['enabled'] else 'off':<4}"


def _fixed(part: Mapping[str, object]) -> str:
    return f", fixed by {part['fixed_by']}" if part.get("fixed_by") else ""


def _describe_reading(origin: Mapping[str, object]) -> list[str]:
    """Say what is read of an origin, or would be, and what never is: nobody switches on an untold place."""
    paths = origin.get("paths")
    never = f"; never {origin['never_read']}" if origin.get("never_read") else ""
    return [f"numbers, models, ids and times of {path}{never}" for path in (paths if isinstance(paths, list) else [])]


def _refusal(origin: Mapping[str, object]) -> str:
    """Return why a place that is there cannot be read; empty where nothing is wrong, or nothing is there."""
    is_told = origin.get("problem") and origin.get("state") != WatcherState.WAITING.value
    return f". {origin['problem']}" if is_told else ""


def _describe(found: object, origins: Sequence[Mapping[str, object]]) -> str:
    if isinstance(found, dict):
        age_s = max(0.0, now_ms() / 1000 - found["last_written_at"] / 1000)
        return f"{_describe_files(found)}, last written {describe_age(age_s)}"
    if any(origin.get("counting") for origin in origins):
        return "its files are being counted"
    return "what is there cannot be read" if any(map(_refusal, origins)) else "not found on this computer"


def _describe_files(found: Mapping[str, int]) -> str:
    files = "1 file" if found["files"] == 1 else f"{found['files']:,} files"
    return f"{files}, {describe_size(found['bytes'])}"
