"""``aico doctor``: looks at everything that could be wrong and says what to do. It changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict

from aico.cli import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK
from aico.cli.doctor.activity import examine_activity
from aico.cli.doctor.cline import examine_cline
from aico.cli.doctor.clock import examine_clock
from aico.cli.doctor.configuration import examine_configuration
from aico.cli.doctor.database import examine_database
from aico.cli.doctor.finding import Finding, Verdict, fail
from aico.cli.doctor.instance import examine_instance, examine_kimi_proxy, examine_port, examine_start
from aico.cli.doctor.otlp import examine_export
from aico.cli.doctor.places import SourcesReport, look_at_places
from aico.cli.doctor.sources import examine_sources
from aico.cli.doctor.watching import examine_file_systems, examine_limits, examine_notifications
from aico.cli.settings import load
from aico.cli.streams import say
from aico.cli.terminal import hanging
from aico.core.command_name import as_typed
from aico.core.errors import SettingsError
from aico.core.settings import LoadedSettings, Settings
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Source

OF_SOURCES: tuple[Callable[[SourcesReport, Settings], Iterable[Finding]], ...] = (
    examine_sources,
    examine_cline,
    examine_clock,
    examine_file_systems,
)
"""Checks of the places that were looked at."""
WATCHING: tuple[Callable[[SourcesReport, Settings], AsyncIterator[Finding]], ...] = (examine_notifications,)
OF_MACHINE: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
    examine_limits,
    examine_database,
    examine_port,
    examine_start,
)
"""Checks of the machine; these block for a moment each."""
OF_OTHERS: tuple[Callable[[Settings], AsyncIterator[Finding]], ...] = (
    examine_instance,
    examine_kimi_proxy,
    examine_export,
    examine_activity,
)
"""Checks of others, which may answer late or never."""
_SUBJECT_WIDTH, _VERDICT_WIDTH = 13, 6
_CODES = {Verdict.OK: EXIT_OK, Verdict.WARN: EXIT_DEGRADED, Verdict.FAIL: EXIT_FAILED}


def examine(options: argparse.Namespace) -> int:
    """Print the findings; exit with 1 when one of them is a FAIL, such as settings that cannot be, and 3 for a WARN."""
    try:
        loaded = load(options)
    except SettingsError as error:
        findings = [fail("settings", f"{error} Nothing else can be looked at before it is corrected")]
    else:
        findings = asyncio.run(collect(loaded))
    if options.json:
        say(json.dumps([asdict(finding) for finding in findings]))
    else:
        width = max(_SUBJECT_WIDTH, *(len(finding.subject) for finding in findings))
        say(*hanging((_line(finding, width) for finding in findings), _VERDICT_WIDTH + width + 1))
    return _CODES[worst_of(findings)]


async def collect(loaded: LoadedSettings, sources: Sequence[Source] = SOURCES) -> list[Finding]:
    """Return everything that was found, in the order of the report."""
    settings = loaded.settings
    report = await look_at_places(settings, sources)
    found = await asyncio.to_thread(
        lambda: [*examine_configuration(loaded), *(one for look in OF_SOURCES for one in look(report, settings))]
    )
    found += [one for look in WATCHING async for one in look(report, settings)]
    found += await asyncio.to_thread(lambda: [one for look in OF_MACHINE for one in look(settings)])
    return [*found, *[one for look in OF_OTHERS async for one in look(settings)]]


def worst_of(findings: Iterable[Finding]) -> Verdict:
    """Return the worst verdict."""
    verdicts = {finding.verdict for finding in findings}
    return next((verdict for verdict in (Verdict.FAIL, Verdict.WARN) if verdict in verdicts), Verdict.OK)


def _line(finding: Finding, width: int) -> str:
    return f"{finding.verdict:<4}  {finding.subject:<{width}} {as_typed(finding.text)}"
