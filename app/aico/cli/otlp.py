"""``aico otlp show``: exactly what would be sent to a collector now, or to one. Nothing is sent or kept."""

from __future__ import annotations

import argparse

from aico import __version__
from aico.cli import EXIT_OK
from aico.cli.settings import load
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.db.export_reader import read_usage
from aico.core.db.looking import look
from aico.core.db.sums_reader import SumsSnapshot
from aico.core.errors import SettingsError
from aico.core.exported import Usage
from aico.core.settings import Settings
from aico.core.telemetry import INSTRUMENTS, Activity, Sending
from aico.features.sources.registry import SOURCES
from aico.services.activity_metrics import read_totals
from aico.services.exporter import ExportBook
from aico.services.source_choices import SourceChoices


def show(options: argparse.Namespace) -> int:
    """Print the resource and every point. Raises StorageError, and SettingsError for JSON without the libraries."""
    settings = load(options).settings
    sending = find_sending(settings)
    if options.json:
        say(_as_json(sending))
        return EXIT_OK
    say(*_lines(settings, sending))
    return EXIT_OK


def find_sending(settings: Settings) -> Sending:
    """Return what would be sent. Raises StorageError. Blocking."""

    async def read(snapshot: SumsSnapshot) -> tuple[Usage, Activity]:
        usage, _unpriced = await read_usage(snapshot.ask, {})
        # A running service alone knows the programs that run at this moment.
        return usage, Activity(await read_totals(snapshot.ask))

    path = settings.database_path
    machine = SourceChoices(SOURCES, settings).machine
    book = ExportBook(settings.otlp, path, __version__, machine, now_ms, is_kept=False)
    return book.advance(*look(path, read))


def _lines(settings: Settings, sending: Sending) -> list[str]:
    endpoint = settings.otlp.find_endpoint()
    where = "nowhere: no endpoint is set" if endpoint is None else f"{endpoint.authority}, {settings.otlp.protocol}"
    lines = [f"to           {where}", *(f"{name:<28} {value}" for name, value in sending.resource.items())]
    for metric, points in sending.list_values().items():
        unit = INSTRUMENTS[metric].unit
        for labels, value in points:
            named = ", ".join(f"{name}={text}" for name, text in labels.items())
            lines.append(f"{metric:<28} {named:<60} {value}{f' {unit}' if unit else ''}")
    return lines if sending.points else [*lines, "No usage is stored yet."]


def _as_json(sending: Sending) -> str:
    try:
        from aico.proxy.otlp.request import RequestMaker, as_json
    except ModuleNotFoundError as error:
        reason = "needs libraries that are not installed: pip install 'ai-cost-observer[otlp]'"
        raise SettingsError("otlp", reason) from error
    maker = RequestMaker(sending.resource)
    try:
        return as_json(maker.make(sending))
    finally:
        maker.close()
