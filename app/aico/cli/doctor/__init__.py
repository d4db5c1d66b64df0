"""``aico doctor``: looks at everything that could be wrong and says what to do. It changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict

from aico.cli import EXIT_FAILED, EXIT_OK, command_name, flags_of
from aico.cli.doctor.clock import examine_clock
from aico.cli.doctor.configuration import examine_configuration
from aico.cli.doctor.database import examine_database
from aico.cli.doctor.finding import Finding, Verdict, fail
from aico.cli.doctor.instance import examine_instance, examine_kimi_proxy, examine_port, examine_start
from aico.cli.doctor.ledger import examine_ledger, examine_places
from aico.cli.doctor.sessions import examine_live, examine_reading, examine_sessions
from aico.cli.doctor.watching import examine_notifications, examine_watching
from aico.cli.streams import say
from aico.core.errors import SettingsError
from aico.core.settings import LoadedSettings, Settings, load_settings

BLOCKING: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
    examine_ledger,
    examine_places,
    examine_sessions,
    examine_live,
    examine_clock,
    examine_watching,
    examine_database,
    examine_port,
    examine_start,
)
"""What is looked at, in the order of the report; these block for a moment each."""
WAITING: tuple[Callable[[Settings], AsyncIterator[Finding]], ...] = (
    examine_reading,
    examine_notifications,
    examine_instance,
    examine_kimi_proxy,
)
"""What answers when it likes."""


def examine(options: argparse.Namespace) -> int:
    """Print the findings; exit with 1 when one of them is a FAIL, such as settings that cannot be."""
    try:
        loaded = load_settings(flags_of(options))
    except SettingsError as error:
        findings = [fail("settings", f"{error} Nothing else can be looked at before it is corrected")]
    else:
        findings = asyncio.run(collect(loaded))
    if options.json:
        say(json.dumps([asdict(finding) for finding in findings]))
    else:
        say(*(_line(finding) for finding in findings))
    return EXIT_FAILED if any(finding.verdict is Verdict.FAIL for finding in findings) else EXIT_OK


async def collect(loaded: LoadedSettings) -> list[Finding]:
    """Return everything that was found, in the order of the report."""
    settings = loaded.settings
    found = await asyncio.to_thread(
        lambda: [*examine_configuration(loaded), *(one for look in BLOCKING for one in look(settings))]
    )
    return [*found, *[one for look in WAITING async for one in look(settings)]]


def _line(finding: Finding) -> str:
    text = finding.text.replace("`aico ", f"`{command_name()} ")
    return f"{finding.verdict:<4}  {finding.subject:<13} {text}"
