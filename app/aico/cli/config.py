"""``aico config show``: every setting, its value, and where it came from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from aico.cli import EXIT_OK
from aico.cli.settings import load
from aico.cli.streams import say


def show(options: argparse.Namespace) -> int:
    """Print a line per setting, or all as JSON. A token is told to be set, never told."""
    loaded = load(options)
    if options.json:
        settings = {
            name: {"value": _plain(loaded.get_value(name)), "from": origin} for name, origin in loaded.origins.items()
        }
        say(json.dumps(settings))
        return EXIT_OK
    rows = [(name, _text(loaded.get_value(name)), origin) for name, origin in loaded.origins.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    say(*(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for name, value, origin in rows))
    return EXIT_OK


def _plain(value: object) -> object:
    """Return a value as JSON has it; of tables, their names."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return list(map(str, value)) if isinstance(value, tuple | Mapping) else str(value)


def _text(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
