"""``aico status``: the watched places, since when, and their troubles."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from typing import TypeAlias

from aico.cli import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, NEWER_CLINE
from aico.cli.box import describe_age, describe_size, describe_span
from aico.cli.no_ledger import describe_no_ledger
from aico.cli.screen import money
from aico.cli.settings import load
from aico.cli.streams import say
from aico.core.command_name import as_typed, command_name
from aico.core.instance_lock import InstanceLock
from aico.core.money import nano_usd
from aico.core.telemetry import describe_outcome
from aico.core.words import describe_count
from aico.proxy.running_service import RunningService

CLINE = "cline"
_FROZEN = "Cline was not used since, or writes elsewhere by now. `aico doctor` names the setting for that"
_READ_TOO = "the session store is read too"
_FUTURE = "only All on the page and an export without a time hold that. `aico doctor` looks at the clock"
_WELL = {"watching", "waiting"}
Fields: TypeAlias = dict[str, object]
"""An object of an answer."""


def show_status(options: argparse.Namespace) -> int:
    """Print the status of the running service; exit with 1 when none runs and with 3 when it is degraded.

    If none runs, raises StorageForeign and StorageNewer: `aico serve` would only say the same.
    """
    settings = load(options).settings
    holder = InstanceLock(settings.database_path).find_holder()
    if holder is None or holder.url is None:
        if holder is None:
            from aico.cli.database import refuse_unusable  # with SQLAlchemy, which the status of a service does without

            refuse_unusable(settings.database_path)
        fields: Fields = {"running": False, "ledger_path": settings.ledger_path}
        told = f"AI Cost Observer is not running. Start it with `{command_name()} serve`."
        say(json.dumps(fields) if options.json else told)
        return EXIT_FAILED
    token = settings.token.get_secret_value() if settings.token else None
    status, sources, limits, export = asyncio.run(_ask(RunningService(holder.url, token)))
    if options.json:
        say(
            json.dumps(
                {"running": True, "url": holder.url, **status, "sources": sources, "limits": limits, "otlp": export}
            )
        )
    else:
        lines = *_lines(holder.url, status, sources), *map(_describe_limit, limits), *_describe_export(export)
        say(*map(as_typed, lines))
    return EXIT_OK if _is_well(sources) else EXIT_DEGRADED


async def _ask(service: RunningService) -> tuple[Fields, list[Fields], list[Fields], Fields | None]:
    status, sources = await service.get_status(), await service.list_sources()
    return status, sources, await service.list_limits(), await service.get_export()


def _is_well(sources: Sequence[Fields]) -> bool:
    """Return whether every origin that is on is watched, or waited for."""
    return all(origin.get("state") in _WELL for source in sources for origin in _origins(source) if origin["enabled"])


def _lines(url: str, status: Fields, sources: Sequence[Fields] = ()) -> list[str]:
    watcher, ledger, last = _part(status, "watcher"), _part(status, "ledger"), _part(status, "last_import")
    reason = f" ({watcher['reason']})" if watcher.get("reason") else ""
    sessions_state = _part(_part(status, "sessions"), "watcher").get("state")
    is_without_cline = _is_without_cline(ledger, sources)
    described = [source for source in sources if not (is_without_cline and source.get("id") == CLINE)]
    lines = [f"running      {url}", *_describe_sources(described)]
    if is_without_cline:
        lines.append(f"{CLINE:<12} on from the start, and nothing of it is found on this computer")
    elif told := [text for text in map(describe_no_ledger, sources) if text is not None]:
        lines.append(f"ledger       {told[0]}")
    elif _is_ledger_on(sources):
        lines += [
            f"watcher      {watcher.get('state')}{reason} {_span_since(watcher.get('since'))}",
            f"ledger       {ledger.get('path')} (chosen by {ledger.get('chosen_by')})",
            *(f"             {line}" for line in _describe_ledger(ledger, sessions_state)),
        ]
    lines += _describe_sessions(_part(status, "sessions"))
    if last:
        counts = f"{last.get('imported_count')} imported, {last.get('error_count')} refused"
        lines.append(f"last import  {_age(last.get('at'))} [{last.get('trigger')}]: {counts}")
    if kimi := _part(status, "kimi_proxy"):
        reason = f" ({kimi['reason']})" if kimi.get("reason") else ""
        lines.append(f"kimi proxy   {kimi.get('state')}{reason} {_span_since(kimi.get('since'))}")
    if recovery := _part(status, "recovery"):
        lines.append(f"database     {recovery.get('text')}")
    return lines


def _is_without_cline(ledger: Fields, sources: Sequence[Fields]) -> bool:
    """Return whether Cline is on by default alone, nothing of it is here, and another tool is counted."""
    cline = next((source for source in sources if source.get("id") == CLINE), {})
    is_absent = not cline.get("sessions") and not any(each.get("look") for each in _origins(cline))
    is_default = ledger.get("chosen_by") == "default" and not any(each.get("fixed_by") for each in _origins(cline))
    waits = all(each.get("state") == "waiting" for each in _origins(cline) if each.get("enabled"))
    others = any(source.get("sessions") for source in sources if source is not cline)
    return bool(cline.get("enabled")) and is_absent and is_default and waits and others


def _describe_sources(sources: Sequence[Fields]) -> list[str]:
    """Say how every source is that is on, with its origins, and name the others."""
    lines: list[str] = []
    for source in sources:
        if not source.get("enabled"):
            continue
        read = f"{describe_count(source.get('sessions'), 'session')}, last read {_age(source.get('last_read_at'))}"
        text = f"{_describe_state(source)}, {read}"
        if reading := _part(source, "reading"):
            done, total = (_size(reading.get(name)) for name in ("bytes_done", "bytes_total"))
            text += f", {done} of {total} of the first reading done"
        lines.append(f"{source.get('id'):<12} {text}")
        if isinstance(future := source.get("future_sessions"), int) and future > 0:
            lines.append(f"             {_describe_future(future, source.get('future_cost_usd'))}: {_FUTURE}")
        if isinstance(silent := source.get("unmeasured_requests"), int) and silent > 0:
            lines.append(
                f"             {describe_count(silent, 'record')} without numbers: what they cost is not known"
            )
        for origin in _origins(source):
            told = describe_no_ledger(source) if origin.get("id") == "ledger" else None
            text = _describe_origin(origin, source.get("id")) if told is None else f"{origin.get('title')}: {told}"
            lines.append(f"             {text}")
    off = [source for source in sources if not source.get("enabled")]
    for source in off:
        if found := _part(source, "found"):
            fixed = next((each["fixed_by"] for each in _origins(source) if each.get("fixed_by")), None)
            lines.append(f"off          {source['id']}: {_describe_found(found, str(source['id']), fixed)}")
    absent = [str(source.get("id")) for source in off if not source.get("found")]
    return [*lines, f"off          {', '.join(absent)}"] if absent else lines


def _describe_found(found: Fields, name: str, fixed_by: object) -> str:
    """Say of something that is off and lies here how much it is, and how it would be read."""
    how = f"the setting {fixed_by} decides" if fixed_by else f"`aico sources on {name}` reads it"
    return f"found, {describe_count(found.get('files'), 'file')}, {_size(found.get('bytes'))}: {how}"


def _describe_export(export: Fields | None) -> list[str]:
    """Say how the way out to a collector is, where one is set."""
    if not export:
        return []
    accepted = f"last accepted {_age(export.get('accepted_at'))}"
    words = describe_outcome(export.get("state"))
    ill = "" if export.get("state") in {None, "accepted"} else f"{words} {_span_since(export.get('since'))}; "
    return [f"collector    {export.get('endpoint')}: {ill}{accepted}"]


def _describe_future(count: int, cost_usd: object) -> str:
    """Tell entries that are dated further ahead than clocks differ."""
    cost = f"{money(nano_usd(cost_usd))}" if isinstance(cost_usd, int | float) else "without a price"
    return f"{describe_count(count, 'session')}, {cost}, {'is' if count == 1 else 'are'} dated in the future"


def _describe_limit(limit: Fields) -> str:
    """Say how much of a window is used: as its tool has told it, as we estimate it, or of a budget."""
    if limit.get("origin", "tool") != "tool":
        return _describe_own_limit(limit)
    minutes, share, resets_at = limit.get("window_minutes"), limit.get("used_share"), limit.get("resets_at")
    window = f"window of {_span(minutes * 60)}" if isinstance(minutes, (int, float)) else limit.get("window")
    if isinstance(share, (int, float)):
        used = f"{share:.0%} used"
        if isinstance(resets_at, (int, float)):
            used += f", begins anew in {_span(resets_at / 1000 - time.time())}"
    else:
        used = "began anew since"
    return f"limit        {limit.get('source')}, {window}: {used} (told {_age(limit.get('as_of'))})"


def _describe_own_limit(limit: Fields) -> str:
    """Say the same of a budget, which has a name, or of an estimate, of which perhaps no limit is stated."""
    share, used, resets_at = limit.get("used_share"), limit.get("used_usd"), limit.get("resets_at")
    is_budget = limit.get("origin") == "budget"
    window = str(limit.get("window", "")).replace("_", " ")
    name = f"{limit.get('plan')}, a {window}" if is_budget else f"{limit.get('source')}, {window}"
    least = "at least " if limit.get("at_least") else ""
    amount = f"{least}${used:,.2f}" if isinstance(used, (int, float)) else "unpriced"
    stated = limit.get("limit_usd")
    if isinstance(share, (int, float)):
        text = f"{amount}, {share:.0%} used"
    elif isinstance(stated, (int, float)):
        text = f"${stated:,.2f} stated; not measured, since the tool records no cost, and no list price is known"
    else:
        text = f"{amount} used, its limit is not stated"
    if isinstance(resets_at, (int, float)):
        text += f", begins anew in {_span(resets_at / 1000 - time.time())}"
    return f"{'budget' if is_budget else 'limit':<12} {name}: {text}{'' if is_budget else ' (estimate)'}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "less than a minute"


def _size(size_bytes: object) -> str:
    return describe_size(size_bytes) if isinstance(size_bytes, int) else "?"


def _describe_origin(origin: Fields, source: object) -> str:
    fixed = f", by the setting {origin['fixed_by']}" if origin.get("fixed_by") else ""
    if not origin.get("enabled"):
        if (look := _part(origin, "look")) and not fixed:
            name = f"{source}.{origin.get('id')}"
            return f"{origin.get('title')}: off, {_describe_found(look, name, None)}"
        return f"{origin.get('title')}: off{fixed}"
    problem = f". {origin['problem']}" if origin.get("problem") else ""
    return f"{origin.get('title')}: {_describe_state(origin)}{fixed}{problem}"


def _describe_state(part: Fields) -> str:
    reason = f" ({part['reason']})" if part.get("reason") else ""
    return f"{part.get('state')}{reason}"


def _is_ledger_on(sources: Sequence[Fields]) -> bool:
    """Return whether Cline's ledger is read, as it is where the service tells of no sources."""
    origins = [origin for source in sources if source.get("id") == "cline" for origin in _origins(source)]
    return all(origin.get("enabled") for origin in origins if origin.get("id") == "ledger")


def _origins(source: Fields) -> list[Fields]:
    origins = source.get("origins")
    return [origin for origin in origins if isinstance(origin, dict)] if isinstance(origins, list) else []


def _describe_ledger(ledger: Fields, sessions_state: object) -> list[str]:
    """Say how the ledger is; ``sessions_state`` is None where the session store is not asked for."""
    if not ledger.get("exists"):
        absent = "not there (yet)"
        if sessions_state == "watching":
            return [f"{absent}; {_READ_TOO}"]
        absent += ": `aico doctor` says more"
        return [absent] if sessions_state else [absent, *NEWER_CLINE]
    written = f"last written {_age(ledger.get('written_at'))}"
    if not ledger.get("frozen_since"):
        return [written]
    return [f"{written}; {_READ_TOO}" if sessions_state == "watching" else f"{written}: {_FROZEN}"]


def _describe_sessions(sessions: Fields) -> list[str]:
    """Say how the session store is, where it is asked for."""
    if not sessions:
        return []
    watcher = _part(sessions, "watcher")
    state = sessions.get("problem") or watcher.get("state")
    written = f"last written {_age(sessions.get('written_at'))}" if sessions.get("exists") else "not there (yet)"
    return [f"sessions     {sessions.get('path')}", f"             {written}; {state}"]


def _part(status: Fields, name: str) -> Fields:
    part = status.get(name)
    return part if isinstance(part, dict) else {}


def _span_since(moment_ms: object) -> str:
    if not isinstance(moment_ms, int | float):
        return "since an unknown moment"
    return f"for {describe_span(max(0.0, time.time() - moment_ms / 1000))}"


def _age(moment_ms: object) -> str:
    return describe_age(max(0.0, time.time() - moment_ms / 1000)) if isinstance(moment_ms, (int, float)) else "never"
